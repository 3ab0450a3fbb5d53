"""The textbook under mishaps, and the steps that only probes take."""

from __future__ import annotations

from pathlib import Path

import pytest

from syncsim.contract import Document, Environment, Row
from syncsim.errors import UsageError
from syncsim.lab.history.records import Operation
from syncsim.lab.scenarios import SCENARIOS, Read, scenario
from syncsim.lab.scenarios.catalogue import PROBES
from syncsim.lab.simulation.faults import Faults
from syncsim.lab.simulation.search import Share, Tally, search
from syncsim.lab.simulation.simulated_run import Parameters, simulate
from syncsim.lab.solutions import textbook
from syncsim.lab.solutions.correct.no_cache import NoCache
from syncsim.lab.solutions.loading import Solution
from syncsim.lab.solutions.textbook import Textbook
from syncsim.merging import Merge

TEXTBOOK = Path(str(textbook.__file__))


def storm(faults: Faults) -> Tally:
    parameters = Parameters("stress-test", work_ms=0.0, faults=faults)
    return search(Share(parameters, TEXTBOOK, "memory", "random", 0, 30))


@pytest.mark.parametrize(
    "faults",
    [
        Faults(lost_answer=3),
        Faults(lost_answer=3, outage=4),
        Faults(cache=4),
        Faults(busy=4, crash=40),
    ],
)
def test_the_textbook_loses_nothing_when_the_store_and_the_cache_fail(faults: Faults) -> None:
    """A lost answer was once taken for 'unchanged', and with an outage after it for a failure."""
    tally = storm(faults)
    assert (tally.schedules, dict(tally.failing)) == (30, {})


def test_an_update_given_up_tells_how_long_it_has_waited() -> None:
    (update,) = (o for o in played("forced-conflicts-50") if o.kind == "update")
    assert update.failure is not None
    assert update.failure.name == "RetriesExhaustedError"
    assert update.failure.facts["waited_s"] == pytest.approx(update.latency_s)


# -- steps and probes ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PROBES)
def test_the_textbook_loses_nothing_in_a_probe(name: str) -> None:
    found = simulate(Parameters(name), solution=TEXTBOOK)
    assert (found.ending.kind, found.faults) == ("done", ())


def test_probes_are_found_by_name_and_not_listed() -> None:
    assert scenario("two-tabs").name == "two-tabs"
    with pytest.raises(UsageError) as refused:
        scenario("three-tabs")
    assert "two-tabs" not in str(refused.value)
    assert all(name in str(refused.value) for name in SCENARIOS)


def test_a_rollback_goes_to_what_an_earlier_read_showed() -> None:
    operations = played("there-and-back")
    shown = [o.version for o in operations if o.kind == "get" and o.user == "ann"]
    rollbacks = [o for o in operations if o.kind == "rollback"]
    assert [o.base_version for o in rollbacks] == [shown[1], shown[0], shown[1]]
    assert {o.ended for o in rollbacks} == {"committed"}


def test_a_merge_that_keeps_what_was_removed_is_found() -> None:
    """Every other edit adds or changes: a union of both sides passes for a merge."""

    class Union(Textbook):
        def merged(self, origin: Document, head: Row, wanted: Document) -> Merge:
            merge = super().merged(origin, head, wanted)
            fields = {f["id"]: f for f in (*head.document["fields"], *merge.document["fields"])}
            return Merge({**merge.document, "fields": list(fields.values())}, merge.conflicts)

    found = simulate(Parameters("removals"), solution=Union).findings
    assert {(f.code, f.kind) for f in found} == {("D1", "unchanged-without-change")}


def test_a_solution_that_cannot_roll_back_is_not_asked_to() -> None:
    class FourVerbs:
        def __init__(self, env: Environment) -> None:
            whole = NoCache(env)
            self.get_template = whole.get_template
            self.update_template = whole.update_template
            self.update_with_version = whole.update_with_version
            self.run_background_job = whole.run_background_job

    operations = played("there-and-back", FourVerbs)
    assert {o.kind for o in operations} == {"get", "update", "update_with_version"}


def test_a_user_in_two_tabs_is_one_user_and_two_actors() -> None:
    operations = played("two-tabs")
    assert {o.user for o in operations} == {"ann"}
    assert {o.id.partition("-")[0] for o in operations} == {"ann", "ann.2"}


def test_an_update_that_is_not_based_reads_nothing_before() -> None:
    actors = scenario("late-invalidation").parts[0].actors
    reads = sum(isinstance(step, Read) for actor in actors for step in actor.steps)
    operations = played("late-invalidation")
    assert {o.base_version for o in operations if o.kind == "update"} == {None}
    assert sum(o.kind == "get" and not o.at_rest for o in operations) == reads


def played(name: str, solution: Solution = TEXTBOOK) -> tuple[Operation, ...]:
    return simulate(Parameters(name), solution=solution).history.operations
