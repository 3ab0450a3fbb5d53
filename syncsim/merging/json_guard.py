"""What merging and differences cannot work on: values that are no JSON, or contain themselves.

Nothing is looked at while all goes well: a document is gone through only after something failed,
to tell the caller's mistake from one of ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NoReturn, TypeAlias

from syncsim.contract import JSON
from syncsim.errors import SyncError, UsageError
from syncsim.template.frozen import FrozenDict, FrozenList
from syncsim.template.strict_json import segment, shortened

MAX_NESTING: Final = 200
"""Levels of lists and objects in each other that are surely followed, whatever calls us."""

_MAX_BITS: Final = 14_000
"""Of an integer; Python refuses to print more than 4,300 digits."""

_CONTAINERS: Final = (dict, list, FrozenDict, FrozenList)
"""No subclasses: by the time they are looked at, a method of one may have been what failed."""

_Place: TypeAlias = tuple["_Place", object] | None
"""Where a value stands, as a chain: paths as text would take the square of a document's depth."""


@contextmanager
def only_json(*documents: JSON) -> Iterator[None]:
    """Turn what fails on an odd document into a `UsageError` that says where it is odd.

    So is running out of stack, some hundred levels down. Any other failure is let out as it is.
    """
    try:
        yield
    except SyncError:
        raise
    except Exception as error:
        refuse_odd(*documents)
        if isinstance(error, RecursionError):
            depth = "nested as deep as this one"
            raise UsageError("a document", depth, f"at most {MAX_NESTING} levels") from None
        raise


def refuse_odd(*documents: JSON) -> None:
    """`UsageError` where a document is no JSON, or has no end. Takes each container once."""
    for document in documents:
        _refuse_odd(document)


def _refuse_odd(document: JSON) -> None:
    entered: set[int] = set()
    left: set[int] = set()
    pending: list[tuple[JSON, _Place, bool]] = [(document, None, False)]
    while pending:
        value, place, is_left = pending.pop()
        if is_left:
            left.add(id(value))
        elif type(value) not in _CONTAINERS:
            _check_scalar(value, place)
        elif id(value) not in entered:
            entered.add(id(value))
            pending.append((value, place, True))
            is_object = type(value) in (dict, FrozenDict)
            items = value.items() if is_object else enumerate(value)
            pending.extend((item, (place, key), False) for key, item in items)
            if is_object:
                for key in value:
                    if type(key) is not str:
                        _refuse(key, place, "text as key")
        elif id(value) not in left:
            _refuse(value, place, "an end: nothing in JSON contains itself")


def _check_scalar(value: JSON, place: _Place) -> None:
    if type(value) is int:
        if value.bit_length() > _MAX_BITS:
            _refuse(value, place, "a number of at most 4,200 digits")
    elif value is not None and type(value) not in (str, float, bool):
        _refuse(value, place, "JSON (text, number, true, false, null, list, object)")


def _refuse(value: object, place: _Place, expected: str) -> NoReturn:
    path = ""
    while place is not None:
        place, key = place
        path = f"/{segment(key) if type(key) in (str, int) else shortened(key)}{path}"
        if len(path) > 200:
            path = f"...{path[-200:]}"
            break
    raise UsageError(f"a value at {path or '/'} of a document", value, expected) from None
