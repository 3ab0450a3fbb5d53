"""Whoever looks at a clock or a flag without end waits, and the simulation lets them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from syncsim.lab.simulation.controlled_threads import ControlledEvent, bound
from syncsim.lab.simulation.environment import SimulatedEnvironment
from syncsim.lab.simulation.spin_detection import MANY_LOOKS, WAITED_S
from tests.simulation_parts import Bench, Job


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.workers.close()


def test_who_polls_the_clock_sees_it_move(bench: Bench) -> None:
    def jobs(env: SimulatedEnvironment) -> dict[str, Job]:
        def wait() -> float:
            began = env.clock.now()
            while env.clock.now() < began + 0.1:
                pass
            return env.clock.now() - began

        return {"ann": wait}

    world = bench.run(jobs)
    assert world.ending.kind == "done"
    assert world.answers["ann"] == pytest.approx(0.1, abs=WAITED_S)


def test_a_look_now_and_then_is_no_step_and_takes_no_time(bench: Bench) -> None:
    def jobs(env: SimulatedEnvironment) -> dict[str, Job]:
        def work() -> set[float]:
            seen = set()
            for _ in range(3):
                seen |= {env.clock.now() for _ in range(MANY_LOOKS - 1)}
                env.store.head("t")
            return seen

        return {"ann": work}

    world = bench.run(jobs)
    assert [call for actor, call in world.trace if actor == "ann"] == ["store.head"] * 3
    assert len(world.answers["ann"]) == 1  # type: ignore[arg-type]


def test_who_polls_a_flag_lets_the_others_put_it_up(bench: Bench) -> None:
    def jobs(env: SimulatedEnvironment) -> dict[str, Job]:
        flag = bound(ControlledEvent, env._scheduler)()

        def wait() -> str:
            while not flag.is_set():
                pass
            return "seen"

        def put_up() -> None:
            env.clock.sleep(1.0)
            flag.set()

        return {"ann": wait, "ben": put_up}

    world = bench.run(jobs)
    assert (world.ending.kind, world.answers["ann"]) == ("done", "seen")


def test_who_polls_for_ever_is_endless(bench: Bench) -> None:
    def jobs(env: SimulatedEnvironment) -> dict[str, Job]:
        def wait() -> None:
            while env.clock.now():
                pass

        return {"ann": wait}

    assert bench.run(jobs).ending.kind == "endless"
