"""A run that is over ends everybody, whatever they do to go on; what they say then counts not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from syncsim.errors import SyncError
from syncsim.lab.simulation.choices import Seeded
from syncsim.lab.simulation.environment import SimulatedEnvironment
from syncsim.lab.simulation.explore import explore
from syncsim.lab.simulation.run_resources import RunResources
from syncsim.lab.simulation.search import MAX_STUCK
from syncsim.lab.simulation.simulated_run import Parameters, SimulatedRun, Simulation
from syncsim.lab.simulation.thread_pool import Worker
from tests.simulation_parts import Bench, Job

BROKEN = Path(__file__).parents[1] / "syncsim" / "lab" / "solutions" / "broken"


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    before = set(threading.enumerate())
    yield bench
    bench.workers.close()
    assert set(threading.enumerate()) <= before


def one(job: Callable[[SimulatedEnvironment], object]) -> Callable[..., dict[str, Job]]:
    return lambda env: {"ann": lambda: job(env)}


# -- who swallows the end --------------------------------------------------------------------------


def bare_except(env: SimulatedEnvironment) -> None:
    while True:
        try:  # noqa: SIM105
            env.store.head("t")
        except:  # noqa: E722
            pass


def nested(env: SimulatedEnvironment) -> None:
    while True:
        try:
            bare_except(env)
        except BaseException as error:
            str(error)


def in_finally(env: SimulatedEnvironment) -> None:
    while True:
        try:
            env.clock.sleep(0.1)
        finally:
            continue  # noqa: B012


def to_an_answer(env: SimulatedEnvironment) -> str:
    try:
        while True:
            env.store.head("t")
    except BaseException:
        return env.store.head("t").version


@pytest.mark.parametrize("job", [bare_except, nested, in_finally, to_an_answer])
def test_whoever_swallows_the_end_is_endless_and_ends(
    bench: Bench, job: Callable[[SimulatedEnvironment], object]
) -> None:
    for _ in range(2):
        world = bench.run(one(job), patience_s=5.0)
        assert (world.ending.kind, world.ending.actors) == ("endless", ("ann",))
        assert world.errors == {}


@pytest.mark.real
def test_a_bare_except_around_computing_is_broken_in_the_end(bench: Bench) -> None:
    def compute(env: SimulatedEnvironment) -> None:
        while True:
            try:  # noqa: SIM105
                len("abc")
            except:  # noqa: E722
                pass

    ending = bench.run(one(compute), patience_s=0.2).ending
    assert (ending.kind, ending.computes) == ("stuck", True)


@pytest.mark.real
def test_who_waits_for_something_real_does_not_compute(bench: Bench) -> None:
    come = threading.Event()
    waiting: list[threading.Thread] = []

    def wait(env: SimulatedEnvironment) -> None:
        waiting.append(threading.current_thread())
        come.wait(30)

    ending = bench.run(one(wait), patience_s=0.2).ending
    assert (ending.kind, ending.computes) == ("stuck", False)
    come.set()
    waiting[0].join()


# -- what is said on the way out -------------------------------------------------------------------


@pytest.fixture(scope="module")
def resources() -> Iterator[RunResources]:
    with RunResources() as resources:
        yield resources


def played(resources: RunResources, folder: Path, body: str, name: str) -> SimulatedRun:
    path = folder / "candidate.py"
    path.write_text(
        "import threading\n"
        "from syncsim.lab.solutions.textbook import Textbook\n"
        "class Candidate(Textbook):\n"
        + "".join(f"    {line}\n" for line in body.strip().splitlines())
        + "build = Candidate\n"
    )
    return Simulation(Parameters(name), resources, solution=path).run(Seeded(1))


def test_who_waits_at_a_condition_while_another_one_is_endless_has_not_crashed(
    resources: RunResources, tmp_path: Path
) -> None:
    """The lock of the condition is gone with the run, and giving it up is no mistake."""
    body = """
def __init__(self, env):
    super().__init__(env)
    self.turn = threading.Condition()
def update_template(self, template_id, changes, *, user, base=None):
    while user == "ann":
        self.env.clock.sleep(1.0)
    with self.turn:
        self.turn.wait()
"""
    run = played(resources, tmp_path, body, "perfect-storm")
    assert [finding.code for finding in run.findings] == ["D2"]


def test_what_a_verb_raises_on_its_way_out_is_no_answer(
    resources: RunResources, tmp_path: Path
) -> None:
    body = """
def update_template(self, template_id, changes, *, user, base=None):
    try:
        while True:
            self.env.clock.sleep(1.0)
    finally:
        {}.pop(user)
"""
    run = played(resources, tmp_path, body, "perfect-storm")
    assert [finding.code for finding in run.findings] == ["D2"]
    assert {o.ended for o in run.history.operations if o.kind == "update"} == {"open"}


def test_a_thread_that_goes_on_for_ever_hides_no_deadlock(
    resources: RunResources, tmp_path: Path
) -> None:
    """It ticks, so somebody can always run; those who wait for each other cannot."""
    body = """
def __init__(self, env):
    super().__init__(env)
    threading.Thread(target=self.tick, name="ticker", daemon=True).start()
def tick(self):
    while True:
        self.env.clock.sleep(1.0)
def update_template(self, template_id, changes, *, user, base=None):
    never = threading.Event()
    never.wait()
"""
    run = played(resources, tmp_path, body, "forced-conflicts-0")
    assert {finding.code for finding in run.findings} <= {"D2", "D3"}
    assert run.findings


def test_an_error_of_the_solution_is_still_an_error() -> None:
    """The guard above is about runs that are over, and about no other."""
    bench = Bench()

    def fail(env: SimulatedEnvironment) -> None:
        env.store.head("t")
        raise SyncError("no")

    world = bench.run(one(fail))
    bench.workers.close()
    assert isinstance(world.errors["ann"], SyncError)


# -- what is left ----------------------------------------------------------------------------------


@pytest.mark.real
@pytest.mark.parametrize(
    ("mistake", "scenario", "kinds", "stuck"),
    [
        ("lock_order", "stress-test", ["deadlock"], 0),
        ("endless_retry", "forced-conflicts-1", ["endless"], 0),
        ("spins_on_flag", "perfect-storm", [], MAX_STUCK),
    ],
)
def test_an_exploration_leaves_no_thread_behind(
    mistake: str, scenario: str, kinds: list[str], stuck: int
) -> None:
    before = set(threading.enumerate())
    found = explore(scenario, solution=BROKEN / f"{mistake}.py", schedules=30 if stuck else 10)
    assert [failure.finding.kind for failure in found.failures] == kinds
    assert found.stuck == stuck
    assert set(threading.enumerate()) <= before


def test_a_worker_that_is_being_woken_can_be_told_to_leave() -> None:
    """An interrupt may end a run between the release of a worker's lock and its waking up."""
    began, gate = threading.Event(), threading.Event()

    def job() -> None:
        began.set()
        gate.wait()

    worker = Worker(1)
    worker.begin(job)
    assert began.wait(10)
    worker.wake.release()
    worker.leave()
    gate.set()
    worker.join(10)
    assert not worker._thread.is_alive()
