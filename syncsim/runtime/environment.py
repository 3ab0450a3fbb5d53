"""The real environment: wall-clock time, real chance, real stores, caches and locks.

The other environments (recording, simulation) wrap or replace this one; a solution cannot tell.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from syncsim.contract import Cache, EventLog, Store


class SystemClock:
    """The wall clock, made monotonic: where it steps back, time goes on from the last value seen.

    A cooldown is an age, and an age must neither turn negative because a time service stepped the
    clock, nor stand still until it has caught up: no deadline would pass meanwhile. Steps forward
    are followed, and one that makes a step back good ends the difference.
    """

    def __init__(self) -> None:
        self._latest = 0.0
        self._ahead_s = 0.0

    def now(self) -> float:
        """Seconds since the epoch; never less than an answer given before in this thread's past."""
        ahead_s = self._ahead_s  # read before the wall clock, or a thread could count a step twice
        wall = time.time()
        now = wall + ahead_s
        if now < self._latest:
            now = self._latest
            self._ahead_s = now - wall
        elif ahead_s and wall >= self._latest:
            now = wall
            self._ahead_s = 0.0
        self._latest = now
        return now

    def monotonic(self) -> float:
        """Seconds since some moment, on a clock that cannot be set; for ages in this process."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait in real time; nothing for zero or less."""
        if seconds > 0:
            time.sleep(seconds)


class Locks(Protocol):
    """Named locks, as `syncsim.system.locks.NamedLocks` gives them."""

    def lock(self, name: str, *, timeout_s: float | None = None) -> AbstractContextManager[None]:
        """The lock of this name, to be entered."""


class LiveEnvironment:
    """What `build(env)` gets in a real run: real parts behind the contract's `Environment`."""

    def __init__(
        self,
        store: Store,
        *,
        users: tuple[str, ...],
        clock: SystemClock,
        rng: random.Random,
        events: EventLog,
        cache_of: Callable[[str], Cache],
        locks: Locks,
    ) -> None:
        self.store = store
        self.users = users
        self.clock = clock
        self.random = rng
        self.events = events
        self._cache_of = cache_of
        self._locks = locks

    def cache(self, user: str) -> Cache:
        """The disk cache of this user; the same object each time."""
        return self._cache_of(user)

    def lock(self, name: str, *, timeout_s: float | None = None) -> AbstractContextManager[None]:
        """FIFO between threads, a file lock between processes; `LockTimeoutError` when too late."""
        return self._locks.lock(name, timeout_s=timeout_s)

    def new_id(self) -> str:
        """Thirty-two hex digits: 128 bits of the system's chance, as a version 4 UUID has 122."""
        return os.urandom(16).hex()
