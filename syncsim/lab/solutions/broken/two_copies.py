"""M1: reads alternate between two cached copies of which a commit tells one."""

from __future__ import annotations

from contextlib import suppress

from syncsim.contract import JSON, Environment, Row
from syncsim.errors import CacheError
from syncsim.lab.solutions.textbook import Textbook, as_entry


class TwoCopies(Textbook):
    """Two copies that do not know of each other: a user sees the new version, then the old."""

    def __init__(self, env: Environment) -> None:
        super().__init__(env)
        self.reads = 0

    def cached(self, template_id: str, user: str) -> dict[str, JSON] | None:
        """The entry in the copy whose turn it is."""
        self.reads += 1
        entry: dict[str, JSON] | None = None
        with suppress(CacheError):
            entry = self.env.cache(user).get(self.copy(template_id))
        return entry

    def fill(self, row: Row, user: str) -> None:
        """Into the copy that missed."""
        with suppress(CacheError):
            self.env.cache(user).set(self.copy(row.template_id), as_entry(row))
            self.say("cache.filled", row.template_id, user, version=row.version)

    def committed(self, row: Row, user: str) -> None:
        """Forget the one copy everywhere."""
        for reader in self.env.users:
            with suppress(CacheError):
                self.env.cache(reader).delete(self.copy(row.template_id))
        self.say("cache.invalidated", row.template_id, user, version=row.version)

    def copy(self, template_id: str) -> str:
        """The key of the copy whose turn it is."""
        return f"{template_id}, copy {self.reads % 2}"


build = TwoCopies
