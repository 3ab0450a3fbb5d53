"""Text from outside is read as what it says, or refused at the place where it is wrong."""

from __future__ import annotations

import json
from enum import Enum
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncsim.template.strict_json import (
    MAX_DEPTH,
    MAX_TEXT_BYTES,
    RuleError,
    check_plain,
    read,
    segment,
    shortened,
)
from tests.template_examples import named

SCALARS = st.none() | st.booleans() | st.floats() | st.text() | st.integers()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)


def refusal(text: str | bytes) -> RuleError:
    with pytest.raises(RuleError) as caught:
        read(text)
    return caught.value


@pytest.mark.parametrize(
    ("text", "path", "expected"),
    [
        ('{"a": 1, "b": {"c": 2, "c": 3}}', "/b/c", "each key only once"),
        ('{"fields": [{"id": "x", "a": 1, "a": 2}]}', "/fields/0/a", "each key only once"),
        ('{"a": [1, {"b": NaN}]}', "/a/1/b", "a finite number"),
        ('{"a": -Infinity}', "/a", "a finite number"),
        ('{"a": 1e999}', "/a", "a finite number"),
        ('{"a": 18446744073709551616}', "/a", "64 bits"),
        ('{"a": ' + "9" * 100_000 + "}", "/a", "64 bits"),
        (r'{"a": "\ud800"}', "/a", "without lone surrogates"),
        ('{"a": "e\u0301"}', "/a", "NFC"),
        ('{"e\u0301": 1}', "/e\u0301", "NFC"),
        ('{"options": [{"value": "v", "x": NaN}]}', "/options/v/x", "finite"),
        ('[{"id": "one", "x": [NaN]}]', "/one/x/0", "finite"),
        ('{"a/b": {"~": NaN}}', "/a~1b/~0", "finite"),
        ("[" * 9 + "]" * 9, "/0/0/0/0/0/0/0/0", f"at most {MAX_DEPTH}"),
        ('{"a":' * 9 + "1" + "}" * 9, "/a/a/a/a/a/a/a/a", f"at most {MAX_DEPTH}"),
        ("[" * 1_000_000, "", f"at most {MAX_DEPTH}"),
        ('{"a":' * 500_000, "", f"at most {MAX_DEPTH}"),
        ("[1, 2", "", "line 1, column 6"),
        ('{"a": 1,}', "", "JSON"),
        ("{'a': 1}", "", "JSON"),
        ('{"a": 1} {"a": 2}', "", "Extra data"),
        ('{"a": "line\nbreak"}', "", "control character"),
        ("", "", "JSON"),
        ("\ufeff{}", "", "byte order mark"),
        (b"\xef\xbb\xbf{}", "", "byte order mark"),
        (b'{"a": "\xff"}', "", "UTF-8 (byte 7 is not)"),
        ("{}".encode("utf-16"), "", "UTF-8"),
        (" " * (MAX_TEXT_BYTES + 1), "", "bytes of text"),
        (bytearray(b"{}"), "", "str or bytes"),
        (None, "", "str or bytes"),
        ('"' + '\\"' * 100_000, "", "JSON"),
    ],
    ids=named,
)
def test_text_that_a_lenient_parser_takes_is_refused_with_its_path(
    text: str | bytes, path: str, expected: str
) -> None:
    error = refusal(text)
    assert error.path == path
    assert expected in error.expected
    assert len(shortened(error.value)) <= 80


def test_brackets_in_strings_are_no_nesting() -> None:
    assert read(json.dumps({"a": '[[[[[[[[[[[["\\' + "{" * 1000})) == {
        "a": '[[[[[[[[[[[["\\' + "{" * 1000
    }


@given(VALUES)
def test_what_is_read_is_what_json_reads_unless_it_is_refused(value: object) -> None:
    """Strictness only ever refuses; it never changes a value."""
    text = json.dumps(value)
    try:
        strict = read(text)
    except RuleError:
        return
    assert json.dumps(strict) == json.dumps(json.loads(text))
    assert strict == read(text.encode())


@given(st.text() | st.binary())
def test_any_text_is_read_or_refused(text: str | bytes) -> None:
    """No other exception than `RuleError` leaves `read`."""
    try:
        check_plain(read(text))
    except RuleError as error:
        error.path.encode()
        shortened(error.value).encode()


class Shade(Enum):
    RED = "red"


class Words(str):
    pass


class Table(dict):  # type: ignore[type-arg]
    pass


@pytest.mark.parametrize(
    "value",
    [(1, 2), {1, 2}, b"x", Shade.RED, Words("x"), Table(), UUID(int=1), 1j, object(), range(2)],
    ids=lambda value: type(value).__name__,
)
def test_values_that_only_look_like_json_are_refused(value: object) -> None:
    with pytest.raises(RuleError, match="plain JSON") as caught:
        check_plain({"a": [value]})
    assert caught.value.path == "/a/0"


@pytest.mark.parametrize("key", [1, None, True, Words("a"), ("a",)])
def test_keys_that_are_no_text_are_refused(key: object) -> None:
    with pytest.raises(RuleError, match="text as a key"):
        check_plain({"a": {key: 1}})


def nested(depth: int) -> list[object]:
    value: list[object] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value", [nested(100_000), 10**5000, "x" * 10**6, {"a": {"b": object}}], ids=named
)
def test_an_excerpt_of_anything_is_short_and_printable(value: object) -> None:
    text = shortened(value)
    assert len(text) <= 80
    assert text.isprintable()


def test_a_path_is_printable_whatever_the_key() -> None:
    assert segment("a\nb\ud800\u202e") == r"a\nb\ud800\u202e"
    assert len(segment("x" * 1000)) == 100
