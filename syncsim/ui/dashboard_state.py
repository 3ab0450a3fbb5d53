"""Where a template stands after so many events: version, updates, hit rate, every user's cache.

A fold over events and nothing else, so a live panel and a replay at event k show the same. Events
of several threads may come a little out of order: what they add up to is a display, the judges read
the history.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from syncsim.contract import BACKGROUND
from syncsim.events import kinds
from syncsim.events.kinds import Event
from syncsim.service.reads import CacheState

THROUGHPUT_S: Final = 120
"""For how many seconds back it is remembered how many updates succeeded in each."""


@dataclass(slots=True)
class _Entry:
    """What a user's cache holds, since when, and what the user's reads met."""

    version: str | None = None
    since: float = 0.0
    hits: int = 0
    misses: int = 0


class DashboardState:
    """The state so far of the template whose version the events told last.

    `version` is None until an event tells one; `updated_at` and `updated_by` are None until the
    first commit. `resolved` counts the lost swaps whose update then committed.
    """

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self.template_id: str | None = None
        self.version: str | None = None
        self.updated_at: float | None = None
        self.updated_by: str | None = None
        self.resolved = 0
        self.succeeded = 0
        self.failed = 0
        self._lost: dict[str | None, int] = {}  # swaps lost by each update under way
        self._queued: set[str | None] = set()  # updates that wait in the queue
        self._ended_in: Counter[int] = Counter()  # updates that succeeded, by second
        self._entries: dict[tuple[str | None, str], _Entry] = {}
        for event in events:
            self.see(event)

    def see(self, event: Event) -> None:
        """Take one more event into account."""
        match event:
            case kinds.UpdateStarted() | kinds.JobStarted():
                self._lost[event.update_id] = 0
            case kinds.UpdateConflicted():
                self._lost[event.update_id] = self._lost.get(event.update_id, 0) + 1
            case kinds.UpdateQueued():
                self._queued.add(event.update_id)
            case kinds.UpdateDequeued():
                self._queued.discard(event.update_id)
            case kinds.UpdateCommitted():
                self.resolved += self._end(event)
                self._succeed(event)
            case kinds.UpdateUnchanged():
                self._end(event)
                self._succeed(event)
            case kinds.UpdateFailed():
                self._end(event)
                self.failed += 1
            case kinds.Committed() | kinds.Unchanged() | kinds.Failed() | kinds.JobSkipped():
                self._end(event)
            case kinds.CacheHit():
                self._entry(event).hits += 1
            case kinds.CacheMissed():
                self._entry(event).misses += 1
            case kinds.CacheFilled():
                entry = self._entry(event)
                entry.version, entry.since = event.version, event.at
        self._follow(event)

    def settle(self, template_id: str | None, version: str) -> None:
        """Take the store's word for which version is the newest.

        Two who commit at once may tell of it in the other order.
        """
        self.template_id, self.version = template_id, version

    @property
    def active(self) -> int:
        """Updates and runs of the job that have begun and not ended."""
        return len(self._lost)

    @property
    def queued(self) -> int:
        """Updates and runs of the job that wait in the queue of this process."""
        return len(self._queued)

    def throughput(self, now: float, seconds: int = 30) -> list[int]:
        """Updates that succeeded in each of the last `seconds` seconds, the one of `now` last.

        `now` is in seconds since the epoch; at most `THROUGHPUT_S` seconds are remembered.
        """
        last = int(now)
        return [self._ended_in[second] for second in range(last - seconds + 1, last + 1)]

    @property
    def success_rate(self) -> float | None:
        """The share of ended updates that committed or had nothing to write; None without any."""
        ended = self.succeeded + self.failed
        return self.succeeded / ended if ended else None

    @property
    def hits(self) -> int:
        """Reads that a cache served."""
        return sum(entry.hits for entry in self._entries.values())

    @property
    def reads(self) -> int:
        """All reads, first ones included."""
        return self.hits + sum(entry.misses for entry in self._entries.values())

    @property
    def hit_rate(self) -> float | None:
        """The share of reads that a cache served; None without reads."""
        return self.hits / self.reads if self.reads else None

    def caches(self, now: float, users: Iterable[str] = ()) -> dict[str, CacheState]:
        """Every user's cache, that of the job and of `users` included, as the events tell.

        The same values as `Connection.cache_states`, which asks the caches themselves. `now` is in
        seconds since the epoch, for the ages.
        """
        known = {user for template_id, user in self._entries if template_id == self.template_id}
        return {
            user: self._state(self._entries.get((self.template_id, user), _Entry()), now)
            for user in (*sorted(known.union(users) - {BACKGROUND}), BACKGROUND)
        }

    def _end(self, event: Event) -> int:
        """Forget an ended update or run of the job; return how many swaps it lost."""
        self._queued.discard(event.update_id)
        return self._lost.pop(event.update_id, 0)

    def _succeed(self, event: Event) -> None:
        self.succeeded += 1
        self._ended_in[int(event.at)] += 1
        if len(self._ended_in) > 2 * THROUGHPUT_S:
            oldest = max(self._ended_in) - THROUGHPUT_S
            self._ended_in = Counter({s: n for s, n in self._ended_in.items() if s > oldest})

    def _follow(self, event: Event) -> None:
        """A commit tells the newest version; so does a read until the first commit."""
        match event:
            case kinds.Committed() | kinds.TemplateCreated() if event.version is not None:
                self.settle(event.template_id, event.version)
                self.updated_at, self.updated_by = event.at, event.user
            case kinds.CacheHit() | kinds.CacheFilled() if event.version is not None:
                if self.updated_at is None:
                    self.settle(event.template_id, event.version)

    def _entry(self, event: Event) -> _Entry:
        return self._entries.setdefault((event.template_id, event.user or "?"), _Entry())

    def _state(self, entry: _Entry, now: float) -> CacheState:
        if entry.version is None:
            return CacheState("Empty", None, None, entry.hits, entry.misses)
        is_fresh = entry.version == self.version
        age_s = max(now - entry.since, 0.0)
        return CacheState(
            "Fresh" if is_fresh else "Stale", entry.version, age_s, entry.hits, entry.misses
        )
