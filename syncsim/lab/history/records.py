"""The record types of a history: operations, write attempts, commits.

They say who called what and when, which writes were tried, and what the store committed. Checkers,
charts and reports read this and nothing else.

The same form comes from threads, from processes and from a scheduler. It holds no opinion
(`checkers` has those) and is as long as the run was, no longer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, TypeAlias

import orjson

from syncsim.contract import JSON, Document
from syncsim.events.kinds import Event

Kind: TypeAlias = Literal["get", "update", "update_with_version", "job", "rollback", "probe"]
"""The verb; a `probe` is the laboratory's own write, made directly in the store."""

Ended: TypeAlias = Literal["read", "committed", "unchanged", "skipped", "failed", "open"]
"""How an operation was answered; `open` = it never was."""

Way: TypeAlias = Literal["swap", "put", "locked", "batch"]
"""The store call of a write attempt: compare_and_swap, put, update_locked, update_many."""

Fate: TypeAlias = Literal["won", "lost", "unchanged", "failed"]
"""What became of an attempt; `lost` = another commit came first, `failed` = any other error."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception that left a verb; `line` is where in the solution, where that is known.

    `expected` tells whether it was a `SyncError`, the only kind a verb may raise. `definite`:
    surely nothing was written.
    """

    name: str
    message: str
    expected: bool
    definite: bool
    facts: Mapping[str, JSON] = field(default_factory=dict)
    line: str | None = None


@dataclass(frozen=True, slots=True)
class Operation:
    """One call of a verb.

    `called` and `returned` are sequence numbers of the run and form a closed interval: one
    operation is before another only if its `returned` is less than the other's `called`.
    `called_at` is in seconds since the epoch on the store's clock, `latency_s` on a clock that
    cannot step. `version` is what was read or answered; for `update_with_version` the version the
    caller gave is `base_version`. `digest` is that of the document a read returned.

    `attempts` is what the solution claims; what the store saw are the `Attempt` records.
    `body_reads` counts the documents read from the store on behalf of this operation,
    `invalidations` the entries it deleted from caches. `at_rest`: a read that the laboratory made
    when all was over; it is judged, and counted in no figure.
    """

    id: str
    kind: Kind
    user: str
    template_id: str
    called: int = 0
    returned: int | None = None
    ended: Ended = "open"
    called_at: float = 0.0
    latency_s: float | None = None
    changes: Document | None = None
    base_version: str | None = None
    version: str | None = None
    digest: str | None = None
    attempts: int | None = None
    conflicts: tuple[JSON, ...] = ()
    reason: str | None = None
    failure: Failure | None = None
    body_reads: int = 0
    at_rest: bool = False
    invalidations: int = 0


@dataclass(frozen=True, slots=True)
class Attempt:
    """One write that an operation tried in the store.

    `actual` is the version written where it won, the version found where it lost. `waited_s` is the
    time the operation slept since its attempt before, `began_at` when the write began, on the clock
    of the run. `operation` is None where the recorder found no call that asked for the write; then
    `began_at` is None too, as in runs saved before it was kept.
    """

    operation: str | None
    template_id: str
    way: Way
    fate: Fate
    began: int
    ended: int
    expected: str | None = None
    actual: str | None = None
    waited_s: float = 0.0
    began_at: float | None = None


@dataclass(frozen=True, slots=True)
class Commit:
    """One version in the store's history; `number` grows by one per commit of a template.

    `operation` is whose write it was: a write belongs to the operation whose id, or an id drawn by
    it, begins its `update_id`, else to the one that the recorder saw making it.
    """

    number: int
    template_id: str
    version: str
    parent: str | None
    operation: str | None
    by: str
    at: float
    document: Document
    update_id: str | None = None
    detail: JSON = None


@dataclass(frozen=True, slots=True)
class Final:
    """A template as the store answers for it when all is over.

    `audited` are the versions in the store's audit trail, oldest first; None if it keeps none.
    """

    template_id: str
    version: str
    digest: str
    audited: tuple[str, ...] | None = None


@dataclass(frozen=True)
class History:
    """A whole run. `ids` maps the ids that operations drew (`Environment.new_id`) to the operation.

    `commits` are ordered by template and number, operations by `called`, attempts by `began`. An
    event's operation is `operation_of(event.update_id)`.
    """

    operations: tuple[Operation, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    commits: tuple[Commit, ...] = ()
    finals: tuple[Final, ...] = ()
    events: tuple[Event, ...] = ()
    ids: Mapping[str, str] = field(default_factory=dict)

    def operation_of(self, update_id: str | None) -> str | None:
        """The operation that drew this id; the id itself if none did, as it may be one."""
        return None if update_id is None else self.ids.get(update_id, update_id)

    def to_json(self) -> dict[str, JSON]:
        """Plain JSON with a list per kind of record, each an object of its fields."""
        return {
            "operations": [_record(operation) for operation in self.operations],
            "attempts": [_record(attempt) for attempt in self.attempts],
            "commits": [_record(commit) for commit in self.commits],
            "finals": [_record(final) for final in self.finals],
            "events": [event.to_json() for event in self.events],
            "ids": dict(self.ids),
        }

    @classmethod
    def from_json(cls, record: Mapping[str, JSON]) -> History:
        """The inverse of `to_json`; `KeyError` or `TypeError` for what is none."""
        return cls(
            tuple(_operation(r) for r in record["operations"]),
            tuple(Attempt(**r) for r in record["attempts"]),
            tuple(Commit(**r) for r in record["commits"]),
            tuple(_final(r) for r in record["finals"]),
            tuple(Event.from_json(r) for r in record["events"]),
            dict(record["ids"]),
        )


def digest(document: JSON) -> str:
    """The first 16 hex digits of SHA-256 over the canonical bytes of a document."""
    body = orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(body).hexdigest()[:16]


def _record(value: Any) -> dict[str, JSON]:
    record = {f.name: getattr(value, f.name) for f in fields(value)}
    for name, item in record.items():
        if isinstance(item, Failure):
            record[name] = _record(item)
        elif isinstance(item, tuple):
            record[name] = list(item)
    return record


def _operation(record: Mapping[str, JSON]) -> Operation:
    failure = record["failure"]
    return Operation(
        **{
            **record,
            "conflicts": tuple(record["conflicts"]),
            "failure": None if failure is None else Failure(**failure),
        }
    )


def _final(record: Mapping[str, JSON]) -> Final:
    audited = record["audited"]
    return Final(**{**record, "audited": None if audited is None else tuple(audited)})
