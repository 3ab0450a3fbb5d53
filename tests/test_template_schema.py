"""Every rule of the schema: what it refuses, where it says so, and what it lets pass."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncsim.template import MAX_BYTES, canonical, encode, json_schema, parse
from syncsim.template.samples import sample, sample_names
from tests.template_examples import GONE, changed, good, named, refusal
from tests.template_model import is_valid

SCHEMA = Path(__file__).parent.parent / "data" / "template.schema.json"

F = "/fields"
LONG = "x" * 2001
DEEP: Any = {"a": {"a": {"a": {"a": {"a": {"a": {}}}}}}}
DUPLICATE = {"id": "title", "section": "main", "label": "Again", "type": "text"}
RED = [{"value": "red", "label": "Red"}]

# What is wrong: where it is put, what is put there, where it is reported if elsewhere, and a part
# of what the error says is allowed.
BAD: list[tuple[str, object, str | None, str]] = [
    ("/schema_version", 2, None, "1"),
    ("/schema_version", True, None, "1"),
    ("/schema_version", 1.0, None, "1"),
    ("/schema_version", "1", None, "1"),
    ("/schema_version", GONE, None, "required"),
    ("/name", "", None, "1 to 120 characters"),
    ("/name", " Example", None, "without space at its ends"),
    ("/name", "Example\n", None, "without space at its ends"),
    ("/name", "x" * 121, None, "1 to 120 characters"),
    ("/name", None, None, "text"),
    ("/name", GONE, None, "required"),
    ("/name", "Cafe\u0301", None, "NFC"),
    ("/name", "\ud800", None, "surrogates"),
    ("/description", LONG, None, "0 to 2000 characters"),
    ("/description", None, None, "text"),
    ("/colour", "red", None, "only the keys schema_version, name, fields, sections, description"),
    ("/fields", GONE, None, "required"),
    ("/fields", {}, None, "a list of at most 2000 fields"),
    ("/fields", [{}] * 2001, None, "a list of at most 2000 fields"),
    ("/sections", GONE, None, "required"),
    ("/sections", None, None, "a list of at most 200 sections"),
    ("/sections", [{}] * 201, None, "a list of at most 200 sections"),
    (f"{F}/title", "text", f"{F}/0", "an object (a field)"),
    (f"{F}/title/id", GONE, f"{F}/0/id", "required"),
    (f"{F}/title/id", "Title", f"{F}/Title/id", "[a-z][a-z0-9_]{0,63}"),
    (f"{F}/title/id", "t" * 65, f"{F}/{'t' * 65}/id", "[a-z][a-z0-9_]{0,63}"),
    (f"{F}/title/id", "title\n", rf"{F}/title\n/id", "[a-z][a-z0-9_]{0,63}"),
    (f"{F}/title/id", 7, f"{F}/0/id", "an id"),
    (f"{F}/code", DUPLICATE, f"{F}/title/id", "no other field"),
    (f"{F}/title/section", "nowhere", None, "the id of a section: main, extra"),
    (f"{F}/title/section", GONE, None, "required"),
    (f"{F}/title/label", "", None, "1 to 200 characters"),
    (f"{F}/title/label", "x" * 201, None, "1 to 200 characters"),
    (f"{F}/title/label", GONE, None, "required"),
    (f"{F}/title/label", 1, None, "text"),
    (f"{F}/title/type", "string", None, "one of text, long_text, integer"),
    (f"{F}/title/type", None, None, "one of text"),
    (f"{F}/title/colour", "red", None, "only the keys id, section, label, type, required"),
    (f"{F}/title/required", 1, None, "true or false"),
    (f"{F}/title/required", None, None, "true or false"),
    (f"{F}/title/help", "x" * 501, None, "0 to 500 characters"),
    (f"{F}/title/options", RED, None, "no options in a field of type text"),
    (f"{F}/hint/required", False, None, "no required in a field of type note"),
    (f"{F}/hint/default", "x", None, "no default in a field of type note"),
    (f"{F}/color/options", GONE, None, "required by choice"),
    (f"{F}/color/options", [], None, "at least 1 option"),
    (f"{F}/color/options", RED + RED, f"{F}/color/options/red/value", "no other option"),
    (f"{F}/color/options/green/value", "", f"{F}/color/options/1/value", "1 to 100 characters"),
    (f"{F}/color/options/green/value", 5, f"{F}/color/options/1/value", "text"),
    (f"{F}/color/options/green/label", GONE, None, "required"),
    (f"{F}/color/options/green/hex", "0f0", None, "only the keys value, label"),
    (f"{F}/color/default", "pink", None, "the value of an option: red, green, blue"),
    (f"{F}/color/default", ["red"], None, "text of 1 to 100"),
    (f"{F}/colors/default", "red", None, "a list of option values"),
    (f"{F}/colors/default", ["red", "red"], None, "none of them twice"),
    (f"{F}/colors/default", ["red", "green", "blue"], None, "max_items (2)"),
    (f"{F}/colors/default", ["red", "pink"], None, "the value of an option"),
    (f"{F}/colors/validation/min_items", 3, f"{F}/colors/validation/max_items", "min_items"),
    (f"{F}/color/validation", {"max_items": 1}, f"{F}/color/validation/max_items", "no keys"),
    (f"{F}/title/default", "", None, "min_length (1)"),
    (f"{F}/title/default", "x" * 10, None, "max_length (9)"),
    (f"{F}/title/default", 5, None, "text"),
    (f"{F}/title/default", None, None, "text"),
    (f"{F}/title/validation", [], None, "an object"),
    (f"{F}/title/validation/min_length", 10, f"{F}/title/validation/max_length", "which is 10"),
    (f"{F}/title/validation/min_length", -1, None, "at least 0"),
    (f"{F}/title/validation/min_length", 1.0, None, "an integer"),
    (f"{F}/title/validation/minimum", 1, None, "only the keys min_length, max_length, pattern"),
    (f"{F}/code/default", "ab-1", None, "pattern (^[A-Z]+-[0-9]$)"),
    (f"{F}/code/validation/pattern", "(", None, "a regular expression"),
    (f"{F}/code/validation/pattern", "x" * 201, None, "at most 200 characters"),
    (f"{F}/code/validation/pattern", None, None, "a regular expression"),
    (f"{F}/count/default", 3, None, "multiple_of (2)"),
    (f"{F}/count/default", 0, None, "minimum (2)"),
    (f"{F}/count/default", 4.0, None, "an integer"),
    (f"{F}/count/default", True, None, "an integer"),
    (f"{F}/count/default", 2**64, None, "64 bits"),
    (f"{F}/count/validation/minimum", 1.5, None, "an integer"),
    (f"{F}/count/validation/multiple_of", 0, None, "above 0"),
    (f"{F}/count/validation/min_length", 1, None, "only the keys minimum, maximum, multiple_of"),
    (f"{F}/share/default", 0.35, None, "multiple_of (0.1)"),
    (f"{F}/share/default", 1.1, None, "maximum (1)"),
    (f"{F}/share/default", float("nan"), None, "a finite number"),
    (f"{F}/share/validation/maximum", float("inf"), None, "a finite number"),
    (f"{F}/share/validation/minimum", 1.5, f"{F}/share/validation/maximum", "which is 1.5"),
    (f"{F}/agreed/default", 0, None, "true or false"),
    (f"{F}/day/default", "2026-02-29", None, "a day"),
    (f"{F}/day/default", "20260228", None, "a day"),
    (f"{F}/day/default", "2025-12-31", None, "minimum (2026-01-01)"),
    (f"{F}/day/validation/minimum", 5, None, "a day"),
    (f"{F}/at/default", "2026-02-28", None, "a time"),
    (f"{F}/at/default", "2026-02-28T25:00", None, "a time"),
    (f"{F}/at/validation", {"minimum": "2026-02-28T09:31"}, f"{F}/at/default", "minimum"),
    (f"{F}/at/validation", {"maximum": "2026-02-28T10:29+01:00"}, f"{F}/at/default", "maximum"),
    (f"{F}/mail/default", "a at example.org", None, "an e-mail address"),
    (f"{F}/call/default", "call me", None, "a phone number"),
    (f"{F}/plan/default", 1, None, "text"),
    ("/sections/extra", GONE, f"{F}/hint/section", "the id of a section: main"),
    ("/sections", [], f"{F}/title/section", "the id of a section, and there is none"),
    ("/sections/extra/id", "main", "/sections/main/id", "no other section"),
    ("/sections/extra/id", "", "/sections/1/id", "an id"),
    ("/sections/extra/title", "", None, "1 to 200 characters"),
    ("/sections/extra/title", GONE, None, "required"),
    ("/sections/extra/description", LONG, None, "0 to 2000 characters"),
    ("/sections/extra/fields", [], None, "only the keys id, title, description"),
    ("/settings", [], None, "an object (the settings)"),
    ("/settings/locale", "de_AT", None, "BCP 47"),
    ("/settings/submit_label", "x" * 201, None, "0 to 200 characters"),
    ("/settings/allow_drafts", "yes", None, "true or false"),
    ("/settings/theme", None, None, "text"),
    ("/settings/color", "red", None, "locale, submit_label, allow_drafts, theme, x_*"),
    ("/settings/x_any", float("-inf"), None, "a finite number"),
    ("/metadata", None, None, "an object (the metadata)"),
    ("/metadata/owner", {"name": "ann"}, None, "or a list of texts"),
    ("/metadata/tags", ["a", 1], None, "a list of texts"),
    ("/metadata/derived", [1], None, "an object"),
    ("/metadata/derived", DEEP, "/metadata/derived/a/a/a/a/a/a", "at most 8"),
    ("/metadata/big", "x" * MAX_BYTES, "/metadata", "at most 1048576 bytes"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "reported", "expected"), BAD, ids=named)
def test_every_broken_rule_is_refused_at_its_place(
    path: str, value: object, reported: str | None, expected: str
) -> None:
    error = refusal(changed(path, value))
    assert error.path == (path if reported is None else reported)
    assert expected in error.expected


@pytest.mark.parametrize(("path", "value", "reported", "expected"), BAD, ids=named)
def test_the_second_opinion_refuses_the_same_documents(
    path: str, value: object, reported: str | None, expected: str
) -> None:
    assert is_valid(changed(path, value)) == path.endswith("/big")  # which knows no size


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("/description", GONE),
        ("/settings", GONE),
        ("/metadata", GONE),
        ("/settings", {}),
        ("/metadata", {}),
        ("/name", "N"),
        ("/name", "Ω \N{GRINNING FACE} 名"),
        ("/name", "two words"),
        ("/fields", []),
        ("/fields/title/validation", {}),
        ("/fields/color/validation", {}),
        ("/fields/count/default", -(2**63) + 2**63 + 2),
        ("/fields/share/default", 1),
        ("/fields/title/help", ""),
        ("/fields/at/validation", {"minimum": "2026-02-28T10:30+01:00"}),
        ("/fields/at/validation", {"maximum": "2026-02-28T09:30"}),
        ("/metadata/level", 2**64 - 1),
        ("/metadata/level", -(2**63)),
        ("/metadata/level", -0.0),
        ("/metadata/derived", DEEP["a"]),
        ("/metadata/~odd/key", None),
        ("/settings/x_more", {"a": [None]}),
    ],
)
def test_what_no_rule_forbids_is_allowed(path: str, value: object) -> None:
    document = changed("/metadata/odd", value) if "odd" in path else changed(path, value)
    assert parse(encode(document)) == document
    assert is_valid(document)


def test_a_template_without_fields_and_sections_is_valid() -> None:
    bare = {"schema_version": 1, "name": "x", "fields": [], "sections": []}
    full = bare | {"description": "", "settings": {}, "metadata": {}}
    assert encode(bare) == b'{"fields":[],"name":"x","schema_version":1,"sections":[]}'
    assert encode(full) == canonical(full)


@pytest.mark.parametrize("value", [None, [], "{}", 1, (("schema_version", 1),)])
def test_what_is_no_object_is_refused(value: object) -> None:
    assert "an object (a template)" in refusal(value).expected


# -- a second opinion ------------------------------------------------------------------------------

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-3, 5)
    | st.sampled_from([0.1, 1.0, -0.0, float("nan"), float("inf"), 2**63, 2**64, 1e300])
    | st.sampled_from(["", "a", "main", "red", " x", "e\u0301", "\ud800", "2026-03-01", "x" * 201])
    | st.sampled_from(["text", "note", "choice", "integer", "date", "multi_choice", "boolean"])
    | st.sampled_from([[], {}, ["red"], ["red", "red"], [1], {"value": "v", "label": "V"}, DEEP])
)
KEYS = st.sampled_from(
    ["id", "type", "required", "options", "default", "validation", "help", "derived", "odd", "x_a"]
) | st.sampled_from(["min_length", "pattern", "minimum", "maximum", "multiple_of", "min_items"])


def places(value: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value in a document."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    found = [here] if here else []
    if isinstance(value, dict | list):
        for key, item in items:
            inner = places(item, (*here, key)) if isinstance(item, dict | list) else [(*here, key)]
            found += inner
    return found


@given(st.data())
@settings(max_examples=400)
def test_mutated_documents_are_judged_as_the_second_opinion_judges_them(
    data: st.DataObject,
) -> None:
    """One to three changes at any place: replaced, copied from elsewhere, added, removed."""
    document = good()
    for _ in range(data.draw(st.integers(1, 3))):
        *way, last = data.draw(st.sampled_from(places(document)))
        parent = document
        for step in way:
            parent = parent[step]
        match data.draw(st.sampled_from(["replace", "copy", "add", "remove"])):
            case "replace":
                parent[last] = deepcopy(data.draw(LEAVES))
            case "copy":
                source = document
                for step in data.draw(st.sampled_from(places(document))):
                    source = source[step]
                parent[last] = deepcopy(source)
            case "add":
                target = parent[last] if isinstance(parent[last], dict) else parent
                if isinstance(target, dict):
                    target[data.draw(KEYS)] = deepcopy(data.draw(LEAVES))
            case "remove":
                del parent[last]
    valid = is_valid(document)
    if valid:
        body = encode(document)
        assert body == orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
        assert encode(parse(body)) == body
    else:
        refusal(document)


# -- the published schema --------------------------------------------------------------------------


def test_the_committed_schema_is_the_one_in_force() -> None:
    """To renew it, print `json.dumps(json_schema(), indent=2)` into the file."""
    assert SCHEMA.read_text("utf-8") == json.dumps(json_schema(), indent=2) + "\n"


def test_the_schema_allows_every_sample_and_refuses_what_a_schema_can() -> None:
    """Only rules between several values, and those on bytes, are beyond JSON Schema."""
    jsonschema = pytest.importorskip("jsonschema", reason="comes with the lab extra")
    validator = jsonschema.Draft202012Validator(json_schema())
    validator.check_schema(json_schema())
    for name in sample_names():
        assert validator.is_valid(sample(name)), name
    assert validator.is_valid(good())
    missed = [path for path, value, _, _ in BAD if validator.is_valid(changed(path, value))]
    assert len(missed) < len(BAD) / 3, missed
    assert not [path for path in missed if path.startswith(("/settings/a", "/sections/extra/t"))]
