"""Which line of a solution is to blame: where an exception passed, where a thread hangs."""

from __future__ import annotations

import gc
import sys
import sysconfig
import threading
from _thread import get_ident
from collections.abc import Iterable
from pathlib import Path
from types import FrameType, TracebackType

_collecting = threading.Lock()
_PACKAGE = Path(__file__).parents[2]
_ZOO = tuple(str(_PACKAGE / "lab" / "solutions" / room) for room in ("broken", "correct"))
_MACHINERY = str(_PACKAGE / "lab")
_LIBRARIES = tuple(
    sysconfig.get_paths()[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")
)


def line_of_error(error: BaseException) -> str | None:
    """`candidate.py:41`, the innermost line of the solution that the exception passed."""
    return _innermost(_passed(error.__traceback__))


def line_of_thread(ident: int | None) -> str | None:
    """Where in the solution the thread of this identity is now."""
    if ident == get_ident():
        return _innermost(_standing(sys._getframe(1)))
    return _innermost(_standing(_frames().get(ident or -1)))


def _frames() -> dict[int, FrameType]:
    """The frame of every thread.

    Garbage collection is off meanwhile: up to Python 3.11.7 a collection inside this call
    waits without end for a lock that the call holds (CPython issue 106883).
    """
    with _collecting:
        was_enabled = gc.isenabled()
        gc.disable()
        try:
            return sys._current_frames()
        finally:
            if was_enabled:
                gc.enable()


def _innermost(lines: Iterable[tuple[str, int]]) -> str | None:
    """The solution's own line; the package's own where there is none, as with the reference."""
    lines = list(lines)
    own = [line for line in lines if _is_solution(line[0])]
    rest = [line for line in lines if not is_machinery(line[0])]
    for name, number in own or rest:
        return f"{Path(name).name}:{number}"
    return None


def is_machinery(name: str) -> bool:
    """Whether the file of this name is the laboratory's own, and no solution that it ships."""
    return name.startswith(_MACHINERY) and not name.startswith(_ZOO)


def _is_solution(name: str) -> bool:
    if name.startswith(_ZOO):
        return True
    return not name.startswith((str(_PACKAGE), *_LIBRARIES, "<"))


def _passed(traceback: TracebackType | None) -> list[tuple[str, int]]:
    lines = []
    while traceback is not None:
        lines.append((traceback.tb_frame.f_code.co_filename, traceback.tb_lineno))
        traceback = traceback.tb_next
    return lines[::-1]


def _standing(frame: FrameType | None) -> list[tuple[str, int]]:
    lines = []
    while frame is not None:
        lines.append((frame.f_code.co_filename, frame.f_lineno))
        frame = frame.f_back
    return lines
