"""A herd in virtual time: the solution as it is, its faults found, its traces forgotten."""

from __future__ import annotations

import gc
from typing import Any

import pytest

from syncsim.lab.engines.simulated_load import Load, Quantiles
from syncsim.lab.simulation.recent_store import RecentStore
from syncsim.lab.simulation.scheduler import START_S
from syncsim.lab.simulation.service_times import ServiceTimes
from syncsim.lab.solutions.broken.blind_write import BlindWrite
from syncsim.lab.solutions.broken.last_write_wins import LastWriteWins
from syncsim.lab.solutions.broken.no_invalidation import NoInvalidation
from syncsim.lab.solutions.broken.swallowed_failure import SwallowedFailure
from syncsim.service.retry import RetryPolicy
from syncsim.service.service import build
from tests.parts import ManualClock
from tests.unruly_solutions import Crashing

STEADY = ServiceTimes(spread=0.0)


def test_every_user_updates_once_a_minute_and_nothing_is_lost() -> None:
    load = Load(build, users=40)
    judge = load.sustained(2)
    figures = load.figures
    assert (figures.updates, figures.succeeded, figures.failures) == (80, 80, {})
    assert figures.commits == judge.commits == 80
    assert judge.counts == {}


def test_one_seed_is_one_load() -> None:
    def figures(seed: int) -> tuple[object, ...]:
        load = Load(lambda env: build(env, retry=RetryPolicy.parse("fixed")), users=30, seed=seed)
        load.released()
        told = load.figures
        latency = [told.latency_ms.at(percent) for percent in (50, 99, 100)]
        return told.succeeded, told.attempts, told.effort.locked_s, *latency

    assert figures(1) == figures(1) != figures(2)


def test_time_passes_as_the_model_says() -> None:
    """Alone: a body read by the reader, then a merge and a commit; nothing is waited for."""
    load = Load(build, users=1, times=STEADY)
    load.sustained(20)
    figures = load.figures
    assert figures.latency_ms.largest == pytest.approx(STEADY.merge_ms + STEADY.commit_ms, abs=0.01)
    assert figures.effort.locked_s * 1000 == pytest.approx(20 * STEADY.commit_ms, abs=0.01)
    assert figures.effort.reads == 1  # what it has committed itself, a user has in memory


def test_writers_wait_for_the_write_lock_and_losers_hold_it_for_less() -> None:
    """Ten at once, all but one lose: one commit and nine lost swaps, nothing retried."""
    never = RetryPolicy("none", queue_from=None, retries=0)
    load = Load(lambda env: build(env, retry=never), users=10, times=STEADY)
    load.released()
    figures = load.figures
    assert (figures.succeeded, figures.failures) == (1, {"RetriesExhaustedError": 9})
    held_ms = STEADY.commit_ms * (1 + 9 * STEADY.lost)
    assert figures.effort.locked_s * 1000 == pytest.approx(held_ms, abs=0.01)
    assert figures.latency_ms.largest < held_ms + STEADY.merge_ms + 1.0


def test_a_user_needs_a_thread_only_while_an_update_is_in_flight() -> None:
    load = Load(build, users=400)
    load.sustained(1)
    assert load.figures.updates == 400
    assert load.figures.in_flight < 10


class SwallowedSoon(SwallowedFailure):
    """Gives up at the first conflict."""

    attempts = 1


@pytest.mark.parametrize(
    ("solution", "kind"),
    [
        (BlindWrite, ("D1", "lost-update")),
        (LastWriteWins, ("D1", "lost-update")),
        (SwallowedSoon, ("D1", "acknowledged-without-commit")),
    ],
)
def test_what_loses_updates_is_found_in_a_herd(solution: Any, kind: tuple[str, str]) -> None:
    judge = Load(solution, users=50).released()
    assert judge.counts[kind] > 0
    assert {code for code, _ in judge.counts} == {"D1"}
    assert all(finding.operations for finding in judge.findings)


def test_what_serves_stale_copies_is_found_from_the_second_minute_on() -> None:
    load = Load(NoInvalidation, users=10)
    judge = load.sustained(2)
    assert judge.counts["M1", "stale-read"] > 0


def test_memory_does_not_grow_with_the_number_of_updates() -> None:
    """Counted at n and 2n updates of the same users: store and judge, and all objects there are.

    Documents that are known fill a bounded memory and are let go, which is the slack of 3 %.
    """
    kept: list[int] = []

    def count(ended: int) -> None:
        if ended in (400, 800):
            gc.collect()
            kept.append(len(gc.get_objects()))

    remembered = []
    for minutes in (40, 80):
        load = Load(build, users=10, keep=20, progress=count if minutes == 80 else _nothing)
        load.sustained(minutes)
        remembered.append(load.figures.remembered)
    versions, operations = 2 * 20, 20
    assert max(remembered) <= 2 * versions + 3 * operations + 2 * 10
    assert kept[1] - kept[0] < 0.03 * kept[0]


def _nothing(ended: int) -> None:
    """Nobody watches."""


def test_a_store_that_forgets_keeps_the_newest() -> None:
    seen: list[int] = []
    store = RecentStore(
        clock=ManualClock(START_S), keep=5, seen=lambda record: seen.append(record.revision)
    )
    document = {"schema_version": 1, "name": "x", "description": "", "fields": [], "sections": []}
    document |= {"settings": {}, "metadata": {}}
    rows = [store.create("t", document, by="ann")]
    for number in range(40):
        row = store.compare_and_swap(
            "t",
            rows[-1].version,
            {**document, "name": f"{number}"},
            by="ann",
            update_id=f"u{number}",
        )
        rows.append(row)
    assert seen == list(range(1, 42))
    kept = store.history("t")
    assert 5 <= len(kept) <= 10
    assert kept[0].version == store.read("t").version == rows[-1].version
    assert store.revision("t", rows[0].version) is None
    assert store.find_update("u0") is None
    assert store.find_update("u39") is not None
    assert store.remembered <= 20


def test_quantiles_are_within_half_a_per_cent_in_bounded_memory() -> None:
    quantiles = Quantiles()
    for number in range(1, 10_001):
        quantiles.add(number / 10)
    for percent in (1, 50, 99):
        assert quantiles.at(percent) == pytest.approx(10 * percent, rel=0.006)
    assert quantiles.at(100) == quantiles.largest == 1_000
    assert len(quantiles._buckets) < 1_000
    assert Quantiles().at(50) == 0.0


def test_a_load_in_which_something_crashed_has_no_figures() -> None:
    with pytest.raises(RuntimeError, match="KeyError"):
        Load(Crashing, users=3).released()
