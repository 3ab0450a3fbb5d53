"""M1: plain delete on commit, plain set on a miss; a slow reader sets what was just deleted."""

from __future__ import annotations

from contextlib import suppress

from syncsim.contract import Row
from syncsim.errors import CacheError
from syncsim.lab.solutions.correct.set_if_newer import SetIfNewer


class StaleSetOnRefill(SetIfNewer):
    """Deletes leave no trace, so nothing tells a late set that it is late."""

    def fill(self, row: Row, user: str) -> None:
        """Set, whatever has happened since the row was read."""
        with suppress(CacheError):
            self.env.cache(user).set(row.template_id, self.entry(row))
            self.say("cache.filled", row.template_id, user, version=row.version)

    def lift_floor(self, template_id: str, revision: int, reader: str) -> None:
        """Delete."""
        self.env.cache(reader).delete(template_id)


build = StaleSetOnRefill
