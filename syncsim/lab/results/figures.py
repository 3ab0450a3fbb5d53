"""The figures of a run, counted from its history: what the mission asks to be measured.

Counts come from the store's side of the record and not from what the solution says of itself: an
attempt is a write the store saw, a hit is a read for which no document was read from the store.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import ceil
from typing import Final

from syncsim.contract import JSON
from syncsim.lab.checkers.history_index import HistoryIndex
from syncsim.lab.history.expected_state import differences, intended, same, value_at
from syncsim.lab.history.records import Attempt, History, Operation

UPDATES: Final = ("update", "update_with_version", "rollback")
SUCCEEDED: Final = ("committed", "unchanged")


@dataclass(frozen=True, slots=True)
class Rates:
    """How many updates and reads there were, and how many of them went as they should.

    A hit is a read for which no document was read from the store.
    """

    attempted: int
    succeeded: int
    reads: int
    hits: int

    @classmethod
    def of(cls, operations: Iterable[Operation]) -> Rates:
        """The rates of these operations; it looks at each of them."""
        updates = [o for o in operations if o.kind in UPDATES]
        reads = [o for o in operations if o.ended == "read" and not o.at_rest]
        return cls(
            len(updates),
            sum(o.ended in SUCCEEDED for o in updates),
            len(reads),
            sum(o.body_reads == 0 for o in reads),
        )

    @property
    def success_rate(self) -> float | None:
        """The share of updates that ended committed or unchanged; None without updates."""
        return self.succeeded / self.attempted if self.attempted else None

    @property
    def hit_rate(self) -> float | None:
        """The share of reads served from a cache, first reads counted; None without reads."""
        return self.hits / self.reads if self.reads else None


@dataclass(frozen=True, slots=True)
class Figures(Rates):
    """Counts of a whole history, or of one of its templates; times are milliseconds.

    A lost swap is one that an update lost, a merged one is followed by the update's commit;
    `lost_by_job` are those that the background job lost.
    `attempts` holds the number of write attempts of every update, `delays_ms` the delays of those
    that retried, `latencies_ms` the time of every update that was answered.
    """

    attempts: tuple[int, ...]
    delays_ms: tuple[tuple[float, ...], ...]
    latencies_ms: tuple[float, ...]
    lost_swaps: int
    merged_swaps: int
    overridden: int
    processed: int
    skipped: int
    lost_by_job: int

    def to_json(self) -> dict[str, JSON]:
        """The figures under the keys of `run --json`."""
        retries = [max(made - 1, 0) for made in self.attempts]
        return {
            "updates": {
                "attempted": self.attempted,
                "succeeded": self.succeeded,
                "failed": self.attempted - self.succeeded,
                "success_rate": _rounded(self.success_rate, 4),
            },
            "attempts": {
                "mean": _rounded(sum(self.attempts) / self.attempted, 3) if self.attempted else 0.0,
                "max": max(self.attempts, default=0),
            },
            "retries": {
                "total": sum(retries),
                "max": max(retries, default=0),
                "delays_ms": [[round(ms, 1) for ms in delays] for delays in self.delays_ms],
            },
            "conflicts": {
                "detected": self.lost_swaps,
                "merged": self.merged_swaps,
                "overridden": self.overridden,
                "background": self.lost_by_job,
            },
            "cache": {
                "reads": self.reads,
                "hits": self.hits,
                "hit_rate": _rounded(self.hit_rate, 4),
            },
            "background": {"processed": self.processed, "skipped": self.skipped},
            "latency_ms": {
                "p50": percentile(self.latencies_ms, 50),
                "p95": percentile(self.latencies_ms, 95),
                "p99": percentile(self.latencies_ms, 99),
                "max": percentile(self.latencies_ms, 100),
            },
        }


def count(history: History, template_id: str | None = None) -> Figures:
    """The figures of a history, or of one template in it."""
    index = HistoryIndex(history)
    operations = [o for o in history.operations if template_id in (None, o.template_id)]
    updates = [o for o in operations if o.kind in UPDATES]
    rates = Rates.of(operations)
    jobs = [o for o in operations if o.kind == "job"]
    tries = [index.attempts.get(o.id, []) for o in updates]
    lost = [_lost(made) for made in tries]
    delays = [tuple(attempt.waited_s * 1000 for attempt in made[1:]) for made in tries]
    return Figures(
        rates.attempted,
        rates.succeeded,
        rates.reads,
        rates.hits,
        attempts=tuple(map(len, tries)),
        delays_ms=tuple(waits for waits in delays if waits),
        latencies_ms=tuple(o.latency_s * 1000 for o in updates if o.latency_s is not None),
        lost_swaps=sum(lost),
        merged_swaps=sum(n for n, o in zip(lost, updates, strict=True) if o.ended == "committed"),
        overridden=sum(_overridden(index, operation) for operation in updates),
        processed=sum(o.ended in SUCCEEDED for o in jobs),
        skipped=sum(o.ended == "skipped" for o in jobs),
        lost_by_job=sum(_lost(index.attempts.get(o.id, ())) for o in jobs),
    )


def _lost(made: Iterable[Attempt]) -> int:
    """How many of these write attempts lost their swap."""
    return sum(attempt.fate == "lost" for attempt in made)


def percentile(values: Iterable[float], percent: int) -> float | None:
    """The smallest value that at least so many per cent do not exceed; None without values."""
    ordered = sorted(values)
    if not ordered:
        return None
    return round(ordered[max(ceil(len(ordered) * percent / 100), 1) - 1], 3)


def _overridden(index: HistoryIndex, operation: Operation) -> int:
    """How many leaves the operation won that others had changed since its base."""
    timeline = index.timelines.get(operation.template_id)
    given = index.position(operation.template_id, operation.base_version)
    commits = index.commits.get(operation.id, ())
    if timeline is None or given is None or not commits or operation.changes is None:
        return 0
    base, head = timeline.document(given), timeline.document(commits[0][0] - 1)
    wanted = intended(base, operation.changes)
    won = 0
    for path in differences(base, wanted):
        theirs = value_at(head, path)
        won += not same(theirs, value_at(base, path)) and not same(theirs, value_at(wanted, path))
    return won


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
