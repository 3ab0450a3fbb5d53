"""Scenarios are data: seeded, of the size that was asked for, with everybody's edits their own."""

from __future__ import annotations

import copy
import pickle

import pytest

from syncsim.contract import BACKGROUND
from syncsim.errors import UsageError
from syncsim.lab.history.expected_state import differences
from syncsim.lab.results.figures import percentile
from syncsim.lab.scenarios import (
    READS_PER_COMMIT,
    SCENARIOS,
    Barrier,
    Job,
    Read,
    Scenario,
    Update,
    Wait,
    parties,
    scenario,
    user_names,
)
from syncsim.lab.scenarios.edits import EDITS, REMOVALS, NumberedEdit
from syncsim.merging import overlay
from syncsim.template import validate
from syncsim.template.samples import sample, sample_names


def updates(plan: Scenario) -> list[Update]:
    return [
        step for actor in plan.parts[0].actors for step in actor.steps if isinstance(step, Update)
    ]


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_scenario_is_a_value_that_can_be_sent_to_another_process(name: str) -> None:
    plan = scenario(name)
    assert pickle.loads(pickle.dumps(plan)) == plan
    assert hash(plan) == hash(scenario(name))


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_seed_decides_what_is_typed_and_nothing_else_does(name: str) -> None:
    assert scenario(name, seed=1) == scenario(name, seed=1)
    assert updates(scenario(name, seed=1)) != updates(scenario(name, seed=2))


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize(("users", "total"), [(1, 1), (2, 7), (5, 3), (30, 30)])
def test_updates_are_a_total_dealt_out_to_users(name: str, users: int, total: int) -> None:
    plan = scenario(name, users=users, updates=total)
    assert plan.users == user_names(users)
    assert len(updates(plan)) == total


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("users", [1, 2, 5])
def test_everybody_comes_to_a_barrier_once(name: str, users: int) -> None:
    for part in scenario(name, users=users).parts:
        for actor in part.actors:
            met = [step.name for step in actor.steps if isinstance(step, Barrier)]
            assert len(met) == len(set(met))
        assert sum(parties(part.actors).values()) == sum(
            isinstance(step, Barrier) for actor in part.actors for step in actor.steps
        )


def test_the_perfect_storm_is_two_users_and_the_job_let_loose_at_once() -> None:
    (part,) = scenario("perfect-storm").parts
    assert [actor.user for actor in part.actors] == ["ann", "ben", BACKGROUND]
    ann, ben, job = (actor.steps for actor in part.actors)
    assert [type(step) for step in ann] == [Read, Barrier, Update]
    assert job == (ann[1], Job())
    assert part.work_ms == 20
    edits = [step.edit.kind for step in (ann[2], ben[2]) if isinstance(step, Update)]
    assert edits == ["rename", "relabel"]


def test_the_stress_test_sends_ten_updates_within_a_second() -> None:
    (part,) = scenario("stress-test").parts
    assert part.work_ms == 5
    assert len(updates(scenario("stress-test"))) == 10
    for actor in part.actors:
        assert sum(step.seconds for step in actor.steps if isinstance(step, Wait)) < 1


def test_the_job_waits_six_seconds_between_its_two_runs() -> None:
    (part,) = scenario("background-job-respect").parts
    job = part.actors[-1]
    assert job.steps[1:] == (Job(), Wait(6.0), Job())
    assert part.expect.jobs == ("skipped", "processed")


def test_sustained_load_is_twenty_reads_per_user_and_commit() -> None:
    plan = scenario("sustained", users=4, updates=6)
    reads = sum(isinstance(step, Read) for a in plan.parts[0].actors for step in a.steps)
    assert reads == READS_PER_COMMIT * 4 * 6


def test_the_retry_ladder_compares_two_policies_against_one_rival() -> None:
    without_queue, default = scenario("retry-ladder").parts
    assert (without_queue.retry, default.retry) == ("third/queue=never", "third")
    assert without_queue.rival == default.rival is not None
    assert without_queue.actors == default.actors
    low_ms = [round(low * 1000) for low, _ in without_queue.expect.ladder or ()]
    high_ms = [round(high * 1000) for _, high in without_queue.expect.ladder or ()]
    assert low_ms == [67, 133, 267]
    assert high_ms == [133, 267, 533]


def test_work_time_can_be_set_and_taken_away() -> None:
    assert scenario("perfect-storm", work_ms=0).parts[0].work_ms == 0
    assert scenario("sustained", work_ms=2.5).parts[0].work_ms == 2.5


@pytest.mark.parametrize(
    "arguments",
    [{"users": 0}, {"users": True}, {"updates": 0}, {"updates": "3"}, {"work_ms": float("inf")}],
)
def test_a_size_that_makes_no_sense_is_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(UsageError, match=next(iter(arguments))):
        scenario("stress-test", **arguments)  # type: ignore[arg-type]


def test_an_unknown_scenario_is_refused_with_the_names_of_those_there_are() -> None:
    with pytest.raises(UsageError, match="perfect-storm, cache-consistency"):
        scenario("tempest")


# -- edits -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sample_names())
@pytest.mark.parametrize("kind", EDITS)
@pytest.mark.parametrize("which", [0, 1, 11, 999])
def test_every_edit_leaves_every_template_valid_and_changed(
    name: str, kind: str, which: int
) -> None:
    document = sample(name)
    before = copy.deepcopy(document)
    changes = NumberedEdit(kind, "user1000", 12, which, 999).changes(document)
    assert document == before
    after = overlay(document, changes)
    validate(after)
    assert len(list(differences(before, after))) == 1


@pytest.mark.parametrize("kind", REMOVALS)
def test_a_removal_takes_away_what_was_added_and_nothing_else(kind: str) -> None:
    document = sample("contact_card")
    added = {"remove-field": "add-field", "unset": "set"}[kind]
    after = overlay(document, NumberedEdit(added, "ann", 1, 3).changes(document))
    assert len(list(differences(document, after))) == 1
    after = overlay(after, NumberedEdit(kind, "ann", 2, 3).changes(after))
    assert list(differences(document, after)) == []


def test_the_same_edit_can_be_made_twice() -> None:
    """Adding a field that is there already edits it, so that a storm cannot bloat the template."""
    document = sample("contact_card")
    for number in (1, 2):
        document = overlay(document, NumberedEdit("add-field", "ann", number, 3).changes(document))
    validate(document)
    assert [f["label"] for f in document["fields"] if f["id"] == "x_field_3"] == [
        "Field by ann 2 (0)"
    ]


def test_different_users_mostly_edit_different_leaves() -> None:
    document = sample("event_registration")
    plan = scenario("perfect-storm", users=12)
    touched = [
        path
        for update in updates(plan)
        for path in differences(document, overlay(document, update.edit.changes(document)))
    ]
    assert len(set(touched)) >= 11


# -- figures ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        ([], 50, None),
        ([3.0], 99, 3.0),
        ([4.0, 1.0, 3.0, 2.0], 50, 2.0),
        ([float(n) for n in range(1, 101)], 95, 95.0),
        ([float(n) for n in range(1, 101)], 100, 100.0),
    ],
)
def test_a_percentile_is_a_value_that_so_many_do_not_exceed(
    values: list[float], percent: int, expected: float | None
) -> None:
    assert percentile(values, percent) == expected
