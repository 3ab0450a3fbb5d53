"""M4: names the user where its errors should name the template."""

from __future__ import annotations

from syncsim.contract import Outcome
from syncsim.errors import SyncError
from syncsim.lab.solutions.textbook import Textbook


class WrongIdInErrors(Textbook):
    """All facts are there, and one of them is false."""

    def give_up(self, template_id: str, user: str, update_id: str, lost: SyncError) -> Outcome:
        """Raise an error about somebody else."""
        try:
            return super().give_up(template_id, user, update_id, lost)
        except SyncError as error:
            raise type(error)(**{**error.facts, "template_id": user}) from None


build = WrongIdInErrors
