"""One write lock for each database file that this process has open; how such a file is made."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final
from weakref import WeakValueDictionary

from syncsim.forks import guard
from syncsim.interrupts import under
from syncsim.locks import FairLock
from syncsim.store.sqlite_errors import refused

_locks: Final[WeakValueDictionary[Path, FairLock]] = WeakValueDictionary()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_locks.clear)  # their holders are threads of the parent


def write_lock(path: Path) -> FairLock:
    """The lock that all writers to this file in this process share, whichever store they use."""
    return _lock_of(path.resolve())


@under(guard)
def _lock_of(path: Path) -> FairLock:
    lock = _locks.get(path)
    if lock is None:
        lock = _locks[path] = FairLock()
    return lock


@under(guard)
def make_private(path: Path) -> None:
    """Where there is no file, an empty one that only its owner may read; the log will be like it.

    Closing a file drops every lock that this process has on it, so no store may open the file
    before it is closed here; hence the guard.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        pass
    except OSError as error:
        raise refused(
            path,
            f"cannot be made ({error.strerror}); make its folder writable, or choose another",
        ) from error
