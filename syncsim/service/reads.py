"""Reads that are never stale: an entry is served only if its version is the store's head, now.

A bounded memory tier for all users above the cache that each has on disk. Nothing here relies on
being told that something changed: before it serves an entry every read asks `store.head()`, which
is cheap and always the truth, so a commit by another process, or one whose writer died before
telling anybody, is seen by the next read. Being told (`saw`) only spares that question: an entry
behind a revision that this process has seen is old without it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Literal

from syncsim.contract import Cache, Clock, EventLog, Head, Row, Snapshot, Store
from syncsim.errors import CacheError
from syncsim.service.memory_tier import Entry, MemoryTier
from syncsim.system.interrupts import within

CAPACITY: Final = 4_096
"""How many entries, one per user and template, memory holds."""

CAPACITY_BYTES: Final = 256 * 2**20
"""How much they may weigh together, views included."""

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CacheState:
    """What one user's cache holds of a template, judged against the store's head.

    Fresh: the head's `version`. Stale: an older one, which no read will return. Empty: nothing, and
    `version` and `age_s` (seconds since it was put there) are None. `hits` and `misses` count the
    reads of this process since the entry came to its memory.
    """

    state: Literal["Fresh", "Stale", "Empty"]
    version: str | None
    age_s: float | None
    hits: int
    misses: int


class FreshReads:
    """Reads for all users of a process, through their caches and past them.

    A hit is a document that was served without reading its body from the store. A `CacheError`
    never fails a read: the store is asked instead, and `cache.fault` says so. Safe from any thread;
    no lock is held while a store, a cache or an event log is called.
    """

    def __init__(
        self,
        store: Store,
        cache_of: Callable[[str], Cache],
        clock: Clock,
        events: EventLog,
        *,
        capacity: int = CAPACITY,
        capacity_bytes: int = CAPACITY_BYTES,
    ) -> None:
        self._store = store
        self._head = store.head
        self._cache_of = cache_of
        self._now = clock.now
        self._emit = events.emit
        self._memory = MemoryTier(capacity, capacity_bytes)
        self._slots = self._memory.slots
        self._seen: dict[str, int] = {}  # the last revision seen, by template
        self._has_warned = False

    def read(self, template_id: str, user: str, *, view: bool = False) -> Snapshot:
        """The head, in a copy of the caller's own; with `view` in one that no caller can change.

        Raises `TemplateNotFoundError`, and `StoreUnavailableError` where the store cannot say what
        the head is: a cached document that may be old is not served in its place.
        """
        # The way of nearly all reads takes no lock: one lookup in a dict gives a slot, one look at
        # the slot gives an entry, and entries never change. Whatever other threads do meanwhile,
        # the entry is what the store called its head after this call had begun.
        slot = self._slots.get((user, template_id))
        entry = None if slot is None else slot.entry
        if (
            slot is not None
            and entry is not None
            and entry.revision >= self._seen.get(template_id, 0)
            and entry.version == (head := self._head(template_id)).version
            and entry.user_updated_at == head.user_updated_at  # `is_head`, without a call
        ):
            slot.hits += 1
            self._emit("cache.hit", template_id=template_id, user=user, version=entry.version)
        else:
            entry = self._read_past_memory(template_id, user, entry)
        if view:
            return entry.view or entry.make_view()
        return entry.copy()

    def row(self, template_id: str, user: str) -> Row:
        """The head for a writer, who must not change it: the user's entry in memory if it is fresh.

        No read of a user's, so it is neither a hit nor a miss. Raises what `read` raises.
        """
        slot = self._slots.get((user, template_id))
        entry = None if slot is None else slot.entry
        if (
            entry is not None
            and entry.revision >= self._seen.get(template_id, 0)
            and entry.is_head(self._head(template_id))
        ):
            return entry
        return self._read_store(template_id)

    def cached_body(self, template_id: str, user: str, version: str) -> bytes | None:
        """This version's document in canonical bytes, if the user's entry in memory holds it.

        A version never changes, so whether it is the head does not matter.
        """
        slot = self._slots.get((user, template_id))
        entry = None if slot is None else slot.entry
        return None if entry is None or entry.version != version else entry.body

    def note_head(self, row: Row) -> None:
        """Note that the store holds this, so that entries behind it are known to be old."""
        if row.revision > self._seen.get(row.template_id, 0):
            self._note(row)

    def after_commit(self, row: Row, user: str) -> None:
        """After an acknowledged update: the writer's entry becomes what the update committed.

        In memory only, in the bytes the store has: writing to disk costs more than all the rest of
        an update. Such entries go to disk in `flush`, or when memory has to let them go; a process
        that dies before costs its successor one read from the store.
        """
        if self._remember(user, Entry.of(row, self._now()), unsaved=True):
            self._emit("cache.filled", template_id=row.template_id, user=user, version=row.version)

    def drop(self, template_id: str, user: str) -> None:
        """After an update of unknown outcome: drop the entry in memory.

        The one on disk was head once, and is served again only if it proves to be so still.
        """
        self._memory.forget((user, template_id))

    def flush(self) -> None:
        """Write what only memory holds to the caches on disk."""
        for user, entry in self._memory.take_unsaved():
            self._save(user, entry)

    def states(self, template_id: str, users: Iterable[str] | None = None) -> dict[str, CacheState]:
        """The state of every user that memory knows for this template, and of `users`.

        Asks the disk where memory has nothing fresh. Raises `TemplateNotFoundError`.
        """
        names = self._memory.users(template_id).union(users or ())
        head = self._head(template_id)
        found = {user: self._entries(template_id, user, head) for user in sorted(names)}
        head = self._head(template_id)  # again: what was found may be newer than the first answer
        return {user: self._state(user, template_id, found[user], head) for user in found}

    # -- past memory -------------------------------------------------------------------------------

    def _read_past_memory(self, template_id: str, user: str, in_memory: Entry | None) -> Entry:
        # The disk is asked, and filled, when memory knows nothing yet: after a restart. Behind a
        # stale entry it could only hold what another process of the same user has read, and asking
        # it costs more than reading the store does.
        on_disk, disk_works = None, False
        head = self._head(template_id) if in_memory is None else None
        slot = self._memory.slot((user, template_id))
        if head is not None:
            on_disk, disk_works = self._load(template_id, user)
            if on_disk is not None and on_disk.is_head(head):
                slot.hits += 1
                self._emit("cache.hit", template_id=template_id, user=user, version=on_disk.version)
                self._remember(user, on_disk)
                return on_disk
        slot.misses += 1
        reason = "empty" if in_memory is None and on_disk is None else "stale"
        self._emit("cache.miss", template_id=template_id, user=user, reason=reason)
        entry = Entry.of(self._read_store(template_id), self._now())
        if self._remember(user, entry, seen=in_memory, unsaved=not disk_works):
            self._emit("cache.filled", template_id=template_id, user=user, version=entry.version)
            if disk_works:
                self._save(user, entry, seen=on_disk)
        return entry

    def _read_store(self, template_id: str) -> Row:
        row = self._store.read(template_id)
        # Its word counts, even if lower revisions are in it than were seen: then another store has
        # taken the place of the one that had them.
        self._note(row)
        return row

    def _note(self, row: Row) -> None:
        if len(self._seen) >= CAPACITY:
            self._seen.clear()
        self._seen[row.template_id] = row.revision

    def _remember(
        self, user: str, entry: Entry, *, seen: Entry | None = None, unsaved: bool = False
    ) -> bool:
        """Put the entry into memory unless that would step back; True if it did."""
        self.note_head(entry)
        is_new, evicted = self._memory.put(user, entry, seen=seen, unsaved=unsaved)
        for other, unsaved_entry in evicted:
            self._save(other, unsaved_entry)
        return is_new

    def _load(self, template_id: str, user: str) -> tuple[Entry | None, bool]:
        """The entry on disk, and whether the disk can be asked at all."""
        try:
            value = self._cache_of(user).get(_key(template_id))
        except CacheError as error:
            self._fault("get", template_id, user, error)
            return None, False
        return Entry.from_json(template_id, value), True

    def _save(self, user: str, entry: Entry, *, seen: Entry | None = None) -> None:
        """Put the entry on disk unless that would step back.

        A late fill must not restore an old version, so a higher revision stays. Only `seen`, which
        was on disk before the store was read, may be replaced whatever its revision: if it is the
        higher one, it was left by a store that is gone.
        """
        key = _key(entry.template_id)

        def put(_: object) -> None:
            kept = Entry.from_json(entry.template_id, cache.get(key))
            if (
                kept is None
                or kept.revision < entry.revision
                or (seen is not None and kept.version == seen.version)
            ):
                cache.set(key, entry.to_json())

        try:
            cache = self._cache_of(user)
            within(cache.transact(), put)
        except CacheError as error:
            self._fault("set", entry.template_id, user, error)

    def _fault(self, call: str, template_id: str, user: str, error: CacheError) -> None:
        self._emit(
            "cache.fault", template_id=template_id, user=user, call=call, reason=error.reason
        )
        if not self._has_warned:
            self._has_warned = True
            _logger.warning(
                "reads go past the cache of %r: %s (said once; cache.fault events tell of more)",
                user,
                error.reason,
            )

    # -- states ------------------------------------------------------------------------------------

    def _entries(self, template_id: str, user: str, head: Head) -> list[Entry]:
        """What the user's cache holds: the fresh entry of memory, or else whatever there is."""
        slot = self._slots.get((user, template_id))
        entry = None if slot is None else slot.entry
        if entry is not None and entry.is_head(head):
            return [entry]
        on_disk, _ = self._load(template_id, user)
        return [found for found in (entry, on_disk) if found is not None]

    def _state(self, user: str, template_id: str, entries: list[Entry], head: Head) -> CacheState:
        slot = self._slots.get((user, template_id))
        hits, misses = (0, 0) if slot is None else (slot.hits, slot.misses)
        if not entries:
            return CacheState("Empty", None, None, hits, misses)
        entry = max(entries, key=lambda entry: (entry.is_head(head), entry.revision))
        state: Literal["Fresh", "Stale"] = "Fresh" if entry.is_head(head) else "Stale"
        return CacheState(state, entry.version, max(self._now() - entry.since, 0.0), hits, misses)


def _key(template_id: str) -> str:
    return f"template:{template_id}"
