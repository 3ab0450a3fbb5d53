"""Could everything have happened at once, one after the other? Information, never a fault.

Linearizability (M. Herlihy and J. Wing, 1990) is more than a solution promises: whoever commits and
then invalidates may serve the old version to one user while another sees the new one, before the
writer is answered. No search is needed: the store numbers the commits, so an order exists exactly
if no operation ended before another began that comes earlier by these numbers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from syncsim.lab.checkers.ledger import Ledger
from syncsim.lab.findings import NOTE, Finding
from syncsim.lab.history import Operation


@dataclass(frozen=True, slots=True)
class _Placed:
    """An operation and its place in the order: 2p where it made the commit at position p, 2p + 1
    where it saw that commit as the head."""

    rank: int
    operation: Operation


def judge_order(ledger: Ledger) -> Iterator[Finding]:
    """A note for every operation that contradicts one before it. O(n log n), to sort the moments.

    Operations that nobody answered, or whose place nobody can tell, are left out unless they
    committed.
    """
    by_template: dict[str, list[_Placed]] = defaultdict(list)
    for operation in ledger.history.operations:
        rank = _rank(ledger, operation)
        if rank is not None:
            by_template[operation.template_id].append(_Placed(rank, operation))
    for template_id, placed in by_template.items():
        for earlier, later in _contradictions(placed):
            yield _note(ledger, template_id, earlier, later)


def _contradictions(placed: list[_Placed]) -> Iterator[tuple[_Placed, _Placed]]:
    """Pairs of which the first was answered before the second was called and yet comes after it."""
    moments: list[tuple[int, bool, int]] = []
    for index, one in enumerate(placed):
        moments.append((one.operation.called, False, index))
        if one.operation.returned is not None:
            moments.append((one.operation.returned, True, index))
    moments.sort()  # a call before a return of the same moment: intervals that touch overlap
    highest: _Placed | None = None
    for _, has_returned, index in moments:
        one = placed[index]
        if not has_returned:
            if highest is not None and one.rank < highest.rank:
                yield highest, one
        elif highest is None or highest.rank < one.rank:
            highest = one


def _rank(ledger: Ledger, operation: Operation) -> int | None:
    commits = ledger.commits.get(operation.id, ())
    if commits:
        return 2 * commits[0][0] if len(commits) == 1 else None
    version = operation.version
    if operation.ended not in ("read", "unchanged"):
        version = _found(operation)
    if (operation.template_id, version) in ledger.reused:
        return None
    position = ledger.position(operation.template_id, version)
    return None if position is None else 2 * position + 1


def _found(operation: Operation) -> str | None:
    """The head that a refused strict update says it found."""
    failure = operation.failure
    if operation.kind != "update_with_version" or failure is None:
        return None
    actual = failure.facts.get("actual")
    return actual if failure.name == "VersionConflictError" and isinstance(actual, str) else None


def _note(ledger: Ledger, template_id: str, earlier: _Placed, later: _Placed) -> Finding:
    commits = ledger.timelines[template_id].commits

    def did(one: _Placed) -> str:
        verb = "saw" if one.rank % 2 else "committed"
        return f"{one.operation.id} {verb} {commits[one.rank // 2].version}"

    return Finding(
        NOTE,
        "not-linearizable",
        f"{did(later)} although {did(earlier)} and was answered before it began: in no order of "
        "single steps",
        (later.operation.id, earlier.operation.id),
    )
