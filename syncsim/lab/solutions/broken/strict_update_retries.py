"""D1: update_with_version reads again and retries where it has to refuse."""

from __future__ import annotations

from dataclasses import replace

from syncsim.contract import Document, Outcome
from syncsim.errors import VersionConflictError
from syncsim.lab.solutions.textbook import Textbook


class StrictUpdateRetries(Textbook):
    """Helpful where nobody asked for help."""

    def update_with_version(
        self, template_id: str, changes: Document, version: str, *, user: str
    ) -> Outcome:
        """With each version that turns out to be the newer one, a few times."""
        for attempt in range(1, self.attempts + 1):
            try:
                outcome = super().update_with_version(template_id, changes, version, user=user)
                return replace(outcome, attempts=attempt)
            except VersionConflictError as conflict:
                lost, version = conflict, conflict.actual or version
        raise lost


build = StrictUpdateRetries
