"""M3: retries against the head it read first, so no retry can win."""

from __future__ import annotations

from copy import copy

from syncsim.contract import Document, Outcome, Row, Snapshot
from syncsim.lab.solutions.textbook import Textbook


class StaleRetry(Textbook):
    """Waits as it should, and then expects what it expected before."""

    first: Row | None = None

    def update_template(
        self, template_id: str, changes: Document, *, user: str, base: Snapshot | None = None
    ) -> Outcome:
        """Read the head once for the whole update."""
        operation = copy(self)
        operation.first = self.head(template_id)
        return Textbook.update_template(operation, template_id, changes, user=user, base=base)

    def head(self, template_id: str) -> Row:
        """What is known is not read again."""
        return self.first or super().head(template_id)


build = StaleRetry
