"""Counters that agree with what happened, quantiles within their stated error, honest rates."""

import json
import math
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncsim.events import BoundedEventLog
from syncsim.events.metrics import LatencyHistogram, Metrics, Throughput
from tests.parts import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def log(clock: ManualClock) -> BoundedEventLog:
    return BoundedEventLog(clock, capacity=5)


@pytest.fixture
def metrics(log: BoundedEventLog) -> Metrics:
    return Metrics(log)


def nearest_rank(durations_s: list[float], fraction: float) -> float:
    return sorted(durations_s)[max(math.ceil(fraction * len(durations_s)), 1) - 1]


# -- the histogram ---------------------------------------------------------------------------------


@given(
    durations_s=st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=200),
    fraction=st.sampled_from([0.0, 0.5, 0.95, 0.99, 1.0]),
)
def test_a_quantile_is_within_five_per_cent_of_the_exact_one(
    durations_s: list[float], fraction: float
) -> None:
    histogram = LatencyHistogram()
    for duration_s in durations_s:
        histogram.add(duration_s)
    estimate_s = histogram.quantile_s(fraction)
    exact_s = nearest_rank(durations_s, fraction)
    assert estimate_s == pytest.approx(exact_s, rel=LatencyHistogram.RELATIVE_ERROR + 1e-9)
    assert estimate_s <= max(durations_s)


def test_the_stated_error_is_reached_and_not_exceeded() -> None:
    """Values at the edges of the buckets are furthest off; `1e3` keeps the maximum out of it."""
    errors = []
    for step in range(500):
        duration_s = 1e-3 * 1.01**step
        histogram = LatencyHistogram()
        histogram.add(duration_s)
        histogram.add(1e3)
        estimate_s = histogram.quantile_s(0.5)
        assert estimate_s is not None
        errors.append(abs(estimate_s / duration_s - 1))
    assert 0.045 < max(errors) <= 0.05 + 1e-9


def test_durations_outside_the_buckets_are_counted_at_their_ends() -> None:
    histogram = LatencyHistogram()
    for duration_s in (-1.0, 0.0, 1e-9, 5e3):
        histogram.add(duration_s)
    summary = histogram.summary_ms()
    assert (summary["count"], summary["max"]) == (4, 5e6)
    assert summary["p50"] < 0.00101
    assert summary["p99"] == pytest.approx(1e6, rel=0.05)


def test_an_empty_histogram_has_no_quantiles() -> None:
    assert LatencyHistogram().summary_ms() == {
        "count": 0,
        "mean": None,
        "p50": None,
        "p95": None,
        "p99": None,
        "max": None,
    }


# -- throughput ------------------------------------------------------------------------------------


def test_throughput_is_events_of_a_window_by_its_length() -> None:
    throughput = Throughput()
    for tenth in range(300):  # ten a second for the last 30 s
        throughput.add(1000 + tenth / 10 + 0.05)
    now = 1029.95
    assert throughput.per_s(now, 1) == pytest.approx(10)
    assert throughput.per_s(now, 10) == pytest.approx(10)
    assert throughput.per_s(now, 60) == pytest.approx(5)
    assert throughput.per_s(now + 30, 60) == pytest.approx(5)
    assert throughput.per_s(now + 45, 60) == pytest.approx(2.5)
    assert throughput.per_s(now + 3600, 60) == 0


def test_a_slot_is_reused_a_minute_later() -> None:
    throughput = Throughput()
    throughput.add(1000.05)
    throughput.add(1060.05)
    throughput.add(1060.06)
    assert throughput.per_s(1060.06, 60) == pytest.approx(2 / 60)


# -- the snapshot ----------------------------------------------------------------------------------


def committed(log: BoundedEventLog, **facts: Any) -> None:
    log.emit("update.started")
    log.emit("update.committed", version="2-b", **facts)


def test_a_snapshot_says_what_happened(
    log: BoundedEventLog, metrics: Metrics, clock: ManualClock
) -> None:
    """One of everything, with more events than the log remembers."""
    for _ in range(17):
        log.emit("cache.hit")
    for _ in range(3):
        log.emit("cache.miss")
        log.emit("cache.filled")
    committed(log, attempts=1, latency_s=0.001, merged=2, overridden=1)
    log.emit("update.conflict")
    log.emit("update.retry")
    log.emit("update.queued")
    log.emit("update.dequeued", waited_s=0.004, batch=1)
    committed(log, attempts=2, latency_s=0.1, merged=3)
    log.emit("cache.invalidated")
    log.emit("cache.fault")
    log.emit("read.sampled", latency_s=0.000004)
    log.emit("update.started")
    log.emit("update.unchanged", attempts=0, latency_s=0.002)
    log.emit("update.started")
    log.emit("update.failed", error="StoreUnavailableError", attempts=4, latency_s=0.7)
    log.emit("update.started")
    for end in ("skipped", "committed", "unchanged", "conflict", "failed"):
        log.emit("job.started")
        log.emit(f"job.{end}", version="3-c", attempts=1, latency_s=9.0)
    log.emit("rollback.committed")
    clock.sleep(2)
    snapshot = metrics.snapshot()
    latency_ms = snapshot.pop("latency_ms")
    assert (latency_ms["count"], latency_ms["max"]) == (4, 700.0)
    assert latency_ms["mean"] == pytest.approx(200.75)
    assert latency_ms["p50"] == pytest.approx(2, rel=0.05)
    assert snapshot.pop("read_latency_ms")["p50"] == pytest.approx(0.004, rel=0.05)
    assert snapshot["queue"].pop("wait_ms")["max"] == 4.0
    assert snapshot == {
        "updates": {
            "started": 5,
            "active": 1,
            "committed": 2,
            "unchanged": 1,
            "failed": 1,
            "success_rate": 0.75,
            "attempts": {"0": 1, "1": 1, "2": 1, "4": 1},
        },
        "retries": 1,
        "conflicts": {"detected": 1, "merged": 1, "overridden": 1},
        "merged_paths": 5,
        "rollbacks": 1,
        "cache": {
            "hits": 17,
            "misses": 3,
            "hit_rate": 0.85,
            "filled": 3,
            "invalidated": 1,
            "faults": 1,
        },
        "background": {
            "started": 5,
            "processed": 1,
            "unchanged": 1,
            "skipped": 1,
            "conflicts": 1,
            "failed": 1,
        },
        "queue": {"entered": 1},
        "throughput_per_s": {"1": 0.0, "10": 0.2, "60": pytest.approx(2 / 60)},
    }


def test_before_anything_happened_rates_are_unknown_not_zero(metrics: Metrics) -> None:
    snapshot = json.loads(json.dumps(metrics.snapshot(), allow_nan=False))
    assert snapshot["updates"]["success_rate"] is None
    assert snapshot["cache"]["hit_rate"] is None
    assert snapshot["throughput_per_s"] == {"1": 0.0, "10": 0.0, "60": 0.0}


def test_a_retry_after_a_fault_resolves_no_conflict(log: BoundedEventLog, metrics: Metrics) -> None:
    """Where the solution says how many swaps it lost, that counts, and not its attempts."""
    committed(log, attempts=3, conflicts=1)
    assert metrics.snapshot()["conflicts"]["merged"] == 1


def test_absurd_attempts_are_counted_at_the_ends(log: BoundedEventLog, metrics: Metrics) -> None:
    for attempts in (-3, 10, 11, 10**30):
        committed(log, attempts=attempts)
    assert metrics.snapshot()["updates"]["attempts"] == {"0": 1, "10": 3}


def test_facts_of_the_wrong_type_are_left_out(
    log: BoundedEventLog, metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    committed(log, attempts="two", latency_s="fast", merged=None, overridden=["/name"])
    snapshot = metrics.snapshot()
    assert snapshot["updates"]["committed"] == 1
    assert snapshot["latency_ms"]["count"] == 0
    assert snapshot["conflicts"]["overridden"] == 0
    assert caplog.records == []


def test_threads_lose_no_count(log: BoundedEventLog, metrics: Metrics) -> None:
    threads, each = 8, 200
    begin = threading.Barrier(threads)

    def work() -> None:
        begin.wait()
        for _ in range(each):
            log.emit("cache.hit")
            committed(log, attempts=2, latency_s=0.001, overridden=1)

    workers = [threading.Thread(target=work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    snapshot = metrics.snapshot()
    total = threads * each
    assert snapshot["updates"]["attempts"] == {"2": total}
    assert snapshot["cache"]["hits"] == snapshot["latency_ms"]["count"] == total
    assert snapshot["conflicts"] == {"detected": 0, "merged": total, "overridden": total}
    assert snapshot["throughput_per_s"]["10"] == total / 10


def test_a_cache_hit_calls_nobody(log: BoundedEventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Metrics take hits from the log's own count: no event is built, no function is called."""
    metrics = Metrics(log)
    monkeypatch.setattr(
        "syncsim.events.log._deliver", lambda record, subscribers: pytest.fail("called")
    )
    log.emit("cache.hit", template_id="form", user="ann")
    assert metrics.snapshot()["cache"]["hits"] == 1
