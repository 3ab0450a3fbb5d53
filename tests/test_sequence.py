"""A diagram tells a run in its order and marks what proves the finding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from syncsim.lab.checkers.judging import _PROOFS
from syncsim.lab.history.findings import Finding
from syncsim.lab.history.records import History
from syncsim.lab.simulation.choices import Seeded
from syncsim.lab.simulation.explore import replay
from syncsim.lab.simulation.faults import Faults
from syncsim.lab.simulation.run_resources import RunResources
from syncsim.lab.simulation.simulated_run import Parameters, SimulatedRun, Simulation, simulate
from syncsim.lab.solutions.broken.blind_write import BlindWrite
from syncsim.lab.solutions.broken.last_write_wins import LastWriteWins
from syncsim.lab.solutions.broken.no_retry import NoRetry
from syncsim.lab.solutions.broken.rude_job import RudeJob
from syncsim.lab.solutions.broken.swallowed_failure import SwallowedFailure
from syncsim.lab.solutions.broken.ten_retries import TenRetries
from syncsim.lab.solutions.correct.no_cache import NoCache
from syncsim.ui import SequenceDiagram, sequence_page
from syncsim.ui.sequence import COLUMNS, MOST_LANES, MOST_STEPS, MOST_USERS, Diagram, sequence
from tests.sequence_parts import NoInvalidation, TwoLocks, failure, lost_update, played


def marked(diagram: Diagram) -> list[tuple[str, str, str]]:
    """Sign, who and kind of the rows that prove it."""
    return [
        (step.mark.sign, step.happening.who, step.happening.kind)
        for step in diagram.steps
        if step.mark is not None
    ]


# -- watching --------------------------------------------------------------------------------------


@pytest.mark.parametrize("scenario", ["perfect-storm", "cache-consistency", "retry-ladder"])
def test_watching_a_run_changes_nothing_of_it(scenario: str) -> None:
    with RunResources() as resources:
        simulation = Simulation(Parameters(scenario), resources)
        plain, watched = (simulation.run(Seeded(5), watched=watched) for watched in (False, True))
    assert (plain.trace, plain.digest, plain.sights) == (watched.trace, watched.digest, ())
    assert watched.sights


def test_explorations_do_not_watch_but_what_they_hand_out_was_watched() -> None:
    found = lost_update()
    assert found.run.sights
    assert replay("perfect-storm", found.token, solution=BlindWrite).sights


# -- the model -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "run",
    [
        lambda: lost_update().run,
        lambda: failure(NoInvalidation, "cache-consistency", 3).run,
        lambda: failure(TwoLocks, "perfect-storm").run,
        lambda: played("perfect-storm", 3),
        lambda: played("retry-ladder"),
        lambda: simulate(
            Parameters("perfect-storm", faults=Faults(latency=True, crash=8, busy=3, cache=4)),
            seed=5,
        ),
    ],
    ids=["lost", "stale", "deadlock", "storm", "ladder", "faults"],
)
def test_steps_are_those_of_the_trace_in_its_order(run: Callable[[], SimulatedRun]) -> None:
    simulated = run()
    steps = [s.happening for s in sequence(simulated).steps if s.happening.place is not None]
    places = [step.place for step in steps]
    assert places == list(range(len(simulated.trace)))
    actors = {actor for actor, _, _ in simulated.trace}
    for step in steps:
        assert step.who in (simulated.trace[step.place or 0][0], "rival") or step.who not in actors


def test_times_never_go_back_and_numbers_count_on() -> None:
    steps = sequence(played("retry-ladder")).steps
    times = [step.happening.at_s for step in steps]
    assert times == sorted(times)
    assert times[-1] > 0.5
    assert [step.number for step in steps] == list(range(1, len(steps) + 1))


def test_a_lane_for_each_user_the_store_and_each_cache_touched() -> None:
    lanes = [(lane.kind, lane.label) for lane in sequence(played("perfect-storm", 3)).lanes]
    assert lanes == [
        ("user", "ann"),
        ("cache", "cache of ann"),
        ("user", "ben"),
        ("cache", "cache of ben"),
        ("store", "Store"),
        ("cache", "cache of cleo"),
        ("user", "cleo"),
        ("user", "Job"),
    ]
    bare = Parameters("perfect-storm", users=2, with_job=False)
    uncached = sequence(simulate(bare, solution=NoCache, seed=3))
    assert [lane.kind for lane in uncached.lanes] == ["user", "store", "user"]


def test_reads_tell_the_version_waits_the_delay_and_lost_swaps_both_versions() -> None:
    ladder = played("retry-ladder")
    told = [step.happening for step in sequence(ladder).steps]
    lost = [attempt for attempt in ladder.history.attempts if attempt.fate == "lost"]
    texts = [happening.text for happening in told if happening.kind == "lost"]
    assert len(texts) == len(lost) == 5
    for text, attempt in zip(texts, lost, strict=True):
        assert f"expected {attempt.expected}, found {attempt.actual}" in text
    waits = [a.waited_s for a in ladder.history.attempts if a.waited_s]
    words = [happening.word for happening in told if happening.kind == "wait"]
    assert words == [f"{wait * 1000:.0f} ms" for wait in waits]
    versions = {commit.version for commit in ladder.history.commits}
    assert {h.version for h in told if h.kind == "read"} <= versions
    assert [h.version for h in told if h.kind == "fill"] == ["1-f59bd37e"] * 2


def test_a_lost_update_marks_what_was_overwritten_and_what_overwrote_it() -> None:
    found = lost_update()
    diagram = sequence(found)
    overwriter, victim = found.finding.operations
    steps = [step for step in diagram.steps if step.mark is not None]
    assert [step.happening.operation for step in steps] == [victim, overwriter]
    assert [step.happening.kind for step in steps] == ["won", "won"]
    assert "having read 1-" in steps[1].happening.text
    (leaf,) = diagram.leaves
    values = [value for _, value, _ in leaf.moments]
    assert leaf.path == "/name"
    assert values[0] == values[2] == '"Event registration"'
    assert values[1].startswith('"Renamed by ann')
    assert [by for _, _, by in leaf.moments] == ["", "ann", "ben"]


def test_a_stale_read_marks_the_acknowledgement_and_the_read() -> None:
    found = failure(NoInvalidation, "cache-consistency", 3)
    diagram = sequence(found)
    assert [(sign, kind) for sign, _, kind in marked(diagram)] == [("①", "answer"), ("②", "answer")]
    assert diagram.leaves[0].moments[1][1] == '"Event registration"'
    hits = [step.happening for step in diagram.steps if step.happening.kind == "hit"]
    assert hits
    assert all(", the head is 2-" in hit.text for hit in hits)


def test_a_deadlock_marks_those_who_wait_in_a_circle() -> None:
    found = failure(TwoLocks, "perfect-storm")
    diagram = sequence(found)
    assert {who for _, who, _ in marked(diagram)} == {"ann", "ben"}
    texts = [step.happening.text for step in diagram.steps]
    assert any("ann holds lock 'a'" in text for text in texts)
    assert any("ann asks for lock 'b', held by ben" in text for text in texts)
    assert "waits for ever for lock" in texts[-1]


@pytest.mark.parametrize(
    ("solution", "scenario", "kinds"),
    [
        (RudeJob, "perfect-storm", ["won", "won"]),
        (SwallowedFailure, "retry-ladder", ["lost", "answer"]),
        (NoRetry, "perfect-storm", ["lost", "failed"]),
        (LastWriteWins, "perfect-storm", None),
        (TenRetries, "retry-ladder", None),
    ],
)
def test_every_finding_has_rows_that_prove_it(
    solution: Callable[..., Any], scenario: str, kinds: list[str] | None
) -> None:
    found = failure(solution, scenario)
    proof = [kind for _, _, kind in marked(sequence(found))]
    assert proof
    assert kinds in (None, proof)


@pytest.mark.parametrize("kind", [*_PROOFS, "head-differs"])
@pytest.mark.parametrize("operations", [(), ("ann-2",), ("ann-2", "nobody-9"), ("a", "b", "c")])
def test_a_finding_that_names_too_few_or_strangers_is_shown_all_the_same(
    kind: str, operations: tuple[str, ...]
) -> None:
    found = Finding("D1", kind, "something", operations)
    assert sequence(lost_update().run, found).finding == found


def test_a_run_without_fault_says_so_and_marks_nothing() -> None:
    diagram = sequence(played("perfect-storm", 3))
    assert (diagram.title, marked(diagram)) == ("Nothing is wrong with this run", [])


def test_of_a_run_that_was_not_watched_calls_attempts_waits_and_answers_are_shown() -> None:
    watched, plain = (sequence(run) for run in (played("retry-ladder"), played("retry-ladder").run))
    assert (watched.is_complete, plain.is_complete) == (True, False)

    def told(diagram: Diagram) -> list[str]:
        kinds = ("call", "won", "lost", "wait", "answer", "failed")
        rows = [step.happening for step in diagram.steps if step.happening.who == "ann"]
        return [row.text for row in rows if row.kind in kinds]

    assert told(plain) == told(watched)


def test_nothing_at_all_is_a_diagram_too() -> None:
    run = replace(played("retry-ladder").run, history=History(), findings=())
    assert sequence(run).steps == ()
    assert "Nothing is wrong" in sequence_page(run)
    assert sequence(run).rows() == []
    assert list(sequence(run).as_frame().columns) == list(COLUMNS)


def test_fifty_users_share_lanes_and_a_long_run_is_cut_around_the_proof() -> None:
    run = simulate(
        Parameters("perfect-storm", users=50, work_ms=0.0), solution=LastWriteWins, seed=1
    )
    diagram = sequence(run)
    assert len(diagram.lanes) <= MOST_LANES
    assert sum(lane.kind == "user" for lane in diagram.lanes) == MOST_USERS + 1
    assert diagram.lanes[-1].label in (f"{50 - MOST_USERS} more", f"{51 - MOST_USERS} more")
    assert len(marked(diagram)) == 2
    assert {who for _, who, _ in marked(diagram)} <= {lane.owner for lane in diagram.lanes}
    numbered = [step for step in diagram.steps if step.number]
    gaps = [int(step.happening.text.split()[0]) for step in diagram.steps if not step.number]
    assert len(numbered) == MOST_STEPS
    assert sum(gaps) + len(numbered) >= len(run.trace)
    sequence_page(run)


def test_of_a_long_run_without_fault_the_commits_are_shown() -> None:
    run = simulate(Parameters("sustained"), seed=3)
    shown = [step.happening.version for step in sequence(run).steps if step.happening.kind == "won"]
    assert shown == [commit.version for commit in run.history.commits[1:]]


def test_as_text_it_is_a_line_per_step() -> None:
    lines = repr(SequenceDiagram(lost_update())).splitlines()
    diagram = sequence(lost_update())
    assert lines[0] == "Data loss (D1): lost update"
    assert len(lines) == 2 + len(diagram.steps)
    assert sum("②" in line for line in lines) == 1
