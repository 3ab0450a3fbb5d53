"""D2: retries for ever without reading again."""

from __future__ import annotations

from syncsim.contract import JSON, Document, Row
from syncsim.errors import VersionConflictError
from syncsim.lab.solutions.textbook import Textbook


class EndlessRetry(Textbook):
    """A swap that lost once is tried until it wins, which it never will."""

    def swap(
        self, head: Row, document: Document, user: str, update_id: str, detail: dict[str, JSON]
    ) -> Row:
        """The same write attempt again and again."""
        while True:
            try:
                return super().swap(head, document, user, update_id, detail)
            except VersionConflictError:
                self.env.clock.sleep(self.first_delay_s)


build = EndlessRetry
