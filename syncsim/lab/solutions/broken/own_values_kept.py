"""D1: the merge keeps the writer's own value even for keys that the writer did not change."""

from __future__ import annotations

from syncsim.contract import Document, Row
from syncsim.lab.solutions.textbook import Textbook
from syncsim.merging import Merge, merge


class OwnValuesKept(Textbook):
    """A merge of two documents instead of three: what was not changed looks like a change."""

    def merged(self, origin: Document, head: Row, wanted: Document) -> Merge:
        """The union of both, and where they differ the writer's; the base is not asked."""
        return Merge(merge({}, head.document, wanted).document, ())


build = OwnValuesKept
