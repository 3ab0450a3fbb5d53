"""Arguments whose own methods raise: what a check at the door must not run, or must survive."""

from __future__ import annotations

import enum
from collections.abc import Callable
from pathlib import Path
from typing import Any


class Mine(RuntimeError):
    """What every method here raises; it must leave no call."""


def _raises(*_: Any, **__: Any) -> Any:
    raise Mine("mine")


def _with(base: type, *names: str) -> type:
    """A subclass whose methods of these names raise."""
    return type(f"{base.__name__}_{names[0].strip('_')}", (base,), dict.fromkeys(names, _raises))


class _Hashed(str):
    __hash__ = str.__hash__
    __eq__ = _raises
    __ne__ = _raises


class _Attributeless(str):
    __getattribute__ = _raises


class _Classless:
    __class__ = property(_raises)  # type: ignore[assignment]


class _PathLike:
    __fspath__ = _raises


class _Enum(enum.Enum):
    MEMBER = "name"
    __eq__ = _raises
    __hash__ = object.__hash__


class _TextEnum(enum.StrEnum):
    MEMBER = "name"
    __format__ = _raises
    __str__ = _raises


class _Returning(str):
    def __repr__(self) -> str:
        return _with(str, "__getitem__", "__len__", "__getattribute__")("odd")


_TEXT = (
    *("__len__", "__hash__", "__iter__", "__str__", "__repr__", "__contains__", "__format__"),
    *(
        "__getitem__",
        "__add__",
        "__radd__",
        "encode",
        "isascii",
        "startswith",
        "partition",
        "split",
    ),
    *("__lt__", "__gt__", "__mod__", "isprintable", "join", "replace", "__reduce_ex__"),
)
_MAPPING = (
    *("items", "keys", "values", "__iter__", "__len__", "__getitem__", "__contains__", "get"),
    *("__eq__", "copy", "__or__", "__repr__", "__bool__"),
)
_LIST = ("__iter__", "__len__", "__getitem__", "__eq__", "__contains__", "__repr__", "__bool__")
_NUMBER = ("__eq__", "__lt__", "__le__", "__gt__", "__hash__", "__repr__", "__bool__", "__add__")
_NUMBER_TOO = ("__float__", "__int__", "__index__", "__rsub__", "__format__", "__radd__")


def texts(text: str) -> list[Any]:
    """This text in subclasses of `str`, each with one method that raises."""
    kinds = [_Hashed, _Attributeless, _Returning, *(_with(str, name) for name in _TEXT)]
    return [kind(text) for kind in kinds]


def numbers(number: float) -> list[Any]:
    """This number in subclasses of its type, each with one method that raises."""
    return [_with(type(number), name)(number) for name in (*_NUMBER, *_NUMBER_TOO)]


def mappings(content: dict[Any, Any]) -> list[Any]:
    """This content in subclasses of `dict`, each with one method that raises."""
    return [_with(dict, name)(content) for name in _MAPPING]


def lists(content: list[Any]) -> list[Any]:
    """This content in subclasses of `list`, each with one method that raises."""
    return [_with(list, name)(content) for name in _LIST]


def objects() -> list[Any]:
    """Objects of no built-in kind, each with something that raises."""
    names = ("__repr__", "__eq__", "__hash__", "__bool__", "__len__", "__iter__", "__str__")
    more = ("__call__", "__getattribute__", "__lt__", "__float__", "__index__", "__contains__")
    kinds = [_Classless, _PathLike, *(_with(object, name) for name in (*names, *more))]
    kinds.append(_with(type(Path()), "__fspath__", "__str__"))
    return [*(kind() for kind in kinds), _Enum.MEMBER, _TextEnum.MEMBER]


def everything(text: str = "name") -> list[Any]:
    """Every hostile value, texts with this content."""
    return [
        *objects(),
        *texts(text),
        *numbers(1),
        *numbers(1.5),
        *mappings({"name": "x"}),
        *lists([1]),
    ]


def escaped(call: Callable[[Any], object], values: list[Any]) -> list[str]:
    """What leaves the call for these values and is no `SyncError`, by the values' types."""
    from syncsim.errors import SyncError

    found = []
    for value in values:
        try:
            call(value)
        except SyncError as error:
            found += [] if str(error) else [f"{type(value).__name__}: an error without text"]
        except Exception as error:
            found.append(f"{type(value).__name__}: {type(error).__name__}: {error}")
    return found
