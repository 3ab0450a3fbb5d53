"""A bounded pool: at most so many connections, the last one given back is the first one taken."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import Generic, TypeVar

from syncsim.locks import FairLock

T = TypeVar("T")


class BoundedPool(Generic[T]):
    """Lends what `make` makes, `limit` of them at most; for any number of threads.

    Last in, first out, so that a quiet program keeps using one warm connection. Taking and giving
    back are one deque operation each while nobody waits, which is what makes it affordable for
    calls of 3 us; SQLAlchemy's pool takes 8.

    As soon as somebody waits (`_attention`), newcomers queue behind. They must: threads switch
    where SQLite releases the interpreter lock, and that is just while connections are out. Whoever
    is woken then finds none, and with the others helping themselves waited for seconds.
    """

    def __init__(self, make: Callable[[], T], unmake: Callable[[T], None], limit: int) -> None:
        self._make = make
        self._unmake = unmake
        self._limit = limit
        self._idle: deque[T] = deque()
        self._made = 0
        self._line = FairLock()
        self._changed = threading.Condition()
        self._attention = 0  # who waits, pauses or closes counts here first and looks then
        self._paused = False
        self._closed = False

    def take(self, timeout_s: float) -> T | None:
        """One of the pool's things, or a new one; None if none came in time or it is closed."""
        if not self._attention:
            try:
                return self._idle.pop()
            except IndexError:
                pass
        deadline = monotonic() + timeout_s
        with self._changed:
            self._attention += 1
        try:
            if not self._line.acquire(timeout_s):
                return None
            try:
                with self._changed:
                    if not self._changed.wait_for(self._has_one, deadline - monotonic()):
                        return None
                    if self._closed:
                        return None
                    if self._idle:
                        return self._idle.pop()
                    self._made += 1
            finally:
                self._line.release()
        finally:
            with self._changed:
                self._attention -= 1
        try:
            return self._make()
        except BaseException:
            self._forget()
            raise

    def give(self, thing: T) -> None:
        """Give back what was taken."""
        self._idle.append(thing)
        if self._attention:
            with self._changed:
                if self._paused or self._closed:
                    self._unmake_idle()
                self._changed.notify_all()

    def discard(self, thing: T) -> None:
        """Give back something that may be broken: it is unmade and its place is free."""
        try:
            self._unmake(thing)
        finally:
            self._forget()

    def pause(self, timeout_s: float) -> bool:
        """Unmake all and lend nothing until `resume`; False if something did not come back."""
        with self._changed:
            self._paused = True
            self._attention += 1
            self._unmake_idle()
            return self._changed.wait_for(lambda: self._made == 0, timeout_s)

    def resume(self) -> None:
        """Lend again after `pause`."""
        with self._changed:
            self._paused = False
            self._attention -= 1
            self._changed.notify_all()

    def close(self) -> None:
        """Unmake what is idle now, and the rest when it comes back; `take` answers None."""
        with self._changed:
            self._closed = True
            self._attention += 1
            self._unmake_idle()
            self._changed.notify_all()

    def _has_one(self) -> bool:
        if self._closed:
            return True
        return not self._paused and (bool(self._idle) or self._made < self._limit)

    def _unmake_idle(self) -> None:
        with suppress(IndexError):  # emptied, perhaps by a `take` in between
            while True:
                thing = self._idle.pop()
                self._made -= 1
                self._unmake(thing)

    def _forget(self) -> None:
        with self._changed:
            self._made -= 1
            self._changed.notify_all()
