"""Strategies: counts of the small cases pinned, and what each is for shown on a bug it finds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import groupby
from typing import Any

import pytest

from syncsim.lab.simulation.choices import GO_ON_OR_SWITCH
from syncsim.lab.simulation.environment import SimulatedEnvironment
from syncsim.lab.simulation.sleep_sets import Commuting
from syncsim.lab.simulation.strategies import (
    FewPreemptions,
    Portfolio,
    Priorities,
    RandomWalk,
    Strategy,
)
from tests.simulation_parts import (
    Bench,
    Jobs,
    World,
    bench,
    blind_write,
    check_then_act,
    swap,
    writers,
)

__all__ = ["bench"]


def lost(worlds: list[World], users: int) -> int:
    """In how many runs some user's write is gone."""
    return sum(len(world.settings) < users for world in worlds)


def outcomes(worlds: list[World]) -> set[str]:
    """What may come out: the settings, the time it took, how it ended."""
    return {
        repr((sorted(world.settings.items()), world.scheduler.now, world.ending.kind))
        for world in worlds
    }


# -- pinned counts ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("write", "users", "schedules", "losing"),
    [
        (blind_write, 2, 6, 4),
        (blind_write, 3, 90, 84),
        (check_then_act, 2, 20, 12),
        (swap, 2, 6, 0),
        (swap, 3, 90, 0),
    ],
)
def test_every_schedule_is_run_once_and_so_many_lose_an_update(
    bench: Bench,
    write: Callable[[SimulatedEnvironment, str], None],
    users: int,
    schedules: int,
    losing: int,
) -> None:
    worlds = list(bench.sweep(writers(write, users), FewPreemptions(at_most=None)))
    assert (len(worlds), lost(worlds, users)) == (schedules, losing)
    assert len({tuple(world.scheduler.trace) for world in worlds}) == schedules


@pytest.mark.parametrize(
    ("write", "users", "classes", "schedules"),
    [
        (blind_write, 2, 4, 6),
        (blind_write, 3, 36, 90),
        (check_then_act, 3, 144, 4794),
        (swap, 3, 36, 90),
        (swap, 4, 576, 2520),
    ],
)
def test_commuting_steps_are_run_in_one_order_and_counted_in_all(
    bench: Bench,
    write: Callable[[SimulatedEnvironment, str], None],
    users: int,
    classes: int,
    schedules: int,
) -> None:
    strategy = Commuting()
    worlds = list(bench.sweep(writers(write, users), strategy))
    assert (strategy.runs, strategy.interleavings) == (classes, schedules)
    assert len(worlds) == classes


# -- exhaustive up to commuting steps --------------------------------------------------------------


def through_caches(env: SimulatedEnvironment, user: str) -> None:
    """Steps on things of one's own around one on a shared thing."""
    cache = env.cache(user)
    seen = cache.get("t")
    with cache.transact():
        cache.set("t", env.store.head("t").revision)
    if seen is None:
        blind_write(env, user)


def under_locks(env: SimulatedEnvironment, user: str) -> None:
    """Waiting lines, time-outs and callbacks."""
    with env.lock("a"):
        env.store.update_locked(
            "t",
            lambda row: {**row.document, "settings": {"x_n": env.store.head("t").revision}},
            by=user,
        )
    env.clock.sleep(0.5)
    env.cache("ann").set("last", user)


def by_chance(env: SimulatedEnvironment, user: str) -> None:
    """The order of use decides who gets which random number, though nothing else is shared."""
    env.cache(user).set("x", 1)
    document = env.store.read("t").document
    document["settings"][f"x_{user}"] = env.random.randrange(1000)
    env.clock.sleep(1.0 if user == "ann" else 2.0)
    env.store.update_locked("t", lambda row: _merged(row.document, document), by=user)


def _merged(head: dict[str, Any], mine: dict[str, Any]) -> dict[str, Any]:
    return {**head, "settings": {**head["settings"], **mine["settings"]}}


@pytest.mark.parametrize("write", [blind_write, check_then_act, swap, through_caches, by_chance])
def test_no_outcome_is_missed_by_leaving_out_orders_that_commute(
    bench: Bench, write: Callable[[SimulatedEnvironment, str], None]
) -> None:
    every, classes = FewPreemptions(at_most=None), Commuting()
    all_worlds = list(bench.sweep(writers(write, 2), every))
    few_worlds = list(bench.sweep(writers(write, 2), classes))
    assert outcomes(few_worlds) == outcomes(all_worlds)
    assert classes.interleavings == len(all_worlds)
    assert len(few_worlds) <= len(all_worlds)


def test_no_outcome_is_missed_where_actors_wait_in_lines(bench: Bench) -> None:
    every, classes = FewPreemptions(at_most=None), Commuting()
    all_worlds = list(bench.sweep(writers(under_locks, 2), every))
    few_worlds = list(bench.sweep(writers(under_locks, 2), classes))
    assert outcomes(few_worlds) == outcomes(all_worlds)
    assert classes.interleavings == len(all_worlds)


def test_a_deadlock_is_found_by_leaving_nothing_out(bench: Bench) -> None:
    def jobs(env: SimulatedEnvironment) -> dict[str, Callable[[], object]]:
        def hold(first: str, second: str) -> None:
            with env.lock(first), env.lock(second):
                pass

        return {"ann": lambda: hold("a", "b"), "ben": lambda: hold("b", "a")}

    kinds = Counter(world.ending.kind for world in bench.sweep(jobs, Commuting()))
    assert kinds == {"done": 2, "deadlock": 1}


# -- few pre-emptions ------------------------------------------------------------------------------


def preemptions(world_choices: list[tuple[str, int, int]]) -> int:
    return sum(label == GO_ON_OR_SWITCH and value > 0 for label, _, value in world_choices)


def test_schedules_come_by_their_number_of_preemptions_and_no_further(bench: Bench) -> None:
    strategy = FewPreemptions(at_most=2)
    counts: list[int] = []
    traces: set[tuple[object, ...]] = set()
    while (choices := strategy.next_run()) is not None:
        world = bench.run(writers(swap), choices)
        strategy.learn(choices)
        counts.append(preemptions(choices.made))
        traces.add(tuple(world.scheduler.trace))
    assert counts == sorted(counts)
    assert Counter(counts) == {0: 6, 1: 18, 2: 36}
    assert len(traces) == len(counts)


def test_the_seed_decides_the_order_among_schedules_of_equal_count(bench: Bench) -> None:
    def first_traces(seed: int) -> list[object]:
        worlds = bench.sweep(writers(swap), FewPreemptions(seed), at_most=20)
        return [tuple(world.scheduler.trace) for world in worlds]

    assert first_traces(1) == first_traces(1)
    assert first_traces(1) != first_traces(2)


# -- chance ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [RandomWalk, Priorities])
def test_a_strategy_by_chance_repeats_itself_and_never_ends(
    bench: Bench, make: Callable[[int], Strategy]
) -> None:
    def traces(seed: int) -> list[object]:
        worlds = bench.sweep(writers(swap), make(seed), at_most=50)
        return [tuple(world.scheduler.trace) for world in worlds]

    assert traces(1) == traces(1)
    assert traces(1) != traces(2)
    assert len(set(traces(1))) > 5


def test_priorities_find_a_bug_of_depth_two_as_often_as_promised(bench: Bench) -> None:
    """A lost update of two writers needs one switch at one step: 1/(n k) = 1/8 at least."""
    worlds = list(bench.sweep(writers(blind_write, 2), Priorities(1), at_most=400))
    assert lost(worlds, 2) > 400 / 8 / 2


def test_an_order_that_a_random_walk_never_takes_is_usual_for_priorities(bench: Bench) -> None:
    """All forty steps of one between two steps of the other: one switch, anywhere, and back."""

    def busy(env: SimulatedEnvironment, user: str) -> None:
        for _ in range(40):
            env.store.head("t")

    def hits(strategy: Strategy) -> int:
        worlds = bench.sweep(writers(busy, 2), strategy, at_most=100)
        runs = [[actor for actor, _ in groupby(a for a, _ in world.trace)] for world in worlds]
        return sum(len(run) == 3 for run in runs)

    assert hits(RandomWalk(1)) == 0
    assert hits(Priorities(1)) > 20


# -- the portfolio ---------------------------------------------------------------------------------


def test_a_portfolio_takes_its_strategies_in_turn_forty_thirty_thirty(bench: Bench) -> None:
    strategy = Portfolio(1)
    kinds: list[str] = []
    for _ in range(100):
        choices = strategy.next_run()
        assert choices is not None
        kinds.append(type(choices).__name__)
        assert strategy.pairs == (kinds[-1] == "Guided")
        bench.run(writers(swap), choices)
        strategy.learn(choices)
    assert Counter(kinds) == {"Seeded": 40, "_PriorityRun": 30, "Guided": 30}
    assert len(set(kinds[:5])) == 3


def test_a_portfolio_goes_on_at_random_where_few_preemptions_are_exhausted(bench: Bench) -> None:
    jobs: Jobs = writers(blind_write, 2)
    assert sum(1 for _ in bench.sweep(jobs, Portfolio(1), at_most=200)) == 200
