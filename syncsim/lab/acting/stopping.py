"""Stop a run from outside: the next call of its environment raises.

Every call of a stopped run's store, caches, clock and locks raises, and who waits for one of these
is woken. A commit that has begun ends as it would have. Code that never calls its environment is
interrupted at a line of Python; what waits in C for something else cannot be reached.
"""

from __future__ import annotations

import ctypes
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

from syncsim.contract import Cache, Clock, Environment, EventLog
from syncsim.errors import LockTimeoutError
from syncsim.lab.history.findings import INCONCLUSIVE, Finding
from syncsim.lab.history.recorded_failure import CutOff
from syncsim.system.locks import FairLock, check_lock

POLL_S: Final = 0.05


class Stopped(CutOff, SystemExit):
    """Raised in every thread of a stopped run; a `SystemExit`, so that threads end quietly."""


class Stop:
    """The request to end a run; any thread may `set` it, for good."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        """End the run that holds this object, soon."""
        self._event.set()

    def is_set(self) -> bool:
        """Whether a thread has called `set`."""
        return self._event.is_set()

    def check(self) -> None:
        """Raise `Stopped` if a thread has called `set`."""
        if self._event.is_set():
            raise Stopped

    def wait(self, seconds: float) -> None:
        """Sleep so long in real time; raise `Stopped` as soon as a thread calls `set`."""
        if self._event.wait(max(seconds, 0.0)):
            raise Stopped


def stopped(done: int | None = None, total: int | None = None) -> Finding:
    """The finding on a run that was stopped; `done` of `total` verbs had been called."""
    so_far = "" if done is None else f" after {done} of {total} calls"
    return Finding(
        INCONCLUSIVE,
        "stopped",
        f"the run was stopped{so_far}, so nothing in it is judged; play it again to the end",
    )


def goes_on(hung: Finding) -> Finding:
    """The finding on a thread that did not end with its run."""
    text = f"{hung.message}; nothing can end it from outside but a restart of the kernel"
    return replace(hung, code=INCONCLUSIVE, message=text)


def interrupt(threads: Iterable[threading.Thread]) -> None:
    """Raise `Stopped` at the next line of Python that each of these threads executes."""
    for thread in threads:
        if thread.is_alive() and thread.ident is not None:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(thread.ident), ctypes.py_object(Stopped)
            )


class StoppableEnvironment:
    """An environment whose every call raises `Stopped` from `stop.set()` on."""

    def __init__(self, env: Environment, stop: Stop) -> None:
        self._env = env
        self._stop = stop
        self._locks: dict[str, _StoppableLock] = {}
        self.store: Any = _Guarded(env.store, stop)
        self.clock: Clock = _StoppableClock(env.clock, stop)

    @property
    def users(self) -> tuple[str, ...]:
        """As in the environment underneath."""
        return self._env.users

    @property
    def random(self) -> random.Random:
        """As in the environment underneath."""
        return self._env.random

    @property
    def events(self) -> EventLog:
        """As in the environment underneath: the last events of a stopped run are heard."""
        return self._env.events

    def cache(self, user: str) -> Cache:
        """This user's cache."""
        guarded: Any = _Guarded(self._env.cache(user), self._stop)
        return guarded  # type: ignore[no-any-return]

    @contextmanager
    def lock(self, name: str, *, timeout_s: float | None = None) -> Iterator[None]:
        """As in the environment underneath, after a line of the run's own that a thread can leave.

        The threads of the run meet in that line, so below it they wait for other processes only.
        """
        check_lock(name, timeout_s)
        self._stop.check()
        line = self._locks.setdefault(name, _StoppableLock(self._stop))
        began = time.monotonic()
        if not line.acquire(timeout_s):
            raise LockTimeoutError(name, timeout_s or 0.0)
        try:
            left_s = timeout_s
            if timeout_s is not None:
                left_s = max(timeout_s - (time.monotonic() - began), 0.0)
            with self._env.lock(name, timeout_s=left_s):
                self._stop.check()
                yield
        finally:
            line.release()

    def new_id(self) -> str:
        """As in the environment underneath."""
        return self._env.new_id()


class _Guarded:
    """A store or a cache whose every call raises `Stopped` in a stopped run."""

    def __init__(self, inner: Any, stop: Stop) -> None:
        self._inner = inner
        self._stop = stop

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        if not callable(found):
            return found
        call = self.__dict__[name] = _checked(found, self._stop.check)
        return call


def _checked(verb: Callable[..., Any], check: Callable[[], None]) -> Callable[..., Any]:
    def call(*args: Any, **settings: Any) -> Any:
        check()
        return verb(*args, **settings)

    return call


class _StoppableClock:
    """The clock; a stop wakes its sleepers."""

    def __init__(self, clock: Clock, stop: Stop) -> None:
        self._now = clock.now
        self._stop = stop
        self.monotonic = getattr(clock, "monotonic", None)

    def now(self) -> float:
        """The time."""
        self._stop.check()
        return self._now()

    def sleep(self, seconds: float) -> None:
        """Wait in real time."""
        self._stop.wait(seconds)


class _StoppableLock(FairLock):
    """A lock whose waiters check now and then whether the run goes on, and keep their places."""

    __slots__ = ("_stop",)

    def __init__(self, stop: Stop) -> None:
        super().__init__()
        self._stop = stop

    def _wait(self, turn: threading.Lock, limit_s: float) -> bool:
        ends_at = None if limit_s < 0 else time.monotonic() + limit_s
        while True:
            left_s = POLL_S if ends_at is None else ends_at - time.monotonic()
            if turn.acquire(timeout=min(max(left_s, 0.0), POLL_S)):
                return True
            self._stop.check()
            if left_s <= 0:
                return False
