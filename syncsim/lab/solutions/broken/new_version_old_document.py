"""D1: asks for the newest version just before the swap, with a document made before it."""

from __future__ import annotations

from syncsim.contract import BACKGROUND, JSON, Document, Row
from syncsim.lab.solutions.textbook import Textbook


class NewVersionOldDocument(Textbook):
    """The version that a user's swap expects is not that of the document merged with."""

    def swap(
        self, head: Row, document: Document, user: str, update_id: str, detail: dict[str, JSON]
    ) -> Row:
        """Swap against the version of this moment: it hardly ever loses, and so others do."""
        if user == BACKGROUND:
            return super().swap(head, document, user, update_id, detail)
        return self.env.store.compare_and_swap(
            head.template_id,
            self.env.store.head(head.template_id).version,
            document,
            by=user,
            update_id=update_id,
            detail=detail,
        )


build = NewVersionOldDocument
