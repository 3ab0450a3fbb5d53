"""Joins what was recorded, perhaps in several processes, with what the store holds, into a history.

Stamps become sequence numbers, and every commit is given to the operation that made it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from syncsim.contract import Document, Revision, Row
from syncsim.events.kinds import Event
from syncsim.lab.history.drawn_ids import DrawnIds
from syncsim.lab.history.records import Attempt, Final, History, Operation, digest
from syncsim.lab.recording.attribution import Owners
from syncsim.lab.recording.call_log import Records


def assemble(
    records: Iterable[Records],
    revisions: Mapping[str, Sequence[Revision]],
    finals: Sequence[Final],
    *,
    document_of: Callable[[Revision], Document] | None = None,
) -> History:
    """The history of a run. `revisions` per template, as `Store.history` answers, newest first."""
    operations: list[Operation] = []
    attempts: list[Attempt] = []
    events: list[Event] = []
    ids: dict[str, str] = {}
    for one in records:
        operations += one.operations
        attempts += one.attempts
        events += one.events
        ids.update(one.ids)
    operations, attempts = _numbered(operations, attempts)
    owners = Owners(operations, attempts, DrawnIds(ids))
    commits = [
        commit
        for template_id in sorted(revisions)
        for commit in owners.commits(revisions[template_id], document_of)
    ]
    events.sort(key=lambda event: event.at)
    return History(
        tuple(operations),
        tuple(attempts),
        tuple(commits),
        tuple(finals),
        tuple(_counted(event, number) for number, event in enumerate(events, 1)),
        {drawn: owner for drawn, owner in ids.items() if drawn != owner},
    )


def _digest_of(row: Row) -> str:
    return digest(row.document)


def final(store: Any, template_id: str, *, digest_of: Callable[[Row], str] = _digest_of) -> Final:
    """What the store answers for a template now."""
    row = store.read(template_id)
    audit = getattr(store, "audit", None)
    audited = None if audit is None else tuple(entry.version for entry in audit(template_id))
    return Final(template_id, row.version, digest_of(row), audited)


def _numbered(
    operations: list[Operation], attempts: list[Attempt]
) -> tuple[list[Operation], list[Attempt]]:
    """Stamps as numbers 1, 2, ... without gaps, and the records in their order.

    Of equal stamps, as two processes may give them, beginnings come first: closed intervals that
    touch overlap, and what overlaps is not judged.
    """
    moments: list[tuple[int, int, int, bool]] = []
    for place, attempt in enumerate(attempts):
        moments += [(attempt.began, 1, place, False), (attempt.ended, 2, place, False)]
    for place, operation in enumerate(operations):
        moments.append((operation.called, 0, place, True))
        if operation.returned is not None:
            moments.append((operation.returned, 3, place, True))
    moments.sort()
    numbers = {
        (place, rank, is_operation): number
        for number, (_, rank, place, is_operation) in enumerate(moments, 1)
    }
    numbered_operations = [
        _between(o, numbers[i, 0, True], numbers.get((i, 3, True)))
        for i, o in enumerate(operations)
    ]
    numbered_attempts = [
        _tried_between(a, numbers[i, 1, False], numbers[i, 2, False])
        for i, a in enumerate(attempts)
    ]
    return (
        sorted(numbered_operations, key=lambda operation: operation.called),
        sorted(numbered_attempts, key=lambda attempt: attempt.began),
    )


# A scheduler counts from 1 without gaps, so its records have their numbers already; making each of
# them anew was a tenth of a simulated run.


def _counted(event: Event, number: int) -> Event:
    return event if event.seq == number else replace(event, seq=number)


def _between(operation: Operation, called: int, returned: int | None) -> Operation:
    if (operation.called, operation.returned) == (called, returned):
        return operation
    return replace(operation, called=called, returned=returned)


def _tried_between(attempt: Attempt, began: int, ended: int) -> Attempt:
    if (attempt.began, attempt.ended) == (began, ended):
        return attempt
    return replace(attempt, began=began, ended=ended)
