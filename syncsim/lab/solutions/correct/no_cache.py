"""nothing: every read goes to the store; only the hit rate suffers."""

from __future__ import annotations

from syncsim.contract import JSON, Row
from syncsim.lab.solutions.textbook import Textbook


class NoCache(Textbook):
    """Slow to read and never stale."""

    def cached(self, template_id: str, user: str) -> dict[str, JSON] | None:
        """There is none."""
        return None

    def fill(self, row: Row, user: str) -> None:
        """Nothing is kept."""

    def committed(self, row: Row, user: str) -> None:
        """Nobody needs to be told."""


build = NoCache
