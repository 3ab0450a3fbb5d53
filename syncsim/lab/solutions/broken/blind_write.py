"""D1: reads, merges and writes blindly; whoever committed meanwhile is overwritten."""

from __future__ import annotations

from typing import cast

from syncsim.contract import BACKGROUND, JSON, CandidateStore, Document, Row
from syncsim.lab.solutions.textbook import Textbook


class BlindWrite(Textbook):
    """A user's write asks for no version."""

    def swap(
        self, head: Row, document: Document, user: str, update_id: str, detail: dict[str, JSON]
    ) -> Row:
        """Write over whatever is there."""
        if user == BACKGROUND:
            return super().swap(head, document, user, update_id, detail)
        return cast(CandidateStore, self.env.store).put(head.template_id, document, by=user)


build = BlindWrite
