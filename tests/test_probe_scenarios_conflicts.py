"""The probes of conduct: named like scenarios, passed by what is right, one claim each."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from syncsim.errors import UsageError
from syncsim.lab.engines.runner import run
from syncsim.lab.grading.probes import QUESTIONS
from syncsim.lab.scenarios import (
    SCENARIOS,
    Actor,
    Barrier,
    Expectations,
    Job,
    Part,
    Read,
    Restart,
    Scenario,
    Update,
    scenario,
)
from syncsim.lab.scenarios.edits import EDITS, NumberedEdit
from syncsim.lab.scenarios.probes_conflicts import CONFLICT_PROBES, FORCED
from syncsim.lab.simulation.choices import Seeded
from syncsim.lab.simulation.explore import explore, replay
from syncsim.lab.simulation.run_resources import RunResources
from syncsim.lab.simulation.simulated_run import Parameters, SimulatedRun, Simulation
from syncsim.lab.solutions.broken.no_retry import NoRetry
from syncsim.lab.solutions.broken.ten_retries import TenRetries
from syncsim.lab.solutions.textbook import Textbook, build
from syncsim.template import validate
from syncsim.template.samples import sample

BROKEN = Path(__file__).parents[1] / "syncsim" / "lab" / "solutions" / "broken"


@pytest.fixture(scope="module")
def resources() -> Iterator[RunResources]:
    with RunResources() as resources:
        yield resources


def played(resources: RunResources, name: str, solution: object = build) -> SimulatedRun:
    simulation = Simulation(Parameters(name), resources, solution=solution)  # type: ignore[arg-type]
    return simulation.run(Seeded(1))


def codes(run: SimulatedRun) -> set[str]:
    return {finding.code for finding in run.findings}


# -- all of them -----------------------------------------------------------------------------------


@pytest.mark.parametrize("solution", [None, build])
@pytest.mark.parametrize("name", CONFLICT_PROBES)
def test_what_is_right_passes_every_probe(
    resources: RunResources, name: str, solution: object
) -> None:
    run = played(resources, name, solution)
    assert (run.ending.kind, run.findings) == ("done", ())


def test_every_probe_is_a_question() -> None:
    asked = [question.parameters.scenario for question in QUESTIONS]
    assert asked[: len(CONFLICT_PROBES)] == list(CONFLICT_PROBES)


def test_probes_have_names_but_are_none_of_the_six() -> None:
    assert not CONFLICT_PROBES.keys() & SCENARIOS.keys()
    assert scenario("job-restarted").parts
    with pytest.raises(UsageError, match="one of perfect-storm, ") as refused:
        scenario("job-of-nobody")
    assert "job-restarted" not in str(refused.value)


def test_a_probe_can_be_explored_and_replayed_by_its_name() -> None:
    exploration = explore("forced-conflicts-50", solution=TenRetries, schedules=2)
    assert exploration.failing == {"S2": 2}
    token = exploration.findings[0].token
    assert token is not None
    assert replay("forced-conflicts-50", token, solution=TenRetries).faults


# -- forced conflicts ------------------------------------------------------------------------------


@pytest.mark.parametrize("spoilt", FORCED)
def test_a_rival_spoils_so_many_attempts_and_no_more(resources: RunResources, spoilt: int) -> None:
    class Persistent(Textbook):
        attempts = 60

        def delay_s(self, retry: int) -> float:
            return 0.1

    run = played(resources, f"forced-conflicts-{spoilt}", Persistent)
    updates = [o for o in run.history.operations if o.kind == "update"]
    for update in updates:
        fates = [a.fate for a in run.history.attempts if a.operation == update.id]
        assert fates == ["lost"] * spoilt + ["won"]
        assert update.attempts == spoilt + 1


def test_one_conflict_is_enough_to_see_who_does_not_retry(resources: RunResources) -> None:
    assert codes(played(resources, "forced-conflicts-0", NoRetry)) == set()
    assert codes(played(resources, "forced-conflicts-1", NoRetry)) == {"M3"}


def test_to_fail_slowly_after_one_conflict_is_no_retry_either(resources: RunResources) -> None:
    class Dawdling(Textbook):
        attempts = 1

        def give_up(self, *lost: object) -> object:  # type: ignore[override]
            self.env.clock.sleep(2.0)
            return super().give_up(*lost)  # type: ignore[arg-type]

    found = played(resources, "forced-conflicts-1", Dawdling).findings
    assert [(finding.code, finding.kind) for finding in found] == [("M3", "conflict-not-survived")]


# -- the job ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "mistake", "code"),
    [
        ("job-after-job", "cooldown_since_anyone", "M5"),
        ("job-restarted", "cooldown_in_memory", "M5"),
        ("job-overtaken", "job_retries_blindly", "M5"),
        ("job-run-again", "job_writes_stale_document", "D1"),
    ],
)
def test_each_probe_of_the_job_shows_its_mistake_at_once(
    resources: RunResources, name: str, mistake: str, code: str
) -> None:
    assert codes(played(resources, name, BROKEN / f"{mistake}.py")) == {code}


def test_a_job_that_is_back_too_early_is_found(resources: RunResources) -> None:
    class Early(Textbook):
        cooldown_s = 4.0

    assert codes(played(resources, "job-nearly-due", Early)) == {"M5"}
    assert codes(played(resources, "background-job-respect", Early)) == set()


def test_a_job_may_allow_the_user_a_little_more(resources: RunResources) -> None:
    class Patient(Textbook):
        cooldown_s = 5.9

    assert codes(played(resources, "job-nearly-due", Patient)) == set()


@pytest.mark.real
def test_a_restart_builds_the_solution_anew_on_real_threads_too() -> None:
    updated = Barrier("updated")
    actors = (
        Actor("ann", (Read(), Update(NumberedEdit("rename", "ann", 1, 0)), updated)),
        Actor("background", (updated, Job(), Restart(), Job())),
    )
    part = Part("", actors, Expectations(success_over=None))
    plan = Scenario("a restart", "A Restart", "contact_card", 7, (part,))
    solution = BROKEN / "cooldown_in_memory.py"
    played = run(plan, solution=solution, on="threads", store="memory")
    jobs = [o for o in played.history.operations if o.kind == "job"]
    assert [job.ended for job in jobs] == ["skipped", "committed"]
    assert {finding.code for finding in played.findings} == {"M5"}


def test_a_restart_runs_the_module_of_a_file_again(resources: RunResources, tmp_path: Path) -> None:
    """A new process has nothing of what the old one kept, not even in its module."""
    path = tmp_path / "candidate.py"
    path.write_text(
        "from syncsim.lab.solutions.textbook import Textbook\n"
        "written_at = {}\n"
        "class Candidate(Textbook):\n"
        "    def committed(self, row, user):\n"
        "        super().committed(row, user)\n"
        "        written_at[row.template_id] = row.user_updated_at\n"
        "    def too_soon(self, head):\n"
        "        return super().too_soon(head) if head.template_id in written_at else None\n"
        "build = Candidate\n"
    )
    assert codes(played(resources, "job-restarted", path)) == {"M5"}
    assert codes(played(resources, "background-job-respect", path)) == set()


def test_operations_keep_their_numbers_over_a_restart(resources: RunResources) -> None:
    operations = played(resources, "job-restarted").history.operations
    assert [o.id for o in operations if o.kind == "job"] == ["background-1", "background-2"]


# -- a refused update ------------------------------------------------------------------------------


def test_a_spoilt_edit_is_refused_by_the_store_and_dealt_out_to_nobody(
    resources: RunResources,
) -> None:
    assert "spoil" not in EDITS
    document = sample("contact_card")
    with pytest.raises(Exception, match="type by ann"):
        validate({**document, **NumberedEdit("spoil", "ann", 1, 0).changes(document)})
    ended = [o.ended for o in played(resources, "refused-update").history.operations]
    assert ended.count("failed") == 1
