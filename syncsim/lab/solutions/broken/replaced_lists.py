"""D1: merges key by key, but a list that was changed replaces the one that is there."""

from __future__ import annotations

from syncsim.contract import Document, Row
from syncsim.lab.solutions.textbook import Textbook
from syncsim.merging import Merge, same


class ReplacedLists(Textbook):
    """Fields and sections are values to it, not elements."""

    def merged(self, origin: Document, head: Row, wanted: Document) -> Merge:
        """The merge, but with a changed list as it was asked for."""
        merge = super().merged(origin, head, wanted)
        lists = {
            key: wanted[key] for key in ("fields", "sections") if not same(wanted[key], origin[key])
        }
        return Merge({**merge.document, **lists}, merge.conflicts)


build = ReplacedLists
