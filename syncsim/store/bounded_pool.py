"""A bounded pool: at most so many connections, each lent to one thread at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic
from typing import Generic, TypeVar

from syncsim.system.interrupts import give_up
from syncsim.system.locks import FairLock, pauses

T = TypeVar("T")


class _Slot(Generic[T]):
    """A place for one thing; the lock's holder has it, and `is_out` while it is lent."""

    __slots__ = ("acquire", "is_out", "lock", "release", "thing")

    def __init__(self) -> None:
        self.lock = threading.RLock()  # of C, so that it knows its thread at any instant
        self.acquire = self.lock.acquire
        self.release = self.lock.release
        self.is_out = False
        self.thing: T | None = None


class BoundedPool(Generic[T]):
    """Lends what `make` makes, `limit` of them at most; for any number of threads.

    The first that is free is taken, so that a quiet program keeps using one warm connection. Taking
    and giving back are one lock operation each while no thread waits, which is what makes
    it affordable for calls of 3 us; SQLAlchemy's pool takes 8.

    As soon as somebody waits in the line, newcomers queue behind. They must: threads switch where
    SQLite releases the interpreter lock, and that is just while connections are out. A waiter that
    looks again then finds none, and with the others helping themselves waited for seconds.
    """

    def __init__(self, make: Callable[[], T], unmake: Callable[[T], None], limit: int) -> None:
        self._make = make
        self._unmake = unmake
        self._slots: list[_Slot[T]] = [_Slot() for _ in range(limit)]
        self._line = FairLock()
        self._lends = True
        self._is_calm = True  # it lends, and no thread waits
        self._closed = False

    def take(self, timeout_s: float) -> T | None:
        """One of the pool's things, or a new one; None if none came in time or it is closed.

        To be given back by the same thread, or left to `heal`.
        """
        for slot in self._slots:
            if slot.acquire(False):
                if self._is_calm and not slot.is_out and slot.thing is not None:
                    slot.is_out = True
                    return slot.thing
                slot.release()
        deadline = monotonic() + timeout_s
        self._is_calm = False
        if not self._line.acquire(timeout_s):
            return None
        try:
            looks = pauses(deadline - monotonic())
            while True:
                thing = self._free_one()
                if thing is not None or self._closed or next(looks, None) is None:
                    return thing
        finally:
            self._line.release()
            self._is_calm = self._lends and not self._line.is_taken

    def give(self, thing: T) -> None:
        """Give back what was taken."""
        for slot in self._slots:
            if slot.thing is thing:
                slot.is_out = False
                slot.release()
                if not self._lends:
                    self._unmake_idle(0.0)
                return

    def heal(self) -> None:
        """After a fault or an interrupt: unmake what the calling thread has out, and wait no more.

        What was lent may be broken.
        """
        self._line.heal()
        for slot in self._slots:
            if slot.acquire(False):
                if slot.is_out:
                    self._empty(slot)
                    slot.is_out = False
                give_up(slot.lock)

    def pause(self, timeout_s: float) -> bool:
        """Unmake all and lend nothing until `resume`; False if something did not come back."""
        self._lends = self._is_calm = False
        return self._unmake_idle(timeout_s)

    def resume(self) -> None:
        """Lend again after `pause`."""
        self._lends = not self._closed

    def close(self) -> bool:
        """Unmake what is idle now, and the rest when it comes back; `take` answers None.

        True if all was idle.
        """
        self._closed = True
        self._lends = self._is_calm = False
        return self._unmake_idle(0.0)

    def _free_one(self) -> T | None:
        for slot in self._slots:
            if slot.acquire(False):
                if self._lends and not slot.is_out:
                    try:
                        slot.is_out = True
                        if slot.thing is None:
                            slot.thing = self._make()
                        return slot.thing
                    except BaseException:
                        slot.is_out = False
                        slot.release()
                        raise
                slot.release()
        return None

    def _unmake_idle(self, timeout_s: float) -> bool:
        """Whether all was idle, in time."""
        deadline = monotonic() + timeout_s
        return all([self._unmake_one(slot, deadline) for slot in self._slots])

    def _unmake_one(self, slot: _Slot[T], deadline: float) -> bool:
        """Whether it was idle, in time."""
        try:
            if not slot.acquire(timeout=max(deadline - monotonic(), 0.0)):
                return False
            is_idle = not slot.is_out  # else this thread has it
            if is_idle:
                self._empty(slot)
            slot.release()
            return is_idle
        except BaseException:
            if not slot.is_out:
                give_up(slot.lock)
            raise

    def _empty(self, slot: _Slot[T]) -> None:
        thing, slot.thing = slot.thing, None
        if thing is not None:
            self._unmake(thing)
