"""What a fork means for stores, caches and locks: they stay the parent's, a child connects anew.

A child has one thread. Whatever the parent's other threads held, nothing in the child will ever let
go of. So all that hangs on such a thing (`ProcessBound`) changes its class in the child to one that
refuses every use, before any lock is met; only `close` does nothing.

It does not do to forget a connection in the child and open another. SQLite counts in the process
who holds a file, so the child's new connection believes its process holds it already and takes no
lock. When the parent closes, it finds itself alone, deletes the log, and everything that the child
has committed since is gone, acknowledged or not (measured; the rule is in SQLite's "How To Corrupt
An SQLite Database File", section 2.6). So every connection is closed before the fork. Where a call
under way in another thread keeps one open for longer than `PATIENCE_S`, the child may use no file
of SQLite's at all, since SQLite's own locks may be that thread's.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from functools import partial
from io import FileIO
from pathlib import Path
from time import monotonic
from types import new_class
from typing import Any, Final
from weakref import WeakSet

from syncsim.errors import StoreUnavailableError, SyncError
from syncsim.system.interrupts import under

PATIENCE_S: Final = 1.0
"""How long a fork waits for the calls under way in other threads, all together."""

INHERITED: Final = (
    "it belongs to the process that this one was forked from; "
    "connect again in the child, or start processes with the spawn method"
)
FORKED_IN_A_CALL: Final = (
    "this process was forked while a call was under way in its parent; "
    "start processes with the spawn method"
)

guard: Final = threading.RLock()
"""No fork happens while a thread holds it; for an instant only, and never to wait under."""


class ProcessBound:
    """An object of the process that made it; a forked child gets `_fork_error` at every use of it.

    One that has connections of SQLite's overrides `_suspend`, and names `_database`. What gives
    back after a fork what it takes for one is put on `_taken_over_fork`, and before it is taken.
    """

    _database: Path | None = None
    _taken_over_fork: list[Callable[[], object]]

    def _bind(self) -> None:
        """Take part in every fork from now on: at the end of `__init__`, before a file is open."""
        self._taken_over_fork = []
        _add(self)

    @classmethod
    def _fork_error(cls, reason: str) -> SyncError:
        """The error for a use in a child."""
        return StoreUnavailableError(None, reason, retryable=False)

    def _suspend(self, deadline: float) -> bool:
        """Close every connection, let no call open one; False where a call did not end in time."""
        return True

    def _resume(self) -> None:
        """After the fork, in the parent: go on; nothing where that was done before."""
        while self._taken_over_fork:
            self._taken_over_fork[-1]()
            self._taken_over_fork.pop()  # not before: an interrupt may have ended it

    def _check_forked_at_rest(self) -> None:
        """Raise where this process was forked in the middle of a call, and SQLite with it."""
        if _inherited:
            raise self._fork_error(FORKED_IN_A_CALL)


_binding: Final = threading.RLock()
"""Held over a whole fork, its waiting included: what would be made meanwhile waits."""
_bound: Final[WeakSet[ProcessBound]] = WeakSet()
_add: Final = under(_binding)(_bound.add)
_suspended: Final[dict[ProcessBound, bool]] = {}
_lock_files: Final[WeakSet[FileIO]] = WeakSet()
_inherited: Final[list[ProcessBound]] = []
"""What had connections in use when this process was forked."""


_private: Final = partial(os.open, mode=0o600)  # of C: an interrupt cannot lose the descriptor


@under(guard)
def open_lock_file(path: Path, mode: str) -> FileIO:
    """A file to take a lock with, which no forked child keeps open; `OSError` as `open`."""
    file = FileIO(path, mode, opener=_private)
    _lock_files.add(file)
    return file


@under(guard)
def close_lock_file(file: FileIO) -> None:
    """Close what `open_lock_file` opened."""
    file.close()


def seconds_to(deadline: float) -> float:
    """What is left until then, at least zero."""
    return max(deadline - monotonic(), 0.0)


def _suspend_all() -> None:
    deadline = monotonic() + PATIENCE_S
    for one in _bound:
        _suspended[one] = False
        _suspended[one] = one._suspend(deadline)


def _resume_all() -> None:
    """Resume each suspended object, whatever another one raises."""
    with ExitStack() as resumed:
        for one in _suspended:
            resumed.callback(one._resume)


def _after_in_child() -> None:
    for file in _lock_files:
        file.close()
    in_use = [one for one in _bound if not _suspended.get(one)]
    if in_use:
        _let_go_of_files([one._database for one in in_use if one._database is not None])
        _keep_for_ever(in_use)
    inherited = {cls: _inherited_class(cls) for cls in set(map(type, _bound))}
    for one in _bound:
        one.__class__ = inherited[type(one)]
    _bound.clear()


if hasattr(os, "register_at_fork"):
    # Before a fork the last of these comes first, after it the first. What one of them raises is
    # reported and ends no other, nor the fork: so an interrupt, also one that comes with the fork
    # and is raised in the first line after it, cannot keep a lock from being released. Those are
    # of C, and what goes on is called twice: the second does what an interrupt kept from the first.
    os.register_at_fork(before=guard.acquire)
    os.register_at_fork(
        before=_suspend_all, after_in_parent=_resume_all, after_in_child=_after_in_child
    )
    os.register_at_fork(after_in_parent=_resume_all)
    os.register_at_fork(after_in_parent=_suspended.clear, after_in_child=_suspended.clear)
    os.register_at_fork(after_in_parent=guard.release, after_in_child=guard.release)
    os.register_at_fork(
        before=_binding.acquire,
        after_in_parent=_binding.release,
        after_in_child=_binding.release,
    )


def _inherited_class(cls: type[ProcessBound]) -> type[ProcessBound]:
    """The class of the parent's objects in a child: same layout, every use but `close` refused."""

    def refuse(self: ProcessBound, name: str) -> Any:
        found = object.__getattribute__(self, name)
        if name.startswith("__"):
            return found
        if name == "close":
            return lambda: None
        raise cls._fork_error(INHERITED)

    members = {"__slots__": (), "__getattribute__": refuse, "__module__": cls.__module__}
    return new_class(
        f"Inherited{cls.__name__}", (cls,), exec_body=lambda body: body.update(members)
    )


def _let_go_of_files(databases: Iterable[Path]) -> None:
    """Point this process's descriptors of the databases and their logs at the null device.

    They cannot be closed: SQLite has their numbers, and a file opened later would get one of them.
    """
    files = set()
    for database in databases:
        for suffix in ("", "-wal", "-shm"):
            with suppress(OSError):
                status = os.stat(f"{database}{suffix}")
                files.add((status.st_dev, status.st_ino))
    nothing = os.open(os.devnull, os.O_RDWR)
    for name in os.listdir("/dev/fd"):
        with suppress(OSError):  # the descriptor of the listing itself
            status = os.fstat(int(name))
            if (status.st_dev, status.st_ino) in files:
                os.dup2(nothing, int(name), inheritable=False)
    os.close(nothing)


def _keep_for_ever(objects: list[ProcessBound]) -> None:
    """See that no connection is ever closed, not even at the end of the interpreter.

    Closing it would roll back in memory that is shared with the parent.
    """
    import ctypes

    _inherited.extend(objects)
    for one in objects:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(one))
