"""Joins what was recorded, perhaps in several processes, with what the store holds, into a history.

Stamps become sequence numbers, and every commit is given to the operation that made it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter
from typing import Any

from syncsim.contract import Document, Revision, Row
from syncsim.events.kinds import Event
from syncsim.lab.history import Attempt, Commit, Final, History, Operation, digest
from syncsim.lab.tape import DrawnIds, Records


def assemble(
    records: Iterable[Records],
    revisions: Mapping[str, Sequence[Revision]],
    finals: Sequence[Final],
    *,
    document_of: Callable[[Revision], Document] = attrgetter("document"),
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
    owners = _Owners(operations, attempts, DrawnIds(ids))
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


class _Owners:
    """Whose commit is whose.

    By the commit's `update_id` if an operation drew it; else whoever was seen making it, unless
    that operation answered another commit and exactly one other answered this one (a thread that
    commits for others); else who answered its version; else, in order, the user's operations that
    answered committed and are left without a commit.
    """

    def __init__(
        self, operations: Iterable[Operation], attempts: Iterable[Attempt], ids: DrawnIds
    ) -> None:
        self._ids = ids
        self._seen = {(a.template_id, a.actual): a.operation for a in attempts if a.fate == "won"}
        self._answers: dict[tuple[str, str | None], list[str]] = defaultdict(list)
        self._answered: dict[str, str | None] = {}
        self._waiting: dict[tuple[str, str], list[str]] = defaultdict(list)
        for operation in operations:
            if operation.ended == "committed":
                template_id = operation.template_id
                self._answers[template_id, operation.version].append(operation.id)
                self._answered[operation.id] = operation.version
                self._waiting[template_id, operation.user].append(operation.id)

    def commits(
        self, revisions: Sequence[Revision], document_of: Callable[[Revision], Document]
    ) -> list[Commit]:
        """The commits of one template, oldest first."""
        ordered = list(reversed(revisions))
        versions = {revision.version for revision in ordered}
        owners = [self._owner(revision, versions) for revision in ordered]
        taken = set(owners)
        for place, revision in enumerate(ordered):
            if owners[place] is None and place > 0:
                waiting = self._waiting[revision.template_id, revision.by]
                owners[place] = next((o for o in waiting if o not in taken), None)
                taken.add(owners[place])
        return [
            Commit(
                revision.revision,
                revision.template_id,
                revision.version,
                revision.parent,
                owner,
                revision.by,
                revision.at,
                document_of(revision),
                revision.update_id,
                revision.detail,
            )
            for revision, owner in zip(ordered, owners, strict=True)
        ]

    def _owner(self, revision: Revision, versions: set[str]) -> str | None:
        drawn = self._ids.owner(revision.update_id)
        if drawn is not None:
            return drawn
        answers = self._answers[revision.template_id, revision.version]
        seen = self._seen.get((revision.template_id, revision.version))
        if seen is None:
            return answers[0] if len(answers) == 1 else None
        answered = self._answered.get(seen)
        others = [operation for operation in answers if operation != seen]
        if len(others) == 1 and answered != revision.version and answered in versions:
            return others[0]
        return seen
