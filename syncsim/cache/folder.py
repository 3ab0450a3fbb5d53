"""The caches of all users below one folder: who has one, and how many are open at a time."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from pathlib import Path
from typing import Final
from weakref import WeakValueDictionary

from syncsim.cache.user_cache import USER, UserCache
from syncsim.errors import CacheError, SyncError, UsageError
from syncsim.system.forks import ProcessBound
from syncsim.system.interrupts import under_own_lock
from syncsim.system.paths import settled_path

MAX_OPEN: Final = 32
"""How many caches of a folder stay open, at three files each."""


class CacheFolder(ProcessBound):
    """The caches of all users below one folder, to which no other user of the computer may write.

    `path` None is the user's cache folder of the operating system; a relative one is below the
    present folder, as of now. Nothing is made or opened until a cache is used, so a folder that
    cannot be had shows as `CacheError` there.
    """

    def __init__(self, path: Path | None = None, *, max_open: int = MAX_OPEN) -> None:
        self.path = settled_path(str(path or _default_folder()), "cache")
        self._max_open = max_open
        self._is_closed = False
        self._known: WeakValueDictionary[str, UserCache] = WeakValueDictionary()
        self._recent: OrderedDict[str, UserCache] = OrderedDict()  # the open ones, oldest first
        self._lock = threading.RLock()
        self._bind()

    def of(self, user: str) -> UserCache:
        """The cache of this user; the same object each time, as long as anybody has it."""
        if not isinstance(user, str):
            raise UsageError("user", user, "text")
        return self._of(user)

    @under_own_lock
    def _of(self, user: str) -> UserCache:
        if self._is_closed:
            raise CacheError(f"the cache folder {self.path} is closed")
        cache = self._known.get(user)
        if cache is None:
            path = self.path / _folder_name(user)
            cache = self._known[user] = UserCache(path, user, on_open=self._keep_open)
        elif user in self._recent:
            self._recent.move_to_end(user)
        return cache

    def users(self) -> list[str]:
        """The names of all users who have a cache here, other processes' included, sorted."""
        try:
            names = [path.read_bytes() for path in self.path.glob(f"*.cache/{USER}")]
        except OSError as error:
            raise CacheError(f"the cache folder {self.path} cannot be read: {error}") from error
        return sorted(name.decode("utf-8", "replace") for name in names)

    def close(self) -> None:
        """Close every cache; idempotent. Later calls raise `CacheError`."""
        for cache in self._shut():
            cache.close()

    @under_own_lock
    def _shut(self) -> list[UserCache]:
        self._is_closed = True
        return list(self._known.values())

    def _keep_open(self, cache: UserCache) -> None:
        for other in self._surplus_beside(cache):
            if not other.rest():
                self._recent.setdefault(other.user, other)

    @under_own_lock
    def _surplus_beside(self, cache: UserCache) -> list[UserCache]:
        self._recent[cache.user] = cache
        surplus = list(self._recent.values())[: -self._max_open]
        for other in surplus:
            del self._recent[other.user]
        return surplus

    @classmethod
    def _fork_error(cls, reason: str) -> SyncError:
        return CacheError(reason)


def _default_folder() -> Path:
    from platformdirs import user_cache_path

    try:
        return user_cache_path("syncsim")
    except RuntimeError:
        expected = "a folder by its path, as no home folder is known (HOME)"
        raise UsageError("cache", None, expected) from None


def _folder_name(user: str) -> str:
    """A name that hides the user and leads nowhere: users may be called ``../../x`` or ``a/b``."""
    digest = hashlib.blake2b(user.encode("utf-8", "surrogatepass"), digest_size=16)
    return f"{digest.hexdigest()}.cache"
