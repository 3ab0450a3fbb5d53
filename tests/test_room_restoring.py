"""Restoring what was not kept: the value is back where it was, and nothing else has changed."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncsim.contract import ABSENT, Conflict
from syncsim.errors import UsageError
from syncsim.lab.history.records import Commit
from syncsim.merging import diff, merge, overlay, same
from syncsim.merging.blame import value_at
from syncsim.ui.room.run_view import RunView
from syncsim.ui.room.versions.resolutions import Resolution, resolutions
from syncsim.ui.room.versions.restoring import Lost, changes_to_restore, is_restored, lost_values
from tests.edit_scripts import Sides, templates
from tests.template_examples import changed, good


def met(base: Any, earlier: Any, later: Any) -> Resolution:
    """What `later` made of `earlier`, as a record of three versions tells it."""
    merged = merge(base, earlier, later, earlier_by="ben")
    detail = {
        "kind": "merge",
        "base": "1",
        "conflicts": [conflict.to_json() for conflict in merged.conflicts],
    }
    versions = [
        Commit(1, "form", "1", None, None, "ann", 1.0, base),
        Commit(2, "form", "2", "1", None, "ben", 2.0, earlier),
        Commit(3, "form", "3", "2", None, "cem", 3.0, merged.document, "u3", detail),
    ]
    return resolutions(RunView((), versions))[-1]


def lost(path: str, value: Any, kept: Any, *, kind: str = "edit", like: Any = None) -> Lost:
    return Lost("form", path, path, value, kept, kind, "ben", like or good())


@settings(max_examples=300)
@given(templates)
def test_a_restored_value_is_the_only_change(sides: Sides) -> None:
    """Of any conflict that merging templates records, whatever its kind."""
    one = met(sides.base, sides.earlier, sides.later)
    head = one.version.document
    before = copy.deepcopy(head)
    for value in lost_values(one):
        if value_at(head, value.path.rpartition("/")[0]) is ABSENT and "/" in value.path[1:]:
            with pytest.raises(UsageError, match="restore that first"):
                changes_to_restore(head, value)
            continue
        changes = changes_to_restore(head, value)
        restored = overlay(head, changes)
        assert set(changes) == {value.path.split("/")[1]}
        rows = diff(head, restored)
        assert all((row.path + "/").startswith(value.path + "/") for row in rows)
        if value.kind == "order":
            assert {row.kind for row in rows} <= {"moved"}
        elif not isinstance(value_at(head, value.path), list):
            assert same(value_at(restored, value.path), value.value)
        assert is_restored(restored, value)
        assert same(head, before)


@settings(max_examples=300)
@given(templates)
def test_a_merge_of_ours_loses_nothing_without_a_record(sides: Sides) -> None:
    one = met(sides.base, sides.earlier, sides.later)
    recorded = {leaf.path for leaf in one.leaves if leaf.conflict is not None}
    unsaid = [
        leaf
        for leaf in one.leaves
        if leaf.conflict is None and leaf.fate != "preserved" and leaf.path not in recorded
    ]
    assert unsaid == []


@given(templates)
def test_a_blind_write_over_another_is_seen_in_every_changed_place(sides: Sides) -> None:
    """The later one wrote its own document whole: what the earlier one changed alone is lost."""
    versions = [
        Commit(1, "form", "1", None, None, "ann", 1.0, sides.base),
        Commit(2, "form", "2", "1", None, "ben", 2.0, sides.earlier),
        Commit(3, "form", "3", "2", None, "cem", 3.0, sides.later, "u3", {"base": "1"}),
    ]
    one = resolutions(RunView((), versions))[-1]
    lost_paths = {leaf.path for leaf in one.of("set back")}
    for row in diff(sides.base, sides.earlier):
        if row.kind != "moved" and same(value_at(sides.later, row.path), row.before):
            assert row.path in lost_paths


@pytest.mark.parametrize("number", range(14))
def test_a_field_that_was_deleted_comes_back_in_its_place(number: int) -> None:
    document = good()
    field = document["fields"][number]
    head = {**document, "fields": [f for f in document["fields"] if f is not field]}
    value = lost(f"/fields/{field['id']}", field, ABSENT, kind="delete-edit")
    assert overlay(head, changes_to_restore(head, value)) == document


def test_a_key_of_an_object_that_is_gone_brings_the_object_back() -> None:
    value = lost("/fields/title/validation/max_length", 9, ABSENT)
    head = good()
    del head["fields"][0]["validation"]
    changes = changes_to_restore(head, value)
    assert changes["fields"][0]["validation"] == {"max_length": 9}


def test_an_element_of_a_list_without_ids_takes_the_place_of_the_one_kept() -> None:
    head = good()
    head["metadata"]["tags"] = ["a", "kept", "z"]
    value = lost("/metadata/tags", "lost", "kept")
    assert changes_to_restore(head, value)["metadata"]["tags"] == ["a", "lost", "z"]
    value = lost("/metadata/tags", ABSENT, "kept", kind="delete-edit")
    assert changes_to_restore(head, value)["metadata"]["tags"] == ["a", "z"]
    value = lost("/metadata/tags", "lost", ABSENT, kind="delete-edit")
    assert changes_to_restore(head, value)["metadata"]["tags"] == ["a", "kept", "z", "lost"]
    value = lost("/metadata/tags", "scalar", ["list"], kind="type")
    assert changes_to_restore(head, value)["metadata"]["tags"] == "scalar"


def test_an_order_is_restored_around_what_is_new_since() -> None:
    head = good()
    names = [field["id"] for field in head["fields"]]
    new = {**head["fields"][0], "id": "new"}
    head["fields"].insert(1, new)
    value = lost("/fields", names[::-1], names, kind="order")
    restored = [field["id"] for field in changes_to_restore(head, value)["fields"]]
    assert restored == [*names[:0:-1], "title", "new"]


def test_null_and_absent_are_restored_as_what_they_were() -> None:
    head = changed("/metadata/level", 4)
    value = lost("/metadata/level", None, 4)
    assert changes_to_restore(head, value)["metadata"]["level"] is None
    taken = replace(value, value=ABSENT)
    assert "level" not in changes_to_restore(head, taken)["metadata"]


def test_what_has_no_place_any_more_says_what_to_do() -> None:
    head = good()
    head["fields"] = head["fields"][1:]
    with pytest.raises(UsageError, match=r"'title'.*restore that first"):
        changes_to_restore(head, lost("/fields/title/label", "Lost", "Kept"))
    with pytest.raises(UsageError, match="by an update of your own"):
        changes_to_restore(head, lost("/description", ABSENT, "Kept"))


def test_records_that_are_no_conflicts_are_passed_by() -> None:
    """A solution may keep anything in its detail."""
    odd: list[Any] = [None, 5, {}, {"path": 1, "kind": "edit", "kept": "later"}, "x"]
    fine = Conflict("/name", "edit", "a", "b", "c", "later").to_json()
    document = good()
    versions = [
        Commit(1, "form", "1", None, None, "ann", 1.0, document),
        Commit(2, "form", "2", "1", None, "ben", 2.0, document, "u", {"conflicts": [*odd, fine]}),
    ]
    (one,) = resolutions(RunView((), versions))
    assert [conflict.path for conflict in one.conflicts] == ["/name"]
    assert [value.value for value in lost_values(one)] == ["b"]


@settings(max_examples=20)
@given(st.integers(0, 3))
def test_a_blind_overwrite_can_be_restored_too(number: int) -> None:
    base = good()
    earlier, later = copy.deepcopy(base), copy.deepcopy(base)
    earlier["fields"][number]["label"] = "Lost"
    later["name"] = "Mine"
    versions = [
        Commit(1, "form", "1", None, None, "ann", 1.0, base),
        Commit(2, "form", "2", "1", None, "ben", 2.0, earlier),
        Commit(3, "form", "3", "2", None, "cem", 3.0, later, "u3", {"base": "1"}),
    ]
    (value,) = lost_values(resolutions(RunView((), versions))[-1])
    restored = overlay(later, changes_to_restore(later, value))
    assert [row.path for row in diff(later, restored)] == [value.path]
    assert restored["fields"][number]["label"] == "Lost"


@pytest.mark.parametrize("parents", [("1", "2", "3"), ("3", "1", "2"), (None, "3", "2")])
def test_a_version_that_claims_to_descend_from_itself_ends_the_search(parents: Any) -> None:
    """A saved run may have been edited: a parent is an earlier version, or not known."""
    document = good()
    versions = [
        Commit(n, "form", str(n), parent, None, "ann", float(n), document, None, {"base": "zz"})
        for n, parent in enumerate(parents, 1)
    ]
    told = [
        Commit(9, "form", "9", "3", None, "ben", 9.0, document, "u", {"base": "1"}),
        Commit(10, "form", "10", "9", None, "ben", 9.0, document, "u", {"base": "9"}),
    ]
    found = resolutions(RunView((), [*versions, *told]))
    assert found[-1].base == told[0]
    assert [one.leaves for one in found] == [()] * len(found)
