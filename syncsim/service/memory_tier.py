"""The entries that a process keeps in memory, bounded in number and in bytes; no idea of freshness.

Readers take slots from `MemoryTier.slots` without a lock, which is why entries never change and a
slot is replaced or emptied in one assignment. Everything that adds or drops holds the lock.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Final, TypeAlias

import orjson

from syncsim.contract import JSON, Head, Row, Snapshot
from syncsim.system.interrupts import under_own_lock
from syncsim.template.frozen import freeze

VIEW_WEIGHT: Final = 10
"""An entry weighs at most ten times its text, its view included, as if no other shared in it."""

Key: TypeAlias = tuple[str, str]
"""User and template id."""


class Entry(Row):
    """One version of a template, as a cache holds it; `since` is when it was put there.

    The first caller who asks for `view` makes it, and all share it. They share the entry too: no
    caller changes its `document`.
    """

    __slots__ = ("since", "view")

    def __init__(
        self,
        template_id: str,
        version: str,
        revision: int,
        body: bytes,
        updated_at: float,
        updated_by: str,
        user_updated_at: float | None,
        since: float,
    ) -> None:
        super().__init__(
            template_id, version, revision, body, updated_at, updated_by, user_updated_at
        )
        self.since = since
        self.view: Snapshot | None = None

    @classmethod
    def of(cls, row: Row, since: float) -> Entry:
        """The entry of what the store holds."""
        return cls(
            row.template_id,
            row.version,
            row.revision,
            row.body,
            row.updated_at,
            row.updated_by,
            row.user_updated_at,
            since,
        )

    def is_head(self, head: Head) -> bool:
        """Whether this entry is the version that this head names, from the same store.

        Another store may have used the same token, for the same content at the same revision, but
        not at the same time: of two that share a folder of caches, or follow each other in it.
        """
        return self.version == head.version and self.user_updated_at == head.user_updated_at

    def copy(self) -> Snapshot:
        """The document in a copy of the caller's own."""
        document = orjson.loads(self.body)
        return Snapshot(self.template_id, self.version, document, self.updated_at, self.updated_by)

    def make_view(self) -> Snapshot:
        """The document deeply read-only. Two threads may both make it; either result will do."""
        # Parsed for the readers alone: no caller holds the document that commits are made of.
        document = freeze(orjson.loads(self.body))
        self.view = Snapshot(
            self.template_id, self.version, document, self.updated_at, self.updated_by
        )
        return self.view

    def to_json(self) -> JSON:
        """What lies in a cache on disk; `body` is the document's canonical text, not parsed."""
        return {
            "version": self.version,
            "revision": self.revision,
            "body": self.body.decode(),
            "updated_at": self.updated_at,
            "updated_by": self.updated_by,
            "user_updated_at": self.user_updated_at,
            "since": self.since,
        }

    @classmethod
    def from_json(cls, template_id: str, value: JSON) -> Entry | None:
        """The inverse of `to_json`; None for anything it cannot have made."""
        match value:
            case {
                "version": str(),
                "revision": int(),
                "body": str(body),
                "updated_at": float() | int(),
                "updated_by": str(),
                "user_updated_at": float() | int() | None,
                "since": float() | int(),
                **others,
            } if not others:
                return cls(template_id, **value | {"body": body.encode()})
        return None


class Slot:
    """The place of one user's entry, and the reads that found or missed it.

    The counters are raised without a lock, so two threads at the same instant may count as one.
    """

    __slots__ = ("entry", "hits", "hits_seen", "is_unsaved", "misses")

    def __init__(self) -> None:
        self.entry: Entry | None = None
        self.is_unsaved = False  # the entry is not on disk
        self.hits = 0
        self.misses = 0
        self.hits_seen = 0  # when memory was last looked through for something to drop


class MemoryTier:
    """Slots by user and template; at most `capacity` of them, weighing at most `capacity_bytes`.

    Over a bound, the slot that was put in first goes, unless somebody hit it since it was last
    considered: then it is put in again (second chance). So a hit costs nothing but its count. The
    newest stays, as it would be the first to go where all others are in use.
    """

    def __init__(self, capacity: int, capacity_bytes: int) -> None:
        self.slots: dict[Key, Slot] = {}
        self._capacity = capacity
        self._capacity_bytes = capacity_bytes
        self._bytes = 0
        self._lock = threading.RLock()

    @under_own_lock
    def slot(self, key: Key) -> Slot:
        """The slot of this key, made if there is none."""
        return self.slots.setdefault(key, Slot())

    @under_own_lock
    def put(
        self, user: str, entry: Entry, *, seen: Entry | None, unsaved: bool
    ) -> tuple[bool, list[tuple[str, Entry]]]:
        """Keep the entry unless that would step back; tells whether it did, and what had to go.

        A revision as high or higher stays, unless it is `seen`: what the caller found here before
        it read the entry from the store. Of what had to go, the unsaved entries and their users.
        """
        slot = self.slots.setdefault((user, entry.template_id), Slot())
        kept = slot.entry
        if kept is not None and kept is not seen and kept.revision >= entry.revision:
            return False, []
        try:
            slot.entry = entry
            slot.is_unsaved = unsaved
            self._bytes += _weight(entry) - _weight(kept)
            if len(self.slots) <= self._capacity and self._bytes <= self._capacity_bytes:
                return True, []
            return True, self._evict(slot)
        except BaseException:  # an interrupt, which may have come between a slot and its weight
            self._bytes = sum(_weight(slot.entry) for slot in self.slots.values())
            raise

    @under_own_lock
    def forget(self, key: Key) -> None:
        """Drop the entry; its slot keeps the counts."""
        slot = self.slots.get(key)
        if slot is not None:
            self._bytes -= _weight(slot.entry)
            slot.entry = None
            slot.is_unsaved = False

    @under_own_lock
    def users(self, template_id: str) -> set[str]:
        """The users with a slot for this template."""
        return {user for user, known_id in self.slots if known_id == template_id}

    @under_own_lock
    def take_unsaved(self) -> list[tuple[str, Entry]]:
        """The entries that are not on disk, with their users; from now on they count as saved."""
        return list(_taken(self.slots.items()))

    def _evict(self, newest: Slot) -> list[tuple[str, Entry]]:
        dropped: list[tuple[Key, Slot]] = []
        while len(self.slots) > self._capacity or self._bytes > self._capacity_bytes:
            key = next(iter(self.slots))
            slot = self.slots.pop(key)
            if self.slots and (slot is newest or slot.hits != slot.hits_seen):
                slot.hits_seen = slot.hits
                self.slots[key] = slot
            else:
                self._bytes -= _weight(slot.entry)
                dropped.append((key, slot))
        return list(_taken(dropped))


def _taken(slots: Iterable[tuple[Key, Slot]]) -> Iterable[tuple[str, Entry]]:
    for (user, _), slot in slots:
        if slot.is_unsaved and slot.entry is not None:
            slot.is_unsaved = False
            yield user, slot.entry


def _weight(entry: Entry | None) -> int:
    return 0 if entry is None else VIEW_WEIGHT * len(entry.body)
