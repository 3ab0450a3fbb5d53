"""M1: hands every reader the same document; what one reader changes in it, the others read."""

from __future__ import annotations

from syncsim.contract import Environment, Row, Snapshot
from syncsim.lab.solutions.correct.no_cache import NoCache
from syncsim.lab.solutions.textbook import snapshot


class SharedDocument(NoCache):
    """Keeps the newest row it has read, and checks its version, but never copies it."""

    def __init__(self, env: Environment) -> None:
        super().__init__(env)
        self.rows: dict[str, Row] = {}

    def get_template(self, template_id: str, *, user: str) -> Snapshot:
        """The kept row while it is the newest."""
        kept = self.rows.get(template_id)
        if kept is None or kept.version != self.env.store.head(template_id).version:
            kept = self.rows[template_id] = self.env.store.read(template_id)
        return snapshot(kept)


build = SharedDocument
