"""Broken solutions that leak or say the wrong things: each loses what its first line says, no more.

And the reverse: the reference, the textbook and the variants that are right lose nothing.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from syncsim.lab.checkers.errors import judge_errors
from syncsim.lab.checkers.history_index import HistoryIndex
from syncsim.lab.checkers.logging_facts import judge_logging
from syncsim.lab.grading.suite import examine
from syncsim.lab.history.findings import NOTE, Finding
from syncsim.lab.scenarios import SCENARIOS
from syncsim.lab.scenarios.probes_errors import LEAST_LOGGED
from syncsim.lab.simulation.choices import Seeded
from syncsim.lab.simulation.faults import Faults
from syncsim.lab.simulation.run_resources import RunResources
from syncsim.lab.simulation.simulated_run import Parameters, SimulatedRun, Simulation, simulate
from syncsim.lab.solutions import textbook

ZOO = Path(textbook.__file__).parent
BROKEN = (
    "keeps_every_operation",
    "keeps_every_update_id",
    "lock_for_every_update",
    "listener_for_every_read",
    "bare_exception",
    "driver_error_leaks",
    "wrong_id_in_errors",
    "only_success_logged",
    "lines_without_id",
    "blind_write_and_blind_cache",
    "no_retry_and_bare_exception",
    "rude_job_and_quiet_log",
)
CORRECT = ("stdlib_logging", "recent_operations", "lock_after_conflict")
RIGHT = [None, ZOO / "textbook.py", *(ZOO / "correct" / f"{name}.py" for name in CORRECT)]
SCHEDULES = 20


def expected(path: Path) -> tuple[str, ...]:
    """The codes before the colon of the first line; none for `nothing`."""
    codes = path.read_text("utf-8").removeprefix('"""').partition(":")[0]
    return () if codes == "nothing" else tuple(codes.split(" + "))


def names(path: Path | None) -> str:
    return "reference" if path is None else path.stem


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_solution_loses_what_its_first_line_says(name: str) -> None:
    path = ZOO / "broken" / f"{name}.py"
    assert expected(path)
    assert examine(path, schedules=SCHEDULES).codes == expected(path)


@pytest.mark.parametrize("name", CORRECT)
def test_a_right_solution_loses_nothing(name: str) -> None:
    path = ZOO / "correct" / f"{name}.py"
    assert expected(path) == ()
    assert examine(path, schedules=SCHEDULES).findings == ()


@pytest.mark.parametrize("name", [*BROKEN, *CORRECT])
def test_a_file_defines_the_class_that_its_name_says(name: str) -> None:
    room = "broken" if name in BROKEN else "correct"
    text = (ZOO / room / f"{name}.py").read_text("utf-8")
    assert f"class {name.title().replace('_', '')}(Textbook):" in text


def words(run: SimulatedRun) -> list[Finding]:
    """What the judges of errors and of logs say of a whole run."""
    index = HistoryIndex(run.history)
    found = [*judge_errors(index), *judge_logging(index, run.history.operations, LEAST_LOGGED)]
    return [*found, *run.faults]


@pytest.mark.parametrize("latency", [False, True])
@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("solution", RIGHT, ids=names)
def test_right_solutions_say_what_happens_in_every_scenario(
    solution: Path | None, scenario: str, latency: bool
) -> None:
    assert found_in(solution, scenario, latency, seeds=2) == []


@pytest.mark.slow
@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("solution", RIGHT, ids=names)
def test_right_solutions_say_what_happens_in_a_thousand_runs(
    solution: Path | None, scenario: str
) -> None:
    assert found_in(solution, scenario, latency=False, seeds=1_000) == []


def found_in(solution: Path | None, scenario: str, latency: bool, seeds: int) -> list[Finding]:
    parameters = Parameters(
        scenario,
        users=4 if scenario == "perfect-storm" else None,
        updates=2 if scenario == "sustained" else None,
        work_ms=0.0,
        faults=Faults(latency=latency),
    )
    with RunResources() as resources:
        simulation = Simulation(parameters, resources, solution=solution)
        return [one for seed in range(seeds) for one in words(simulation.run(Seeded(seed)))]


# -- the probes themselves -------------------------------------------------------------------------


def test_five_failures_are_induced_and_each_for_its_reason() -> None:
    from syncsim.lab.checkers.errors import refusal_of

    run = simulate(Parameters("induced-failures"), solution=ZOO / "textbook.py")
    index = HistoryIndex(run.history)
    refusals = [refusal_of(index, operation) for operation in run.history.operations]
    assert [refusal for refusal in refusals if refusal is not None] == [
        "unknown template",
        "unknown template",
        "invalid change",
        "stale version",
        "lost swaps",
        "outage",
    ]


def test_who_survives_fifty_conflicts_is_right() -> None:
    run = simulate(
        Parameters("induced-failures"), solution=ZOO / "correct" / "lock_after_conflict.py"
    )
    assert run.findings == ()
    (update,) = [o for o in run.history.operations if o.id == "contended/ann-2"]
    assert (update.ended, update.attempts) == ("committed", 2)


def test_a_bare_exception_is_a_poor_error_and_no_crash() -> None:
    run = simulate(Parameters("induced-failures"), solution=ZOO / "broken" / "bare_exception.py")
    assert {finding.code for finding in run.findings} == {"M4", NOTE}


def test_the_probe_of_the_log_has_conflicts() -> None:
    """Without them a log that tells of successes only would be complete."""
    run = simulate(Parameters("told-to-the-log"), solution=ZOO / "textbook.py")
    lost = [attempt.operation for attempt in run.history.attempts if attempt.fate == "lost"]
    assert lost.count("contended/ann-2") == 2
