"""Scenarios on the simulation: the reference holds, runs repeat to the byte, files run as are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from syncsim.errors import UsageError
from syncsim.lab.history.findings import INCONCLUSIVE
from syncsim.lab.scenarios import SCENARIOS, Part
from syncsim.lab.simulation.choices import Guided, Replayed, Seeded
from syncsim.lab.simulation.explore import replay
from syncsim.lab.simulation.faults import Faults
from syncsim.lab.simulation.run_resources import RunResources
from syncsim.lab.simulation.scheduler import Scheduler
from syncsim.lab.simulation.simulated_run import Parameters, SimulatedRun, Simulation, simulate
from syncsim.lab.simulation.tokens import Token
from syncsim.lab.solutions.broken.blind_write import BlindWrite
from syncsim.lab.solutions.broken.job_does_not_invalidate import JobDoesNotInvalidate
from syncsim.lab.solutions.correct.no_cache import NoCache
from syncsim.lab.solutions.correct.single_writer import SingleWriter
from syncsim.template.samples import sample
from tests.unruly_solutions import Leaving, Wordless, built_by_leaving, built_to_nothing

SMALL = Parameters("perfect-storm", work_ms=0.0)


@pytest.fixture(scope="module")
def resources() -> Iterator[RunResources]:
    with RunResources() as resources:
        yield resources


@pytest.fixture(scope="module")
def on_sqlite() -> Iterator[RunResources]:
    with RunResources("sqlite") as resources:
        yield resources


def candidate(folder: Path, body: str) -> Path:
    """A file with a solution: `NoCache`, changed by `body`."""
    path = folder / "candidate.py"
    path.write_text(
        "import os, random, threading, time\n"
        "from syncsim.lab.solutions.correct.no_cache import NoCache\n"
        "class Candidate(NoCache):\n"
        + "".join(f"    {line}\n" for line in body.strip().splitlines())
        + "def build(env):\n    return Candidate(env)\n"
    )
    return path


# -- the reference ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_reference_holds_in_every_scenario(resources: RunResources, name: str) -> None:
    run = Simulation(Parameters(name), resources).run(Seeded(1))
    assert run.ending.kind == "done"
    assert run.findings == ()
    assert run.run.passed
    assert run.run.summary()["on"] == "simulation"
    assert run.notes == ()


@pytest.mark.parametrize("name", ["perfect-storm", "cache-consistency", "retry-ladder"])
def test_what_is_found_in_memory_is_the_same_on_sqlite(
    resources: RunResources, on_sqlite: RunResources, name: str
) -> None:
    """Trace, history and findings, for the reference and for a solution that loses updates."""
    for solution in (None, BlindWrite):
        parameters = Parameters(name, work_ms=0.0)
        in_memory = Simulation(parameters, resources, solution=solution)
        in_a_file = Simulation(parameters, on_sqlite, solution=solution)
        for seed in range(12):
            run = in_memory.run(Seeded(seed))
            again = in_a_file.run(Replayed(run.choices))
            assert again.trace == run.trace
            assert again.digest == run.digest
            assert again.findings == run.findings


def test_mishaps_do_not_break_the_reference(resources: RunResources) -> None:
    """Whatever is lost, late, busy or dead: no acknowledged update is missing, no read is stale."""
    faults = Faults(latency=True, busy=15, outage=40, lost_answer=15, crash=60, cache=10)
    simulation = Simulation(
        Parameters("stress-test", work_ms=0.0, updates=6, faults=faults), resources
    )
    struck: set[str] = set()
    for seed in range(60):
        run = simulation.run(Seeded(seed))
        assert run.ending.kind == "done"
        assert run.faults == ()
        struck |= {c.label for c in run.choices if c.value == 1} - {"switch", "next"}
    assert {"busy", "outage", "lost answer", "crash", "cache"} <= struck


# -- tokens ----------------------------------------------------------------------------------------


def digests(tokens: list[str]) -> list[str]:
    """Of the runs of these tokens, one after another."""
    with RunResources() as resources:
        simulation = Simulation(SMALL, resources)
        return [simulation.replay(Token.parse(token)).digest for token in tokens]


def in_a_fresh_process(tokens: list[str], hash_seed: str) -> list[str]:
    program = (
        "import json, sys; from tests.test_simulated_run import digests; "
        "print(json.dumps(digests(json.load(sys.stdin))))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program],
        input=json.dumps(tokens),
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[str] = json.loads(answer.stdout)
    return found


@pytest.mark.real
@pytest.mark.parametrize(
    ("count", "hash_seed"), [(100, "77"), pytest.param(1000, "5", marks=pytest.mark.slow)]
)
def test_every_token_replays_to_the_same_history_in_a_fresh_process(
    resources: RunResources, count: int, hash_seed: str
) -> None:
    simulation = Simulation(SMALL, resources)
    runs = [simulation.run(Seeded(seed)) for seed in range(count)]
    tokens = [simulation.token(run.choices) for run in runs]
    assert in_a_fresh_process(tokens, hash_seed) == [run.digest for run in runs]
    assert len({run.digest for run in runs}) > count / 3


def test_a_token_holds_every_parameter_of_the_run(resources: RunResources) -> None:
    parameters = Parameters(
        "stress-test",
        users=2,
        updates=3,
        work_ms=1.5,
        template="patient_intake",
        seed=99,
        retry="full/queue=2",
        with_job=False,
        faults=Faults(busy=9, latency=True),
    )
    simulation = Simulation(parameters, resources)
    run = simulation.run(Seeded(4))
    token = simulation.token(run.choices)
    held = Token.parse(token)
    assert Parameters.from_json(held.scenario, held.parameters) == parameters
    assert replay("stress-test", token).digest == run.digest


def test_a_finding_of_one_run_carries_the_token_that_replays_it() -> None:
    run = simulate(Parameters("perfect-storm"), solution=BlindWrite, seed=3)
    assert [finding.code for finding in run.faults] == ["D1"]
    token = run.faults[0].token
    assert token is not None
    assert replay("perfect-storm", token, solution=BlindWrite).digest == run.digest
    assert run.run.to_json()["findings"][0]["token"] == token


def test_a_token_is_refused_for_another_scenario_or_a_changed_solution(tmp_path: Path) -> None:
    path = candidate(tmp_path, "pass")
    with RunResources() as resources:
        simulation = Simulation(SMALL, resources, solution=path)
        token = simulation.token(simulation.run(Seeded(1)).choices)
    assert replay("perfect-storm", token, solution=path).ending.kind == "done"
    with pytest.raises(UsageError, match="this is one of 'perfect-storm'"):
        replay("stress-test", token, solution=path)
    with pytest.raises(UsageError, match="one of reference as it is now"):
        replay("perfect-storm", token)
    candidate(tmp_path, "attempts = 3")
    with pytest.raises(UsageError, match=r"one of .*candidate\.py as it is now"):
        replay("perfect-storm", token, solution=path)


def test_a_token_is_refused_for_another_solution_in_the_same_file(tmp_path: Path) -> None:
    path = candidate(tmp_path, "attempts = 3")
    path.write_text(path.read_text() + "def other(env):\n    return NoCache(env)\n")
    with RunResources() as resources:
        simulation = Simulation(SMALL, resources, solution=path)
        token = simulation.token(simulation.run(Seeded(1)).choices)
    assert replay("perfect-storm", token, solution=f"{path}:build").ending.kind == "done"
    with pytest.raises(UsageError, match="Replay it with that program"):
        replay("perfect-storm", token, solution=f"{path}:other")


def test_parameters_that_no_scenario_has_are_refused() -> None:
    with pytest.raises(UsageError, match="token cannot be"):
        Parameters.from_json("perfect-storm", {"colour": "red"})
    with pytest.raises(UsageError):
        Parameters.from_json("perfect-storm", {"faults": {"fire": 2}})


# -- solutions in files ----------------------------------------------------------------------------


def play(
    resources: RunResources, solution: object, *, seed: int = 1, patience_s: float = 2.0
) -> SimulatedRun:
    simulation = Simulation(
        SMALL,
        resources,
        solution=solution,  # type: ignore[arg-type]
        patience_s=patience_s,
    )
    return simulation.run(Seeded(seed))


def test_a_file_that_ignores_the_environment_is_controlled_and_told_so(
    resources: RunResources, tmp_path: Path
) -> None:
    body = """
lock = threading.Lock()
def update_template(self, template_id, changes, *, user, base=None):
    time.sleep(30.0 + random.random())
    with self.lock:
        return super().update_template(template_id, changes, user=user, base=base)
"""
    path = candidate(tmp_path, body)
    run, again = play(resources, path), play(resources, path)
    assert run.ending.kind == "done"
    assert run.digest == again.digest
    assert [note.split()[3] for note in run.notes] == [
        "random.random",
        "threading.Lock",
        "time.sleep",
    ]
    assert {f.code for f in run.faults} == {"S1"}


def test_names_that_came_with_everything_of_another_module_are_controlled_too(
    resources: RunResources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = ModuleType("other_names")
    vars(other).update(clock=time, nap=time.sleep)
    monkeypatch.setitem(sys.modules, "other_names", other)
    body = """
def get_template(self, template_id, *, user):
    nap(30.0)
    clock.sleep(30.0)
    return super().get_template(template_id, user=user)
"""
    path = candidate(tmp_path, body)
    path.write_text("from other_names import *\n" + path.read_text())
    reads = [o for o in play(resources, path).history.operations if o.kind == "get"]
    assert min(read.latency_s or 0.0 for read in reads) >= 60.0


def test_a_module_is_as_new_in_every_run(resources: RunResources, tmp_path: Path) -> None:
    """What one run leaves in it would make the next differ from its token."""
    body = """
calls = []
def get_template(self, template_id, *, user):
    self.calls.append(user)
    self.env.clock.sleep(len(self.calls))
    return super().get_template(template_id, user=user)
"""
    path = candidate(tmp_path, body)
    assert play(resources, path).digest == play(resources, path).digest


def test_threads_of_a_solution_are_actors(resources: RunResources, tmp_path: Path) -> None:
    body = """
def update_template(self, template_id, changes, *, user, base=None):
    found = []
    def work():
        found.append(NoCache.update_template(self, template_id, changes, user=user, base=base))
    thread = threading.Thread(target=work, name="helper")
    thread.start()
    thread.join()
    return found[0]
"""
    path = candidate(tmp_path, body)
    for seed in range(10):
        run = play(resources, path, seed=seed)
        assert (run.ending.kind, run.faults) == ("done", ())
    assert "helper" in {actor for actor, _, _ in run.trace}


def test_locks_in_opposite_order_cost_d3_with_the_line_of_each(
    resources: RunResources, tmp_path: Path
) -> None:
    body = """
def update_template(self, template_id, changes, *, user, base=None):
    first, second = ("a", "b") if user == "ann" else ("b", "a")
    with self.env.lock(first), self.env.lock(second):
        return super().update_template(template_id, changes, user=user, base=base)
"""
    simulation = Simulation(SMALL, resources, solution=candidate(tmp_path, body))
    runs = [simulation.run(Seeded(seed)) for seed in range(30)]
    found = next(run for run in runs if run.ending.kind == "deadlock")
    (finding,) = found.findings
    assert (finding.code, finding.kind) == ("D3", "deadlock")
    assert finding.message.count("(candidate.py:6)") == 2
    assert len(finding.operations) == 2
    assert any(run.ending.kind == "done" for run in runs)


def test_an_endless_loop_costs_d2_and_names_its_line(
    resources: RunResources, tmp_path: Path
) -> None:
    body = """
def update_template(self, template_id, changes, *, user, base=None):
    while True:
        self.env.store.read(template_id)
"""
    run = play(resources, candidate(tmp_path, body))
    assert [finding.code for finding in run.findings] == ["D2"]
    assert "candidate.py:6" in run.findings[0].message
    assert "update_template of" in run.findings[0].message


def test_an_actor_that_waits_for_something_real_proves_nothing(
    resources: RunResources, tmp_path: Path
) -> None:
    body = """
def update_template(self, template_id, changes, *, user, base=None):
    threading.Semaphore(0).acquire(timeout=30)
"""
    run = play(resources, candidate(tmp_path, body), patience_s=0.5)
    assert (run.ending.kind, run.faults) == ("stuck", ())
    assert run.findings[0].code == INCONCLUSIVE
    assert "candidate.py:5" in run.findings[0].message
    assert play(resources, NoCache).faults == ()


def test_after_a_run_that_got_stuck_the_next_has_files_that_nobody_holds() -> None:
    with RunResources("sqlite") as resources:
        scheduler = Scheduler(Guided(()), resources.workers)
        store, _ = resources.parts(scheduler)
        held = threading.Event()
        let_go = threading.Event()

        def hold() -> None:
            store.update_locked("t", lambda row: held.set() or (let_go.wait() and None), by="ann")

        store.create("t", sample("contact_card"), by="ann")
        holder = threading.Thread(target=hold)
        holder.start()
        held.wait()
        resources.discard()
        fresh, _ = resources.parts(scheduler)
        try:
            fresh.create("t", sample("contact_card"), by="ann")
        finally:
            let_go.set()
            holder.join()


def test_a_solution_that_cannot_be_built_is_a_clear_error(
    resources: RunResources, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.py"
    broken.write_text("def build(env):\n    raise ValueError('no such thing')\n")
    with pytest.raises(UsageError, match=r"it raised ValueError.*broken\.py:2"):
        play(resources, broken)
    broken.write_text("import nothing_of_this_name\n")
    other = tmp_path / "other.py"
    other.write_text("import nothing_of_this_name\n")
    with pytest.raises(UsageError, match="a file that can be imported"):
        play(resources, other)
    with pytest.raises(UsageError, match="existing file"):
        play(resources, tmp_path / "absent.py")


def test_a_cache_that_outlasts_what_the_job_wrote_is_found_at_rest(
    resources: RunResources,
) -> None:
    scenario = Parameters("background-job-respect")
    run = Simulation(scenario, resources, solution=JobDoesNotInvalidate).run(Seeded(1))
    (finding,) = run.findings
    assert (finding.code, finding.kind) == ("M1", "stale-read")
    assert finding.operations == ("ann-at-rest-1", "background-2")


@pytest.mark.parametrize("name", ["cache-consistency", "background-job-respect", "retry-ladder"])
def test_a_daemon_that_does_all_the_writing_is_not_accused(
    resources: RunResources, name: str
) -> None:
    """Nor said to have died when the run ends around it, while it holds a lock or waits for one."""
    simulation = Simulation(Parameters(name), resources, solution=SingleWriter)
    for seed in range(10):
        run = simulation.run(Seeded(seed))
        assert run.findings == ()
        updates = [o for o in run.history.operations if o.kind == "update"]
        tried = {attempt.operation for attempt in run.history.attempts}
        assert {o.id for o in updates} <= tried


def test_the_look_at_rest_draws_nothing(
    resources: RunResources, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the number of schedules nor what a token holds depends on it."""
    run = Simulation(SMALL, resources).run(Seeded(1))
    last = [operation for operation in run.history.operations if operation.at_rest]
    assert [operation.user for operation in last] == ["ann", "ben"]
    monkeypatch.setattr(Part, "at_rest", ())
    without = Simulation(SMALL, resources).run(Seeded(1))
    assert without.choices == run.choices
    assert without.trace == run.trace[: len(without.trace)]


@pytest.mark.parametrize("name", ["perfect-storm", "cache-consistency"])
@pytest.mark.parametrize("solution", [Leaving, Wordless])
def test_whatever_leaves_a_verb_is_a_crash_and_everybody_else_goes_on(
    resources: RunResources, solution: type[NoCache], name: str
) -> None:
    run = Simulation(Parameters(name), resources, solution=solution).run(Seeded(1))
    assert run.ending.kind == "done"
    assert {(finding.code, finding.kind) for finding in run.findings} == {("D3", "crash")}
    assert all(operation.ended != "open" for operation in run.history.operations)


def test_a_build_without_a_solution_is_a_clear_error(resources: RunResources) -> None:
    with pytest.raises(UsageError, match=r"returned None, which lacks get_template"):
        Simulation(SMALL, resources, solution=built_to_nothing).run(Seeded(1))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"it raised SystemExit"):
        Simulation(SMALL, resources, solution=built_by_leaving).run(Seeded(1))


def test_a_list_of_zeros_plays_the_actors_one_after_another(resources: RunResources) -> None:
    run = Simulation(Parameters("sustained", updates=2), resources).run(Guided(()))
    switches = sum(a[0] != b[0] for a, b in zip(run.trace, run.trace[1:], strict=False))
    assert switches < len(run.trace) / 10
