"""M3 + M4: gives up after the first lost swap, and says nothing of it."""

from __future__ import annotations

from syncsim.contract import Outcome
from syncsim.errors import SyncError
from syncsim.lab.solutions.textbook import Textbook


class NoRetryAndBareException(Textbook):
    """Two mistakes on one path: it fails too early, and nobody learns why."""

    attempts = 1

    def give_up(self, template_id: str, user: str, update_id: str, lost: SyncError) -> Outcome:
        """Raise what says nothing."""
        try:
            return super().give_up(template_id, user, update_id, lost)
        except SyncError:
            raise Exception("the update failed") from None


build = NoRetryAndBareException
