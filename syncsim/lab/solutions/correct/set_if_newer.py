"""nothing: reads trust their cache, commits tell every cache, and a late fill is refused.

A tombstone with the revision of the newest known commit outlives the entry it removes, and never
goes down; a fill of an older revision is refused. Both look and act inside `transact`. A cache that
could not be told is not read again by this process.
"""

from __future__ import annotations

from contextlib import suppress

from syncsim.contract import JSON, Environment, Row
from syncsim.errors import CacheError
from syncsim.lab.solutions.textbook import Textbook, as_entry


class SetIfNewer(Textbook):
    """An entry is `floor`, below which nothing may be filled in, and mostly the row of it."""

    def __init__(self, env: Environment) -> None:
        super().__init__(env)
        self.untold: set[str] = set()

    # -- reading -----------------------------------------------------------------------------------

    def cached(self, template_id: str, user: str) -> dict[str, JSON] | None:
        """The user's entry; nobody asks the store."""
        entry: dict[str, JSON] | None = None
        if user not in self.untold:
            with suppress(CacheError):
                entry = self.env.cache(user).get(template_id)
        return entry if entry is not None and "document" in entry else None

    def fill(self, row: Row, user: str) -> None:
        """Keep what was read, unless something newer is known of."""
        cache = self.env.cache(user)
        with suppress(CacheError), cache.transact():
            there = cache.get(row.template_id)
            if there is None or there["floor"] <= row.revision:
                cache.set(row.template_id, self.entry(row))
                self.say("cache.filled", row.template_id, user, version=row.version)

    def entry(self, row: Row) -> dict[str, JSON]:
        """A row as it lies in a cache."""
        return {**as_entry(row), "floor": row.revision}

    # -- writing -----------------------------------------------------------------------------------

    def committed(self, row: Row, user: str) -> None:
        """Tell everybody, before the writer is answered."""
        self.invalidate(row.template_id, row.revision, user)
        self.say("cache.invalidated", row.template_id, user, version=row.version)

    def unchanged(self, head: Row, user: str) -> None:
        """The writer of this head may not have told everybody yet, and the answer is about it."""
        self.invalidate(head.template_id, head.revision, user)

    def invalidate(self, template_id: str, revision: int, user: str) -> None:
        """Tell every cache that there is this revision."""
        for reader in self.readers(user):
            try:
                self.lift_floor(template_id, revision, reader)
            except CacheError:
                self.untold.add(reader)

    def readers(self, user: str) -> tuple[str, ...]:
        """Whose caches a commit of this user concerns."""
        return tuple(dict.fromkeys((user, *self.env.users)))

    def lift_floor(self, template_id: str, revision: int, reader: str) -> None:
        """Remove what is older and leave a tombstone; what is as new or newer stays."""
        cache = self.env.cache(reader)
        with cache.transact():
            there = cache.get(template_id)
            if there is None or there["floor"] < revision:
                cache.set(template_id, {"floor": revision})


build = SetIfNewer
