"""M1: a cached document counts as fresh for 30 s, whoever commits meanwhile."""

from __future__ import annotations

from contextlib import suppress

from syncsim.contract import JSON, Row
from syncsim.errors import CacheError
from syncsim.lab.solutions.textbook import Textbook, as_entry

FRESH_S = 30.0


class TimeToLive(Textbook):
    """Asks how old an entry is instead of whether it is still true; writers forget their own."""

    def cached(self, template_id: str, user: str) -> dict[str, JSON] | None:
        """The user's entry while it is young."""
        entry: dict[str, JSON] | None = None
        with suppress(CacheError):
            entry = self.env.cache(user).get(template_id)
        if entry is None or self.env.clock.now() - entry["filled_at"] >= FRESH_S:
            return None
        return entry

    def fill(self, row: Row, user: str) -> None:
        """Keep what was read, with the time."""
        with suppress(CacheError):
            entry = {**as_entry(row), "filled_at": self.env.clock.now()}
            self.env.cache(user).set(row.template_id, entry)
            self.say("cache.filled", row.template_id, user, version=row.version)


build = TimeToLive
