"""What all who have one database file open in this process share; how such a file is made."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from threading import get_ident
from typing import TYPE_CHECKING, Final
from weakref import WeakSet, WeakValueDictionary

from syncsim.store.file_watch import FileWatch, Happened
from syncsim.store.records import Tip
from syncsim.store.sqlite_errors import refused
from syncsim.system.forks import guard
from syncsim.system.interrupts import give_up, under
from syncsim.system.locks import FairLock

if TYPE_CHECKING:
    from syncsim.store.sqlite_file import SQLiteFile


class SharedFile:
    """One database file in one process: SQLite keeps one state for it, however many connect.

    `lock` is held by the one who writes. `looking` is held while the files are looked at; it is
    taken after `lock`, never before. `generation` counts how often the files were opened anew.
    """

    def __init__(self, path: Path) -> None:
        self.watch = FileWatch(path)
        self.lock = FairLock()
        self.looking = threading.RLock()
        self.members: WeakSet[SQLiteFile] = WeakSet()
        self.look_at = 0.0
        self.opener: int | None = None
        """The thread that closes and opens every connection just now."""
        self.generation = 0
        self.is_ours = False
        """Whether the file was opened here and held a store."""
        self.last_commit: tuple[str, Tip] | None = None
        """Template and commit that this process acknowledged last."""
        self.lost_commit: tuple[str, Tip] | None = None
        """The same, where the file that was opened since does not have it."""
        self.lost_by = Happened.NOTHING

    def heal(self) -> None:
        """After a fault or an interrupt while the files were looked at or opened anew."""
        if self.opener == get_ident():
            for member in self.members:
                member.readers.resume()
            self.opener = None
        self.watch.heal()
        give_up(self.looking)


_shared: Final[WeakValueDictionary[Path, SharedFile]] = WeakValueDictionary()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_shared.clear)  # their holders are threads of the parent


def shared_file(path: Path) -> SharedFile:
    """What this process shares of the file behind a path, whichever link it is reached by."""
    return _shared_file(path.resolve())


@under(guard)
def _shared_file(real: Path) -> SharedFile:
    shared = _shared.get(real)
    if shared is None:
        shared = _shared[real] = SharedFile(real)
    return shared


def is_open_here(path: Path) -> bool:
    """Whether a store of this process has the file open."""
    return path.resolve() in _shared


@under(guard)
def make_private(path: Path) -> None:
    """Where there is no file, an empty one that only its owner may read; the log will be like it.

    Closing a file drops every lock that this process has on it, so no store may open the file
    before it is closed here; hence the guard. A log without its file is refused: SQLite would take
    the new file for the one it belongs to.
    """
    log = path.with_name(f"{path.name}-wal")
    if _is_empty(path) and not _is_empty(log):
        raise refused(
            path,
            f"is gone, and its log {log.name} is still there; put the file back beside it, or "
            "move the log away to begin anew",
        )
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        pass
    except OSError as error:
        raise refused(
            path,
            f"cannot be made ({error.strerror}); make its folder writable, or choose another",
        ) from error


def _is_empty(path: Path) -> bool:
    try:
        return path.stat().st_size == 0
    except OSError:
        return True
