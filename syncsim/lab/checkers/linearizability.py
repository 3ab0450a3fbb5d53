"""Could each operation have taken effect at one moment, in one order? Information, never a fault.

Linearizability (M. Herlihy and J. Wing, 1990) is more than a solution promises: one that commits
and then invalidates may serve the old version to one user while another sees the new one, before
the writer is answered. No search is needed: the store numbers the commits, so an order exists
exactly if no operation ended before another began that comes earlier by these numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from syncsim.lab.checkers.history_index import HistoryIndex, in_order
from syncsim.lab.history.findings import NOTE, Finding
from syncsim.lab.history.records import Operation


def judge_order(index: HistoryIndex) -> Iterator[Finding]:
    """A note for each operation that contradicts one before it. O(n log n), to sort the moments.

    An operation without an answer, or without a known place, is left out unless it committed.
    """
    placed: list[Operation] = []
    ranks: dict[str, int] = {}
    for operation in index.history.operations:
        rank = _rank(index, operation)
        if rank is not None:
            placed.append(operation)
            ranks[operation.id] = rank
    highest: dict[str, Operation] = {}  # of those answered so far, per template
    for operation, has_returned in in_order(placed):
        template_id = operation.template_id
        earlier = highest.get(template_id)
        if not has_returned:
            if earlier is not None and ranks[operation.id] < ranks[earlier.id]:
                yield _note(index, ranks, earlier, operation)
        elif earlier is None or ranks[earlier.id] < ranks[operation.id]:
            highest[template_id] = operation


def _rank(index: HistoryIndex, operation: Operation) -> int | None:
    """The operation's rank: 2p where it made the commit at position p, 2p + 1 where it saw it."""
    commits = index.commits.get(operation.id, ())
    if commits:
        return 2 * commits[0][0] if len(commits) == 1 else None
    version = operation.version
    if operation.ended not in ("read", "unchanged"):
        version = _found(operation)
    if (operation.template_id, version) in index.reused:
        return None
    position = index.position(operation.template_id, version)
    return None if position is None else 2 * position + 1


def _found(operation: Operation) -> str | None:
    """The head that a refused strict update says it found."""
    failure = operation.failure
    if operation.kind != "update_with_version" or failure is None:
        return None
    actual = failure.facts.get("actual")
    return actual if failure.name == "VersionConflictError" and isinstance(actual, str) else None


def _note(
    index: HistoryIndex, ranks: Mapping[str, int], earlier: Operation, later: Operation
) -> Finding:
    commits = index.timelines[later.template_id].commits

    def did(operation: Operation) -> str:
        position, saw = divmod(ranks[operation.id], 2)
        return f"{operation.id} {'saw' if saw else 'committed'} {commits[position].version}"

    return Finding(
        NOTE,
        "not-linearizable",
        f"{did(later)} although {did(earlier)} and was answered before it began: in no order of "
        "single steps",
        (later.id, earlier.id),
    )
