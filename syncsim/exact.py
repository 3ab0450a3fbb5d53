"""Arguments as the built-in values they are, read without running a line of theirs.

A subclass of `str` may raise where it is measured, compared or hashed, and `isinstance` asks an
object for its `__class__`, which may raise, too. `type` cannot be overridden. What comes out of
here is an exact built-in value, which every later line may use as it likes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeVar

from syncsim.errors import UsageError

if TYPE_CHECKING:
    from typing_extensions import TypeIs

T = TypeVar("T")


def is_a(value: object, kind: type[T]) -> TypeIs[T]:
    """Whether the value is of this type, or of a subclass."""
    return issubclass(type(value), kind)


def text(value: object) -> str | None:
    """The text as a plain `str`; None for what is no text."""
    return str.__str__(value) if is_a(value, str) else None


def number(value: object) -> int | float | None:
    """The number as a plain `int` or `float`; None for anything else, and for True and False."""
    if is_a(value, float):
        return float.__float__(value)
    return int.__int__(value) if is_a(value, int) and type(value) is not bool else None


def is_a_path(value: object) -> TypeIs[os.PathLike[str]]:
    """Whether the value is an object that stands for a path."""
    return issubclass(type(value), os.PathLike)


def path(value: object) -> str | None:
    """The text of a path or of a `PathLike`; None for what is none, or will not say."""
    if not is_a_path(value):
        return text(value)
    try:
        return text(os.fspath(value))
    except Exception:  # of its own __fspath__
        return None


def one_of(argument: str, value: object, names: Iterable[str], expected: str | None = None) -> str:
    """The name as plain text; `UsageError` for what is none of `names`."""
    name = text(value)
    known = tuple(names)
    if name is None or name not in known:
        raise UsageError(argument, value, expected or f"one of {', '.join(known)}")
    return name


def seed(value: object) -> int:
    """What chance is drawn from, a whole number; `UsageError` for anything else."""
    plain = number(value)
    if not isinstance(plain, int):
        raise UsageError("seed", value, "a whole number")
    return plain
