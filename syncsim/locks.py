"""Locks that are fair: first come, first served between threads, and by name between processes too.

A plain `threading.Lock` may be won for ever by the thread that has just released it, and SQLite's
busy handler sleeps up to 100 ms between tries. Both starve writers; see notes on reliability,
section 4. These locks know nothing of templates or stores. Their time is real time: what another
thread or process holds is released in no other.
"""

from __future__ import annotations

import hashlib
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import get_ident
from types import TracebackType

from syncsim.errors import LockTimeoutError, StoreUnavailableError, UsageError
from syncsim.forks import ProcessBound, close_locked_file, open_locked_file

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

    Who releases hands the lock to the front waiter directly, so nobody can slip in between. A
    waiter that gives up leaves the line, or keeps the lock if it was being handed over just then:
    no wake-up is lost. About half a microsecond when nobody waits.
    """

    __slots__ = ("__weakref__", "_depth", "_guard", "_line", "_owner")

    def __init__(self) -> None:
        self._guard = threading.Lock()  # held for an instant, never while waiting
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
        """Take the lock, waiting at most `timeout_s` (None: for ever); False if it did not come."""
        me = get_ident()
        if self._owner == me:
            self._depth += 1
            return True
        place: tuple[int, threading.Lock] | None = None
        try:
            with self._guard:
                if self._owner is None:
                    self._owner = me
                    self._depth = 1
                    return True
                turn = threading.Lock()
                turn.acquire()
                place = (me, turn)
                self._line.append(place)
            limit_s = -1.0 if timeout_s is None else min(max(timeout_s, 0.0), threading.TIMEOUT_MAX)
            return self._wait(turn, limit_s) or not self._leave(place)
        except BaseException:  # a KeyboardInterrupt, while waiting or on the way out
            if place is not None:
                self._leave(place)
            if self._owner == me:
                self.release()
            raise

    def release(self) -> None:
        """Give the lock up, to the front waiter if there is one."""
        try:
            if self._owner != get_ident():
                raise RuntimeError("this thread does not hold the lock")
            if self._depth > 1:
                self._depth -= 1
                return
            self._let_go()
        except BaseException:  # a KeyboardInterrupt, before it was given up or after
            if self._owner == get_ident():
                if self._depth > 1:
                    self._depth -= 1
                else:
                    self._let_go()
            raise

    def _let_go(self) -> None:
        with self._guard:
            if not self._handed_over():
                self._owner = None

    def _hand_over(self) -> bool:
        """Give the lock to the front waiter; False, and it is still held, where nobody waits."""
        with self._guard:
            return self._handed_over()

    def _handed_over(self) -> bool:
        # No call between the look at the line and the waking: an interrupt comes after a call.
        if not self._line:
            return False
        owner, turn = self._line[0]
        del self._line[0]
        self._owner = owner
        turn.release()
        return True

    def _wait(self, turn: threading.Lock, limit_s: float) -> bool:
        """Whether the turn came within `limit_s` (-1: for ever); raises what ends the waiting."""
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
    however it dies. Between processes the order is not promised.
    """

    __slots__ = ("_descriptor", "_handed_on", "_path")

    def __init__(self, path: Path | None) -> None:
        super().__init__()
        self._path = path
        self._descriptor: int | None = None
        self._handed_on = 0

    def acquire(self, timeout_s: float | None = None) -> bool:
        """Take the lock, waiting at most `timeout_s` (None: for ever); False if it did not come."""
        started = time.monotonic()
        if not super().acquire(timeout_s):
            return False
        if self._path is None or self._descriptor is not None:
            return True
        try:
            left_s = None
            if timeout_s is not None:
                left_s = max(timeout_s - (time.monotonic() - started), 0.0)
            self._descriptor = _locked_file(self._path, left_s)
        except BaseException:
            self.release()
            raise
        if self._descriptor is None:
            self.release()
            return False
        return True

    def release(self) -> None:
        """Give the lock up: the file to the other processes, the rest to the next thread in line.

        Also called where an interrupt hits a thread that has just been handed the lock.
        """
        try:
            self._pass_on()
        except BaseException:  # a KeyboardInterrupt, before it was given up or after
            if self.depth == 1:
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        descriptor = self._descriptor
        if self.depth == 1 and descriptor is not None:
            self._handed_on += 1
            if self._handed_on < COHORT and self._hand_over():
                return
            self._handed_on = 0
            _unlock(descriptor)
            self._descriptor = None
            close_locked_file(descriptor)
        super().release()


class NamedLocks(ProcessBound):
    """Locks by name, for all threads and, where a folder is given, for all processes that use it.

    `folder` gets an empty file for each name ever locked (0600, named by a hash); None excludes
    threads of this process only. A name that nobody holds or waits for takes no memory.
    """

    def __init__(self, folder: Path | None) -> None:
        if folder is not None and sys.platform == "win32":
            raise UsageError("folder", folder, "None: file locks need a POSIX system")
        self._folder = folder
        self._guard = threading.Lock()
        self._in_use: dict[str, tuple[ProcessLock, int]] = {}
        self._bind()

    @contextmanager
    def lock(self, name: str, *, timeout_s: float | None = None) -> Iterator[None]:
        """Hold the lock of this name; FIFO in the process, re-entrant in the thread.

        Raises `LockTimeoutError` if it did not come within `timeout_s` seconds (None waits for
        ever), `StoreUnavailableError` if the lock file cannot be used, `UsageError` for a name that
        is no text or a time that is none.
        """
        check_lock(name, timeout_s)
        lock = self._borrow(name)
        try:
            if not lock.acquire(timeout_s):
                raise LockTimeoutError(name, timeout_s or 0.0)
            try:
                yield
            finally:
                lock.release()
        finally:
            self._give_back(name)

    def _borrow(self, name: str) -> ProcessLock:
        with self._guard:
            lock, users = self._in_use.get(name, (None, 0))
            lock = lock or ProcessLock(self._file(name))
            self._in_use[name] = (lock, users + 1)
            return lock

    def _give_back(self, name: str) -> None:
        with self._guard:
            lock, users = self._in_use.pop(name)
            if users > 1:
                self._in_use[name] = (lock, users - 1)

    def _file(self, name: str) -> Path | None:
        if self._folder is None:
            return None
        digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
        return self._folder / f"{digest[:32]}.lock"


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


def _locked_file(path: Path, timeout_s: float | None) -> int | None:
    """A descriptor that holds the file's lock, or None if it did not come in time."""
    try:
        descriptor = _opened(path)
    except OSError as error:
        raise _unusable(path, error) from error
    try:
        pausing = pauses(timeout_s)
        while not _try_lock(descriptor):
            if next(pausing, None) is None:
                close_locked_file(descriptor)
                return None
    except BaseException as error:
        close_locked_file(descriptor)
        if isinstance(error, OSError):
            raise _unusable(path, error) from error
        raise
    return descriptor


def _opened(path: Path) -> int:
    try:
        return open_locked_file(path, 0o600)
    except FileNotFoundError:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return open_locked_file(path, 0o600)


def _unusable(path: Path, error: OSError) -> StoreUnavailableError:
    return StoreUnavailableError(
        None,
        f"the lock file {path} cannot be used ({error.strerror}); "
        "make its folder writable, or choose another",
    )


if sys.platform != "win32":
    import fcntl

    def _try_lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(descriptor: int) -> None:
        # Closing alone is not enough: a child that something else forked meanwhile, without our
        # hooks, keeps the lock through its copy of the descriptor for as long as it lives.
        fcntl.flock(descriptor, fcntl.LOCK_UN)
