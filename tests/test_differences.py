"""Differences as rows: the deepest paths, elements by id, and the same in the words of the form."""

from __future__ import annotations

from typing import Any

import pytest

from syncsim.contract import ABSENT, Conflict
from syncsim.errors import UsageError
from syncsim.merging.differences import Change, changed_paths, diff
from syncsim.merging.display import (
    CHANGE_HEADER,
    CONFLICT_HEADER,
    as_text,
    change_rows,
    conflict_rows,
    label,
    shown,
)

FORM = {
    "name": "Form",
    "fields": [
        {"id": "name", "label": "Name", "type": "text"},
        {
            "id": "colour",
            "label": "Colour",
            "options": [{"value": "red", "label": "Red"}, {"value": "teal", "label": "Teal"}],
        },
        {"id": "email", "label": "E-mail", "help": None},
    ],
    "sections": [{"id": "name", "title": "Who"}],
    "metadata": {"tags": ["a", "b"]},
}


def changed(path: str, before: Any, after: Any) -> Any:
    """The form with one row's change made: the value at the path, whose parents are there."""
    *parents, last = path.strip("/").split("/")

    def within(value: Any, names: list[str]) -> Any:
        if isinstance(value, list):
            return [
                within(each, names[1:]) if names[0] in (each.get("id"), each.get("value")) else each
                for each in value
            ]
        if names:
            return {**value, names[0]: within(value[names[0]], names[1:])}
        return {key: each for key, each in {**value, last: after}.items() if each is not ABSENT}

    return within(FORM, parents)


@pytest.mark.parametrize(
    ("path", "kind", "before", "after"),
    [
        ("/name", "changed", "Form", "Template"),
        ("/description", "added", ABSENT, "text"),
        ("/fields/name/label", "changed", "Name", "Full name"),
        ("/fields/name/required", "added", ABSENT, False),
        ("/fields/email/help", "removed", None, ABSENT),
        ("/fields/colour/options/red/label", "changed", "Red", "Crimson"),
        ("/metadata/tags", "changed", ["a", "b"], ["b", "a"]),
        ("/metadata/derived", "added", ABSENT, {"n": 1}),
        ("/metadata", "changed", {"tags": ["a", "b"]}, []),
    ],
)
def test_one_change_is_one_row_at_its_deepest_path(
    path: str, kind: Any, before: Any, after: Any
) -> None:
    other = changed(path, before, after)
    assert diff(FORM, other) == (Change(path, kind, before, after),)
    assert changed_paths(FORM, other) == (path,)
    (back,) = diff(other, FORM)
    assert (back.path, back.before, back.after) == (path, after, before)


def elements(text: str) -> Any:
    return {"fields": [{"id": name} for name in text]}


@pytest.mark.parametrize(
    ("before", "after", "rows"),
    [
        ("abc", "abc", ""),
        ("abc", "ac", "removed b"),
        ("abc", "axbc", "added x"),
        ("abc", "bac", "moved a None b"),
        ("abcd", "dabc", "moved d c None"),
        ("abcd", "bcda", "moved a None d"),
        ("abc", "cax", "removed b, added x, moved a None c"),
        ("", "ab", "added a, added b"),
    ],
)
def test_elements_are_rows_by_id_and_moves_are_few(before: str, after: str, rows: str) -> None:
    found = diff(elements(before), elements(after))
    told = [
        f"{row.kind} {row.path.removeprefix('/fields/')}"
        + (f" {row.before} {row.after}" if row.kind == "moved" else "")
        for row in found
    ]
    assert ", ".join(told) == rows


def test_the_order_of_elements_is_no_changed_path() -> None:
    assert changed_paths(elements("abc"), elements("cab")) == ()
    assert changed_paths(elements("abc"), elements("cxb")) == ("/fields/a", "/fields/x")


def test_equality_is_that_of_canonical_text() -> None:
    assert diff({"a": 1, "b": {"c": 1, "d": 2}}, {"b": {"d": 2, "c": 1}, "a": 1}) == ()
    assert changed_paths({"a": 1}, {"a": 1.0}) == ("/a",)
    assert changed_paths({"a": [1]}, {"a": [True]}) == ("/a",)
    assert changed_paths({"a": None}, {}) == ("/a",)


def test_lists_whose_ids_are_not_unique_are_one_row() -> None:
    other = {"fields": [{"id": "a"}, {"id": "a", "v": 1}]}
    assert changed_paths(elements("ab"), other) == ("/fields",)
    assert changed_paths(elements("ab"), {"fields": [{"id": "a"}, {}]}) == ("/fields",)


def test_keys_name_the_keyed_lists_of_other_documents() -> None:
    before = {"rows": [{"r": "x", "n": 1, "v": 0}, {"r": "x", "n": 2, "v": 0}]}
    after = {"rows": [{"r": "x", "n": 1, "v": 0}, {"r": "x", "n": 2, "v": 5}]}
    assert changed_paths(before, after, keys={"/rows": ["r", "n"]}) == ("/rows/x,2/v",)
    assert changed_paths(before, after, keys={}) == ("/rows",)


@pytest.mark.parametrize("compare", [diff, changed_paths])
def test_nesting_without_end_is_refused(compare: Any) -> None:
    def nested(value: Any) -> Any:
        for _ in range(1100):
            value = {"k": value}
        return value

    with pytest.raises(UsageError, match="levels"):
        compare(nested(1), nested(2))


# -- in words --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("", "the document"),
        ("/name", "name"),
        ("/fields/email/help", "fields > E-mail > help"),
        ("/fields/colour/options/red", "fields > Colour > options > Red"),
        ("/sections/name", "sections > Who"),
        ("/fields/gone/label", "fields > gone > label"),
        ("/metadata/a~1b", "metadata > a/b"),
    ],
)
def test_a_path_is_told_by_labels(path: str, words: str) -> None:
    assert label(path, FORM) == words


def test_a_label_is_looked_up_where_it_is_known() -> None:
    assert label("/fields/new/help", FORM, {"fields": [{"id": "new", "label": "New"}]}) == (
        "fields > New > help"
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (ABSENT, "(absent)"),
        (None, "null"),
        (True, "true"),
        ("text", "text"),
        ({"id": "a", "label": "A"}, "A"),
        ({"b": 1, "a": "é"}, '{"a": "é", "b": 1}'),
        ("x" * 61, "x" * 57 + "..."),
    ],
)
def test_a_value_is_shown_in_few_characters(value: Any, text: str) -> None:
    assert shown(value) == text


def test_changes_are_rows_of_text() -> None:
    after = {**FORM, "name": "Template", "fields": [FORM["fields"][i] for i in (1, 0)]}
    rows = change_rows(diff(FORM, after), after, FORM)
    assert as_text(CHANGE_HEADER, rows).splitlines() == [
        "   What             Before  After",
        "-  fields > E-mail  E-mail  (absent)",
        ">  fields > Name    first   after colour",
        "~  name             Form    Template",
    ]
    assert as_text(CHANGE_HEADER, []) == ""


def test_conflicts_are_rows_of_what_was_and_was_not_kept() -> None:
    conflicts = [
        Conflict("/fields/email/label", "edit", "E-mail", "Mail", "Address", "later", "ann"),
        Conflict("/sections/s", "invariant", {"title": "S"}, {"title": "S"}, ABSENT, "earlier"),
    ]
    assert conflict_rows(conflicts, FORM) == [
        ("fields > E-mail > label", "E-mail", "Mail (ann)", "Address"),
        ("sections > s", "S", "(absent)", "S"),
    ]
    assert len(as_text(CONFLICT_HEADER, conflict_rows(conflicts)).splitlines()) == 3
