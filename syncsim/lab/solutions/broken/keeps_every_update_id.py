"""M2: keeps the id of every update in a set, to notice one that comes twice."""

from __future__ import annotations

from syncsim.contract import JSON, Document, Environment, Row
from syncsim.lab.solutions.textbook import Textbook


class KeepsEveryUpdateId(Textbook):
    """The store knows every update id that has committed; this copy of them only grows."""

    def __init__(self, env: Environment) -> None:
        super().__init__(env)
        self.seen: set[str] = set()

    def swap(
        self, head: Row, document: Document, user: str, update_id: str, detail: dict[str, JSON]
    ) -> Row:
        """One write attempt, noted."""
        self.seen.add(update_id)
        return super().swap(head, document, user, update_id, detail)


build = KeepsEveryUpdateId
