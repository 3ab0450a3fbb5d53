"""D1: of two edits of one element only the later stays; other attributes are dropped."""

from __future__ import annotations

from syncsim.contract import JSON, Document, Row
from syncsim.lab.solutions.textbook import Textbook
from syncsim.merging import Merge, same


class WholeElements(Textbook):
    """Merges the lists by id, and each element as a whole."""

    def merged(self, origin: Document, head: Row, wanted: Document) -> Merge:
        """The merge, but with every changed element as it was asked for."""
        merge = super().merged(origin, head, wanted)
        document = dict(merge.document)
        for key in ("fields", "sections"):
            old, mine = by_id(origin[key]), by_id(wanted[key])
            changed = {i: mine[i] for i in mine if not same(mine[i], old.get(i))}
            document[key] = [changed.get(element["id"], element) for element in document[key]]
        return Merge(document, merge.conflicts)


def by_id(elements: list[JSON]) -> dict[str, JSON]:
    """The elements by their id."""
    return {element["id"]: element for element in elements}


build = WholeElements
