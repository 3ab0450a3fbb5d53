"""What can happen, as one frozen class per kind of event: the vocabulary of the log.

The classes below are the table: the kind, when it is said, and each fact with its type and meaning.
Facts are versions, counts, seconds and names. Durations are seconds, attempts and retries count
from 1. What a user and the background job both do is said once, in a class without a kind.

A solution may leave facts out, add its own, or invent kinds: a fact that is missing or of another
type reads as None, `facts` holds what was said, and an unknown kind is a plain `Event`.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Generic, Self, TypeGuard, TypeVar, overload

from syncsim.contract import JSON, Conflict
from syncsim.errors import excerpt

T = TypeVar("T")

_LARGEST: Final = sys.float_info.max


class EventField(Generic[T]):
    """One fact of a kind, read as an attribute of its events: the value, or None.

    Only a value of the declared type is returned, so a reader may compute with it whatever a
    candidate's code put there; an int is a float, if finite. `quotes` marks a text that may quote a
    template.
    """

    def __init__(self, type_: type[T], meaning: str, *, quotes: bool = False) -> None:
        self.type = type_
        self.meaning = meaning
        self.quotes = quotes

    def __set_name__(self, owner: type[Event], name: str) -> None:
        self.name = name

    @overload
    def __get__(self, event: None, owner: type[Event]) -> Self: ...

    @overload
    def __get__(self, event: Event, owner: type[Event]) -> T | None: ...

    def __get__(self, event: Event | None, owner: type[Event]) -> Self | T | None:
        if event is None:
            return self
        value = event.facts.get(self.name)
        if self.type is float:
            return value if is_finite(value) else None  # type: ignore[return-value]
        return value if type(value) is self.type else None


def is_finite(value: object) -> TypeGuard[float]:
    """Whether it is a number to compute with: no bool, no NaN, nothing a float cannot hold."""
    kind = type(value)
    if kind is not float and (kind is bool or not isinstance(value, int | float)):
        return False
    return -_LARGEST <= value <= _LARGEST  # type: ignore[operator]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened: who, in which update, on which template, when, with which facts.

    `seq` grows by one per event of a log. `at` is in seconds since the epoch on the log's clock.
    `user`, `update_id` and `template_id` are None where no caller said them.
    """

    KINDS: ClassVar[dict[str, type[Event]]] = {}
    FACTS: ClassVar[dict[str, EventField[Any]]] = {}

    seq: int
    kind: str
    at: float
    user: str | None = None
    update_id: str | None = None
    template_id: str | None = None
    facts: Mapping[str, JSON] = field(default_factory=dict, hash=False)

    def __init_subclass__(cls, *, kind: str | None = None) -> None:
        if kind is not None:
            Event.KINDS[kind] = cls
        own = {name: fact for name, fact in vars(cls).items() if isinstance(fact, EventField)}
        cls.FACTS = cls.FACTS | own

    @classmethod
    def of(
        cls,
        seq: int,
        kind: str,
        at: float,
        user: str | None,
        update_id: str | None,
        template_id: str | None,
        facts: Mapping[str, JSON],
    ) -> Event:
        """The event in the class of its kind; a plain `Event` where the kind is unknown."""
        return cls.KINDS.get(kind, Event)(seq, kind, at, user, update_id, template_id, facts)

    def exportable(self) -> dict[str, JSON]:
        """The facts that may leave the process: known to the vocabulary, quoting no template."""
        read = {
            name: fact.__get__(self, type(self))
            for name, fact in self.FACTS.items()
            if not fact.quotes
        }
        return {name: value for name, value in read.items() if value is not None}

    def to_json(self) -> dict[str, JSON]:
        """Plain JSON with the keys seq, kind, at, user, update_id, template_id, facts."""
        return {
            "seq": self.seq,
            "kind": self.kind,
            "at": self.at,
            "user": self.user,
            "update_id": self.update_id,
            "template_id": self.template_id,
            "facts": _plain(self.facts),
        }

    @classmethod
    def from_json(cls, record: Mapping[str, JSON]) -> Event:
        """The inverse of `to_json`."""
        return cls.of(
            record["seq"],
            record["kind"],
            record["at"],
            record["user"],
            record["update_id"],
            record["template_id"],
            record["facts"],
        )


def _plain(value: Any, depth: int = 8) -> JSON:
    """The value as JSON; what is no JSON becomes short text, and so does what lies too deep."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if abs(value) < float("inf") else str(value)
    if depth and isinstance(value, Conflict):
        return _plain(value.to_json(), depth - 1)
    if depth and isinstance(value, Mapping):
        return {str(key): _plain(item, depth - 1) for key, item in value.items()}
    if depth and isinstance(value, list | tuple):
        return [_plain(item, depth - 1) for item in value]
    return excerpt(value)


# -- what an update and a run of the job have in common --------------------------------------------


class Attempted(Event):
    """A write attempt began: read the head, merge, swap."""

    attempt = EventField(int, "number of the attempt, the first is 1")
    expected = EventField(str, "version the swap expects to find")


class Conflicted(Event):
    """A swap lost: someone committed between this attempt's read and its write."""

    attempt = EventField(int, "number of the attempt that lost")
    expected = EventField(str, "version the swap expected")
    actual = EventField(str, "version it found")


class Faulted(Event):
    """An attempt ended in a fault of the store: busy, out of reach, answer lost."""

    attempt = EventField(int, "number of the attempt that failed")
    error = EventField(str, "class name of the error")
    reason = EventField(str, "what the error says", quotes=True)


class RetryScheduled(Event):
    """It will be tried again after a delay; retry k follows attempt k."""

    attempt = EventField(int, "number of the retry, and of the attempt before it")
    nominal_s = EventField(float, "delay without jitter: 0.1, 0.2, 0.4; what the live log shows")
    delay_s = EventField(float, "delay drawn by the policy")


class RetryWaited(Event):
    """The delay before a retry is over."""

    attempt = EventField(int, "number of the retry")
    delay_s = EventField(float, "delay drawn by the policy")
    slept_s = EventField(float, "time that really passed")


class Committed(Event):
    """It ended with a new version."""

    version = EventField(str, "the new version")
    attempts = EventField(int, "write attempts, 1 = no retry")
    conflicts = EventField(int, "swaps lost on the way")
    merged = EventField(int, "paths that others changed since the base and that stayed")
    overridden = EventField(int, "leaves on which this later writer won")
    latency_s = EventField(float, "time from the call to this event")
    commit_s = EventField(float, "time in the store call that committed")


class Unchanged(Event):
    """It ended without a write: the head held everything already."""

    version = EventField(str, "the head's version")
    attempts = EventField(int, "write attempts")
    latency_s = EventField(float, "time from the call to this event")


class Failed(Event):
    """It ended in an error, which the caller got."""

    error = EventField(str, "class name of the error")
    message = EventField(str, "what the error says", quotes=True)
    attempts = EventField(int, "write attempts")
    waited_s = EventField(float, "time spent in delays")
    definite = EventField(bool, "surely nothing was written")
    latency_s = EventField(float, "time from the call to this event")


# -- an update, from the call to its answer --------------------------------------------------------


class UpdateStarted(Event, kind="update.started"):
    """A user asked for an update."""

    base = EventField(str, "version the change was made against; absent where the caller gave none")


class UpdateAttempted(Attempted, kind="update.attempt"):
    """A write attempt of an update began."""


class UpdateConflicted(Conflicted, kind="update.conflict"):
    """A swap of an update lost."""


class UpdateFaulted(Faulted, kind="update.fault"):
    """An attempt of an update ended in a fault of the store."""


class UpdateRetryScheduled(RetryScheduled, kind="update.retry"):
    """An update will be tried again after a delay."""


class UpdateRetryWaited(RetryWaited, kind="update.waited"):
    """The delay before a retry of an update is over."""


class UpdateQueued(Event, kind="update.queued"):
    """A change, the job's too, joined the template's queue of this process."""

    position = EventField(int, "place in the queue, the front is 1")


class UpdateDequeued(Event, kind="update.dequeued"):
    """The batch that took a change out of the queue is done; said after its transaction."""

    waited_s = EventField(float, "time in the queue, until its batch began")
    batch = EventField(int, "changes in the batch")


class UpdateCommitted(Committed, kind="update.committed"):
    """An update ended with a new version."""


class UpdateUnchanged(Unchanged, kind="update.unchanged"):
    """An update ended without a write."""


class UpdateFailed(Failed, kind="update.failed"):
    """An update ended in an error."""


class TemplateCreated(Event, kind="template.created"):
    """A template got its first version."""

    version = EventField(str, "the first version")


class RollbackCommitted(Event, kind="rollback.committed"):
    """A new version with the content of an old one was written; follows `update.committed`."""

    version = EventField(str, "the new version")
    restored = EventField(str, "the old version whose content it holds")


# -- reads and caches ------------------------------------------------------------------------------


class CacheHit(Event, kind="cache.hit"):
    """A read was served without reading the body from the store."""

    version = EventField(str, "version served")


class CacheMissed(Event, kind="cache.miss"):
    """The user's cache had nothing fresh."""

    reason = EventField(str, '"empty" or "stale"')


class CacheFilled(Event, kind="cache.filled"):
    """A version was put into the user's cache."""

    version = EventField(str, "version put there")


class CacheInvalidated(Event, kind="cache.invalidated"):
    """A commit made every other cached version of the template stale."""

    version = EventField(str, "the version that is fresh now")


class CacheFaulted(Event, kind="cache.fault"):
    """A cache call failed; the verb went on without the cache."""

    call = EventField(str, "the call: get, set, delete, ...")
    reason = EventField(str, "what the cache said")


class ReadSampled(Event, kind="read.sampled"):
    """One read in N, hit or miss alike, was timed; timing each would cost as much as a hit."""

    latency_s = EventField(float, "time from the call to its answer")


# -- the background job ----------------------------------------------------------------------------


class JobStarted(Event, kind="job.started"):
    """The background job looked at a template."""


class JobAttempted(Attempted, kind="job.attempt"):
    """A write attempt of the job began."""


class JobConflicted(Conflicted, kind="job.conflict"):
    """A swap of the job lost; it looks at the cooldown again."""


class JobFaulted(Faulted, kind="job.fault"):
    """An attempt of the job ended in a fault of the store."""


class JobRetryScheduled(RetryScheduled, kind="job.retry"):
    """The job will try again after a delay."""


class JobRetryWaited(RetryWaited, kind="job.waited"):
    """The delay before a retry of the job is over."""


class JobSkipped(Event, kind="job.skipped"):
    """The job left the template alone because a user wrote within the cooldown."""

    reason = EventField(str, 'begins "Skipped - recent user update"')


class JobCommitted(Committed, kind="job.committed"):
    """The job wrote derived data."""


class JobUnchanged(Unchanged, kind="job.unchanged"):
    """The job ran and found its derived data up to date."""


class JobFailed(Failed, kind="job.failed"):
    """The job ended in an error."""
