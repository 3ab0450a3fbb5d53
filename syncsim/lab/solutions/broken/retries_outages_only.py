"""M3: retries where the store is out of reach, and calls a conflict the user's problem."""

from __future__ import annotations

from syncsim.contract import Outcome
from syncsim.errors import SyncError, VersionConflictError
from syncsim.lab.solutions.textbook import Textbook


class RetriesOutagesOnly(Textbook):
    """A lost swap leaves as the error it is."""

    def conflict(
        self, conflict: VersionConflictError, user: str, update_id: str, attempt: int
    ) -> None:
        """Give up."""
        super().conflict(conflict, user, update_id, attempt)
        if attempt:
            self.give_up(conflict.template_id, user, update_id, conflict)

    def give_up(self, template_id: str, user: str, update_id: str, lost: SyncError) -> Outcome:
        """Raise what came."""
        self.say("update.failed", template_id, user, update_id=update_id, error=type(lost).__name__)
        raise lost


build = RetriesOutagesOnly
