"""Whether the files under an open database are still the ones that were opened.

SQLite trusts names: a log has the name of its database and nothing else of it. So a file that is
moved, copied, linked, removed or restored behind its back is read with the wrong log, and what was
acknowledged is lost or the new file is spoilt ("How To Corrupt An SQLite Database File", sections
1.2 to 1.5, 2.2, 2.5). This room finds out what happened; what follows is up to `sqlite_file`.

Three things are held for a database: what `stat` says of it and of its log; a digest of its first
page, because a copy *over* the file changes none of its numbers; and, on Linux, a lock that belongs
to the open file rather than to the process. SQLite's own locks all go when any descriptor of the
file is closed, as `shutil.copy` does, and the next process to close then takes itself for the last
one, folds the log in and deletes it under our feet. The lock of the open file keeps it from that.
"""

from __future__ import annotations

import fcntl
import json
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from io import FileIO
from pathlib import Path
from typing import Final, NamedTuple

from syncsim.errors import StoreUnavailableError
from syncsim.forks import close_lock_file, guard, open_lock_file
from syncsim.interrupts import under
from syncsim.locks import ProcessLock, share_like
from syncsim.store.log_format import first_page, has_first_page, salts_of
from syncsim.store.sqlite_errors import refused
from syncsim.store.writes import WRITE_TIMEOUT_S, busy

SHARED_FIRST: Final = 0x40000000 + 2
SHARED_BYTES: Final = 510
"""The bytes on which SQLite's readers hold a lock; whoever wants to be alone must have them all."""

FDS: Final = "/proc/self/fd"

NOTE: Final = "log"
"""The file, beside the lock files, that says which log belongs to which database."""

NOTE_CHARACTERS: Final = 240
"""More than any note needs."""

SET_ASIDE: Final = ".replaced"
"""What is appended to the name of a log that belongs to no file any more."""


class Happened(Enum):
    """What became of the files since they were looked at last."""

    NOTHING = "nothing"
    LOG_REMOVED = "the log was removed"
    LOG_REPLACED = "another log is there"
    REPLACED = "another database is there"


class Glimpse(NamedTuple):
    """What `stat` says of a database and of its log; `log` is None where there is none."""

    device: int
    number: int
    size: int
    modified_ns: int
    log: tuple[int, int] | None

    @property
    def database(self) -> tuple[int, int]:
        """Which file it is. Its number is not given again while somebody holds it open."""
        return self.device, self.number


class _Note(NamedTuple):
    """Which log belonged to which database, and in which state, when somebody looked last."""

    database: tuple[int, ...]
    log: tuple[int, ...]
    first_page: bytes
    salts: bytes


class FileWatch:
    """The watch over one database, for all who have it open in this process.

    `path` is the database itself: SQLite follows symbolic links, and so does the name of the log.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.log = path.with_name(f"{path.name}-wal")
        self.folder = path.with_name(f"{path.name}-locks")
        self._index = path.with_name(f"{path.name}-shm")
        self._opening = ProcessLock(self.folder / "opening.lock", path)
        self._file: FileIO | None = None
        self._seen: Glimpse | None = None
        self._first_page = b""
        self._salts: bytes | None = None
        self.is_settled = False
        """False from the opening, and from a checkpoint, to the commit after it: where the log may
        begin anew."""
        self._log_file: FileIO | None = None
        self._log_link: str | None = None
        """Under which name the system knows the log that was seen, while it is held open."""
        self._name = str(path)
        self._log_name = str(self.log)
        self._modified_ns = 0  # these three repeat `_seen`, for the look before each write
        self._numbers: tuple[int, ...] = ()
        self._log_number = 0

    def glimpse(self) -> Glimpse:
        """What lies under the name now; raises where nothing does, or where it has two names."""
        try:
            status = os.stat(self.path)
        except FileNotFoundError as error:
            raise refused(
                self.path,
                "was deleted or moved away while it was open; put it back, or choose another file",
            ) from error
        except OSError as error:
            raise refused(self.path, f"cannot be reached ({error.strerror})") from error
        if status.st_nlink > 1:
            raise refused(
                self.path,
                f"has {status.st_nlink} names (hard links), and SQLite would keep a log for each; "
                "remove the others, or make a copy with `syncsim backup`",
            )
        return Glimpse(
            status.st_dev,
            status.st_ino,
            status.st_size,
            status.st_mtime_ns,
            _number_of(self.log),
        )

    def is_as_seen(self) -> bool:
        """Whether nothing at all has changed: the look before each write, some 2 us.

        The log is not asked for its times, as `stat` does: since Linux 6.13 a file that was asked
        is given a finer time by its next write, which a sync then has to wait for (60 of 300 us).
        """
        try:
            status = os.stat(self._name)
            if self._log_link is None:
                is_log_there = os.stat(self._log_name).st_ino == self._log_number
            else:
                is_log_there = os.readlink(self._log_link) == self._log_name
        except OSError:
            return False
        return (
            is_log_there
            and status.st_mtime_ns == self._modified_ns
            and status[1:4] == self._numbers
        )

    # -- while it is open --------------------------------------------------------------------------

    def __del__(self) -> None:
        self.end()

    @property
    def has_begun(self) -> bool:
        """Whether the files were noted and are watched."""
        return self._seen is not None

    def begin(self) -> None:
        """Take note of what is there; the caller has just opened it, and its log."""
        self._lock(fcntl.F_RDLCK)
        self._take_note(self.glimpse())
        self._leave_note()
        self.is_settled = False

    def let_last_fold(self) -> None:
        """Give up the lock, so that the last connection to close may fold the log in."""
        self._lock(fcntl.F_UNLCK)

    def end(self) -> None:
        """Close the file, and with it drop every lock that this process has on it."""
        self._seen, self._numbers = None, ()
        self._let_go_of_log()
        if self._file is not None:
            close_lock_file(self._file)
            self._file = None

    def look(self) -> Happened:
        """What happened since the last look; a checkpoint is nothing."""
        now, seen = self.glimpse(), self._seen
        if seen is None or now.database != seen.database:
            return Happened.REPLACED
        if now.log != seen.log:
            if now.log is None and now.modified_ns == seen.modified_ns:
                return Happened.LOG_REMOVED
            return Happened.LOG_REPLACED
        if now != seen and not self._fits(self._first_page, self._salts):
            return Happened.REPLACED
        if now != seen:
            self._take_note(now)
            self.is_settled = False
        return Happened.NOTHING

    def settle(self) -> None:
        """Take note of how the log begins, after a commit of our own; see `is_settled`."""
        self.is_settled = True
        with suppress(StoreUnavailableError):  # the next look tells
            now, seen = self.glimpse(), self._seen
            if seen is not None and (now.database, now.log) == (seen.database, seen.log):
                self._take_note(now)
                self._leave_note()

    def _fits(self, first_page: bytes, salts: bytes | None) -> bool:
        """Whether the database is what a checkpoint may have made of it since these were noted.

        A log that has begun anew since may have brought anything. It may do so while it is read, as
        the page may be written while it is read: only what is seen twice counts.
        """
        while True:
            page = self._page()
            if page == first_page or has_first_page(self.log, page):
                return True
            if salts_of(self.log) != salts:
                return True
            if self._page() == page:
                return False

    def _page_and_salts(self) -> tuple[bytes, bytes | None]:
        """Both as of one moment: a page of before the log began anew would never fit again."""
        while True:
            salts = salts_of(self.log)
            page = self._page()
            if (salts_of(self.log), self._page()) == (salts, page):
                return page, salts

    def _open(self) -> None:
        self._file = open_lock_file(self.path, "r")

    def _page(self) -> bytes:
        assert self._file is not None
        return first_page(self._file.fileno())

    def _take_note(self, now: Glimpse) -> None:
        self._first_page, self._salts = self._page_and_salts()
        if self._seen is None or self._seen.log != now.log:
            self._hold_log(now.log)
        self._seen = now
        self._modified_ns = now.modified_ns
        self._numbers = (now.number, now.device, 1)
        self._log_number = 0 if now.log is None else now.log[1]

    def _hold_log(self, number: tuple[int, int] | None) -> None:
        """Hold the log open where the system tells the names of open files (Linux)."""
        self._let_go_of_log()
        with suppress(OSError):
            self._log_file = open_lock_file(self.log, "r")
            status, link = os.fstat(self._log_file.fileno()), f"{FDS}/{self._log_file.fileno()}"
            if (status.st_dev, status.st_ino) == number and os.readlink(link) == self._log_name:
                self._log_link = link

    def _let_go_of_log(self) -> None:
        self._log_link = None
        if self._log_file is not None:
            close_lock_file(self._log_file)
            self._log_file = None

    # -- a log that was left behind ----------------------------------------------------------------

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Exclude the other processes that find out just now what happened to the files.

        Where there is no log, and nothing was open, there is nothing to find out.
        """
        if not self.has_begun and _number_of(self.log) is None:
            yield
            return
        try:
            held = self._opening.acquire(WRITE_TIMEOUT_S)
        except StoreUnavailableError:
            held = False  # a user who may not write here can move no log aside either
        else:
            if not held:
                raise busy(None, WRITE_TIMEOUT_S)
        try:
            yield
        finally:
            if held:
                self._opening.release()

    def heal(self) -> None:
        """After a fault or an interrupt: exclude no other process any longer."""
        self._opening.heal()

    def clear_log(self, happened: Happened) -> None:
        """See that the log that lies there, if any, is the database's own; before it is opened.

        A log of another file is moved aside, where its commits can still be had from; where it
        cannot be told apart, the file is refused. The caller excludes other processes, and has
        closed every connection.
        """
        seen = self._seen
        self.end()
        self._open()
        if happened is Happened.LOG_REMOVED:
            self._index.unlink(missing_ok=True)  # it counts the frames of the log that is gone
        elif happened is Happened.LOG_REPLACED:
            return  # by a process that knew what it did
        elif seen is not None:
            if _number_of(self.log) == seen.log and salts_of(self.log) is not None:
                self._set_aside()
        elif not self._is_own_log():
            self._set_aside()

    def _is_own_log(self) -> bool:
        """Whether the log is this database's, by the note of whoever watched them last.

        Without a note, or where the log is another one than it speaks of, they came here together.
        """
        salts, log = salts_of(self.log), _number_of(self.log)
        if salts is None or log is None:
            return True
        note = self._read_note()
        if note is None or note.log != log:
            return True
        if note.database == _number_of(self.path):
            return self._fits(note.first_page, note.salts)
        if salts == note.salts:
            return False
        raise refused(
            self.path,
            f"is not the file that {self.log.name} beside it was written for; if it was restored, "
            f"move {self.log.name} away, else put the file back that belongs to it",
        )

    def _set_aside(self) -> None:
        with suppress(FileNotFoundError):
            self.log.replace(self.log.with_name(self.log.name + SET_ASIDE))
        self._index.unlink(missing_ok=True)

    @under(guard)
    def _leave_note(self) -> None:
        """Leave word for the next process to open the file, should this one be killed.

        Written over in place, in one size: a torn note is none, and a rename costs 1.5 ms at every
        checkpoint.
        """
        seen = self._seen
        if seen is None or seen.log is None or self._salts is None:
            return  # an empty log is anybody's
        note = {
            "database": seen.database,
            "log": seen.log,
            "first_page": self._first_page.hex(),
            "salts": self._salts.hex(),
        }
        with suppress(OSError):  # then the next process believes what it finds
            file = self.folder / NOTE
            is_new = not file.exists()
            if is_new:
                self.folder.mkdir(mode=0o700, exist_ok=True)
                file.touch()
                share_like(self.path, self.folder, file)
            with file.open("r+") as written:
                written.write(json.dumps(note).ljust(NOTE_CHARACTERS))

    @under(guard)
    def _read_note(self) -> _Note | None:
        try:
            note = json.loads((self.folder / NOTE).read_bytes())
            return _Note(
                tuple(note["database"]),
                tuple(note["log"]),
                bytes.fromhex(note["first_page"]),
                bytes.fromhex(note["salts"]),
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None

    # -- the lock ----------------------------------------------------------------------------------

    def _lock(self, kind: int) -> None:
        """The lock of the open file, where the system knows it (Linux since 3.15)."""
        if hasattr(fcntl, "F_OFD_SETLK") and self._file is not None:
            wanted = struct.pack("hhqqi4x", kind, os.SEEK_SET, SHARED_FIRST, SHARED_BYTES, 0)
            with suppress(OSError):  # somebody is alone with it for an instant, or no lock is there
                fcntl.fcntl(self._file, fcntl.F_OFD_SETLK, wanted)


def _number_of(path: Path) -> tuple[int, int] | None:
    """Which file bears this name; None where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
