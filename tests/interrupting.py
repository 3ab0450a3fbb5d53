"""An interrupt at a chosen line: what tests that walk through all lines of a call share."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import syncsim

PACKAGE = str(Path(syncsim.__file__).parent)


class Interrupt:
    """A trace function that interrupts the calling thread at the so-manieth line of ours."""

    def __init__(self, at: int) -> None:
        self._at = at
        self._lines = itertools.count(1)
        self.place: str | None = None

    def __call__(self, frame: FrameType, event: str, _: object) -> Any:
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        if event == "line" and next(self._lines) == self._at:
            file = frame.f_code.co_filename.removeprefix(PACKAGE)
            self.place = f"{file}:{frame.f_lineno} {frame.f_code.co_name}"
            raise KeyboardInterrupt
        return self


def interrupted(call: Callable[[], object], at: int) -> tuple[str | None, BaseException | None]:
    """Where the call was interrupted, None where it was over before; and what left it."""
    interrupt, left = Interrupt(at), None
    before = sys.gettrace()
    sys.settrace(interrupt)
    try:
        call()
    except BaseException as error:
        left = error
    finally:
        sys.settrace(before)
    return interrupt.place, left
