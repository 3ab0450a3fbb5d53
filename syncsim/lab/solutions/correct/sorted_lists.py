"""nothing: fields and sections are stored sorted by id; order is not judged."""

from __future__ import annotations

from syncsim.contract import JSON, Document, Row
from syncsim.lab.solutions.textbook import Textbook


class SortedLists(Textbook):
    """Sorts only what is written anyway: a change of order alone is not worth a version."""

    def swap(
        self, head: Row, document: Document, user: str, update_id: str, detail: dict[str, JSON]
    ) -> Row:
        """Write the document with its lists in order."""
        lists = {
            key: sorted(document[key], key=lambda element: str(element["id"]))
            for key in ("fields", "sections")
        }
        return super().swap(head, {**document, **lists}, user, update_id, detail)


build = SortedLists
