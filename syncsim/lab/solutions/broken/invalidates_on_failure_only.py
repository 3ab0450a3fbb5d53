"""M1: caches are told where a swap was lost, and not where one was won."""

from __future__ import annotations

from syncsim.contract import Row
from syncsim.errors import VersionConflictError
from syncsim.lab.solutions.correct.set_if_newer import SetIfNewer


class InvalidatesOnFailureOnly(SetIfNewer):
    """The invalidation ended up in the wrong branch."""

    def conflict(
        self, conflict: VersionConflictError, user: str, update_id: str, attempt: int
    ) -> None:
        """Say that a swap was lost, and tell the caches of the head."""
        super().conflict(conflict, user, update_id, attempt)
        head = self.env.store.head(conflict.template_id)
        self.invalidate(conflict.template_id, head.revision, user)

    def committed(self, row: Row, user: str) -> None:
        """Nothing."""


build = InvalidatesOnFailureOnly
