"""nothing: who misses takes a lease, and may fill only while no commit has voided it.

After memcache leases (R. Nishtala et al., Scaling Memcache at Facebook, NSDI 2013): instead of
comparing revisions, a delete also takes away the right to fill in what was read before it.
"""

from __future__ import annotations

from contextlib import suppress

from syncsim.contract import Row, Snapshot
from syncsim.errors import CacheError
from syncsim.lab.solutions.correct.set_if_newer import SetIfNewer
from syncsim.lab.solutions.textbook import as_entry, shown, snapshot


class LeaseTokens(SetIfNewer):
    """A cache holds an entry or a lease for each template; the last one to miss has the lease."""

    def get_template(self, template_id: str, *, user: str) -> Snapshot:
        """Out of the cache; else from the store, under a lease taken before it is asked."""
        entry = self.cached(template_id, user)
        if entry is not None:
            self.say("cache.hit", template_id, user, version=entry["version"])
            return shown(template_id, entry)
        self.say("cache.miss", template_id, user)
        lease = self.env.new_id()
        with suppress(CacheError):
            self.env.cache(user).set(lease_of(template_id), lease)
        row = self.env.store.read(template_id)
        self.fill_under(lease, row, user)
        return snapshot(row)

    def fill_under(self, lease: str, row: Row, user: str) -> None:
        """Keep what was read, if the lease still holds; it is used up by that."""
        cache = self.env.cache(user)
        with suppress(CacheError), cache.transact():
            if cache.get(lease_of(row.template_id)) == lease:
                cache.set(row.template_id, as_entry(row))
                self.say("cache.filled", row.template_id, user, version=row.version)
                cache.delete(lease_of(row.template_id))

    def lift_floor(self, template_id: str, revision: int, reader: str) -> None:
        """Remove the entry, whatever its revision, and void the lease."""
        cache = self.env.cache(reader)
        with cache.transact():
            cache.delete(lease_of(template_id))
            cache.delete(template_id)


def lease_of(template_id: str) -> str:
    """The key of the lease for a template."""
    return f"{template_id}, lease"


build = LeaseTokens
