"""The scheduler: a run is a function of its draws; whoever does not end is told with the line."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextvars import ContextVar
from pathlib import Path

import pytest

from syncsim.errors import LockTimeoutError
from syncsim.lab.simulation.choices import (
    Choices,
    Guided,
    MisalignedReplayError,
    Replayed,
    Seeded,
)
from syncsim.lab.simulation.environment import SimulatedEnvironment
from syncsim.lab.simulation.scheduler import START_S, Scheduler
from syncsim.lab.simulation.scheduler_locks import SchedulerLock
from syncsim.lab.simulation.thread_pool import ThreadPool
from tests.simulation_parts import Bench, bench, blind_write, swap, writers

__all__ = ["bench"]

HERE = Path(__file__)


def line_of(mark: str) -> str:
    """``test_simulation.py:41``: where the line with this mark stands."""
    lines = HERE.read_text().splitlines()
    number = next(n for n, line in enumerate(lines, 1) if line.endswith(f"# {mark}"))
    return f"{HERE.name}:{number}"


# -- one list of draws is one run ------------------------------------------------------------------


def digest(seeds: range) -> str:
    """Over the traces and times of so many runs of three writers who retry with random delays."""
    bench = Bench()
    text = hashlib.sha256()
    for seed in seeds:
        world = bench.run(writers(swap), Seeded(seed))
        text.update(repr((world.scheduler.trace, world.scheduler.now, world.settings)).encode())
    bench.workers.close()
    return text.hexdigest()


def test_the_same_seed_gives_the_same_trace_and_another_seed_another(bench: Bench) -> None:
    traces = [tuple(bench.run(writers(swap), Seeded(seed)).trace) for seed in [*range(40)] * 2]
    assert traces[:40] == traces[40:]
    assert len(set(traces)) > 20


@pytest.mark.parametrize("hash_seed", ["0", "4242"])
def test_the_traces_are_the_same_in_a_fresh_process_with_another_hash_seed(hash_seed: str) -> None:
    program = "from tests.test_simulation import digest; print(digest(range(60)))"
    answer = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        cwd=HERE.parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.strip() == digest(range(60))


def test_a_recorded_run_replays_to_the_same_trace(bench: Bench) -> None:
    for seed in range(100):
        choices = Seeded(seed)
        world = bench.run(writers(swap), choices)
        assert bench.run(writers(swap), Replayed(choices.made)).trace == world.trace


def test_a_run_that_is_not_recorded_takes_the_same_course_and_keeps_nothing(bench: Bench) -> None:
    recorded, unrecorded = Seeded(9), Seeded(9, recorded=False)
    one, other = bench.run(writers(swap), recorded), bench.run(writers(swap), unrecorded)
    assert (other.settings, other.scheduler.now, other.scheduler.steps) == (
        one.settings,
        one.scheduler.now,
        one.scheduler.steps,
    )
    assert recorded.made
    assert one.trace
    assert (unrecorded.made, other.trace) == ([], [])


def test_a_replay_of_something_else_ends_in_misalignment(bench: Bench) -> None:
    """Also where the solution swallows every exception it can."""
    choices = Seeded(1)
    bench.run(writers(swap), choices)

    def deaf(env: SimulatedEnvironment, user: str) -> None:
        try:
            blind_write(env, user)
        except Exception:
            env.clock.sleep(1)

    with pytest.raises(MisalignedReplayError):
        bench.run(writers(deaf, count=2), Replayed(choices.made))
    assert bench.run(writers(swap)).ending.kind == "done"


def test_a_list_of_zeros_has_no_context_switch(bench: Bench) -> None:
    actors = [actor for actor, _ in bench.run(writers(swap), Guided(())).trace]
    assert actors == sorted(actors)


def test_actors_run_up_to_their_first_step_before_anything_is_drawn(bench: Bench) -> None:
    begun: list[str] = []

    def write(env: SimulatedEnvironment, user: str) -> None:
        begun.append(user)
        blind_write(env, user)
        assert begun == ["ann", "ben", "cleo"]

    world = bench.run(writers(write), Seeded(1))
    assert world.errors == {}
    assert world.ending.kind == "done"


def test_code_between_two_steps_is_never_interrupted(bench: Bench) -> None:
    """`n += 1` in two lines, in every one of many schedules."""
    total = 0

    def count(env: SimulatedEnvironment, user: str) -> None:
        nonlocal total
        for _ in range(5):
            env.store.head("t")
            before = total
            total = before + 1

    for seed in range(30):
        bench.run(writers(count), Seeded(seed))
    assert total == 30 * 3 * 5


def test_every_job_has_a_context_of_its_own_on_reused_threads(bench: Bench) -> None:
    stamp: ContextVar[str] = ContextVar("stamp")
    seen: list[tuple[str | None, int]] = []

    def write(env: SimulatedEnvironment, user: str) -> None:
        seen.append((stamp.get(None), threading.get_ident()))
        stamp.set(user)
        env.store.head("t")
        assert stamp.get() == user

    for seed in range(10):
        assert bench.run(writers(write), Seeded(seed)).errors == {}
    assert {before for before, _ in seen} == {None}
    assert len({thread for _, thread in seen}) <= 4


# -- virtual time ----------------------------------------------------------------------------------


def test_the_clock_moves_only_when_everybody_waits_and_then_to_the_earliest(bench: Bench) -> None:
    woken: list[tuple[str, float]] = []

    def jobs(env: SimulatedEnvironment) -> dict[str, object]:
        def sleeper(name: str, seconds: float) -> None:
            env.clock.sleep(seconds)
            woken.append((name, env.clock.now() - START_S))

        def busy() -> None:
            for _ in range(20):
                env.store.head("t")
            woken.append(("busy", env.clock.now() - START_S))

        return {
            "late": lambda: sleeper("late", 60.0),
            "early": lambda: sleeper("early", 2.5),
            "busy": busy,
        }

    for seed in range(10):
        woken.clear()
        bench.run(jobs, Seeded(seed))
        assert woken == [("busy", 0.0), ("early", 2.5), ("late", 60.0)]


def test_a_wait_that_ended_early_leaves_no_alarm_behind(bench: Bench) -> None:
    """Ann's time-out at 2 s, long settled, comes due together with the end of ben's sleep."""

    def jobs(env: SimulatedEnvironment) -> dict[str, object]:
        def ann() -> float:
            env.clock.sleep(0.5)
            with env.lock("a", timeout_s=1.5):
                env.clock.sleep(4.0)
            return env.clock.now() - START_S

        def cleo() -> None:
            with env.lock("a"):
                env.clock.sleep(1.0)

        return {"ann": ann, "ben": lambda: env.clock.sleep(2.0), "cleo": cleo}

    world = bench.run(jobs)
    assert world.ending.kind == "done"
    assert world.answers["ann"] == 5.0


def test_actors_that_wake_together_are_drawn_in_the_order_of_their_starting(bench: Bench) -> None:
    def nap(env: SimulatedEnvironment, user: str) -> None:
        for seconds in {"ann": [0.5, 0.5], "ben": [0.25, 0.75], "cleo": [1.0]}[user]:
            env.clock.sleep(seconds)
        env.store.head("t")

    trace = bench.run(writers(nap), Guided(())).trace
    assert [actor for actor, call in trace if call == "store.head"] == ["ann", "ben", "cleo"]


@pytest.mark.parametrize("seconds", [0, -1.0, float("nan")])
def test_sleeping_no_time_is_a_step_like_others(bench: Bench, seconds: float) -> None:
    world = bench.run(writers(lambda env, user: env.clock.sleep(seconds), count=2), Seeded(2))
    assert [call for _, call in world.trace] == ["sleep", "sleep"]
    assert world.scheduler.now == START_S


# -- runs that do not end --------------------------------------------------------------------------


def opposite_locks(env: SimulatedEnvironment) -> dict[str, object]:
    def hold(first: str, second: str) -> None:
        with env.lock(first), env.lock(second):  # both
            env.store.head("t")

    return {"ann": lambda: hold("a", "b"), "ben": lambda: hold("b", "a")}


def test_locks_taken_in_opposite_order_deadlock_with_the_cycle_and_its_lines(bench: Bench) -> None:
    endings = [bench.run(opposite_locks, Seeded(seed)).ending for seed in range(60)]
    deadlocks = [ending for ending in endings if ending.kind == "deadlock"]
    assert 0 < len(deadlocks) < 60
    ending = deadlocks[0]
    assert set(ending.actors) == {"ann", "ben"}
    assert {(w.actor, w.waits_for, w.held_by, w.line) for w in ending.waits} == {
        ("ann", "lock 'b'", "ben", line_of("both")),
        ("ben", "lock 'a'", "ann", line_of("both")),
    }
    assert "ann waits for lock 'b' held by ben" in ending.message
    assert bench.run(writers(swap)).ending.kind == "done"


def test_a_lock_that_was_never_released_is_a_deadlock_for_the_next(bench: Bench) -> None:
    held = []

    def hold(env: SimulatedEnvironment, user: str) -> None:
        held.append(env.lock("a"))
        held[-1].__enter__()

    ending = bench.run(writers(hold, count=2)).ending
    assert (ending.kind, ending.actors) == ("deadlock", ("ben",))
    assert ending.waits[0].held_by == "ann"


def test_four_thousand_steps_are_endless(bench: Bench) -> None:
    def spin(env: SimulatedEnvironment, user: str) -> None:
        while True:
            env.store.head("t")  # spin

    ending = bench.run(writers(spin, count=1)).ending
    assert (ending.kind, ending.actors, ending.operation) == ("endless", ("ann",), "update")
    assert ending.line == line_of("spin")
    assert "after 4001 steps and 0.0 virtual seconds" in ending.message


def test_two_virtual_minutes_are_endless_also_for_one_who_only_waits(bench: Bench) -> None:
    def nap(env: SimulatedEnvironment, user: str) -> None:
        with env.lock("a"):
            while True:
                env.clock.sleep(1.0)

    def doze(env: SimulatedEnvironment, user: str) -> None:
        env.clock.sleep(1000.0)

    napping = bench.run(writers(nap, count=2)).ending
    assert (napping.kind, napping.actors) == ("endless", ("ann",))
    assert bench.run(writers(doze, count=1)).ending.kind == "endless"


def test_who_spins_for_another_is_not_endless_however_unfair_the_draws(bench: Bench) -> None:
    """Under zeros "the current actor goes on" for ever, though the holder is ready to release."""

    def spin(env: SimulatedEnvironment, user: str) -> None:
        while not env.cache("ann").add("lock", 1):
            pass
        for _ in range(10):
            env.store.head("t")
        env.cache("ann").delete("lock")

    for prefix in ([], [0, 1], [1], [0, 0, 1], [0, 0, 0, 2]):
        assert bench.run(writers(spin), Guided(prefix)).ending.kind == "done"


def test_an_actor_that_waits_for_something_real_is_stuck_and_the_next_run_is_not(
    bench: Bench,
) -> None:
    never = threading.Event()

    def block(env: SimulatedEnvironment, user: str) -> None:
        if user == "ben":
            never.wait()  # real
        env.store.head("t")

    ending = bench.run(writers(block), patience_s=0.3).ending
    assert (ending.kind, ending.actors) == ("stuck", ("ben",))
    assert ending.line == line_of("real")
    assert "run it on real threads before judging" in ending.message
    assert bench.run(writers(swap)).ending.kind == "done"
    never.set()


def test_an_endless_computation_is_stuck_and_its_thread_is_ended(bench: Bench) -> None:
    ended = threading.Event()

    def compute(env: SimulatedEnvironment, user: str) -> None:
        try:
            while True:
                pass
        finally:
            ended.set()

    assert bench.run(writers(compute, count=1), patience_s=0.3).ending.kind == "stuck"
    assert ended.wait(10)


def test_no_broad_except_swallows_the_end_of_a_run(bench: Bench) -> None:
    cleaned: list[str] = []

    def stubborn(env: SimulatedEnvironment, user: str) -> None:
        try:
            while True:
                try:
                    with env.lock("a"), env.cache(user).transact():
                        env.store.head("t")
                except Exception:
                    pass
        finally:
            cleaned.append(user)

    world = bench.run(writers(stubborn), Seeded(1))
    assert world.ending.kind == "endless"
    assert sorted(cleaned) == ["ann", "ben", "cleo"]
    assert world.errors == {}


def test_an_exception_ends_its_actor_and_nobody_else(bench: Bench) -> None:
    def fail(env: SimulatedEnvironment, user: str) -> None:
        env.store.head("t")
        if user == "ben":
            raise ValueError("a mistake")

    world = bench.run(writers(fail), Seeded(3))
    assert world.ending.kind == "done"
    assert {name: str(error) for name, error in world.errors.items()} == {"ben": "a mistake"}
    assert sorted(world.answers) == ["ann", "cleo"]


def test_a_thread_that_is_no_actor_passes_through_and_is_noted(bench: Bench) -> None:
    def ask(env: SimulatedEnvironment, user: str) -> str:
        versions: list[str] = []

        def elsewhere() -> None:
            env.clock.sleep(5.0)
            with env.lock("a"):
                versions.append(env.store.head("t").version)

        thread = threading.Thread(target=elsewhere, name="foreign")
        with env.lock("a"):
            thread.start()
            thread.join()
        return versions[0]

    world = bench.run(lambda env: {"ann": lambda: ask(env, "ann")})
    assert world.ending.kind == "done"
    assert str(world.answers["ann"]).startswith("1-")
    assert world.scheduler.uncontrolled == {"foreign"}


# -- actors that start others ----------------------------------------------------------------------


def alone(
    first: Callable[[Scheduler], object], choices: Choices | None = None
) -> tuple[Scheduler, str]:
    """A run whose first actor starts others by itself, and how it ended."""
    with ThreadPool() as workers:
        scheduler = Scheduler(choices or Guided(()), workers)
        return scheduler, scheduler.run(lambda: first(scheduler)).kind


@pytest.mark.parametrize(("daemon", "ending"), [(True, "done"), (False, "deadlock")])
def test_a_daemon_left_waiting_is_no_deadlock_and_any_other_actor_is(
    daemon: bool, ending: str
) -> None:
    def first(scheduler: Scheduler) -> None:
        lock = SchedulerLock(scheduler, "a", reentrant=False)
        lock.acquire()
        scheduler.spawn("waiter", lock.acquire, daemon=daemon)

    assert alone(first)[1] == ending


def test_joining_many_wakes_once_when_the_last_has_ended() -> None:
    def first(scheduler: Scheduler) -> None:
        scheduler.join(
            [scheduler.spawn(f"a{n}", lambda n=n: scheduler.sleep(n)) for n in (3, 1, 2)]
        )
        assert scheduler.now == START_S + 3

    scheduler, _ = alone(first, Seeded(1))
    assert scheduler.errors == []
    assert scheduler.jumps == 3


def test_joining_gives_up_when_its_time_is_over() -> None:
    def first(scheduler: Scheduler) -> None:
        late = scheduler.spawn("late", lambda: scheduler.sleep(9))
        assert not scheduler.join([late], timeout_s=2)
        assert scheduler.now == START_S + 2
        assert scheduler.join([late])

    assert alone(first)[0].errors == []


def test_who_does_not_want_to_wait_is_told_at_once(bench: Bench) -> None:
    """Not when everybody else waits: cleo has steps to do, and may let the lock go meanwhile."""

    def jobs(env: SimulatedEnvironment) -> dict[str, object]:
        def hold() -> None:
            with env.lock("a"):
                env.store.head("t")

        def ask() -> bool:
            try:
                with env.lock("a", timeout_s=0.0):
                    return True
            except LockTimeoutError:
                return False

        return {"ann": hold, "ben": ask}

    taken = bench.run(jobs, Guided([0, 0, 1, 0, 0]))
    assert taken.trace == [("ann", "lock"), ("ben", "lock"), ("ann", "store.head")]
    assert taken.answers["ben"] is False


# -- locks -----------------------------------------------------------------------------------------


def test_a_lock_is_handed_on_in_the_order_of_asking(bench: Bench) -> None:
    def jobs(env: SimulatedEnvironment, order: list[str]) -> dict[str, object]:
        def hold(user: str, after_s: float) -> None:
            env.clock.sleep(after_s)
            with env.lock("a"):
                order.append(user)
                env.clock.sleep(1.0)

        return {
            "ann": lambda: hold("ann", 0.3),
            "ben": lambda: hold("ben", 0.1),
            "cleo": lambda: hold("cleo", 0.2),
        }

    for seed in range(10):
        order: list[str] = []
        bench.run(lambda env: jobs(env, order), Seeded(seed))  # noqa: B023
        assert order == ["ben", "cleo", "ann"]


def test_a_lock_that_does_not_come_in_time_is_told_after_exactly_that_time(bench: Bench) -> None:
    def jobs(env: SimulatedEnvironment) -> dict[str, object]:
        def hold() -> None:
            with env.lock("a"), env.lock("a"):
                env.clock.sleep(5.0)

        def ask() -> float:
            env.clock.sleep(1.0)
            with pytest.raises(LockTimeoutError) as caught, env.lock("a", timeout_s=2.0):
                pass
            assert (caught.value.name, caught.value.timeout_s) == ("a", 2.0)
            waited_s = env.clock.now() - START_S - 1.0
            with pytest.raises(LockTimeoutError), env.lock("a", timeout_s=0.0):
                pass
            with env.lock("a", timeout_s=60.0):
                assert env.clock.now() == START_S + 5.0
            return waited_s

        return {"ann": hold, "ben": ask}

    world = bench.run(jobs)
    assert world.errors == {}
    assert world.answers["ben"] == 2.0
