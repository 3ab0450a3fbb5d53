"""Scenarios for real: the reference passes, each mistake is found with exactly its code."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from syncsim.contract import Environment, Outcome, TemplateSync
from syncsim.errors import StoreUnavailableError, SyncError, UsageError
from syncsim.lab.engines import process_runner, runner
from syncsim.lab.results.run import Run
from syncsim.lab.scenarios import (
    Actor,
    Barrier,
    Expectations,
    Job,
    Part,
    Read,
    Scenario,
    Step,
    Update,
    UpdateWithVersion,
)
from syncsim.lab.scenarios.edits import NumberedEdit
from syncsim.lab.solutions.broken.blind_write import BlindWrite
from syncsim.lab.solutions.broken.last_write_wins import LastWriteWins
from syncsim.lab.solutions.broken.lazy_job import LazyJob
from syncsim.lab.solutions.broken.no_invalidation import NoInvalidation
from syncsim.lab.solutions.broken.no_retry import NoRetry
from syncsim.lab.solutions.broken.rude_job import RudeJob
from syncsim.lab.solutions.broken.shared_document import SharedDocument
from syncsim.lab.solutions.broken.swallowed_failure import SwallowedFailure
from syncsim.lab.solutions.correct.no_cache import NoCache
from syncsim.lab.solutions.correct.write_lock import WriteLock
from syncsim.lab.solutions.loading import Solution
from syncsim.service.service import build
from tests.unruly_solutions import (
    Crashing,
    Dying,
    Halving,
    Hanging,
    Leaving,
    ReadOnly,
    Wordless,
    built_by_leaving,
    built_to_nothing,
    never_built,
)

run = partial(runner.run, on="threads")
QUICK = ["perfect-storm", "cache-consistency", "stress-test", "retry-ladder", "sustained"]


def codes(played: Run) -> set[str]:
    return {finding.code for finding in played.findings}


def kinds(played: Run) -> set[str]:
    return {finding.kind for finding in played.findings}


# -- what is right passes --------------------------------------------------------------------------


@pytest.mark.real
@pytest.mark.parametrize("name", QUICK)
def test_the_reference_passes_on_threads(name: str) -> None:
    played = run(name)
    assert played.findings == ()
    assert played.passed


@pytest.mark.real
def test_the_job_skips_after_a_user_and_runs_six_seconds_later() -> None:
    played = run("background-job-respect", store="memory")
    assert played.findings == ()
    assert played.summary()["background"] == {"processed": 1, "skipped": 1}


@pytest.mark.real
@pytest.mark.parametrize("solution", [NoCache, WriteLock])
@pytest.mark.parametrize("name", QUICK)
def test_another_right_solution_is_not_accused(name: str, solution: Any) -> None:
    """Nothing is found but what they do not have: a cache, and swaps that could be lost."""
    played = run(name, solution=solution, store="memory")
    assert kinds(played) <= {"hit-rate"} | ({"no-contention"} if solution is not NoCache else set())


def test_the_first_read_is_a_miss_and_the_next_nineteen_are_hits() -> None:
    assert run("sustained", users=1, updates=1, store="memory").summary()["cache"] == {
        "reads": 20,
        "hits": 19,
        "hit_rate": 0.95,
    }


@pytest.mark.real
def test_every_user_of_a_larger_storm_succeeds() -> None:
    played = run("perfect-storm", users=30, store="memory")
    report = played.summary()
    assert played.findings == ()
    assert report["updates"]["succeeded"] == 30
    assert report["conflicts"]["detected"] == report["conflicts"]["merged"] > 0
    assert report["retries"]["max"] <= 3


@pytest.mark.parametrize(("retry", "all_succeed"), [("third", True), ("third/queue=never", False)])
def test_in_a_larger_storm_all_but_one_lose_their_first_swap(retry: str, all_succeed: bool) -> None:
    """Nobody is late in virtual time, so it is exactly one; the line is what saves the others."""
    played = run("perfect-storm", on="simulation", users=30, work_ms=20, retry=retry)
    users = {o.id for o in played.history.operations if o.kind == "update"}
    lost_first = {
        a.operation for a in played.history.attempts if a.operation in users and a.fate == "lost"
    }
    assert (len(users), len(lost_first)) == (30, 29)
    report = played.summary()
    assert (report["updates"]["succeeded"] == 30) is all_succeed
    assert report["retries"]["max"] == (1 if all_succeed else 3)


@pytest.mark.real
def test_the_reference_passes_on_processes_that_share_a_file() -> None:
    """Four users and the job in two processes, each with its own environment."""
    played = run("perfect-storm", on="processes", users=4, processes=2, work_ms=100)
    assert played.findings == ()
    assert played.summary()["conflicts"]["detected"] > 0
    assert {o.user for o in played.history.operations} == {
        "ann",
        "ben",
        "cleo",
        "dan",
        "background",
    }


# -- what is wrong is found, with exactly its code -------------------------------------------------


class TenAttempts(NoCache):
    """Tries ten times, and soon: its waits are real here."""

    attempts = 10
    first_delay_s = 0.0001


@pytest.mark.real
@pytest.mark.parametrize(
    ("solution", "scenario", "code", "kind"),
    [
        (BlindWrite, "perfect-storm", "D1", "lost-update"),
        (LastWriteWins, "perfect-storm", "D1", "lost-update"),
        (SwallowedFailure, "retry-ladder", "D1", "acknowledged-without-commit"),
        (NoRetry, "retry-ladder", "M3", "no-retry"),
        (TenAttempts, "retry-ladder", "S2", "too-many-attempts"),
        (NoInvalidation, "cache-consistency", "M1", "stale-read"),
        (SharedDocument, "cache-consistency", "M1", "content-differs"),
        (Crashing, "perfect-storm", "D3", "crash"),
        (Leaving, "perfect-storm", "D3", "crash"),
        (Leaving, "cache-consistency", "D3", "crash"),
        (Wordless, "perfect-storm", "D3", "crash"),
    ],
)
def test_a_mistake_is_found_with_its_code(
    solution: Solution, scenario: str, code: str, kind: str
) -> None:
    played = run(scenario, solution=solution, store="memory", work_ms=50)
    assert codes(played) == {code}
    assert kind in kinds(played)
    assert not played.passed


def job_after(*steps: Step, outcome: str) -> Scenario:
    """Ann does these steps, then the job runs at once and must end so."""
    ann = Actor("ann", (*steps, Barrier("done")))
    job = Actor("background", (Barrier("done"), Job()))
    part = Part("", (ann, job), Expectations(jobs=(outcome,)))
    return Scenario("job", "Job", "contact_card", 1, (part,))


def test_a_job_that_runs_right_after_an_update_is_found() -> None:
    scenario = job_after(Update(NumberedEdit("rename", "ann", 1, 0)), outcome="skipped")
    assert run(scenario, solution=NoCache, store="memory").passed
    played = run(scenario, solution=RudeJob, store="memory")
    assert codes(played) == {"M5"}
    assert kinds(played) == {"cooldown-broken", "job-outcome"}


def test_a_job_that_always_skips_is_found() -> None:
    scenario = job_after(Read(), outcome="processed")
    assert run(scenario, solution=NoCache, store="memory").passed
    played = run(scenario, solution=LazyJob, store="memory")
    assert codes(played) == {"M5"}
    assert kinds(played) == {"skipped-for-nothing", "job-outcome"}


def test_a_skip_must_say_why() -> None:
    class Curt(NoCache):
        def run_background_job(self, template_id: str) -> Outcome:
            return replace(super().run_background_job(template_id), reason="no")

    scenario = job_after(Update(NumberedEdit("rename", "ann", 1, 0)), outcome="skipped")
    assert kinds(run(scenario, solution=Curt, store="memory")) == {"skip-reason"}


def test_a_crash_names_the_line_of_the_solution() -> None:
    played = run("cache-consistency", solution=Crashing, store="memory")
    (finding,) = played.findings
    assert "KeyError" in finding.message
    assert "unruly_solutions.py:" in finding.message


def test_everybody_reads_once_more_when_all_is_over_and_no_figure_counts_it() -> None:
    played = run("perfect-storm", solution=NoCache, store="memory", users=3, work_ms=50)
    last = [o for o in played.history.operations if o.at_rest]
    assert sorted(o.id for o in last) == ["ann-at-rest-1", "ben-at-rest-1", "cleo-at-rest-1"]
    assert all(o.version == played.history.finals[0].version for o in last)
    assert min(o.called for o in last) > max(
        o.returned or 0 for o in played.history.operations if not o.at_rest
    )
    assert played.figures.reads == 3


@pytest.mark.real
def test_in_processes_nobody_looks_at_rest_before_all_have_done() -> None:
    played = run("perfect-storm", on="processes", users=4, processes=2, work_ms=50)
    before = [o.returned or 0 for o in played.history.operations if not o.at_rest]
    last = [o for o in played.history.operations if o.at_rest]
    assert {o.user for o in last} == {"ann", "ben", "cleo", "dan"}
    assert min(o.called for o in last) > max(before)


def test_nobody_looks_at_rest_where_somebody_has_died() -> None:
    played = run("perfect-storm", solution=Halving, store="memory")
    assert "actor-died" in kinds(played)
    assert not any(o.at_rest for o in played.history.operations)


@pytest.mark.real
def test_whoever_means_to_end_the_program_inside_a_verb_crashes_in_a_process_too() -> None:
    """And nobody waits for them at the barriers: every read of the scenario is made."""
    played = run("cache-consistency", solution=Leaving, on="processes")
    assert kinds(played) == {"crash"}
    assert sum(o.kind == "get" for o in played.history.operations) >= 9


def test_a_thread_that_hangs_is_found_with_its_line_and_does_not_hang_the_run() -> None:
    played = run("perfect-storm", solution=Hanging, store="memory", timeout_s=0.5)
    assert codes(played) == {"D3"}
    assert kinds(played) == {"hung"}
    assert "unruly_solutions.py:" in played.findings[0].message
    assert played.findings[0].operations == ("ann-2",)
    assert {o.ended for o in played.history.operations if o.kind == "update"} == {"open"}


def test_a_build_that_hangs_is_found_and_does_not_hang_the_run() -> None:
    played = run("stress-test", solution=never_built, store="memory", timeout_s=0.2)
    assert kinds(played) == {"hung"}
    assert "never_built" in played.findings[0].message


def test_a_user_who_cannot_go_on_with_what_was_read_is_found_and_nobody_waits() -> None:
    played = run("perfect-storm", solution=Halving, store="memory")
    assert codes(played) == {"D3"}
    assert kinds(played) == {"actor-died"}
    assert "KeyError('fields')" in played.findings[0].message


@pytest.mark.real
def test_a_process_that_hangs_outside_any_verb_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_runner, "GRACE_S", 0.5)
    path = tmp_path / "candidate.py"
    path.write_text(
        "import multiprocessing, os, signal\n"
        "from syncsim.lab.solutions.correct.no_cache import NoCache as build\n"
        "if multiprocessing.parent_process():\n"
        "    os.kill(os.getpid(), signal.SIGSTOP)\n"
    )
    played = run("perfect-storm", solution=path, on="processes", timeout_s=0.5)
    assert kinds(played) == {"process-hung"}


@pytest.mark.real
@pytest.mark.timeout(30)
def test_a_process_that_dies_is_found_and_nobody_waits_for_it() -> None:
    """Ben, in the other process, would wait for a minute at a barrier that Ann never reaches."""
    late = Barrier("late")
    ann = Actor("ann", (Update(NumberedEdit("rename", "ann", 1, 0)), late))
    part = Part("", (ann, Actor("ben", (Read(), late, Read()))), Expectations())
    scenario = Scenario("dying", "Dying", "contact_card", 1, (part,))
    played = run(scenario, on="processes", solution=Dying)
    assert codes(played) == {"D3"}
    assert kinds(played) == {"process-died"}
    assert "exit code 9" in played.findings[0].message


def test_a_storm_in_which_nobody_meets_anybody_is_inconclusive_and_not_passed() -> None:
    played = run("stress-test", users=1, updates=1, store="memory")
    assert kinds(played) == {"no-contention"}
    assert played.inconclusive
    assert not played.passed
    assert played.summary()["inconclusive"] is True


@pytest.mark.parametrize(("alone", "tries", "passed"), [(2, 3, True), (9, 3, False)])
def test_a_real_storm_in_which_nobody_met_anybody_is_played_again(
    alone: int, tries: int, passed: bool
) -> None:
    """In the first `alone` tries an update is made to wait until the one before has ended."""
    built: list[None] = []
    line = threading.Lock()

    def build_patient(env: Environment) -> TemplateSync:
        built.append(None)
        inner = build(env)
        if len(built) > alone:
            return inner

        class OneByOne:
            def __getattr__(self, name: str) -> Any:
                return getattr(inner, name)

            def update_template(self, *args: Any, **kwargs: Any) -> Outcome:
                with line:
                    return inner.update_template(*args, **kwargs)

            def run_background_job(self, template_id: str) -> Outcome:
                with line:
                    return inner.run_background_job(template_id)

        return OneByOne()  # type: ignore[return-value]

    played = run("perfect-storm", users=8, solution=build_patient, on="threads", store="memory")
    assert len(built) == tries
    assert played.passed is passed
    assert passed or kinds(played) == {"no-contention"}


@pytest.mark.real
def test_fixed_delays_without_a_queue_do_not_bring_a_herd_through() -> None:
    played = run("perfect-storm", users=40, retry="fixed", work_ms=5, store="memory")
    assert kinds(played) == {"success-rate"}


# -- a scenario of one's own -----------------------------------------------------------------------


def stale_strict_update() -> Scenario:
    """Ben reads, Ann updates, Ben updates strictly against what he read."""
    ann = Actor(
        "ann", (Read(), Barrier("read"), Update(NumberedEdit("rename", "ann", 1, 0)), Barrier("up"))
    )
    strict = UpdateWithVersion(NumberedEdit("relabel", "ben", 1, 0))
    ben = Actor("ben", (Read(), Barrier("read"), Barrier("up"), strict))
    part = Part("", (ann, ben), Expectations(success_over=None))
    return Scenario("strict", "Strict", "contact_card", 1, (part,))


def test_a_strict_update_against_a_stale_version_is_refused() -> None:
    played = run(stale_strict_update(), store="memory")
    assert played.findings == ()
    strict = next(o for o in played.history.operations if o.kind == "update_with_version")
    assert strict.failure is not None
    assert strict.failure.name == "VersionConflictError"


def test_a_scenario_of_ones_own_has_its_own_size() -> None:
    with pytest.raises(UsageError, match="strict"):
        run(stale_strict_update(), users=3)


# -- what it says ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def storm() -> Run:
    return run("perfect-storm", store="memory", work_ms=100)


def test_a_solution_without_a_policy_passes_the_ladder_and_a_note_says_what_was_not_judged() -> (
    None
):
    played = run("retry-ladder", solution=NoCache, store="memory")
    assert played.passed
    assert [note["kind"] for note in played.summary()["notes"]] == ["ladder-not-judged"]
    assert run("retry-ladder", store="memory").notes == ()


class Shrugging(NoCache):
    """Takes losing for a reason to skip the update."""

    def give_up(self, template_id: str, user: str, update_id: str, lost: SyncError) -> Outcome:
        return Outcome("skipped", None, attempts=self.attempts)


def test_an_update_without_a_policy_must_end_in_a_commit_or_an_error_all_the_same() -> None:
    played = run("retry-ladder", solution=Shrugging, store="memory")
    assert kinds(played) == {"ending"}
    assert not played.passed


def test_the_summary_has_the_keys_of_the_contract(storm: Run) -> None:
    report = storm.summary()
    assert json.loads(json.dumps(report)) == report
    expected: dict[str, Any] = {
        "scenario": "perfect-storm",
        "on": "threads",
        "store": "memory",
        "synchronous": None,
        "seed": 7,
        "passed": True,
        "users": 2,
        "lost_updates": 0,
        "stale_reads": 0,
        "findings": [],
    }
    assert {key: report[key] for key in expected} == expected
    assert report["updates"] == {
        "attempted": 2,
        "succeeded": 2,
        "failed": 0,
        "success_rate": 1.0,
    }
    assert report["attempts"].keys() == {"mean", "max"}
    assert report["retries"].keys() == {"total", "max", "delays_ms"}
    assert report["conflicts"].keys() == {"detected", "merged", "overridden", "background"}
    assert report["cache"].keys() == {"reads", "hits", "hit_rate"}
    assert report["background"].keys() == {"processed", "skipped"}
    assert report["latency_ms"].keys() == {"p50", "p95", "p99", "max"}
    assert report["final_version"] == storm.history.commits[-1].version
    assert report["duration_s"] > 0


def test_every_lost_swap_has_its_conflict_and_its_retry_in_the_log(storm: Run) -> None:
    operations = {o.id: o for o in storm.history.operations}
    lost = [str(a.operation) for a in storm.history.attempts if a.fate == "lost"]
    updates = [name for name in lost if operations[name].kind == "update"]
    for kind in ("update.conflict", "update.retry"):
        said = [e.update_id for e in storm.events if e.kind == kind]
        assert sorted(str(storm.history.operation_of(one)) for one in said) == sorted(updates)


def test_a_saved_run_reads_back_the_same(storm: Run) -> None:
    text = json.dumps(storm.to_json())
    again = Run.from_json(json.loads(text))
    assert again.summary() == storm.summary()
    assert again.history == storm.history


@pytest.mark.parametrize("record", [{}, {"format": "syncsim-run/1"}, [], None, {"format": "x"}])
def test_what_is_no_saved_run_is_refused(record: Any) -> None:
    with pytest.raises(UsageError, match="saved run"):
        Run.from_json(record)


def test_the_frame_has_a_row_per_operation(storm: Run) -> None:
    frame = storm.as_frame()
    assert list(frame["operation"]) == [o.id for o in storm.history.operations]
    updates = frame[frame["kind"] == "update"]
    assert updates["attempts"].tolist() == list(storm.figures.attempts)
    assert [len(delays) + 1 for delays in updates["delays_ms"]] == updates["attempts"].tolist()


def test_progress_counts_up_to_the_number_of_verbs() -> None:
    seen: list[tuple[int, int]] = []
    run(
        "cache-consistency", store="memory", progress=lambda done, total: seen.append((done, total))
    )
    assert seen[-1] == (10, 10)
    assert seen == sorted(seen)


@pytest.mark.real
def test_hundreds_of_threads_get_small_stacks_and_the_next_thread_its_usual_one() -> None:
    before = threading.stack_size()
    played = run("perfect-storm", users=150, solution=WriteLock, store="memory")
    assert codes(played) <= {"inconclusive"}
    assert played.figures.succeeded == 150
    assert threading.stack_size() == before


def test_the_run_leaves_no_thread_behind() -> None:
    before = set(threading.enumerate())
    run("perfect-storm", users=5, store="memory")
    assert set(threading.enumerate()) <= before


def test_a_store_of_ones_own_keeps_the_run_under_a_template_of_its_own(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'mine.db'}?synchronous=NORMAL"
    first, second = (run("cache-consistency", store=url) for _ in range(2))
    assert first.summary()["synchronous"] == "NORMAL"
    assert first.history.commits[0].template_id != second.history.commits[0].template_id


# -- what cannot be honoured is refused ------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"scenario": "perfect-strom"}, "perfect-strom"),
        ({"on": "simulation", "processes": 2}, "nothing is real"),
        ({"users": 0}, "users"),
        ({"users": 2.5}, "users"),
        ({"updates": -1}, "updates"),
        ({"work_ms": -1}, "work_ms"),
        ({"template": "nothing"}, "nothing"),
        ({"retry": "sometimes"}, "sometimes"),
        ({"retry": "fixed", "solution": NoCache}, "NoCache"),
        ({"retry": "fixed", "scenario": "retry-ladder"}, "retry-ladder"),
        ({"store": "memory", "on": "processes"}, "memory"),
        ({"store": "sqlite:///x.db", "synchronous": "NORMAL"}, "synchronous"),
        ({"processes": 2}, "processes"),
        ({"processes": 0, "on": "processes"}, "processes"),
        ({"solution": "nowhere.py"}, "nowhere.py"),
        ({"solution": 7}, "solution"),
        ({"solution": lambda env: None, "on": "processes"}, "function of a module"),
    ],
)
def test_what_cannot_be_honoured_is_refused(arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        run(**{"scenario": "perfect-storm", **arguments})


def test_a_function_typed_into_a_notebook_is_refused_for_processes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another process could not find it and would die; on threads it runs."""
    notebook = ModuleType("notebook")
    monkeypatch.setitem(sys.modules, "notebook", notebook)
    exec("def build(env):\n    return make(env)", notebook.__dict__)
    notebook.make = NoCache  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match="function of a module"):
        run("cache-consistency", solution=notebook.build, on="processes")
    assert run("cache-consistency", solution=notebook.build, store="memory").passed


def test_a_store_out_of_reach_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailableError):
        run("perfect-storm", store=f"sqlite:///{tmp_path / 'none' / 'x.db'}")


CANDIDATE = """
from syncsim.lab.solutions.{name} import build as built

def build(env):
    print("hello")
    return built(env)

def other(env):
    raise RuntimeError("not today")
"""


@pytest.fixture
def candidate(tmp_path: Path) -> Callable[[str], str]:
    def written(name: str) -> str:
        path = tmp_path / "candidate.py"
        path.write_text(CANDIDATE.format(name=name))
        return str(path)

    return written


def test_a_candidates_file_is_run(candidate: Callable[[str], str]) -> None:
    path = candidate("broken.no_invalidation")
    played = run("cache-consistency", solution=path, store="memory")
    assert codes(played) == {"M1"}
    assert played.summary()["solution"] == path


@pytest.mark.real
def test_a_candidates_file_is_loaded_in_every_process_and_prints_on_standard_error(
    candidate: Callable[[str], str], capfd: pytest.CaptureFixture[str]
) -> None:
    played = run("cache-consistency", solution=candidate("broken.no_invalidation"), on="processes")
    assert codes(played) == {"M1"}
    printed = capfd.readouterr()
    assert printed.out == ""
    assert printed.err.count("hello") == 3


def test_a_build_that_raises_is_a_usage_error(candidate: Callable[[str], str]) -> None:
    with pytest.raises(UsageError, match=r"not today.*candidate.py:9"):
        run("cache-consistency", solution=f"{candidate('correct.no_cache')}:other", store="memory")


def test_a_build_that_means_to_end_the_program_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match=r"it raised SystemExit\(3\).*unruly_solutions.py:"):
        run("cache-consistency", solution=built_by_leaving, store="memory")


@pytest.mark.parametrize(
    ("solution", "said"),
    [
        (
            built_to_nothing,
            r"build\(env\) returned None, which lacks get_template, update_template$",
        ),
        (
            ReadOnly,
            r"returned a ReadOnly, which lacks update_template$",
        ),
    ],
)
def test_a_build_that_returns_no_solution_is_a_usage_error_that_names_the_missing_verbs(
    solution: Any, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        run("cache-consistency", solution=solution, store="memory")


@pytest.mark.real
def test_a_build_that_raises_in_a_process_is_the_same_error(
    candidate: Callable[[str], str],
) -> None:
    with pytest.raises(UsageError, match=r"not today.*candidate.py:9"):
        run("cache-consistency", solution=f"{candidate('correct.no_cache')}:other", on="processes")


@pytest.mark.parametrize(
    ("text", "named"),
    [("1/0", "ZeroDivisionError"), ("import nothing_like_it", "ModuleNotFound"), ("x =", "Syntax")],
)
def test_a_file_that_cannot_be_imported_is_a_usage_error(
    tmp_path: Path, text: str, named: str
) -> None:
    path = tmp_path / "broken.py"
    path.write_text(text)
    with pytest.raises(UsageError, match=named):
        run("cache-consistency", solution=path, store="memory")


def test_a_file_without_a_build_is_a_usage_error(tmp_path: Path) -> None:
    path = tmp_path / "empty.py"
    path.write_text("")
    with pytest.raises(UsageError, match="build"):
        run("cache-consistency", solution=path, store="memory")
