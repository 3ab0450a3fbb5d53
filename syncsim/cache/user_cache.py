"""One user's cache on disk: exact between threads and processes, and never in the way.

The contract's `Cache` and nothing more: no memory tier and no versions; `service.reads` has both.
What goes wrong with files leaves as `CacheError`; files that are damaged or foreign are put aside
and made anew.
"""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final, ParamSpec, TypeVar, cast

from syncsim.cache.private_files import make_private_file, make_private_folder
from syncsim.cache.safe_disk import SafeDiskCache, UnsafeRowError
from syncsim.contract import JSON
from syncsim.errors import CacheError, SyncError, UsageError, excerpt
from syncsim.system.forks import ProcessBound, seconds_to
from syncsim.system.interrupts import within
from syncsim.system.locks import FairLock, ProcessLock, pauses

P = ParamSpec("P")
T = TypeVar("T")

TIMEOUT_S: Final = 0.5
"""How long a call waits for other threads and processes before it gives up with `CacheError`."""

SIZE_LIMIT_BYTES: Final = 64 * 2**20
"""Bound of one user's cache on disk; beyond it, the entries stored longest ago go first."""

DATABASE: Final = "cache.db"
USER: Final = "user"
_PASSING: Final = frozenset(
    {
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
    }
)
"""Failures of SQLite that lie in the circumstances: new files would fare no better."""

_logger = logging.getLogger(__name__)


class UserCache(ProcessBound):
    """One user's cache on disk: the contract's `Cache`, exact between threads and processes.

    Every call runs alone, in a write transaction of SQLite, so that `transact` in one process
    excludes a single `get` in another; outside a transaction that would read past it. Values are
    copied in and out. A call that cannot have the cache in time raises `CacheError`, and so does
    every failure of the files. They are opened by the first call, and again after somebody replaced
    or removed them.
    """

    def __init__(
        self,
        path: Path,
        user: str,
        *,
        timeout_s: float = TIMEOUT_S,
        size_limit_bytes: int = SIZE_LIMIT_BYTES,
        on_open: Callable[[UserCache], None] | None = None,
    ) -> None:
        self.path = path
        self.user = user
        self._database = path / DATABASE
        self._database_name = str(self._database)  # `os.stat` is quicker for it
        self._timeout_s = timeout_s
        self._size_limit_bytes = size_limit_bytes
        self._on_open = on_open
        self._is_closed = False
        self._lock = FairLock()
        self._opened: SafeDiskCache | None = None
        self._identity: tuple[int, int] | None = None  # of the file that is open
        self._damage: str | None = None  # what that file said last, if new ones are needed
        self._bind()

    # -- the contract's Cache ----------------------------------------------------------------------

    def get(self, key: str) -> JSON:
        """The value, or None where there is none; a row that is not safe to read is dropped."""

        def get(opened: SafeDiskCache) -> JSON:
            try:
                return self._guarded(opened.get, key)
            except UnsafeRowError as error:
                _logger.warning("an entry of %s was dropped: %s", self, error.reason)
                self._guarded(opened.delete, key)
                return None

        return within(_Turn(self), get)

    def set(self, key: str, value: JSON) -> None:
        """Store a value under the key; `UsageError` where it is not JSON."""
        within(_Turn(self), lambda opened: self._guarded(opened.set, key, value))

    def delete(self, key: str) -> None:
        """Forget the key; no error where it is unknown."""
        within(_Turn(self), lambda opened: self._guarded(opened.delete, key))

    def add(self, key: str, value: JSON) -> bool:
        """Store only if the key is unknown; True if stored."""
        return within(_Turn(self), lambda opened: bool(self._guarded(opened.add, key, value)))

    def clear(self) -> None:
        """Forget every key."""
        within(_Turn(self), lambda opened: self._guarded(opened.clear))

    def transact(self) -> AbstractContextManager[None]:
        """Exclude every other call, of other processes too; re-entrant.

        What the block did is written at its end, and undone where it raises.
        """
        return cast("AbstractContextManager[None]", _Turn(self))

    # -- one at a time -----------------------------------------------------------------------------

    def _begin(self, opened: SafeDiskCache) -> None:
        if opened.begin() or any(opened.begin() for _ in pauses(self._timeout_s)):
            return
        raise CacheError(f"{self} was locked by another process for {self._timeout_s} s")

    def _guarded(self, call: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
        """What the call returns; an error that says nothing to our callers becomes `CacheError`."""
        try:
            return call(*args, **named)
        except (CacheError, UsageError):
            raise
        except Exception as error:
            if _is_damage(error):
                self._damage = str(error)
            self._shut()
            raise CacheError(f"{self} failed: {error or type(error).__name__}") from error

    # -- the files ---------------------------------------------------------------------------------

    def rest(self) -> bool:
        """Close the files until the next call; False where a call is running."""
        lock = self._lock
        if lock.depth:
            return False
        try:
            if not lock.acquire(0.0):
                return False
            self._shut()
            lock.release()
            return True
        except BaseException:
            lock.heal()
            raise

    def close(self) -> None:
        """Close the files, or have the call that is running do it; later calls raise."""
        self._is_closed = True
        self.rest()

    def _current(self) -> SafeDiskCache:
        if self._is_closed:
            raise CacheError(f"{self} is closed")
        if self._opened is not None and self._identity != self._identity_now():
            self._shut()
        if self._opened is None:
            self._opened = self._open()
            self._identity = self._identity_now()
            if self._on_open is not None:
                self._on_open(self)
        return self._opened

    def _open(self) -> SafeDiskCache:
        self._check_forked_at_rest()
        make_private_folder(self.path.parent)
        only_here = ProcessLock(self.path.with_suffix(".lock"))  # two that make one cache collide
        try:
            if not only_here.acquire(self._timeout_s):
                raise CacheError(f"{self} was being opened elsewhere for {self._timeout_s} s")
            opened = self._open_or_make_anew()
            only_here.release()
            return opened
        except BaseException:
            only_here.heal()
            raise

    def _open_or_make_anew(self) -> SafeDiskCache:
        damage, self._damage = self._damage, None
        if damage and self._identity and self._identity == self._identity_now():
            self._put_aside(damage)
        try:
            return self._connect()
        except Exception as error:
            if not _is_damage(error):
                raise
            self._put_aside(str(error))
        return self._connect()

    def _connect(self) -> SafeDiskCache:
        make_private_folder(self.path)
        make_private_file(self.path / USER, self.user.encode("utf-8", "replace"))
        make_private_file(self.path / DATABASE)  # SQLite gives its other files the same mode
        return SafeDiskCache(self.path / DATABASE, self._timeout_s, self._size_limit_bytes)

    def _put_aside(self, reason: str) -> None:
        aside = self.path.with_suffix(".broken")
        shutil.rmtree(aside, ignore_errors=True)
        self.path.rename(aside)
        _logger.warning("%s was damaged (%s); moved to %s and made anew", self, reason, aside)

    def _identity_now(self) -> tuple[int, int] | None:
        """Which file it is that has the name; None where there is none."""
        try:
            status = os.stat(self._database_name)
        except FileNotFoundError:
            return None
        return status.st_dev, status.st_ino

    def _shut(self) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            with suppress(sqlite3.Error):
                opened.shut()

    def _suspend(self, deadline: float) -> bool:
        self._taken_over_fork.append(partial(self._lock.heal, self._lock.depth))
        if not self._lock.acquire(seconds_to(deadline)) or self._lock.depth > 1:
            return False
        self._shut()
        return True

    @classmethod
    def _fork_error(cls, reason: str) -> SyncError:
        return CacheError(reason)

    def __str__(self) -> str:
        return f"the cache of {excerpt(self.user)} in {self.path}"


class _Turn:
    """One turn at a cache, in a write transaction; inside of another turn it joins that one's.

    No generator: that would end when the garbage collector likes, perhaps in another thread.
    """

    __slots__ = ("_cache", "_depth", "_opened")

    def __init__(self, cache: UserCache) -> None:
        self._cache = cache
        self._depth = 0
        self._opened: SafeDiskCache | None = None  # where this turn is to end its transaction

    def __enter__(self) -> SafeDiskCache:
        cache = self._cache
        self._depth = cache._lock.depth
        try:
            if not cache._lock.acquire(cache._timeout_s):
                raise CacheError(f"{cache} was in use by another thread for {cache._timeout_s} s")
            opened = cache._guarded(cache._current)
            if self._depth == 0 or not opened.is_in_transaction:
                cache._guarded(cache._begin, opened)
                self._opened = opened
            return opened
        except BaseException:
            self.heal()
            raise

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if error is None and self._opened is not None:
                self._cache._guarded(self._opened.end, "COMMIT")
        finally:
            self.heal()

    def heal(self) -> None:
        """Undo what is not committed, and let the next one in; nothing where it ended before."""
        cache = self._cache
        try:
            if cache._lock.depth > self._depth:
                if self._opened is not None:
                    self._opened.undo()
                if cache._is_closed and self._depth == 0:
                    cache._shut()
        finally:
            cache._lock.heal(self._depth)


def _is_damage(error: Exception) -> bool:
    """Whether new files would help; a lock, a full disk or a closed connection would stay."""
    if isinstance(error, (SyncError, OSError, MemoryError, sqlite3.ProgrammingError)):
        return False
    code = getattr(error, "sqlite_errorcode", None)
    return code is None or code & 0xFF not in _PASSING
