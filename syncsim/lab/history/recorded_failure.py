"""The record of a solution's exception, whose text and facts may raise errors, too.

This module also tells whose doing it was: a run that is cut off and Ctrl-C are not the solution's.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Final, TypeVar

from syncsim.contract import JSON
from syncsim.errors import SyncError
from syncsim.lab.history.records import Failure
from syncsim.lab.history.source_line import line_of_error

T = TypeVar("T")

LONGEST: Final = 2_000
"""Characters of a message that are kept."""

_LARGEST: Final = 1 << 63  # JSON writers take no larger numbers


class CutOff(BaseException):
    """Ends a call from outside: the run is over, or the client has died. No answer of a verb."""


def is_from_outside(error: BaseException) -> bool:
    """Whether the solution is not to blame. Ctrl-C comes to the main thread and to no other."""
    if isinstance(error, KeyboardInterrupt):
        return threading.current_thread() is threading.main_thread()
    return isinstance(error, CutOff)


class OnRecord(AbstractContextManager[None]):
    """A block that suppresses its exceptions, which are on record, but none from outside."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        return error is not None and not is_from_outside(error)


def failure(error: BaseException) -> Failure:
    """The record of an exception that left a verb."""
    is_ours = isinstance(error, SyncError)
    return Failure(
        name=_name(error),
        message=_text(lambda: str(error), f"a {_name(error)} that cannot say what it is"),
        expected=is_ours,
        definite=is_ours and _asked(lambda: bool(error.definite), False),  # type: ignore[attr-defined]
        facts=_asked(lambda: _plain_facts(error), {}),
        line=line_of_error(error),
    )


def described(error: BaseException) -> str:
    """Its `repr`, or its class where it has none to give."""
    return _text(lambda: repr(error), f"a {_name(error)} that cannot be shown")


def _name(error: BaseException) -> str:
    return _text(lambda: type(error).__name__, "exception")


def _plain_facts(error: BaseException) -> dict[str, JSON]:
    """What it carries: the facts of a `SyncError`, and any attribute that is a plain value."""
    facts = getattr(error, "facts", {})
    said = {**getattr(error, "__dict__", {}), **(facts if isinstance(facts, dict) else {})}
    return {
        _plain(key): value if value is None else _plain(value)
        for key, value in said.items()
        if value is None or isinstance(value, str | int | float | bool)
    }


def _plain(value: JSON) -> JSON:
    """The value without a class of the solution's own, which no other process could load."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if -_LARGEST <= value < _LARGEST else str(value)[:LONGEST]
    return float(value) if isinstance(value, float) else storable(value)


def _text(say: Callable[[], str], otherwise: str) -> str:
    return _asked(lambda: storable(say()), otherwise)


def storable(text: str) -> str:
    """Plain text that any terminal and any JSON can hold: a lone surrogate becomes its escape."""
    return str.encode(text, "utf-8", "backslashreplace").decode()[:LONGEST]


def _asked(ask: Callable[[], T], otherwise: T) -> T:
    try:
        return ask()
    except BaseException as error:
        if is_from_outside(error):
            raise
        return otherwise
