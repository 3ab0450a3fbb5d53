"""Locks that belong to the scheduler: an actor that waits for one is simply not drawn.

No real lock is held while another actor competes for it. A callback that gave way inside a real
lock would leave the next taker waiting in the operating system, where no cycle can be seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from syncsim.lab.simulation.actors import WaitingLine
from syncsim.lab.simulation.scheduler import Scheduler


class SchedulerLock:
    """A lock, first come, first served; handed to the front waiter directly; re-entrant by default.

    Taking it is a step, taking it again is none. A thread that the scheduler does not control gets
    it at once, whichever actor holds it. `name` is how traces and reports of deadlocks call it.
    """

    __slots__ = ("_depth", "_line", "_reentrant", "_scheduler", "name")

    def __init__(self, scheduler: Scheduler, name: str, *, reentrant: bool = True) -> None:
        self.name = name
        self._scheduler = scheduler
        self._line = WaitingLine(name)
        self._reentrant = reentrant
        self._depth = 0

    @property
    def is_held(self) -> bool:
        """Whether anybody holds it."""
        return self._line.holder is not None

    def acquire(self, timeout_s: float | None = None, *, call: str = "lock") -> bool:
        """Take it, waiting at most `timeout_s` virtual seconds (None: no limit); False if too late.

        `call` is the name of the step.
        """
        me = self._scheduler.actor()
        if me is not None and self._line.holder is me and self._reentrant:
            self._depth += 1
            return True
        self._scheduler.step(call, self.name, writes=True)
        return self._take(timeout_s)

    def release(self) -> None:
        """Give it up, to the front waiter if there is one; no step."""
        if self._scheduler.has_turn():
            self._depth -= 1
            if self._depth == 0:
                self._hand_over()

    @contextmanager
    def held(self, timeout_s: float | None = None, *, call: str = "lock") -> Iterator[bool]:
        """Hold it in a block; the value says whether it came in time."""
        came = self.acquire(timeout_s, call=call)
        try:
            yield came
        finally:
            if came:
                self.release()

    def pass_by(
        self, call: str, touches: str, *, writes: bool, timeout_s: float | None = None
    ) -> bool:
        """Make a step whose effect waits until no other actor holds the lock; do not take the lock.

        What follows up to the next step is as good as under the lock, because no other actor runs.
        False if the lock did not come free within `timeout_s`.
        """
        scheduler = self._scheduler
        scheduler.step(call, touches, writes)
        scheduler.note(self.name, writes=touches == self.name and writes)
        if self._line.holder is None or self._line.holder is scheduler.actor():
            return True
        if not self._take(timeout_s):
            return False
        self.release()
        return True

    def release_all(self) -> int:
        """Give it up however often it was taken; return that number, for `take_back`."""
        depth = self._depth
        if self._scheduler.has_turn():
            self._hand_over()
        return depth

    def take_back(self, depth: int) -> None:
        """Take it again as often as before `release_all`; no step of its own."""
        if self._take(None):
            self._depth = depth

    def _take(self, timeout_s: float | None) -> bool:
        line = self._line
        me = self._scheduler.actor()
        if me is None:
            return True
        if line.holder is None:
            line.holder, self._depth = me, 1
            return True
        if timeout_s is not None and timeout_s <= 0:
            return False
        return self._scheduler.park(line, timeout_s)

    def _hand_over(self) -> None:
        self._line.holder = heir = self._scheduler.wake(self._line)
        self._depth = 0 if heir is None else 1
