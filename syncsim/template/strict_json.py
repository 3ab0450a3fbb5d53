"""JSON and nothing else: what a value may consist of, and reading text from outside strictly.

Knows nothing of templates. It is needed because the parsers are generous: Python's takes NaN, keeps
the last of two equal keys and recurses as deep as the text asks; orjson writes a tuple as a list, a
UUID as text and NaN as null. Here such a value is refused, with the place where it stands.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from itertools import accumulate
from math import isfinite
from reprlib import Repr
from typing import Final

from syncsim.contract import JSON
from syncsim.template.frozen import FrozenDict, FrozenList

MAX_BYTES: Final = 1_048_576
"""Size limit of a document in canonical bytes."""

MAX_TEXT_BYTES: Final = 4 * MAX_BYTES
"""Size limit of text from outside, which indentation and escapes make longer than its meaning."""

MAX_DEPTH: Final = 8
"""How many lists and objects may stand in each other; the document itself is the first."""

_PARSER_DEPTH = 100  # deep enough for a useful path in the error, far from the recursion limit
_INTEGERS = range(-(2**63), 2**64)  # what orjson writes and reads back as the same integer


class RuleError(Exception):
    """A value that breaks a rule: where (a JSON Pointer), the value, what is allowed there."""

    def __init__(self, path: str, value: object, expected: str) -> None:
        """Nothing is printed yet: a caller may still try another rule."""
        super().__init__(path, value, expected)
        self.path = path
        self.value = value
        self.expected = expected

    def below(self, step: str) -> RuleError:
        """The same, seen from one step further out."""
        self.path = step + self.path
        return self


class _Nothing:
    def __repr__(self) -> str:
        return "nothing"


NOTHING: Final = _Nothing()
"""What stands under a key that is missing, for the excerpt in an error."""

_SHORT = Repr()
_SHORT.maxlevel, _SHORT.maxdict, _SHORT.maxlist, _SHORT.maxstring = 2, 3, 3, 60
_SHORT.maxlong = _SHORT.maxother = 60


def shortened(value: object) -> str:
    """Any value as at most 80 characters, however deep, long or cyclic it is."""
    try:
        text = _SHORT.repr(value)
    except Exception:  # of its own methods, or an integer of more than 4,300 digits
        text = f"<{type(value).__name__}>, which cannot be printed"
    return text if len(text) <= 80 else text[:77] + "..."


# -- places ----------------------------------------------------------------------------------------


def segment(key: object) -> str:
    """A key as it stands in a JSON Pointer: `~` and `/` escaped, printable, of bounded length."""
    text = str(key)[:100].replace("~", "~0").replace("/", "~1")
    return text if text.isprintable() else repr(text)[1:-1]


def element_path(index: int, element: JSON, key: str = "id") -> str:
    """The step to a list element: by its id where it has one, else by its index."""
    name = element.get(key) if type(element) in (dict, FrozenDict) else None
    return f"/{segment(name) if type(name) is str and name else index}"


# -- plain values ----------------------------------------------------------------------------------


_PLAIN: Final[dict[type, type]] = {FrozenDict: dict, FrozenList: list}
"""The read-only views of this package are as plain as what they view."""


def check_plain(value: JSON, path: str = "", levels: int = MAX_DEPTH) -> None:
    """Refuse whatever JSON cannot hold, or this package will not; raises `RuleError`.

    Exact types only, for a subclass may print and compare as it likes. Text is in Unicode normal
    form C, so that two writers who see the same word store the same bytes. `levels` is how many
    lists and objects may still be entered, which also ends the walk in a cyclic value.
    """
    kind = _PLAIN.get(type(value), type(value))
    if kind is str:
        _check_text(value, path)
    elif kind is dict or kind is list:
        if not levels:
            raise RuleError(path, value, f"at most {MAX_DEPTH} lists and objects in each other")
        if kind is dict:
            for key, item in tuple(value.items()):
                if type(key) is not str:
                    raise RuleError(f"{path}/{segment(shortened(key))}", key, "text as a key")
                below = f"{path}/{segment(key)}"
                _check_text(key, below)
                check_plain(item, below, levels - 1)
        else:
            by = "value" if path.endswith("/options") else "id"
            for index, item in enumerate(value):
                check_plain(item, path + element_path(index, item, by), levels - 1)
    elif kind is int:
        if value not in _INTEGERS:
            raise RuleError(path, value, "an integer of at most 64 bits")
    elif kind is float:
        if not isfinite(value):
            raise RuleError(path, value, "a finite number")
    elif kind is _KeyTwice:
        raise RuleError(f"{path}/{segment(value.key)}", value.values, "each key only once")
    elif value is not None and kind is not bool:
        raise RuleError(
            path,
            value,
            f"plain JSON (text, number, true, false, null, list, object), not {kind.__name__}",
        )


def _check_text(text: str, path: str) -> None:
    if text.isascii():
        return
    try:
        text.encode()
    except UnicodeEncodeError:
        raise RuleError(path, text, "text without lone surrogates") from None
    if not unicodedata.is_normalized("NFC", text):
        raise RuleError(path, text, "text in Unicode normal form C (NFC)")


# -- text from outside -----------------------------------------------------------------------------


def read(text: str | bytes, levels: int = MAX_DEPTH) -> JSON:
    """One JSON value from untrusted text or UTF-8 bytes; raises `RuleError`.

    Stricter than `json.loads`: no byte order mark, no NaN or Infinity (nor 1e999), no key twice in
    one object, no integer beyond 64 bits, no lone surrogate, and the limits of this module.
    """
    source = _decoded(text)
    if _deepest(source) > _PARSER_DEPTH:
        raise RuleError("", source, f"at most {MAX_DEPTH} lists and objects in each other")
    try:
        value = json.loads(source, object_pairs_hook=_members, parse_int=_integer)
    except json.JSONDecodeError as error:
        raise RuleError(
            "",
            source[error.pos : error.pos + 40],
            f"JSON ({error.msg}, line {error.lineno}, column {error.colno})",
        ) from None
    check_plain(value, "", levels)
    return value


def _decoded(text: str | bytes) -> str:
    if not isinstance(text, str | bytes):
        raise RuleError("", text, "JSON as str or bytes")
    if len(text) > MAX_TEXT_BYTES:
        raise RuleError("", text[:60], f"at most {MAX_TEXT_BYTES} bytes of text")
    if isinstance(text, bytes):
        try:
            text = text.decode()
        except UnicodeDecodeError as error:
            around = text[error.start : error.start + 20]
            raise RuleError("", around, f"UTF-8 (byte {error.start} is not)") from None
    if text.startswith("\ufeff"):
        raise RuleError("", text[:20], "JSON without a byte order mark")
    return text


_ALL_BUT_BRACKETS = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[^]\[{}"]++', re.DOTALL)
_STEPS = {"[": 1, "{": 1, "]": -1, "}": -1}


def _deepest(text: str) -> int:
    """How deep the brackets outside of strings go, found without recursion."""
    brackets = _ALL_BUT_BRACKETS.sub("", text)
    return max(accumulate(map(_STEPS.__getitem__, brackets)), default=0)


class _KeyTwice:
    """Takes the place of an object in which a key stands twice, until its path is known."""

    def __init__(self, key: str, values: list[JSON]) -> None:
        self.key = key
        self.values = values


def _members(pairs: list[tuple[str, JSON]]) -> JSON:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    counts = Counter(key for key, _ in pairs)
    twice = next(key for key, count in counts.items() if count > 1)
    return _KeyTwice(twice, [value for key, value in pairs if key == twice])


def _integer(digits: str) -> int:
    return int(digits[:40])  # 40 digits are beyond 64 bits already; converting more costs n^2
