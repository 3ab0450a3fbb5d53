"""Whether the files under an open database are still the ones that were opened.

SQLite trusts names: a log has the name of its database and nothing else of it. So a file that is
moved, copied, linked, removed or restored behind its back is read with the wrong log, and what was
acknowledged is lost or the new file is spoilt ("How To Corrupt An SQLite Database File", sections
1.2 to 1.5, 2.2, 2.5). This room finds out what happened; what follows is up to `sqlite_file`.

Four things are held for a database: what `stat` says of it, its folder, its log and the log's
index; a digest of its first page, because a copy *over* the file changes none of its numbers; the
open log, which can be put back when its name is gone; and, on Linux, a lock that belongs to the
open file rather than to the process. SQLite's own locks all go when any descriptor of the file is
closed, as `shutil.copy` does, and the next process to close then takes itself for the last one,
folds the log in and deletes it under our feet. The lock of the open file keeps it from that.
"""

from __future__ import annotations

import fcntl
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from io import FileIO
from pathlib import Path
from time import time_ns
from typing import Final, NamedTuple

from syncsim.errors import StoreUnavailableError
from syncsim.store.held_log import HeldLog, set_aside
from syncsim.store.log_format import (
    first_page,
    goes_on,
    has_first_page,
    salts_of,
)
from syncsim.store.log_note import Note, leave_note, read_note
from syncsim.store.sqlite_errors import refused
from syncsim.store.writes import WRITE_TIMEOUT_S, busy
from syncsim.system.forks import close_lock_file, open_lock_file
from syncsim.system.locks import ProcessLock

SHARED_FIRST: Final = 0x40000000 + 2
SHARED_BYTES: Final = 510
"""The bytes on which SQLite's readers hold a lock; a connection must have them all to be alone."""

WATCHED_BYTE: Final = SHARED_FIRST + SHARED_BYTES
"""The byte after them, which SQLite never locks: a lock on it is that of a process that watches."""

SETTLED_NS: Final = 20_000_000
"""How old a folder's time must be to tell every later change: a tick of the coarsest kernel clock
is 10 ms, and two changes within one bear the same time."""

SETTLED_WHOLE_NS: Final = 2_100_000_000
"""The same for a time in whole seconds: some file systems know no others, or only even ones."""

FLOCK: Final = "hhqqi4x"
"""The fields of a `struct flock` on 64-bit Linux: kind, whence, start, length, process."""


class Happened(Enum):
    """What became of the files since they were looked at last; said of the database."""

    NOTHING = "is as it was"
    INDEX_REPLACED = "lost the index of its log"
    LOG_REMOVED = "lost its log"
    LOG_SPOILT = "lost commits, as its log was cut or written over,"
    LOG_REPLACED = "got another log"
    REPLACED = "was replaced by another file"


class Glimpse(NamedTuple):
    """What `stat` says of a database, its log and the log's index; None where there is none."""

    device: int
    number: int
    size: int
    modified_ns: int
    log: tuple[int, int] | None
    log_index: tuple[int, int] | None

    @property
    def database(self) -> tuple[int, int]:
        """Which file it is. Its number is not given again while somebody holds it open."""
        return self.device, self.number


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
        self._is_locked = False
        self._seen: Glimpse | None = None
        self._first_page = b""
        self._salts: bytes | None = None
        self.is_settled = False
        """False from the opening, and from a checkpoint, to the commit after it: where the log may
        begin anew."""
        self._held = HeldLog(self.log, self._index)
        self._name = str(path)  # from here on for the look before each write, which is in a hurry
        self._folder_name = str(path.parent)
        self._folder_seen: tuple[int, ...] | None = None
        self._numbers: tuple[int, ...] = ()
        self._modified_ns = 0

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
            _number_of(self._index),
        )

    def is_as_seen(self) -> bool:
        """Whether no file was exchanged: the look before each write, some 4 us.

        A folder's time changes with every name in it, those of the log and of its index included.
        Whether the log was written over is left to `look`. The log is not asked for its times, as
        `stat` does: since Linux 6.13 a file that was asked is given a finer time by its next write,
        which a sync then has to wait for (60 of 300 us).
        """
        try:
            folder = os.stat(self._folder_name)
            status = os.stat(self._name)
        except OSError:
            return False
        return (
            status.st_mtime_ns == self._modified_ns
            and status[1:4] == self._numbers
            and (
                (folder.st_mtime_ns, folder.st_ino, folder.st_dev) == self._folder_seen
                or self._are_names_as_seen(folder)
            )
        )

    def _are_names_as_seen(self, folder: os.stat_result) -> bool:
        """Whether log and index are what they were, in a folder where something has changed."""
        seen = self._seen
        if seen is None or _number_of(self.log) != seen.log:
            return False
        if _number_of(self._index) != seen.log_index:
            return False
        self._folder_seen = _settled(folder)
        return True

    def is_reached_by(self, name: str) -> bool:
        """Whether this name, which a link is part of, still leads to the database."""
        try:
            return os.stat(name)[1:3] == self._numbers[:2]
        except OSError:
            return False

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
        folder = self._folder_now()
        self._take_note(self.glimpse())
        self._folder_seen = folder
        self._leave_note()
        self.is_settled = False

    def let_last_fold(self) -> None:
        """Give up the lock, so that the last connection to close may fold the log in."""
        self._lock(fcntl.F_UNLCK)

    def end(self) -> None:
        """Close the files, and with them drop every lock that this process has on them."""
        self._seen, self._folder_seen, self._numbers = None, None, ()
        self._held.let_go()
        if self._file is not None:
            close_lock_file(self._file)
            self._file = None

    def look(self) -> Happened:
        """What happened since the last look; a checkpoint counts as nothing."""
        folder = self._folder_now()  # before the names: what changes them later changes it again
        now, seen = self.glimpse(), self._seen
        if seen is None or now.database != seen.database or now.size == 0:
            return Happened.REPLACED
        if now.log != seen.log:
            # Without our lock the last process to close may have folded the log in, and removed it.
            is_gone = self._is_locked or now.modified_ns == seen.modified_ns
            if is_gone and self._held.is_whole() and not self._is_in_order(now):
                return Happened.LOG_REMOVED
            return Happened.LOG_REPLACED
        if now != seen and not self._fits(self._first_page, self._salts):
            return Happened.REPLACED
        if not self._held.is_whole():
            return Happened.LOG_SPOILT
        if now.log_index != seen.log_index:
            return Happened.INDEX_REPLACED
        if now != seen or self._held.salts(self._salts) != self._salts:
            self._take_note(now)
            self.is_settled = False
        self._folder_seen = folder
        return Happened.NOTHING

    def settle(self) -> None:
        """Take note of how the log begins, after a commit of our own; see `is_settled`."""
        self.is_settled = True
        with suppress(StoreUnavailableError, OSError):  # the next look tells
            now, seen = self.glimpse(), self._seen
            if seen is not None and now[:2] + now[4:] == seen[:2] + seen[4:]:
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
        """Page and salts of one moment: a page from before the log began anew never fits again."""
        while True:
            salts = salts_of(self.log)
            page = self._page()
            if (salts_of(self.log), self._page()) == (salts, page):
                return page, salts

    def _folder_now(self) -> tuple[int, ...] | None:
        """The folder and its time, as `_settled`; None too where it cannot be reached."""
        with suppress(OSError):
            return _settled(os.stat(self._folder_name))
        return None

    def _is_in_order(self, now: Glimpse) -> bool:
        """Whether the log under the name goes on where the one that is held open ended.

        Where that one was empty, a process that watches has left a note of the new one.
        """
        held, there = self._held.salts(self._salts), salts_of(self.log)
        if held is not None or there is None:
            return goes_on(held, there)
        note = read_note(self.folder)
        return note is not None and note.log == now.log

    def _open(self) -> None:
        try:
            self._file = open_lock_file(self.path, "r")
        except OSError as error:
            raise refused(self.path, f"cannot be opened ({error.strerror})") from error

    def _page(self) -> bytes:
        assert self._file is not None
        return first_page(self._file.fileno())

    def _take_note(self, now: Glimpse) -> None:
        self._first_page, self._salts = self._page_and_salts()
        if self._seen is None or self._seen.log != now.log:
            self._held.hold(now.log)
        self._seen = now
        self._modified_ns = now.modified_ns
        self._numbers = (now.number, now.device, 1)

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
        if happened is Happened.LOG_REMOVED:
            self._held.put_back(self.path, self._salts)
        elif happened is Happened.LOG_SPOILT:
            set_aside(self.log, self._index)
        self.end()
        self._open()
        if happened in (Happened.LOG_REMOVED, Happened.LOG_SPOILT):
            self._index.unlink(missing_ok=True)  # it counts the frames of a log that is gone
        elif happened in (Happened.LOG_REPLACED, Happened.INDEX_REPLACED):
            return  # another process has seen to it
        elif seen is not None:
            if _number_of(self.log) == seen.log:
                set_aside(self.log, self._index)
        elif _number_of(self.log) is None and self._is_watched_elsewhere():
            raise refused(
                self.path,
                f"has lost its log {self.log.name} while another process has it open; that one "
                "puts the log back when it is used next: try again then, or close the store there",
            )
        elif not self._is_own_log():
            set_aside(self.log, self._index)

    def _is_own_log(self) -> bool:
        """Whether the log is this database's, by the note of the process that watched them last.

        Without a note, or where the log is another one than it speaks of, they came here together.
        """
        salts, log = salts_of(self.log), _number_of(self.log)
        if salts is None or log is None:
            return True
        note = read_note(self.folder)
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

    def _leave_note(self) -> None:
        seen = self._seen
        if seen is not None and seen.log is not None and self._salts is not None:
            note = Note(seen.database, seen.log, self._first_page, self._salts)
            leave_note(note, self.folder, self.path)  # an empty log is anybody's

    # -- the lock ----------------------------------------------------------------------------------

    def _lock(self, kind: int) -> None:
        """Take or release the open file's lock, where the system knows it (Linux since 3.15)."""
        self._is_locked = False
        if hasattr(fcntl, "F_OFD_SETLK") and self._file is not None:
            wanted = _flock(kind, SHARED_FIRST, SHARED_BYTES + 1)
            with suppress(OSError):  # somebody is alone with it for an instant, or no lock is there
                fcntl.fcntl(self._file, fcntl.F_OFD_SETLK, wanted)
                self._is_locked = kind != fcntl.F_UNLCK

    def _is_watched_elsewhere(self) -> bool:
        """Whether another process watches the file, which then has a log."""
        if not hasattr(fcntl, "F_OFD_GETLK") or self._file is None:
            return False
        try:
            wanted = _flock(fcntl.F_WRLCK, WATCHED_BYTE, 1)
            found = fcntl.fcntl(self._file, fcntl.F_OFD_GETLK, wanted)
        except OSError:
            return False
        return int(struct.unpack(FLOCK, found)[0]) != fcntl.F_UNLCK


def _flock(kind: int, first: int, count: int) -> bytes:
    return struct.pack(FLOCK, kind, os.SEEK_SET, first, count, 0)


def _settled(folder: os.stat_result) -> tuple[int, ...] | None:
    """A folder and its time; None where that is so new that it may hide a later change."""
    age_ns = time_ns() - folder.st_mtime_ns
    is_whole = folder.st_mtime_ns % 1_000_000_000 == 0
    if age_ns <= (SETTLED_WHOLE_NS if is_whole else SETTLED_NS):
        return None
    return folder.st_mtime_ns, folder.st_ino, folder.st_dev


def _number_of(path: Path) -> tuple[int, int] | None:
    """Which file bears this name; None where there is none."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino
