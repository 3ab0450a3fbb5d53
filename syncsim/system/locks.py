"""Locks that are fair: first come, first served between threads, and by name between processes too.

The thread that has just released a plain `threading.Lock` may win it again every time, and SQLite's
busy handler sleeps up to 100 ms between tries. Both starve writers; see notes on reliability,
section 4. These locks know nothing of templates or stores. Their time is real time: what another
thread or process holds is released in no other.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from io import FileIO
from pathlib import Path
from threading import get_ident
from types import TracebackType
from weakref import WeakValueDictionary

from syncsim.errors import LockTimeoutError, StoreUnavailableError, UsageError
from syncsim.system.forks import ProcessBound, close_lock_file, guard, open_lock_file
from syncsim.system.interrupts import give_up, under, under_own_lock

FIRST_PAUSE_S = 0.0002
LONGEST_PAUSE_S = 0.004

COHORT = 16
"""How often a process takes a lock in a row, while its own threads wait, before others may."""

MAX_TIMEOUT_S = 1e9
"""Some thirty years; a longer wait is called infinite."""


def pauses(timeout_s: float | None) -> Iterator[float]:
    """Sleep a little, then a little longer, and so on; ends when `timeout_s` is over (None: never).

    For what only polling can wait for: a lock of another process. Yields the seconds slept. The
    pauses stay short, so that a busy neighbour, who frees the lock for some 50 us at a time, is met
    soon. The clock starts with the first pause.
    """
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    pause_s = FIRST_PAUSE_S
    while deadline is None or (left_s := deadline - time.monotonic()) > 0:
        slept_s = pause_s if deadline is None else min(pause_s, left_s)
        time.sleep(slept_s)
        yield slept_s
        pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


class FairLock:
    """Excludes threads in the order in which they asked; the holder may take it again.

    The releasing thread hands the lock to the front waiter directly, so no thread can slip in
    between. A waiter that gives up leaves the line, or keeps the lock if it was being handed over
    just then: no wake-up is lost. About half a microsecond when no thread waits.
    """

    __slots__ = ("__weakref__", "_depth", "_guard", "_line", "_owner")

    def __init__(self) -> None:
        self._guard = threading.RLock()  # held for an instant, never while waiting
        self._owner: int | None = None  # None only while the line is empty
        self._depth = 0
        self._line: deque[tuple[int, threading.Lock]] = deque()

    @property
    def depth(self) -> int:
        """How many times the calling thread holds the lock; 0 if it does not."""
        return self._depth if self._owner == get_ident() else 0

    @property
    def is_taken(self) -> bool:
        """Whether somebody holds the lock just now, be it the calling thread."""
        return self._owner is not None

    def acquire(self, timeout_s: float | None = None) -> bool:
        """Take the lock, waiting at most `timeout_s` (None: no limit); False if it did not come."""
        me = get_ident()
        if self._owner == me:
            self._depth += 1
            return True
        try:
            with self._guard:
                if self._owner is None:
                    self._depth = 1
                    self._owner = me
                    return True
                turn = threading.Lock()
                turn.acquire()
                place = (me, turn)
                self._line.append(place)
            limit_s = -1.0 if timeout_s is None else min(max(timeout_s, 0.0), threading.TIMEOUT_MAX)
            return self._wait(turn, limit_s) or not self._leave(place)
        except BaseException:
            self.heal()
            raise

    def release(self) -> None:
        """Give the lock up, to the front waiter if there is one."""
        if self._owner != get_ident():
            raise RuntimeError("this thread does not hold the lock")
        depth = self._depth - 1
        try:
            if depth:
                self._depth = depth
                return
            with self._guard:
                self._pass_on()
        except BaseException:
            self.heal(depth)
            raise

    def heal(self, depth: int = 0) -> None:
        """After an interrupt: wait for the lock no more, and hold it at most `depth` times."""
        me = get_ident()
        give_up(self._guard)
        with self._guard:
            if self._line and self._line[0][0] == self._owner:  # handed over, and not to the end
                with suppress(RuntimeError):  # to the very end, but for the line
                    self._line[0][1].release()
                del self._line[0]
            for place in [place for place in self._line if place[0] == me]:
                self._line.remove(place)
            if self._owner == me and depth:
                self._depth = min(self._depth, depth)
            elif self._owner == me:
                self._pass_on()

    def _pass_on(self) -> None:
        """Give the lock to the front waiter, or free it if none waits; under the guard."""
        if self._line:
            self._depth = 1
            self._owner, turn = self._line[0]
            turn.release()
            del self._line[0]
        else:
            self._owner = None

    def _wait(self, turn: threading.Lock, limit_s: float) -> bool:
        """Whether the turn came within `limit_s` (-1: no limit); raises what ends the waiting."""
        return turn.acquire(timeout=limit_s)

    def _leave(self, place: tuple[int, threading.Lock]) -> bool:
        """Leave the line; False if the lock had been handed over already."""
        with self._guard:
            if place not in self._line:
                return False
            self._line.remove(place)
            return True

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()


class ProcessLock(FairLock):
    """A `FairLock` that excludes other processes as well, by `flock` on a file.

    Only the thread at the front of its process asks for the file, so processes compete one thread
    each. Where other threads of the process wait, the file goes on to them with the lock, `COHORT`
    times in a row at most: asking for it costs more than what most of them have to do (lock
    cohorting: Dice, Marathe, Shavit, PPoPP 2012). The kernel frees the file when its holder dies,
    however it dies. Between processes the order is not promised. Every user who may write to
    `model` may use the lock; where it is None, the owner of the file alone.
    """

    __slots__ = ("_file", "_handed_on", "_model", "_path")

    def __init__(self, path: Path | None, model: Path | None = None) -> None:
        super().__init__()
        self._path = path
        self._model = model
        self._file: FileIO | None = None
        self._handed_on = 0

    def acquire(self, timeout_s: float | None = None) -> bool:
        """Take the lock, waiting at most `timeout_s` (None: no limit); False if it did not come."""
        started = time.monotonic()
        depth = self.depth
        try:
            if not super().acquire(timeout_s):
                return False
            if self._path is None or self._file is not None:
                return True
            left_s = None
            if timeout_s is not None:
                left_s = max(timeout_s - (time.monotonic() - started), 0.0)
            self._file = _locked_file(self._path, left_s, self._model)
            if self._file is not None:
                return True
            self.release()
            return False
        except BaseException:
            self.heal(depth)
            raise

    def _pass_on(self) -> None:
        """The file goes to the other processes, or with the lock to the next thread in line."""
        if self._file is not None:
            self._handed_on += 1
            if self._handed_on >= COHORT or not self._line:
                self._handed_on = 0
                if not self._file.closed:
                    _unlock(self._file)
                    close_lock_file(self._file)
                self._file = None
        super()._pass_on()


class NamedLocks(ProcessBound):
    """Locks by name, for all threads and, where a folder is given, for all processes that use it.

    `folder` gets an empty file for each name ever locked, named by a hash; None excludes threads of
    this process only. The files take mode and group of `model`, the database that they are for, so
    that all who may write to it may lock; without one they are 0600. A name that no thread
    holds or waits for takes no memory.
    """

    def __init__(self, folder: Path | None, *, model: Path | None = None) -> None:
        if folder is not None and sys.platform == "win32":
            raise UsageError("folder", folder, "None: file locks need a POSIX system")
        self._folder = folder
        self._model = model
        if folder is not None and model is not None and folder.is_dir():
            _share_folder(model, folder)  # it may have been given to others
        self._lock = threading.RLock()
        self._in_use: WeakValueDictionary[str, ProcessLock] = WeakValueDictionary()
        self._bind()

    def lock(self, name: str, *, timeout_s: float | None = None) -> Hold:
        """Hold the lock of this name; FIFO in the process, re-entrant in the thread.

        To be entered, once, which raises `LockTimeoutError` if it did not come within `timeout_s`
        seconds (None: no limit) and `StoreUnavailableError` if the lock file cannot be used.
        `UsageError` at once for a name that is no text or a time that is none.
        """
        check_lock(name, timeout_s)
        return Hold(self._named(name), name, timeout_s)

    @under_own_lock
    def _named(self, name: str) -> ProcessLock:
        lock = self._in_use.get(name)
        if lock is None:
            lock = self._in_use[name] = ProcessLock(self._file(name), self._model)
        return lock

    def _file(self, name: str) -> Path | None:
        if self._folder is None:
            return None
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
        return self._folder / f"{digest[:32]}.lock"


class Hold:
    """A named lock for the time of a `with` block; no generator, which would end when it likes."""

    __slots__ = ("_depth", "_lock", "_name", "_timeout_s")

    def __init__(self, lock: ProcessLock, name: str, timeout_s: float | None) -> None:
        self._lock = lock
        self._name = name
        self._timeout_s = timeout_s
        self._depth = lock.depth

    def __enter__(self) -> None:
        self._depth = self._lock.depth
        if not self._lock.acquire(self._timeout_s):
            raise LockTimeoutError(self._name, self._timeout_s or 0.0)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._lock.release()

    def heal(self) -> None:
        """After an interrupt: hold the lock no more than before."""
        self._lock.heal(self._depth)


def check_lock(name: str, timeout_s: float | None) -> None:
    """`UsageError` unless a lock can be asked for by this name and with this patience."""
    if not isinstance(name, str):
        raise UsageError("the name of a lock", name, "text")
    if timeout_s is not None and not (
        isinstance(timeout_s, int | float)
        and not isinstance(timeout_s, bool)
        and (0 <= timeout_s <= MAX_TIMEOUT_S or timeout_s == float("inf"))
    ):
        raise UsageError("timeout_s", timeout_s, "seconds, zero or more, or None to wait for ever")


def _locked_file(path: Path, timeout_s: float | None, model: Path | None) -> FileIO | None:
    """The locked file, or None if the lock did not come in time; closing the file frees it."""
    try:
        file = _opened(path, model)
    except OSError as error:
        raise _unusable(path, error) from error
    try:
        pausing = pauses(timeout_s)
        while not _try_lock(file):
            if next(pausing, None) is None:
                close_lock_file(file)
                return None
        return file
    except BaseException as error:
        close_lock_file(file)
        if isinstance(error, OSError):
            raise _unusable(path, error) from error
        raise


def _opened(path: Path, model: Path | None) -> FileIO:
    try:
        return open_lock_file(path, "r+")
    except FileNotFoundError:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = open_lock_file(path, "a")
        if model is not None:
            share_like(model, path.parent, path)
        return file


@under(guard)  # a fork in the middle would hand the listing on
def _share_folder(model: Path, folder: Path) -> None:
    share_like(model, folder, *folder.glob("*.lock"))


def share_like(model: Path, *paths: Path) -> None:
    """Share the paths that this user owns with all users of the model: same mode, same group."""
    me = os.geteuid()
    with suppress(OSError):  # the model is gone, or this user is not in its group
        like = os.stat(model)
        owner = like.st_uid if me == 0 else me  # as SQLite does with its log
        for path in paths:
            status = os.stat(path)
            if status.st_uid != me:
                continue
            mode = 0o600 | like.st_mode & 0o666
            if stat.S_ISDIR(status.st_mode):
                mode |= 0o100 | (mode & 0o444) >> 2
            if stat.S_IMODE(status.st_mode) & 0o777 != mode:
                os.chmod(path, mode)
            if (status.st_uid, status.st_gid) != (owner, like.st_gid):
                os.chown(path, owner, like.st_gid)


def _unusable(path: Path, error: OSError) -> StoreUnavailableError:
    return StoreUnavailableError(
        None,
        f"the lock file {path} cannot be used ({error.strerror}); "
        "make its folder writable, or choose another",
    )


if sys.platform != "win32":
    import fcntl

    def _try_lock(file: FileIO) -> bool:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(file: FileIO) -> None:
        # Closing alone is not enough: a child that something else forked meanwhile, without our
        # hooks, keeps the lock through its copy of the descriptor for as long as it lives.
        fcntl.flock(file, fcntl.LOCK_UN)
