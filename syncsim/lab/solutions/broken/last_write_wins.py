"""D1: the last writer's whole document wins; nothing is merged."""

from __future__ import annotations

from syncsim.contract import Document, Row
from syncsim.lab.solutions.textbook import Textbook
from syncsim.merging import Merge


class LastWriteWins(Textbook):
    """Reads the head only to learn its version."""

    def merged(self, origin: Document, head: Row, wanted: Document) -> Merge:
        """The document as this writer last saw it, with the change."""
        return Merge(wanted, ())


build = LastWriteWins
