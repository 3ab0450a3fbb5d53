"""`threading.Lock`, `RLock`, `Condition`, `Event` and `Thread` under the scheduler.

Each is bound to a run by a subclass that names its scheduler (`bound`). What is left out
(`threading.Semaphore`, queues, executors) stays real.
"""

from __future__ import annotations

from _thread import get_ident
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, TypeVar

from syncsim.lab.history.source_line import line_of_thread
from syncsim.lab.simulation.actors import ControlFlow, WaitingLine
from syncsim.lab.simulation.scheduler import Scheduler
from syncsim.lab.simulation.scheduler_locks import SchedulerLock
from syncsim.lab.simulation.spin_detection import SpinDetector
from syncsim.lab.simulation.termination import at_line

T = TypeVar("T")


def bound(kind: type[T], scheduler: Scheduler) -> type[T]:
    """The class `kind`, bound to the run of this scheduler."""
    return type(kind.__name__.removeprefix("Controlled"), (kind,), {"scheduler": scheduler})


class ControlledLock:
    """A mutual exclusion lock; any actor may release it."""

    scheduler: ClassVar[Scheduler]
    reentrant: ClassVar[bool] = False

    def __init__(self) -> None:
        self._lock = SchedulerLock(self.scheduler, _made(type(self)), reentrant=self.reentrant)

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """As `threading.Lock.acquire`, in virtual time."""
        return self._lock.acquire(0.0 if not blocking else None if timeout < 0 else timeout)

    def release(self) -> None:
        """As `threading.Lock.release`."""
        if not self._lock.is_held:
            self.scheduler.actor()  # says so once the run is over, when no lock is held
            raise RuntimeError("release unlocked lock")
        self._lock.release()

    def locked(self) -> bool:
        """Whether anybody holds it."""
        return self._lock.is_held

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *error: object) -> None:
        self.release()


class ControlledRLock(ControlledLock):
    """A lock that its holder may take again."""

    reentrant = True


class ControlledCondition:
    """A condition variable; without a lock given, over a re-entrant one of its own."""

    scheduler: ClassVar[Scheduler]

    def __init__(self, lock: ControlledLock | None = None) -> None:
        self._lock = lock if lock is not None else bound(ControlledRLock, self.scheduler)()
        self._line = WaitingLine(_made(type(self)))
        self.acquire = self._lock.acquire
        self.release = self._lock.release

    def wait(self, timeout: float | None = None) -> bool:
        """Let the lock go, wait to be notified, take the lock again; False if it took too long."""
        depth = self._lock._lock.release_all()
        try:
            return self.scheduler.park(self._line, timeout)
        finally:
            self._lock._lock.take_back(depth)

    def wait_for(self, predicate: Callable[[], T], timeout: float | None = None) -> T:
        """Wait until the predicate holds, or time is over; return what it answered last."""
        deadline = None if timeout is None else self.scheduler.now + timeout
        while not (answer := predicate()):
            left = None if deadline is None else deadline - self.scheduler.now
            if left is not None and left <= 0:
                break
            self.wait(left)
        return answer

    def notify(self, n: int = 1) -> None:
        """Wake the first `n` that wait."""
        for _ in range(min(n, len(self._line.waiting))):
            self.scheduler.wake(self._line)

    def notify_all(self) -> None:
        """Wake all that wait."""
        self.notify(len(self._line.waiting))

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *error: object) -> None:
        self.release()


class ControlledEvent:
    """A flag to wait for."""

    scheduler: ClassVar[Scheduler]

    def __init__(self) -> None:
        self._line = WaitingLine(_made(type(self)))
        self._polling = SpinDetector(self.scheduler)
        self._is_set = False

    def is_set(self) -> bool:
        """Whether the flag is up."""
        self._polling.look()
        self.scheduler.note(self._line.name, writes=False)
        return self._is_set

    def set(self) -> None:
        """Raise the flag and wake all that wait."""
        self._is_set = True
        while self.scheduler.wake(self._line):
            pass

    def clear(self) -> None:
        """Take the flag down."""
        self.scheduler.note(self._line.name, writes=True)
        self._is_set = False

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the flag; False if time was over first."""
        self.scheduler.step("event.wait", self._line.name)
        return self._is_set or self.scheduler.park(self._line, timeout)


class ControlledThread:
    """A thread as an actor of the run: started up to its first step, then drawn like any other."""

    scheduler: ClassVar[Scheduler]

    def __init__(
        self,
        group: None = None,
        target: Callable[..., object] | None = None,
        name: str | None = None,
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        daemon: bool | None = None,
    ) -> None:
        self.name = name or _made(type(self))
        self.daemon = bool(daemon)
        self._target = target
        self._args = tuple(args)
        self._kwargs = dict(kwargs or {})
        self._actor: ControlFlow | None = None

    def start(self) -> None:
        """Begin; runs up to the first step before this returns."""
        if self._actor is not None:
            raise RuntimeError("threads can only be started once")
        self._actor = self.scheduler.spawn(self.name, self.run, daemon=self.daemon)

    def run(self) -> None:
        """Call the target; to be overridden as in `threading.Thread`."""
        if self._target is not None:
            self._target(*self._args, **self._kwargs)

    def join(self, timeout: float | None = None) -> None:
        """Wait for its end."""
        if self._actor is None:
            raise RuntimeError("cannot join thread before it is started")
        self.scheduler.join([self._actor], timeout)

    def is_alive(self) -> bool:
        """Whether it has begun and not ended."""
        return self._actor is not None and not self._actor.ended

    @property
    def ident(self) -> int | None:
        """The number of the actor; None before the start."""
        return None if self._actor is None else self._actor.index


def _made(kind: type) -> str:
    """What reports call it: ``a Lock (candidate.py:12)``."""
    return f"a {kind.__name__}{at_line(line_of_thread(get_ident()))}"
