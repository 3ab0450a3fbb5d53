"""Processes that are spawned, and whether they can be: each imports the script that started them.

A script that calls us without asking whether it is the one that was started comes to the same call
again in every process. There the process ends without a word, and the one that started it says
what to do: no process of ours began, so nothing can be said of a solution.
"""

from __future__ import annotations

import os
import sys
from multiprocessing import process
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any, Final

from syncsim.errors import UsageError

_NAME: Final = "syncsim-worker"
_GUARD: Final = 'in a script, call this below `if __name__ == "__main__":`'


class _NamedContext(SpawnContext):
    """Spawns processes that know by their name that they are ours, before they import anything."""

    def Process(self, *args: Any, **settings: Any) -> SpawnProcess:  # type: ignore[override]
        return SpawnProcess(*args, **{**settings, "name": _NAME})


def spawn_context() -> SpawnContext:
    """What to start processes with, after `check_spawning`."""
    return _NamedContext()


def check_spawning(argument: str, value: object) -> None:
    """`UsageError`, of the argument that asks for processes, where none can import this script.

    Ends the process where the script comes here again, because a process of ours imports it.
    """
    importing = process.current_process()
    if getattr(importing, "_inheriting", False):
        if importing.name == _NAME:
            os._exit(1)
        raise not_started(argument, value, "is being started just now, and starts more")
    main = sys.modules["__main__"]
    file = getattr(main, "__file__", None)
    if getattr(main, "__spec__", None) is None and file is not None:
        start = getattr(process, "ORIGINAL_DIR", None) or ""
        if not os.path.isfile(os.path.join(start, file)):
            expected = f"a script in a file, as every process imports it, and {file} is none"
            raise UsageError(argument, value, expected)


def not_started(argument: str, value: object, why: str) -> UsageError:
    """The error for a process that never came to its work."""
    return UsageError(argument, value, f"processes that can start, and one {why}; {_GUARD}")
