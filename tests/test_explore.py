"""Exploring: what is broken is found, shrunk and replayed; what is right is never accused."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.repeating import BlindInFewSteps
from syncsim.contract import Document, Outcome, Snapshot
from syncsim.errors import UsageError
from syncsim.lab.simulation.explore import explore, replay
from syncsim.lab.simulation.run_resources import RunResources
from syncsim.lab.simulation.search import MAX_ENDLESS, STRATEGIES
from syncsim.lab.simulation.simulated_run import Parameters, Simulation
from syncsim.lab.simulation.sleep_sets import Commuting
from syncsim.lab.simulation.strategies import FewPreemptions, Strategy
from syncsim.lab.solutions.broken.blind_write import BlindWrite
from syncsim.lab.solutions.broken.lazy_job import LazyJob
from syncsim.lab.solutions.broken.no_invalidation import NoInvalidation
from syncsim.lab.solutions.broken.no_retry import NoRetry
from syncsim.lab.solutions.broken.rude_job import RudeJob
from syncsim.lab.solutions.broken.shared_document import SharedDocument
from syncsim.lab.solutions.broken.swallowed_failure import SwallowedFailure
from syncsim.lab.solutions.broken.ten_retries import TenRetries
from syncsim.lab.solutions.correct.no_cache import NoCache
from syncsim.lab.solutions.correct.write_lock import WriteLock

SCENARIOS = (
    *("perfect-storm", "cache-consistency", "background-job-respect"),
    *("stress-test", "retry-ladder"),
)


# -- must find -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("solution", "scenario", "code"),
    [
        (BlindWrite, "perfect-storm", "D1"),
        (SwallowedFailure, "retry-ladder", "D1"),
        (NoInvalidation, "cache-consistency", "M1"),
        (SharedDocument, "cache-consistency", "M1"),
        (NoRetry, "perfect-storm", "M3"),
        (RudeJob, "perfect-storm", "M5"),
        (LazyJob, "background-job-respect", "M5"),
        (TenRetries, "retry-ladder", "S2"),
    ],
)
def test_a_mistake_is_found_shrunk_and_replayed(
    solution: type[NoCache], scenario: str, code: str
) -> None:
    exploration = explore(scenario, solution=solution, schedules=60)
    assert not exploration.passed
    assert set(exploration.failing) == {code}
    first = exploration.first
    assert first is not None
    assert first.repeats
    assert first.replays < 100
    assert first.shrunk_draws <= min(first.draws, 2)
    for token in (first.token, first.shrunk):
        again = replay(scenario, token, solution=solution)
        assert first.finding.kind in {finding.kind for finding in again.faults}
    assert replay(scenario, first.shrunk, solution=solution).digest == first.run.digest
    assert exploration.findings[0].token == first.shrunk


def test_the_json_is_that_of_the_command_line() -> None:
    record = explore("perfect-storm", solution=BlindWrite, schedules=40, seed=3).to_json()
    assert {"schedules", "distinct", "exhausted", "findings"} <= record.keys()
    assert record["schedules"] == 40
    assert record["findings"][0]["code"] == "D1"
    assert record["findings"][0]["token"].startswith("s1.")


def test_the_same_seed_explores_the_same_and_another_seed_other_schedules() -> None:
    def tokens(seed: int) -> tuple[str, ...]:
        found = explore("perfect-storm", solution=BlindWrite, schedules=50, seed=seed)
        return tuple(failure.token for failure in found.failures)

    assert tokens(1) == tokens(1)
    assert tokens(1) != tokens(2)


def test_a_solution_that_does_not_repeat_itself_is_said_not_to(tmp_path: Path) -> None:
    path = tmp_path / "moody.py"
    path.write_text(
        "from syncsim.lab.solutions.broken.blind_write import BlindWrite\n"
        "from syncsim.lab.solutions.correct.no_cache import NoCache\n"
        "class Moody(BlindWrite):\n"
        "    def get_template(self, template_id, *, user):\n"
        "        NoCache.moods = getattr(NoCache, 'moods', 0) + 1\n"
        "        for _ in range(NoCache.moods % 7):\n"
        "            self.env.store.head(template_id)\n"
        "        return super().get_template(template_id, user=user)\n"
        "build = Moody\n"
    )
    first = explore("perfect-storm", solution=path, schedules=60, strategy="random").first
    assert first is not None
    assert not first.repeats


def test_many_runs_without_an_end_are_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "endless.py"
    path.write_text(
        "from syncsim.lab.solutions.correct.no_cache import NoCache\n"
        "class Endless(NoCache):\n"
        "    def get_template(self, template_id, *, user):\n"
        "        while True:\n"
        "            self.env.clock.sleep(20.0)\n"
        "def build(env):\n"
        "    return Endless(env)\n"
    )
    exploration = explore("background-job-respect", solution=path, schedules=1000)
    assert exploration.schedules == MAX_ENDLESS
    assert exploration.failing == {"D2": MAX_ENDLESS}


# -- must not accuse -------------------------------------------------------------------------------


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("solution", [None, NoCache, WriteLock])
def test_what_is_right_is_never_accused(solution: type[NoCache] | None, scenario: str) -> None:
    exploration = explore(scenario, solution=solution, schedules=50)
    assert exploration.passed
    assert exploration.findings == ()
    assert exploration.schedules == 50
    assert exploration.distinct > (10 if scenario in SCENARIOS[:2] else 0)


@pytest.mark.real
@pytest.mark.parametrize(
    ("parameters", "at_least"),
    [
        (Parameters("perfect-storm", users=2, work_ms=0.0), 100_000),
        (Parameters("perfect-storm", users=3, work_ms=0.0, with_job=False), 10**9),
        (Parameters("cache-consistency", users=2, work_ms=0.0), 10_000),
    ],
)
def test_no_schedule_of_the_reference_loses_anything_up_to_steps_that_commute(
    parameters: Parameters, at_least: int
) -> None:
    exploration = explore(parameters, strategy="exhaustive", schedules=5_000)
    assert exploration.exhausted
    assert exploration.passed
    assert exploration.interleavings is not None
    assert exploration.interleavings > at_least > exploration.schedules


class StaleForOne(NoCache):
    """Reads from the user's cache for ever, except that ben's is emptied, after the commit."""

    def get_template(self, template_id: str, *, user: str) -> Snapshot:
        cache = self.env.cache(user)
        kept = cache.get(template_id)
        if kept is None:
            row = self.env.store.read(template_id)
            kept = [row.version, row.document]
            cache.set(template_id, kept)
        return Snapshot(template_id, kept[0], kept[1], 0.0, "")

    def update_template(
        self, template_id: str, changes: Document, *, user: str, base: Snapshot | None = None
    ) -> Outcome:
        row = self.env.store.update_locked(
            template_id, lambda head: {**head.document, **changes}, by=user
        )
        if user == "ann":
            self.env.cache("ben").delete(template_id)
        return Outcome("committed", row.version, 1)


def test_no_finding_is_missed_by_leaving_out_orders_that_commute() -> None:
    """Nor one that only the order of an answer and a call decides, between which lies no step."""
    parameters = Parameters("stress-test", users=2, updates=2, work_ms=0.0, with_job=False)

    def findings(strategy: Strategy) -> tuple[set[tuple[str, tuple[str, ...]]], int]:
        found: set[tuple[str, tuple[str, ...]]] = set()
        runs = 0
        with RunResources() as resources:
            simulation = Simulation(parameters, resources, solution=StaleForOne)
            while (choices := strategy.next_run()) is not None:
                run = simulation.run(choices)
                strategy.learn(choices)
                found |= {(finding.kind, finding.operations) for finding in run.faults}
                runs += run.ending.kind == "done"
        return found, runs

    classes = Commuting()
    every, schedules = findings(FewPreemptions(at_most=None))
    assert findings(classes) == (every, 18)
    assert classes.interleavings == schedules == 550
    assert {kind for kind, _ in every} == {"stale-read", "own-write-unseen"}


def test_most_schedules_of_three_blind_writers_lose_an_update() -> None:
    exploration = explore(
        Parameters("perfect-storm", users=3, work_ms=0.0, with_job=False),
        solution=BlindInFewSteps,
        strategy="exhaustive",
        schedules=5_000,
    )
    assert exploration.exhausted
    assert (exploration.schedules, exploration.failing) == (708, {"D1": 528})
    assert exploration.interleavings == 3_360


# -- bad input -------------------------------------------------------------------------------------


def test_what_cannot_be_explored_is_refused() -> None:
    with pytest.raises(UsageError, match="scenario cannot be"):
        explore("calm-sea")
    with pytest.raises(UsageError, match="at least 1"):
        explore("perfect-storm", schedules=0)
    with pytest.raises(UsageError, match="one of portfolio"):
        explore("perfect-storm", strategy="luck")
    with pytest.raises(UsageError, match="memory or sqlite"):
        explore("perfect-storm", store="paper")
    with pytest.raises(UsageError, match="a name, where its size is given beside it"):
        explore(Parameters("perfect-storm"), users=3)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_can_be_asked_for_by_name(strategy: str) -> None:
    exploration = explore("perfect-storm", solution=BlindWrite, schedules=40, strategy=strategy)
    assert exploration.failing["D1"] > 0


def test_progress_is_told_after_each_schedule() -> None:
    told: list[tuple[int, int]] = []
    explore("background-job-respect", schedules=5, progress=lambda *done: told.append(done))
    assert told == [(n, 5) for n in range(1, 6)]


# -- two processes ---------------------------------------------------------------------------------


@pytest.mark.real
def test_processes_share_the_schedules_and_what_they_find_is_one_exploration() -> None:
    """The same each time for one seed, and as good to replay."""
    first, again = (
        explore("perfect-storm", solution=BlindWrite, schedules=61, seed=5, processes=2)
        for _ in range(2)
    )
    assert first.schedules == 61
    assert first.to_json() == again.to_json()
    assert first.first is not None
    assert replay("perfect-storm", first.first.token, solution=BlindWrite).faults


def test_what_cannot_be_shared_is_refused() -> None:
    with pytest.raises(UsageError, match="a function of a module"):
        explore("perfect-storm", solution=lambda env: NoCache(env), processes=2)
    with pytest.raises(UsageError, match="goes on from run to run"):
        explore("perfect-storm", strategy="exhaustive", processes=2)
    with pytest.raises(UsageError, match="at least 1"):
        explore("perfect-storm", processes=0)
