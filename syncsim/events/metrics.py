"""What monitoring asks: how many, how fast, how often in vain; fed by the event log alone.

Counts are the log's own, so a cache hit costs nothing extra here. Only ends of updates, waits in
the queue and sampled reads are looked at one by one, for their times. Memory is fixed.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Mapping
from typing import Final

from syncsim.contract import JSON
from syncsim.events import BoundedEventLog
from syncsim.events.kinds import is_finite
from syncsim.system.interrupts import under_own_lock

WINDOWS_S: Final = (1, 10, 60)
"""The spans, in seconds back from now, over which throughput is given."""

MOST_ATTEMPTS: Final = 10
"""Updates that took more attempts are counted among those with this many."""

BATCH: Final = 64
"""Ends that wait before they are counted: counting them in one go takes a third of the time that
counting each at the end of its update takes, where everything else has filled the processor's
caches."""

_ENDS: Final = frozenset({"update.committed", "update.unchanged", "update.failed"})
_WAITS: Final = {"update.dequeued": "waited_s", "read.sampled": "latency_s"}


class LatencyHistogram:
    """Durations in buckets that grow by a fixed ratio; to be guarded by its owner's lock.

    A quantile between 1 us and 1000 s is at most 5 % off the exact one (nearest rank); shorter
    durations count as 1 us, longer as 1000 s; count, mean and maximum are exact. Buckets and
    estimate are those of DDSketch (Masson, Rim, Lee, "DDSketch: A Fast and Fully-Mergeable Quantile
    Sketch with Relative-Error Guarantees", VLDB 2019). A reservoir of the same size would forget
    the very calls that a p99 is asked for.
    """

    RELATIVE_ERROR: Final = 0.05
    SHORTEST_S: Final = 1e-6
    LONGEST_S: Final = 1e3

    def __init__(self) -> None:
        self._ratio = (1 + self.RELATIVE_ERROR) / (1 - self.RELATIVE_ERROR)
        self._log_ratio = math.log(self._ratio)
        self._counts = [0] * (self._bucket(self.LONGEST_S) + 1)
        self._count = 0
        self._total_s = 0.0
        self._max_s = 0.0

    def add(self, duration_s: float) -> None:
        """Count one duration; below zero, after a step of the clock, it is zero."""
        if duration_s < 0:
            duration_s = 0.0
        self._counts[self._bucket(duration_s)] += 1
        self._count += 1
        self._total_s += duration_s
        if duration_s > self._max_s:
            self._max_s = duration_s

    def quantile_s(self, fraction: float) -> float | None:
        """The duration that this fraction does not exceed; None while there are none."""
        if self._count == 0:
            return None
        rank = max(math.ceil(fraction * self._count), 1)
        bucket = -1
        while rank > 0:
            bucket += 1
            rank -= self._counts[bucket]
        estimate_s = self.SHORTEST_S * self._ratio**bucket * 2 / (1 + self._ratio)
        return min(estimate_s, self._max_s)

    def summary_ms(self) -> dict[str, JSON]:
        """``{"count", "mean", "p50", "p95", "p99", "max"}``, in milliseconds; None while empty."""
        in_s: dict[str, float | None] = {
            "mean": self._total_s / self._count if self._count else None,
            "p50": self.quantile_s(0.50),
            "p95": self.quantile_s(0.95),
            "p99": self.quantile_s(0.99),
            "max": self._max_s if self._count else None,
        }
        in_ms = {
            name: None if value is None else round(value * 1000, 4) for name, value in in_s.items()
        }
        return {"count": self._count, **in_ms}

    def _bucket(self, duration_s: float) -> int:
        """Bucket i holds (ratio^(i-1), ratio^i] times the shortest."""
        if duration_s <= self.SHORTEST_S:
            return 0
        limited_s = duration_s if duration_s < self.LONGEST_S else self.LONGEST_S
        return math.ceil(math.log(limited_s / self.SHORTEST_S) / self._log_ratio)


class Throughput:
    """Events of the last minute in slots of 0.1 s; to be guarded by its owner's lock."""

    SLOT_S: Final = 0.1
    _SLOTS = round(WINDOWS_S[-1] / SLOT_S)

    def __init__(self) -> None:
        self._slots: list[tuple[int, int]] = [(-1, 0)] * self._SLOTS

    def add(self, at: float) -> None:
        """Count one event at this time, in seconds."""
        tick = math.floor(at / self.SLOT_S)
        last_tick, count = self._slots[tick % self._SLOTS]
        self._slots[tick % self._SLOTS] = (tick, count + 1 if tick == last_tick else 1)

    def per_s(self, now: float, window_s: int) -> float:
        """Events a second over the window that ends now, its start rounded to 0.1 s."""
        last = math.floor(now / self.SLOT_S)
        first = last - round(window_s / self.SLOT_S)
        return sum(count for tick, count in self._slots if first < tick <= last) / window_s


class Metrics:
    """Counters, latencies and rates since the log began; safe from any thread.

    To be made together with the log: what was emitted before is in the counters but not in the
    latencies. An update that ends while a snapshot is taken may be in one and not yet in the other.
    """

    def __init__(self, log: BoundedEventLog) -> None:
        self._log = log
        self._lock = threading.RLock()
        self._latency = LatencyHistogram()
        self._read_latency = LatencyHistogram()
        self._queue_wait = LatencyHistogram()
        self._throughput = Throughput()
        self._attempts = [0] * (MOST_ATTEMPTS + 1)
        self._resolved = 0
        self._merged_paths = 0
        self._overridden = 0
        self._uncounted: deque[tuple[str, float, Mapping[str, JSON]]] = deque()
        log.tally(self._see, kinds=(*_ENDS, *_WAITS))

    def _see(self, kind: str, at: float, facts: Mapping[str, JSON]) -> None:
        self._uncounted.append((kind, at, facts))
        if len(self._uncounted) >= BATCH:
            self._count_all()

    @under_own_lock
    def _count_all(self) -> None:
        while self._uncounted:
            self._count(*self._uncounted.popleft())

    def _count(self, kind: str, at: float, facts: Mapping[str, JSON]) -> None:
        if kind in _ENDS:
            self._count_end(kind, at, facts)
        elif is_finite(duration_s := facts.get(_WAITS[kind])):
            waits = self._queue_wait if kind == "update.dequeued" else self._read_latency
            waits.add(duration_s)

    def _count_end(self, kind: str, at: float, facts: Mapping[str, JSON]) -> None:
        if is_finite(latency_s := facts.get("latency_s")):
            self._latency.add(latency_s)
        attempts = _whole(facts.get("attempts"))
        self._attempts[min(max(attempts, 0), MOST_ATTEMPTS)] += 1
        if kind == "update.committed":
            said_at = facts.get("at")
            self._throughput.add(said_at if is_finite(said_at) else at)
            conflicts = facts.get("conflicts")
            self._resolved += conflicts if type(conflicts) is int else max(attempts - 1, 0)
            self._merged_paths += _whole(facts.get("merged"))
            self._overridden += _whole(facts.get("overridden"))

    def snapshot(self) -> dict[str, JSON]:
        """Everything as plain JSON; rates are None while there is nothing to divide by.

            {"updates": {"started": 12, "active": 1, "committed": 9, "unchanged": 1, "failed": 1,
                         "success_rate": 0.909, "attempts": {"1": 9, "2": 2}},
             "retries": 2,
             "conflicts": {"detected": 2, "merged": 2, "overridden": 0}, "merged_paths": 5,
             "rollbacks": 0,
             "cache": {"hits": 17, "misses": 3, "hit_rate": 0.85, "filled": 3, "invalidated": 9,
                       "faults": 0},
             "background": {"started": 2, "processed": 1, "unchanged": 0, "skipped": 1,
                            "conflicts": 0, "failed": 0},
             "queue": {"entered": 2, "wait_ms": {"count": 2, ...}},
             "latency_ms": {"count": 11, "mean": 20.1, "p50": 1.1, "p95": 102.0, "p99": 110.2,
                            "max": 110.2},
             "read_latency_ms": {"count": 0, "mean": null, ...},
             "throughput_per_s": {"1": 4.0, "10": 0.9, "60": 0.15}}

        `success_rate` is that of the updates that have ended. `attempts` maps a number of write
        attempts, "0" to "10", to updates; numbers without updates are left out.
        `conflicts.detected` are swaps that lost, `merged` those whose update then committed,
        `overridden` the leaves on which a later writer won. `latency_ms` is of updates however they
        ended, `throughput_per_s` of commits by users.
        """
        self._count_all()
        return self._figures(self._log.counts())

    @under_own_lock
    def _figures(self, counts: dict[str, int]) -> dict[str, JSON]:
        now = self._log.clock.now()
        ended = [counts[f"update.{end}"] for end in ("committed", "unchanged", "failed")]
        succeeded = ended[0] + ended[1]
        reads = counts["cache.hit"] + counts["cache.miss"]
        return {
            "updates": {
                "started": counts["update.started"],
                "active": max(counts["update.started"] - sum(ended), 0),
                "committed": ended[0],
                "unchanged": ended[1],
                "failed": ended[2],
                "success_rate": succeeded / sum(ended) if sum(ended) else None,
                "attempts": {str(n): count for n, count in enumerate(self._attempts) if count},
            },
            "retries": counts["update.retry"],
            "conflicts": {
                "detected": counts["update.conflict"],
                "merged": self._resolved,
                "overridden": self._overridden,
            },
            "merged_paths": self._merged_paths,
            "rollbacks": counts["rollback.committed"],
            "cache": {
                "hits": counts["cache.hit"],
                "misses": counts["cache.miss"],
                "hit_rate": counts["cache.hit"] / reads if reads else None,
                "filled": counts["cache.filled"],
                "invalidated": counts["cache.invalidated"],
                "faults": counts["cache.fault"],
            },
            "background": {
                "started": counts["job.started"],
                "processed": counts["job.committed"],
                "unchanged": counts["job.unchanged"],
                "skipped": counts["job.skipped"],
                "conflicts": counts["job.conflict"],
                "failed": counts["job.failed"],
            },
            "queue": {
                "entered": counts["update.queued"],
                "wait_ms": self._queue_wait.summary_ms(),
            },
            "latency_ms": self._latency.summary_ms(),
            "read_latency_ms": self._read_latency.summary_ms(),
            "throughput_per_s": {
                str(window_s): self._throughput.per_s(now, window_s) for window_s in WINDOWS_S
            },
        }


def _whole(value: JSON) -> int:
    """The value if it is an integer (true is none), else 0, whatever a candidate said."""
    return value if type(value) is int else 0
