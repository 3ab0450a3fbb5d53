"""A document has one canonical form, and nothing that merely looks like JSON passes for one."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from enum import Enum, StrEnum
from hashlib import sha256
from random import Random
from typing import Any
from uuid import UUID

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from syncsim.errors import InvalidTemplateError, UsageError
from syncsim.template import (
    MAX_BYTES,
    canonical,
    check_template_id,
    check_user,
    content_hash,
    encode,
    parse,
    validate,
    validation_cache,
    version_token,
)
from syncsim.template.samples import generate
from tests.template_examples import changed, good, named, refusal

# -- bytes -----------------------------------------------------------------------------------------


def shuffled(value: Any, random: Random) -> Any:
    """The same JSON with its keys in another order."""
    if isinstance(value, dict):
        keys = random.sample([*value], len(value))
        return {key: shuffled(value[key], random) for key in keys}
    return [shuffled(item, random) for item in value] if isinstance(value, list) else value


@given(st.integers(3, 40), st.integers(0, 10**6))
@settings(max_examples=50)
def test_encoding_is_canonical_and_comes_back(n_fields: int, seed: int) -> None:
    document = generate(n_fields, seed)
    body = encode(document)
    assert body == orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
    assert body == encode(shuffled(document, Random(seed)))
    assert encode(parse(body)) == body
    assert parse(body.decode()) == document


def test_encoding_leaves_the_document_alone_and_shares_nothing_with_it() -> None:
    document = good()
    before = json.dumps(document)
    body = encode(document)
    assert json.dumps(document) == before
    document["fields"][0]["label"] = "Another"
    assert encode(good()) == body


def test_the_token_names_revision_and_content() -> None:
    body = encode(good())
    assert version_token(12, content_hash(body)) == f"12-{sha256(body).hexdigest()[:8]}"
    assert version_token(12, content_hash(body)) != version_token(13, content_hash(body))


def test_canonical_tells_apart_what_json_tells_apart() -> None:
    values = [0, 0.0, -0.0, False, None, "", "0", [], {}, [0], {"a": None}]
    assert len({canonical(value) for value in values}) == len(values)
    assert canonical({"b": 1, "a": "é"}) == '{"a":"é","b":1}'.encode()


@pytest.mark.parametrize("value", [{1}, b"x", 2**64, {1: 2}, "\ud800", date(2026, 1, 1)])
def test_canonical_refuses_what_json_cannot_hold(value: object) -> None:
    with pytest.raises(InvalidTemplateError, match="plain JSON"):
        canonical(value)


def test_a_document_of_one_megabyte_passes_and_one_byte_more_does_not() -> None:
    document = good()
    document["metadata"]["pad"] = ""
    room = MAX_BYTES - len(encode(document))
    document["metadata"]["pad"] = "x" * room
    assert len(encode(document)) == MAX_BYTES
    document["metadata"]["pad"] += "x"
    assert refusal(document).path == ""


def test_the_size_counts_fields_and_the_rest_together() -> None:
    document = generate(2000, 1)
    for field in document["fields"]:
        field["help"] = "é" * 250
    assert "bytes" in refusal(document).expected


# -- values that are not JSON ----------------------------------------------------------------------


class Text(str):
    pass


class Record(dict):  # type: ignore[type-arg]
    pass


class Rows(list):  # type: ignore[type-arg]
    pass


@dataclass
class Section:
    id: str
    title: str


class Shade(Enum):
    RED = "red"


class Tint(StrEnum):
    RED = "red"


def cyclic() -> dict[str, Any]:
    value: dict[str, Any] = {}
    value["one"] = value["two"] = value
    return value


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


LOOKALIKES: list[tuple[str, object]] = [
    ("/fields", tuple(good()["fields"])),
    ("/fields", Rows(good()["fields"])),
    ("/fields/title", Record(good()["fields"][0])),
    ("/fields/title/label", Text("Title")),
    ("/fields/title/label", UUID(int=7)),
    ("/fields/title/label", b"Title"),
    ("/fields/title/label", date(2026, 1, 1)),
    ("/fields/title/label", orjson.Fragment(b'"Title"')),
    ("/fields/title/label", object()),
    ("/fields/color/default", Shade.RED),
    ("/fields/colors/default", ("red",)),
    ("/fields/colors/default", {"red"}),
    ("/fields/color/options", (*good()["fields"][9]["options"],)),
    ("/fields/title/validation", {Text("min_length"): 1}),
    ("/fields/title/validation", {1: 1}),
    ("/sections/extra", Section("extra", "Extra")),
    ("/settings", Record()),
    ("/settings/x_any", (1, 2)),
    ("/metadata/level", float("nan")),
    ("/metadata/tags", ("a",)),
    ("/metadata/derived", {"at": date(2026, 1, 1)}),
    ("/metadata/derived", cyclic()),
    ("/metadata/derived", {"a": nested(100_000)}),
    ("/fields/title/default", nested(100_000)),
    ("/fields/title", cyclic()),
]


@pytest.mark.parametrize(("path", "value"), LOOKALIKES, ids=named)
@pytest.mark.parametrize("known", [False, True], ids=["unknown before", "known before"])
def test_what_merely_looks_like_json_is_refused(path: str, value: object, known: bool) -> None:
    """Also where orjson would write the bytes of a document that is known to be valid."""
    if known:
        encode(good())
    error = refusal(changed(path, value))
    assert error.path.startswith(path.rsplit("/", 1)[0])


def test_a_document_that_is_no_plain_dict_is_refused() -> None:
    assert "an object" in refusal(Record(good())).expected


@pytest.mark.parametrize("known", [False, True], ids=["unknown before", "known before"])
def test_an_enum_member_that_equals_its_value_counts_as_that_value(known: bool) -> None:
    """orjson writes it as text and Python says that it is that text, so nothing is converted."""
    document = changed("/fields/color/label", f"Color, {known}")
    if known:
        encode(document)
    document["fields"][9]["default"] = Tint.RED
    assert orjson.loads(encode(document))["fields"][9]["default"] == "red"


@pytest.mark.parametrize("same", [1, 1.0, True])
def test_a_known_value_does_not_vouch_for_one_that_merely_equals_it(same: object) -> None:
    """Python says 1 == 1.0 == True; the schema does not."""
    encode(changed("/fields/count/validation/multiple_of", 1))
    encode(changed("/fields/agreed/required", True))
    verdicts = {
        "/fields/count/validation/multiple_of": type(same) is int,
        "/fields/agreed/required": type(same) is bool,
        "/schema_version": type(same) is int,
    }
    for path, allowed in verdicts.items():
        document = changed(path, same)
        if allowed:
            validate(document)
        else:
            assert refusal(document).path == path


def test_a_document_changed_after_it_passed_is_looked_at_again() -> None:
    document = good()
    encode(document)
    document["fields"][0]["label"] = ""
    assert refusal(document).path == "/fields/title/label"
    document["fields"][0]["label"] = "Title"
    document["sections"].pop()
    assert refusal(document).path == "/fields/hint/section"


def test_what_was_parsed_may_be_changed_without_anybody_noticing() -> None:
    body = encode(good())
    mine = parse(body)
    mine["fields"][0]["label"] = "Mine"
    mine["metadata"]["tags"].append("mine")
    assert encode(parse(body)) == body


def test_a_pattern_is_never_run_where_it_could_take_years() -> None:
    """`(a+)+$` on forty letters: the default passes unmatched, at once."""
    for pattern in ("(a+)+$", "^(a|a)*$", "a*a*a*a*a*a*a*a*a*a*b"):
        document = changed("/fields/code/validation/pattern", pattern)
        document["fields"][1]["default"] = "a" * 1000 + "!"
        validate(document)
    document["fields"][1]["validation"]["pattern"] = "a{600}a{600}"
    assert refusal(document).path == "/fields/code/default"


# -- the memory of what is valid -------------------------------------------------------------------


def test_the_memory_is_bounded_and_keeps_working_when_it_is_full() -> None:
    memo = validation_cache.CachingValidator(validation_cache.TEMPLATE, limit_bytes=1000)
    for number in range(100):
        document = {"schema_version": 1, "name": f"Name {number}", "fields": [], "sections": []}
        copy, body = memo.recall(document)
        assert copy == document
        assert copy is not document
        assert body == canonical(document)
        assert sum(map(len, memo._known)) <= 1000
    assert memo._known


def test_threads_that_encode_at_once_all_get_the_right_bytes() -> None:
    """Eight threads over the same and over different documents, through a memory that overflows."""
    documents = [generate(20, seed) for seed in range(40)]
    bodies = [orjson.dumps(document, option=orjson.OPT_SORT_KEYS) for document in documents]

    def work(thread: int) -> bool:
        random = Random(thread)
        for _ in range(150):
            pick = random.randrange(len(documents))
            if encode(documents[pick]) != bodies[pick]:
                return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))


def test_a_document_that_another_thread_changes_is_never_stored_half_checked() -> None:
    """Whatever moment the bytes are from, they are those of a valid document."""
    document = good()
    field = document["fields"][0]
    done = False

    def flip() -> None:
        while not done:
            for label in ("Title", "", "Other", 7, ("Title",)):
                field["label"] = label

    with ThreadPoolExecutor(1) as pool:
        flipping = pool.submit(flip)
        try:
            for _ in range(2000):
                try:
                    body = encode(document)
                except InvalidTemplateError:
                    continue
                assert orjson.loads(body)["fields"][0]["label"] in ("Title", "Other")
        finally:
            done = True
        flipping.result()


# -- parsing ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('{"schema_version": 1, "name": "a", "name": "b", "fields": [], "sections": []}', "/name"),
        ('{"schema_version": 1, "name": "a", "fields": [], "sections": [], "x": NaN}', "/x"),
        ('{"schema_version": 1, "name": "", "fields": [], "sections": []}', "/name"),
        ("[]", ""),
        ("{", ""),
        (b"\xff", ""),
        ("[" * 100_000, ""),
    ],
    ids=named,
)
def test_text_from_outside_is_refused_as_an_invalid_template(text: str | bytes, path: str) -> None:
    with pytest.raises(InvalidTemplateError) as caught:
        parse(text, "imported")
    assert caught.value.path == path
    assert caught.value.template_id == "imported"


def test_indented_text_of_a_large_document_is_read() -> None:
    document = generate(2000, 3)
    assert parse(json.dumps(document, indent=4)) == document


# -- names -----------------------------------------------------------------------------------------

BAD_NAMES = ["", "x" * 201, "a\0b", "\ud800", None, 7, b"ann", ["ann"]]


@pytest.mark.parametrize("name", BAD_NAMES, ids=named)
def test_names_that_no_store_could_hold_are_refused(name: Any) -> None:
    with pytest.raises(UsageError, match="user"):
        check_user(name)
    with pytest.raises(UsageError, match="template_id"):
        check_template_id(name)


@pytest.mark.parametrize(
    "name", ["a", "x" * 200, "../../etc", "<b>", "名前", "\N{PILE OF POO}", " "]
)
def test_any_other_name_is_allowed(name: str) -> None:
    check_user(name)
    check_template_id(name)


def test_the_name_of_the_job_is_reserved_for_the_job() -> None:
    with pytest.raises(UsageError, match="reserved"):
        check_user("background")
    check_user("background", reserved_ok=True)
    check_template_id("background")


def test_importing_the_module_loads_nothing_heavy() -> None:
    code = "import syncsim.template, syncsim.template.samples, sys; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"pydantic", "sqlmodel", "sqlalchemy", "jsonschema"} & set(out.stdout.split())
