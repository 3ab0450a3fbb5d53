"""Two users edit one list without ids, with repeated values: who is accused, and who is not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncsim.contract import ABSENT, Conflict, Document, Environment, Row
from syncsim.lab.history.expected_state import mismatches
from syncsim.lab.scenarios import Actor, Barrier, Expectations, Part, Read, Scenario, Update
from syncsim.lab.scenarios.edits import NumberedEdit
from syncsim.lab.simulation.explore import explore
from syncsim.lab.simulation.simulated_run import Parameters
from syncsim.lab.solutions.textbook import Textbook
from syncsim.merging import Merge, merge, same

SCHEDULES = 60


@dataclass(frozen=True, slots=True)
class Retag(NumberedEdit):
    """`kind` says what is done to the tags of the document."""

    def changes(self, document: Document) -> Document:
        metadata = document.get("metadata", {})
        tags = list(metadata.get("tags", ()))
        match self.kind:
            case "begin":
                tags = ["red", "blue", "red", "green", "red"]
            case "first again":
                tags = ["blue", *tags, self.text]
            case "one gone":
                tags.remove("red")
            case "one more":
                tags = [*tags, "red"]
            case "another instead":
                tags[1] = self.text
        return {"metadata": {**metadata, "tags": tags}}


@dataclass(frozen=True)
class Tagging(Parameters):
    """Both read the same tags; then each does two things to them, the second to what it reads."""

    def plan(self) -> Scenario:
        begun = Barrier("begun")
        ann = [Retag("first again", "ann", 1, 0), Retag("one gone", "ann", 2, 0)]
        ben = [Retag("another instead", "ben", 1, 0), Retag("one more", "ben", 2, 0)]
        begin = Update(Retag("begin", "ann", 0, 0))
        actors = (
            Actor("ann", (begin, begun, Read(), Update(ann[0]), Read(), Update(ann[1]))),
            Actor("ben", (begun, Read(), Update(ben[0]), Read(), Update(ben[1]))),
        )
        part = Part("", actors, Expectations())
        return Scenario("tagging", "Tagging", "contact_card", self.seed, (part,))


class Whole(Textbook):
    """The list as it was asked for takes the place of the one that is there."""

    records = False

    def merged(self, origin: Document, head: Row, wanted: Document) -> Merge:
        result = super().merged(origin, head, wanted)
        was, theirs, mine = (
            each["metadata"].get("tags", ABSENT) for each in (origin, head.document, wanted)
        )
        if mine is ABSENT or same(was, mine) or same(was, theirs):
            return result
        metadata = {**result.document["metadata"], "tags": mine}
        conflicts = [c for c in result.conflicts if c.path != "/metadata/tags"]
        if self.records:
            conflicts.append(Conflict("/metadata/tags", "edit", was, theirs, mine, "later"))
        return Merge({**result.document, "metadata": metadata}, tuple(conflicts))


class WholeOnRecord(Whole):
    """The same, and it says what it set aside."""

    records = True


def kinds_found(solution: Any) -> set[str]:
    found = explore(Tagging("tagging"), solution=solution, schedules=SCHEDULES)
    return {finding.kind for finding in found.findings}


def test_the_reference_is_not_accused() -> None:
    assert kinds_found(None) == set()


def test_a_list_that_is_overridden_whole_on_record_is_not_accused() -> None:
    def build(env: Environment) -> WholeOnRecord:
        return WholeOnRecord(env)

    assert kinds_found(build) == set()


def test_an_edit_of_such_a_list_that_is_lost_is_found() -> None:
    def build(env: Environment) -> Whole:
        return Whole(env)

    assert "lost-update" in kinds_found(build)


BASE, THEIRS = ["a", "b", "a"], ["a", "a", "b", "a"]


@pytest.mark.parametrize(
    ("mine", "after", "right"),
    [
        (["a", "b", "a", "q"], ["a", "a", "b", "a", "q"], True),
        (["a", "b", "a", "q"], ["q", "a", "b", "a", "a"], True),  # order is no leaf
        (["a", "b", "a", "q"], ["a", "b", "a", "q"], False),  # theirs is lost
        (["a", "b", "a", "q"], ["a", "a", "b", "a"], False),  # mine is lost
        (["a", "b", "a", "q"], ["a", "a", "b", "a", "q", "q"], False),  # doubled
        (["b", "a"], ["a", "b", "a"], True),  # one more and one less
        (["b", "a"], ["a", "a", "b", "a"], False),
        (["a", "b", "a", "a"], ["a", "a", "b", "a"], True),  # added by both: once,
        (["a", "b", "a", "a"], ["a", "a", "b", "a", "a"], True),  # or twice,
        (["a", "b", "a", "a"], ["a", "a", "a", "b", "a", "a"], False),  # but not thrice
        (["a", "b", "a", "a"], ["a", "b", "a"], False),  # but not at all
    ],
)
def test_a_list_holds_each_value_so_many_times(mine: Any, after: Any, right: bool) -> None:
    documents = ({"metadata": {"tags": tags}} for tags in (BASE, mine, THEIRS, after))
    assert (not [*mismatches(*documents)]) is right


@given(*[st.lists(st.sampled_from([1, 1.0, True, "a", {"k": 1}]), max_size=5)] * 3)
def test_what_the_merge_makes_of_such_lists_is_right_or_on_record(
    base: list[Any], theirs: list[Any], mine: list[Any]
) -> None:
    was, first, second = ({"metadata": {"tags": tags}} for tags in (base, theirs, mine))
    result = merge(was, first, second)
    if not result.conflicts:
        assert not [*mismatches(was, second, first, result.document)]
