"""D1: the last failure is swallowed and answered as a success."""

from __future__ import annotations

from syncsim.contract import Outcome
from syncsim.errors import SyncError
from syncsim.lab.solutions.textbook import Textbook


class SwallowedFailure(Textbook):
    """Nobody is told that an update was given up."""

    def give_up(self, template_id: str, user: str, update_id: str, lost: SyncError) -> Outcome:
        """Say it to the log, and to the caller that all is well."""
        try:
            return super().give_up(template_id, user, update_id, lost)
        except SyncError:
            return Outcome("committed", self.head(template_id).version, self.attempts)


build = SwallowedFailure
