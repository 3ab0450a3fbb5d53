"""Which database files this process has open: one write lock for each, and all closed over a fork.

It does not do to forget a connection in the child and open another. SQLite counts in the process
who holds a file, so the child's new connection believes its process holds it already and takes no
lock. When the parent closes, it finds itself alone, deletes the log, and everything that the child
has committed since is gone, acknowledged or not (measured; the rule is in SQLite's "How To Corrupt
An SQLite Database File", section 2.6). So no connection is open while the process forks.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Final, Protocol
from weakref import WeakSet, WeakValueDictionary

from syncsim.locks import FairLock
from syncsim.store.sqlite_errors import refused


class OpenFile(Protocol):
    """What a fork does to an open file."""

    def suspend(self) -> None:
        """Close every connection and let nobody open one."""

    def resume(self) -> None:
        """In the parent: go on."""

    def restart(self) -> None:
        """In the child: begin anew, without the threads that were waiting."""


_guard: Final = threading.RLock()
_files: Final[WeakSet[OpenFile]] = WeakSet()
_locks: Final[WeakValueDictionary[Path, FairLock]] = WeakValueDictionary()
_suspended: Final[list[OpenFile]] = []


def write_lock(path: Path) -> FairLock:
    """The lock that all writers to this file in this process share, whichever store they use."""
    real = path.resolve()
    with _guard:
        lock = _locks.get(real)
        if lock is None:
            lock = _locks[real] = FairLock()
        return lock


def make_private(path: Path) -> None:
    """Where there is no file, an empty one that only its owner may read; the log will be like it.

    Closing a file drops every lock that this process has on it, so no store may open the file
    before it is closed here; hence the guard.
    """
    with _guard:
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            pass
        except OSError as error:
            raise refused(
                path,
                f"cannot be made ({error.strerror}); make its folder writable, or choose another",
            ) from error


def register(file: OpenFile) -> None:
    """From now on, close this file over every fork."""
    with _guard:
        _files.add(file)


def unregister(file: OpenFile) -> None:
    """The file was closed."""
    with _guard:
        _files.discard(file)


def _before_fork() -> None:
    _guard.acquire()
    _suspended.extend(_files)
    for file in _suspended:
        file.suspend()


def _after_in_parent() -> None:
    for file in _suspended:
        file.resume()
    _suspended.clear()
    _guard.release()


def _after_in_child() -> None:
    _locks.clear()  # their waiters are threads that do not exist here
    for file in _suspended:
        file.restart()
    _suspended.clear()
    _guard.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_in_parent, after_in_child=_after_in_child
    )
