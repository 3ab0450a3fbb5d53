"""The log of what happens in this process: bounded in memory, safe from any thread, cheap to write.

`emit` stands on the path of every read, so it stores a light record and nothing else; the typed
event is built when somebody reads it or has subscribed to its kind. Events are of this process: the
store's history is what is kept and shared.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextvars import ContextVar, Token
from dataclasses import dataclass
from itertools import islice
from typing import Final, TypeAlias

from syncsim.contract import JSON, Clock
from syncsim.errors import UsageError
from syncsim.events.kinds import Event, is_finite
from syncsim.system.forks import ProcessBound
from syncsim.system.interrupts import give_up, under_own_lock

OTHER: Final = "other"
"""The name under which kinds outside the vocabulary are counted together."""

Stamps: TypeAlias = tuple[str | None, str | None]
Record: TypeAlias = tuple[int, str, float, Stamps, dict[str, JSON]]

_stamps: ContextVar[Stamps] = ContextVar("syncsim_operation", default=(None, None))
_logger = logging.getLogger(__name__)


class OperationScope:
    """Whose operation the code inside `with` is: events emitted there carry its user and id.

    Holds in this thread, and in those started with a copy of its context
    (`contextvars.copy_context().run`). The innermost operation counts. Enter each object once.
    """

    __slots__ = ("_entered", "_stamps")

    def __init__(self, user: str | None, update_id: str | None) -> None:
        self._stamps: Stamps = (user, update_id)

    def __enter__(self) -> None:
        self._entered: Token[Stamps] = _stamps.set(self._stamps)

    def __exit__(self, *error: object) -> None:
        _stamps.reset(self._entered)


class EventPage(list[Event]):
    """Events in order of `seq`; `dropped` of those asked for had left the bounded memory."""

    def __init__(self, events: Iterable[Event], dropped: int) -> None:
        super().__init__(events)
        self.dropped = dropped


@dataclass(slots=True, eq=False)
class _Subscriber:
    see: Callable[..., object]
    kinds: frozenset[str] | None
    when: Callable[[], bool] | None
    only_counts: bool = False
    has_failed: bool = False


class BoundedEventLog(ProcessBound):
    """The newest `capacity` events of this process; implements the contract's `EventLog`."""

    def __init__(self, clock: Clock, capacity: int = 10_000) -> None:
        if capacity < 1:
            raise UsageError("capacity", capacity, "a number of events of at least 1")
        self.clock = clock
        self._now = clock.now
        # Re-entrant: a signal handler that emits may interrupt the thread that holds it.
        self._lock = threading.RLock()
        self._records: deque[Record] = deque(maxlen=capacity)
        self._counts = dict.fromkeys((*Event.KINDS, OTHER), 0)
        self._subscribers: tuple[_Subscriber, ...] = ()
        self._interested: dict[str, tuple[_Subscriber, ...]] = {}
        self._interested_in_all: tuple[_Subscriber, ...] = ()
        self._bind()

    def emit(self, kind: str, /, **facts: JSON) -> None:
        """Record an event; `at`, `user` and `update_id` are stamped unless given as facts.

        Facts are kept as they are handed over: do not change a list or dict afterwards. No
        subscriber can make this fail.
        """
        at = self._now()
        stamps = _stamps.get()
        # A lock, because a reader that saw number 6 asks for what follows 6 and would never see a
        # number 5 that is stored late.
        try:
            with self._lock:
                records = self._records
                record = (records[-1][0] + 1 if records else 1, kind, at, stamps, facts)
                records.append(record)
                self._counts[kind if kind in self._counts else OTHER] += 1
        except BaseException:
            give_up(self._lock)
            raise
        subscribers = self._interested.get(kind, self._interested_in_all)
        if subscribers:
            _deliver(record, subscribers)

    def operation(self, user: str | None, update_id: str | None) -> OperationScope:
        """A `with` block whose events carry this user and this operation's id."""
        return OperationScope(user, update_id)

    def read(self, since: int = 0) -> EventPage:
        """The events after number `since`, oldest first, and how many of them memory had to drop.

        Pass the `seq` of the last event seen to get what is new; 0 gives all there are.
        """
        newest_first, asked = self._newest(since)
        return EventPage(
            (_event(record) for record in reversed(newest_first)), asked - len(newest_first)
        )

    @under_own_lock
    def _newest(self, since: int) -> tuple[list[Record], int]:
        """The records after number `since`, newest first, and how many there have been."""
        last = self._records[-1][0] if self._records else 0
        asked = max(last - max(since, 0), 0)
        return list(islice(reversed(self._records), asked)), asked

    @under_own_lock
    def kinds_of(self, update_id: str) -> list[str]:
        """What was said of this update, as far as memory reaches; the oldest first."""
        return [
            kind
            for _, kind, _, stamps, facts in self._records
            if facts.get("update_id", stamps[1]) == update_id
        ]

    @under_own_lock
    def counts(self) -> dict[str, int]:
        """How many events of each kind there have been, dropped ones included.

        Every kind of the vocabulary has a key; all other kinds are counted under `OTHER`, so that
        invented names cannot fill the memory.
        """
        return dict(self._counts)

    def subscribe(
        self,
        see: Callable[[Event], object],
        *,
        kinds: Iterable[str] | None = None,
        when: Callable[[], bool] | None = None,
    ) -> Callable[[], None]:
        """Have `see` called with every new event, or with those of `kinds`; returns the way out.

        It runs in the thread that emitted, before `emit` returns, so keep it short; threads may
        bring events in another order than that of `seq`. An event costs next to nothing where
        no subscriber named its kind, or where `when()` says no. An exception in `see` is logged
        the first time and swallowed every time: it misses that event and is called for the next.
        """
        return self._add(_Subscriber(see, None if kinds is None else frozenset(kinds), when))

    def tally(
        self, count: Callable[[str, float, Mapping[str, JSON]], object], *, kinds: Iterable[str]
    ) -> Callable[[], None]:
        """Have `count` called with kind, time and facts of every new event of `kinds`.

        As `subscribe`, for what is counted at every update: no event is built, and the facts are as
        they were said, of whatever type.
        """
        return self._add(_Subscriber(count, frozenset(kinds), None, only_counts=True))

    def _add(self, subscriber: _Subscriber) -> Callable[[], None]:
        self._join(subscriber)
        return lambda: self._leave(subscriber)

    @under_own_lock
    def _join(self, subscriber: _Subscriber) -> None:
        self._route((*self._subscribers, subscriber))

    @under_own_lock
    def _leave(self, subscriber: _Subscriber) -> None:
        self._route(tuple(other for other in self._subscribers if other is not subscriber))

    def _route(self, subscribers: tuple[_Subscriber, ...]) -> None:
        """Sort the subscribers by kind, into new mappings: `emit` reads them without the lock."""
        named = frozenset[str]().union(*(one.kinds for one in subscribers if one.kinds is not None))
        to_all = tuple(one for one in subscribers if one.kinds is None)
        self._subscribers = subscribers
        self._interested_in_all = to_all
        self._interested = {
            kind: tuple(one for one in subscribers if one.kinds is None or kind in one.kinds)
            for kind in named
        }


def _deliver(record: Record, subscribers: tuple[_Subscriber, ...]) -> None:
    event: Event | None = None
    for subscriber in subscribers:
        try:
            if subscriber.only_counts:
                subscriber.see(record[1], record[2], record[4])
                continue
            if subscriber.when is not None and not subscriber.when():
                continue
            if event is None:
                event = _event(record)
            subscriber.see(event)
        except Exception:
            if not subscriber.has_failed:
                subscriber.has_failed = True
                _logger.exception(
                    "event subscriber %r failed on %s; such failures are not logged again",
                    subscriber.see,
                    record[1],
                )


def _event(record: Record) -> Event:
    """The typed event; a fact named like a stamp wins over it if it can stand in its place."""
    seq, kind, at, (user, update_id), said = record
    facts = dict(said)
    if is_finite(facts.get("at")):
        at = float(facts.pop("at"))
    return Event.of(
        seq,
        kind,
        at,
        _text(facts, "user", user),
        _text(facts, "update_id", update_id),
        _text(facts, "template_id", None),
        facts,
    )


def _text(facts: dict[str, JSON], name: str, stamp: str | None) -> str | None:
    given = facts.get(name, stamp)
    if given is None or isinstance(given, str):
        facts.pop(name, None)
        return given
    return stamp
