"""M4: raises a bare Exception that says nothing of template, versions or attempts."""

from __future__ import annotations

from syncsim.contract import Outcome
from syncsim.errors import SyncError
from syncsim.lab.solutions.textbook import Textbook


class BareException(Textbook):
    """Whoever catches it learns that something went wrong."""

    def give_up(self, template_id: str, user: str, update_id: str, lost: SyncError) -> Outcome:
        """Raise what says nothing."""
        try:
            return super().give_up(template_id, user, update_id, lost)
        except SyncError:
            raise Exception("the update failed") from None


build = BareException
