"""D1 + M1: writes without looking at the version, and serves a cache that nobody invalidates."""

from __future__ import annotations

from typing import Any

from syncsim.contract import BACKGROUND, JSON, Document, Row
from syncsim.lab.solutions.textbook import Textbook


class BlindWriteAndBlindCache(Textbook):
    """Two mistakes that do not meet: one loses what others wrote, the other does not see it."""

    def swap(
        self, head: Row, document: Document, user: str, update_id: str, detail: dict[str, JSON]
    ) -> Row:
        """Write over whatever is there; only the job looks."""
        if user == BACKGROUND:
            return super().swap(head, document, user, update_id, detail)
        store: Any = self.env.store
        row: Row = store.put(head.template_id, document, by=user)
        return row

    def cached(self, template_id: str, user: str) -> dict[str, JSON] | None:
        """The user's entry, however old."""
        entry: dict[str, JSON] | None = self.env.cache(user).get(template_id)
        return entry

    def committed(self, row: Row, user: str) -> None:
        """Nothing becomes stale."""


build = BlindWriteAndBlindCache
