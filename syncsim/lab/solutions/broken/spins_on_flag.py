"""D2: spins on a flag in memory without ever giving way, and nobody takes the flag down."""

from __future__ import annotations

from syncsim.contract import Environment
from syncsim.errors import VersionConflictError
from syncsim.lab.solutions.textbook import Textbook


class SpinsOnFlag(Textbook):
    """A conflict puts the flag up; only the end of the update would take it down."""

    def __init__(self, env: Environment) -> None:
        super().__init__(env)
        self.contended: set[str] = set()

    def conflict(
        self, conflict: VersionConflictError, user: str, update_id: str, attempt: int
    ) -> None:
        """Put the flag up."""
        super().conflict(conflict, user, update_id, attempt)
        self.contended.add(conflict.template_id)

    def wait(self, template_id: str, user: str, update_id: str, retry: int) -> None:
        """Wait until the flag is down."""
        super().wait(template_id, user, update_id, retry)
        while template_id in self.contended:
            pass


build = SpinsOnFlag
