"""Equality of JSON values, and the key that identifies an element of a list.

The ground that merging and differences stand on: equality as canonical JSON text has it, the key
patterns that name the keyed lists of a document, and paths with element ids in place of indexes.
Nothing here changes a document.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, NewType, TypeAlias

import orjson

from syncsim.contract import JSON
from syncsim.errors import SyncError, UsageError
from syncsim.merging.json_guard import refuse_odd

KeyMap: TypeAlias = Mapping[str, str | Sequence[str]]
"""Path pattern of a keyed list (`*` = any key or element) to the attribute, or the attributes that
together identify an element: `{"/fields": "id", "/fields/*/options": "value"}`."""

TEMPLATE_KEYS: Final[KeyMap] = {
    "/fields": "id",
    "/sections": "id",
    "/fields/*/options": "value",
}
"""The keyed lists of a template."""

Path: TypeAlias = tuple[str, ...]
"""Object keys and element ids from the root down to a value."""

Token: TypeAlias = str | int | tuple[Any, ...]
"""What an element of a list is recognised by. A string id stands for itself; any other id, or one
made of several attributes, is a tuple; an int numbers an element that has no id (`alignment`)."""

Position = NewType("Position", tuple[dict[Any, Any], ...])
"""Where a walk down a document stands among the key patterns; begin with `compile_keys`."""


def same(a: JSON, b: JSON) -> bool:
    """Whether two values have the same canonical JSON text.

    The order of keys is not data; `1`, `1.0` and `True` differ, and so do `0.0` and `-0.0`; no
    Unicode folding. Any depth, any size of int; `UsageError` for what contains itself.
    """
    try:
        return same_if_shallow(a, b)
    except RecursionError:  # nested some hundred levels, or without end
        refuse_odd(a, b)
        return _same_leaf_by_leaf(a, b)


def same_if_shallow(a: JSON, b: JSON) -> bool:
    """As `same`, for a caller that walks down itself; `RecursionError` some hundred levels deep.

    Anything slower would be repeated at each of those levels, only to run out of stack below them.
    """
    if a is b:
        return True
    try:
        # Python's == is fast and nearly right: it takes 1, 1.0 and True for equal. Equal bytes
        # settle that; unequal ones may only differ in the order of keys.
        if a != b:
            return False
        if type(a) is str:
            return True
        if orjson.dumps(a) == orjson.dumps(b):
            return True
    except TypeError:  # an int beyond 64 bit, a lone surrogate, more than 254 levels
        pass
    return _same_leaf_by_leaf(a, b)


def _same_leaf_by_leaf(a: JSON, b: JSON) -> bool:
    pending = [(a, b)]
    while pending:
        x, y = pending.pop()
        if x is y:
            continue
        if isinstance(x, dict) and isinstance(y, dict):
            if x.keys() != y.keys():
                return False
            pending.extend((value, y[key]) for key, value in x.items())
        elif isinstance(x, list) and isinstance(y, list):
            if len(x) != len(y):
                return False
            pending.extend(zip(x, y, strict=True))
        elif type(x) is not type(y) or x != y or (x == 0 and str(x) != str(y)):
            return False
    return True


def canonical_text(value: JSON) -> bytes:
    """Bytes that are equal exactly if the values are `same`."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # an int beyond 64 bit, a lone surrogate, more than 254 levels
        return json.dumps(value, sort_keys=True).encode()


def json_type(value: JSON) -> str:
    """The JSON name of a value's type; both int and float are `number`."""
    if isinstance(value, dict):
        return "object"
    if isinstance(value, list):
        return "array"
    if isinstance(value, str):
        return "string"
    if isinstance(value, bool):
        return "boolean"
    return "null" if value is None else "number"


def compile_keys(keys: KeyMap) -> Position:
    """The patterns of `keys` as a tree, at its root; `UsageError` for what is no map of keys."""
    if keys is TEMPLATE_KEYS:
        return TEMPLATE_ROOT
    try:
        return _compiled(keys)
    except SyncError:
        raise
    except Exception as error:  # of its own methods
        raise UsageError("keys", keys, "a plain map of path patterns to attributes") from error


def _compiled(keys: KeyMap) -> Position:
    if not isinstance(keys, Mapping):
        raise UsageError("keys", keys, "a map of path patterns to the attributes that identify")
    root: dict[Any, Any] = {}
    for pattern, attributes in keys.items():
        if not isinstance(pattern, str) or (pattern and not pattern.startswith("/")):
            raise UsageError("a pattern of keys", pattern, "a path that begins with /")
        node = root
        for segment in split(pattern):
            node = node.setdefault(segment, {})
        node[None] = _attributes(attributes)
    return Position((root,))


def _attributes(named: str | Sequence[str]) -> tuple[str, ...]:
    if isinstance(named, str):
        return (named,)
    if isinstance(named, list | tuple) and all(isinstance(name, str) for name in named):
        return tuple(named)
    raise UsageError("an attribute of keys", named, "the name of an attribute, or a list of names")


def step(position: Position, segment: str) -> Position:
    """The position one key or element id further down."""
    if not position:
        return position
    further = []
    for node in position:
        if segment in node:
            further.append(node[segment])
        if segment != "*" and "*" in node:
            further.append(node["*"])
    return Position(tuple(further))


def attributes_at(position: Position) -> tuple[str, ...]:
    """The attributes that identify the elements of a list here; empty where the list has no ids."""
    for node in position:
        if None in node:
            found: tuple[str, ...] = node[None]
            return found
    return ()


def id_of(element: JSON, attributes: tuple[str, ...]) -> Token | None:
    """The token of an element's id; None where an attribute is missing, null or not a scalar.

    Of an id of several attributes a missing one stands for itself, as long as another is there.
    """
    if not attributes or not isinstance(element, dict):
        return None
    if len(attributes) == 1:
        value = element.get(attributes[0])
        return value if type(value) is str else _scalar_token(value)
    if element.keys().isdisjoint(attributes):
        return None
    parts = tuple([_scalar_token(element[name]) if name in element else () for name in attributes])
    return None if None in parts else parts


def _scalar_token(value: JSON) -> Token | None:
    if isinstance(value, str):
        return value
    # Text in a tuple, because as keys of a dict 1, 1.0 and True would be one.
    return (json.dumps(value),) if isinstance(value, int | float) else None


def by_id(elements: list[JSON], attributes: tuple[str, ...]) -> dict[Token, JSON] | None:
    """The elements by the token of their id, in list order; None unless each has one of its own."""
    if not attributes:
        return None
    index: dict[Token, JSON]
    if len(attributes) == 1:
        (attribute,) = attributes
        with suppress(KeyError, TypeError):  # nearly all lists: every element has text as its id
            index = {element[attribute]: element for element in elements}
            if set(map(type, index)) <= {str}:
                return index if len(index) == len(elements) else None
    index = {}
    for element in elements:
        token = id_of(element, attributes)
        if token is None:
            return None
        index[token] = element
    return index if len(index) == len(elements) else None


def segment(token: Token) -> str:
    """A token as a part of a path: the id as text, the parts of a composite one with commas.

    An element without an id has no name of its own; `*` is what matches it in a key pattern.
    """
    if isinstance(token, str):
        return token
    return "*" if isinstance(token, int) else ",".join(segment(part) for part in token)


def pointer(path: Sequence[str]) -> str:
    """The path as a JSON Pointer (RFC 6901); the root is empty."""
    return "".join(["/" + escaped(part) for part in path])


def escaped(part: str) -> str:
    """One part of a JSON Pointer, with `~` and `/` escaped."""
    if "~" in part or "/" in part:
        return part.replace("~", "~0").replace("/", "~1")
    return part


def split(text: str) -> Path:
    """The inverse of `pointer`."""
    parts = text.split("/")[1:]
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in parts)


TEMPLATE_ROOT: Final = _compiled(TEMPLATE_KEYS)
"""The patterns of a template at their root, which need not be compiled for every merge."""
