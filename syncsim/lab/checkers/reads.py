"""Is any read stale? One sweep over calls and returns, in the order in which they happened.

A read must not be older than an update acknowledged before the read began, nor than what its user
has read before, and what it shows under a version must be what the store holds there. A read that
is concurrent with a write may see either side of it and is never judged.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

from syncsim.lab.checkers.entry import Checker, Proof
from syncsim.lab.checkers.history_index import HistoryIndex, in_order
from syncsim.lab.history.findings import Finding
from syncsim.lab.history.records import Operation

CODE: Final = "M1"
K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class _Floor:
    """The oldest position that a read may still show, and the operation that requires it."""

    position: int
    operation: Operation


def judge_reads(index: HistoryIndex) -> Iterator[Finding]:
    """Every M1 finding of a history. O(n log n), for the order of calls and returns."""
    acknowledged: dict[str, _Floor] = {}
    read: dict[tuple[str, str], _Floor] = {}
    floors: dict[str, _Floor] = {}
    for operation, has_returned in in_order(index.history.operations):
        template_id, ended = operation.template_id, operation.ended
        if not has_returned:
            if operation.kind == "get":
                floor = read.get((template_id, operation.user))
                other = acknowledged.get(template_id)
                if floor is None or (other is not None and floor.position < other.position):
                    floor = other
                if floor is not None:
                    floors[operation.id] = floor
        elif ended == "read":
            position = _position(index, operation)
            yield from _judge_content(index, operation, position)
            floor = floors.pop(operation.id, None)
            if position is not None and floor is not None and position < floor.position:
                yield _stale(index, operation, floor)
            _raise(read, (template_id, operation.user), position, operation)
        elif ended in ("committed", "unchanged"):
            _raise(acknowledged, template_id, _position(index, operation), operation)


def _position(index: HistoryIndex, operation: Operation) -> int | None:
    """The position an answer stands for; None where it binds no later read.

    A commit that the laboratory made directly in the store was acknowledged to no one. A token
    that was given out twice is a finding of its own and says nothing about reads.
    """
    template_id = operation.template_id
    own = index.commits.get(operation.id)
    if own:
        return None if operation.kind == "probe" else own[-1][0]
    if (template_id, operation.version) in index.reused:
        return None
    position = index.position(template_id, operation.version)
    if position is not None and operation.ended != "read":
        author = index.author(template_id, position)
        return None if author is not None and author.kind == "probe" else position
    return position


def _raise(floors: dict[K, _Floor], key: K, position: int | None, operation: Operation) -> None:
    if position is not None and (key not in floors or floors[key].position < position):
        floors[key] = _Floor(position, operation)


def _judge_content(
    index: HistoryIndex, operation: Operation, position: int | None
) -> Iterator[Finding]:
    timeline = index.timelines.get(operation.template_id)
    if timeline is None or (operation.template_id, operation.version) in index.reused:
        return
    if position is None:
        if operation.digest is None or timeline.with_digest(operation.digest):
            return
        text = "which no version in the store holds"
    elif operation.digest in (None, timeline.digest(position)):
        return
    else:
        text = "which is not what the store holds at that version"
    yield Finding(
        CODE,
        "content-differs",
        f"{operation.id} (get by {operation.user!r}) read {operation.version} with a content "
        f"{text}",
        (operation.id,),
    )


def _stale(index: HistoryIndex, operation: Operation, floor: _Floor) -> Finding:
    timeline, writer = index.timelines[operation.template_id], floor.operation
    owed = timeline.commits[floor.position].version
    age_s = operation.called_at - writer.called_at - (writer.latency_s or 0.0)
    if writer.ended == "read":
        kind, why = "reads-went-back", f"had read {owed} before, in {writer.id}"
    elif writer.user == operation.user:
        kind, why = "own-write-unseen", f"had been told of {owed} before, by {writer.id}"
    else:
        kind, why = "stale-read", f"is owed {owed}, acknowledged to {writer.user!r} by {writer.id}"
    return Finding(
        CODE,
        kind,
        f"{operation.id} (get by {operation.user!r}) read {operation.version}; this user {why} "
        f"{max(age_s, 0.0):.3f} s before the read began",
        (operation.id, writer.id),
    )


CHECKER: Final = Checker(
    (CODE,),
    lambda index, cooldown_s: judge_reads(index),
    dict.fromkeys(("stale-read", "own-write-unseen", "reads-went-back"), Proof.STALE_ANSWER),
)
