"""The judges' reading of an intent agrees with the merge, although neither knows the other."""

from __future__ import annotations

import copy
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncsim.contract import ABSENT, Document
from syncsim.errors import InvalidTemplateError
from syncsim.lab.history.expected_state import differences, mismatches, pointer, same, value_at
from syncsim.merging import merge
from syncsim.template import validate
from syncsim.template.samples import sample

BASE = sample("bug_report")

TEXTS = st.sampled_from(["one", "two", "three"])
PLACES = st.integers(0, 11)
EDITS = st.one_of(
    st.tuples(st.just("name"), TEXTS),
    st.tuples(st.just("label"), PLACES, TEXTS),
    st.tuples(st.just("help"), PLACES, TEXTS),
    st.tuples(st.just("move"), PLACES, PLACES),
    st.tuples(st.just("shift"), PLACES, PLACES),
    st.tuples(st.just("remove"), PLACES),
    st.tuples(st.just("add"), TEXTS, PLACES),
    st.tuples(st.just("title"), PLACES, TEXTS),
    st.tuples(st.just("remove section"), PLACES),
    st.tuples(st.just("option"), PLACES, PLACES, TEXTS),
    st.tuples(st.just("remove option"), PLACES, PLACES),
    st.tuples(st.just("setting"), TEXTS, st.one_of(st.none(), st.booleans(), TEXTS)),
    st.tuples(st.just("unset"), TEXTS),
    st.tuples(st.just("tag"), TEXTS),
    st.tuples(st.just("untag"), PLACES),
)


def edited(document: Document, edits: list[tuple[Any, ...]]) -> Document:
    """The document after these edits, without those that cannot be made."""
    for edit in edits:
        changed = copy.deepcopy(document)
        with suppress(InvalidTemplateError, ZeroDivisionError):
            apply(changed, *edit)
            validate(changed)
            document = changed
    return document


def apply(document: Document, kind: str, *how: Any) -> None:
    fields, sections = document["fields"], document["sections"]
    settings_, tags = (
        document.setdefault("settings", {}),
        document["metadata"].setdefault("tags", []),
    )
    choices = [field for field in fields if "options" in field]
    match kind, how:
        case "name", (text,):
            document["name"] = text
        case "label" | "help", (place, text):
            fields[place % len(fields)][kind] = text
        case "move", (place, where):
            fields[place % len(fields)]["section"] = sections[where % len(sections)]["id"]
        case "shift", (place, where):
            fields.insert(where % len(fields), fields.pop(place % len(fields)))
        case "remove", (place,):
            fields.pop(place % len(fields))
        case "add", (text, place):
            section = sections[place % len(sections)]["id"]
            fields.append({"id": f"x_{text}", "section": section, "label": text, "type": "text"})
        case "title", (place, text):
            sections[place % len(sections)]["title"] = text
        case "remove section", (place,):
            gone = sections.pop(place % len(sections))["id"]
            document["fields"] = [field for field in fields if field["section"] != gone]
        case "option", (place, which, text):
            options = choices[place % len(choices)]["options"]
            options[which % len(options)]["label"] = text
        case "remove option", (place, which):
            options = choices[place % len(choices)]["options"]
            options.pop(which % len(options))
        case "setting", (key, value):
            settings_[f"x_{key}"] = value
        case "unset", (key,):
            settings_.pop(f"x_{key}", None)
        case "tag", (text,):
            tags.append(text)
        case "untag", (place,) if tags:
            tags.pop(place % len(tags))


@settings(max_examples=400)
@given(st.lists(EDITS, max_size=6), st.lists(EDITS, max_size=6), st.lists(EDITS, max_size=3))
def test_what_the_merge_makes_is_what_the_judges_want(
    before: list[Any], theirs: list[Any], ours: list[Any]
) -> None:
    """Every leaf they find wrong in a merge is one that was mended for an invariant, on record."""
    base = edited(BASE, before)
    head, mine = edited(base, theirs), edited(base, ours)
    merged = merge(base, head, mine)
    mended = [c.path.split("/")[1:3] for c in merged.conflicts if c.kind == "invariant"]
    for deviation in mismatches(base, mine, head, merged.document):
        assert [*deviation.path[:2]] in mended, (deviation, merged.conflicts)


@settings(max_examples=200)
@given(st.lists(EDITS, max_size=6), st.lists(EDITS, max_size=6))
def test_an_edit_of_the_head_itself_is_wanted_as_it_is(theirs: list[Any], ours: list[Any]) -> None:
    head = edited(BASE, theirs)
    mine = edited(head, ours)
    assert list(mismatches(head, mine, head, mine)) == []


@settings(max_examples=200)
@given(st.lists(EDITS, max_size=6), st.lists(EDITS, min_size=1, max_size=3))
def test_the_stale_document_is_accused_of_every_leaf_it_undoes(
    theirs: list[Any], ours: list[Any]
) -> None:
    """Last write wins on the whole document: what they changed and we did not is a deviation."""
    head, mine = edited(BASE, theirs), edited(BASE, ours)
    found = [deviation.path for deviation in mismatches(BASE, mine, head, mine)]
    touched = {*differences(BASE, mine), ("metadata", "tags")}  # tags have no ids
    for path in differences(BASE, head):
        if all(path[: len(p)] != p[: len(path)] for p in touched):
            assert any(path[: len(p)] == p for p in found)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (1, 1.0, False),
        (1, True, False),
        ([1], [True], False),
        ({"a": [1.0]}, {"a": [1]}, False),
        (None, ABSENT, False),
        (ABSENT, ABSENT, True),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        ([1, 2], [2, 1], False),
    ],
)
def test_equality_is_that_of_json_text(a: Any, b: Any, expected: bool) -> None:
    assert same(a, b) is expected
    assert same(b, a) is expected


def test_paths_name_elements_by_id() -> None:
    after = copy.deepcopy(BASE)
    choice = next(field for field in after["fields"] if "options" in field)
    choice["options"][0]["label"] = "other"
    (path,) = differences(BASE, after)
    assert path == ("fields", choice["id"], "options", choice["options"][0]["value"], "label")
    assert value_at(after, path) == "other"
    assert value_at(after, ("fields", "none")) is ABSENT
    assert pointer(("settings", "x_a/b~c")) == "/settings/x_a~1b~0c"
