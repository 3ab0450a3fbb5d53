"""The environment in a simulated run: every shared effect is a step of the scheduler.

It fills the contract's `Environment`, so a recorder wraps it like any other (recording outside,
scheduler inside: no other actor runs between an effect and its record). Any store and any
caches may lie underneath; time, chance, ids and locks are the run's own.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from syncsim.contract import JSON, Cache, EventLog, QueuedWrite, Row
from syncsim.errors import LockTimeoutError, OutcomeUnknownError
from syncsim.lab.recording.intercepted_store import InterceptedStore, StoreCall
from syncsim.lab.simulation.faults import FaultInjector, Faults
from syncsim.lab.simulation.scheduler import Scheduler
from syncsim.lab.simulation.scheduler_locks import SchedulerLock
from syncsim.lab.simulation.spin_detection import SpinDetector
from syncsim.store.engines import FullStore
from syncsim.store.writes import busy
from syncsim.system.locks import check_lock

T = TypeVar("T")

SEEDS: Final = 2**32
"""How many seeds `environment.random` may be drawn from."""


class SimulatedEnvironment:
    """What `build(env)` gets in a simulated run. `events` pass through; emitting is no step."""

    def __init__(
        self,
        scheduler: Scheduler,
        store: FullStore,
        *,
        users: tuple[str, ...],
        events: EventLog,
        cache_of: Callable[[str], Cache],
        faults: Faults | None = None,
    ) -> None:
        self._scheduler = scheduler
        self._mishaps = FaultInjector(faults or Faults(), scheduler)
        self._cache_of = cache_of
        self._caches: dict[str, SimulatedCache] = {}
        self._locks: dict[str, SchedulerLock] = {}
        self._seed = scheduler.draw("seed", SEEDS)
        self._drawn_ids = 0
        self.store = SimulatedStore(scheduler, store, self._mishaps)
        self.users = users
        self.clock = SimulatedClock(scheduler, self._mishaps)
        self.random = SimulatedRandom(scheduler, self._seed)
        self.events = events

    def cache(self, user: str) -> Cache:
        """This user's cache; the same object each time."""
        cache = self._caches.get(user)
        if cache is None:
            inner = self._cache_of(user)
            cache = self._caches[user] = SimulatedCache(self._scheduler, inner, user, self._mishaps)
        return cache

    @contextmanager
    def lock(self, name: str, *, timeout_s: float | None = None) -> Iterator[None]:
        """Hold it, first come, first served; waits in virtual time, then `LockTimeoutError`."""
        check_lock(name, timeout_s)
        lock = self._locks.get(name)
        if lock is None:
            lock = self._locks[name] = SchedulerLock(self._scheduler, f"lock {name!r}")
        self._mishaps.at_step()
        with lock.held(timeout_s) as came:
            if not came:
                raise LockTimeoutError(name, timeout_s or 0.0)
            yield

    def new_id(self) -> str:
        """Sixteen hex digits: the drawn seed, then a number; no step."""
        self._drawn_ids += 1
        return f"{self._seed:08x}{self._drawn_ids:08x}"


class SimulatedClock:
    """Virtual time; only sleeping lets it pass, or looking at it all the time."""

    def __init__(self, scheduler: Scheduler, mishaps: FaultInjector) -> None:
        self._scheduler = scheduler
        self._mishaps = mishaps
        self._polling = SpinDetector(scheduler)

    def now(self) -> float:
        """Seconds since the epoch; no step, unless to poll it."""
        self._polling.look()
        return self._scheduler.now

    def sleep(self, seconds: float) -> None:
        """Sleep for that long; the other actors go on meanwhile."""
        self._mishaps.at_step()
        self._scheduler.sleep(seconds)


class SimulatedRandom(random.Random):
    """Chance from the drawn seed; its use is noted, as the order of use decides who gets what."""

    def __init__(self, scheduler: Scheduler, seed: int) -> None:
        self._scheduler = scheduler
        super().__init__(seed)

    def random(self) -> float:
        """As in `random.Random`."""
        self._scheduler.note("random", writes=True)
        return super().random()

    def getrandbits(self, k: int, /) -> int:
        """As in `random.Random`."""
        self._scheduler.note("random", writes=True)
        return super().getrandbits(k)


class SimulatedStore(InterceptedStore):
    """A store whose every call is a step. Writes wait for the write lock, which is the scheduler's.

    `update_locked` and `update_many` hold that lock while their callbacks run, whose own calls are
    steps. Only the holder gets to the store's real transaction, so no actor waits there.
    `timeout_s` None waits without limit: a lock inversion is a deadlock here, not a slow error.
    """

    def __init__(self, scheduler: Scheduler, store: FullStore, mishaps: FaultInjector) -> None:
        super().__init__(store)
        self._scheduler = scheduler
        self._mishaps = mishaps
        self._write_lock = SchedulerLock(scheduler, "the write lock of the store")

    def around(self, call: StoreCall, do: Callable[[], T]) -> T:
        """Let other actors go on first; then make the call, if nothing goes wrong."""
        self._mishaps.at_step()
        if not call.writes:
            self._scheduler.step(f"store.{call.name}", _touches(call.template_id))
            self._mishaps.before_store_call(call.template_id, writes=False)
            return do()
        if call.name in ("update_locked", "update_many"):
            with self._holding_write_lock(call):
                answer = do()
        else:
            self._pass_write_lock(call)
            answer = do()
        try:
            self._mishaps.after_write(call.template_id, call.update_id)
        except OutcomeUnknownError:
            if not isinstance(answer, list):
                raise
            answer[:] = map(_unknown, answer, call.batch)  # lost for each of them
        return answer

    def _pass_write_lock(self, call: StoreCall) -> None:
        timeout_s, call.timeout_s = call.timeout_s, None  # waited for here
        is_free = self._write_lock.pass_by(
            f"store.{call.name}", _touches(call.template_id), writes=True, timeout_s=timeout_s
        )
        if not is_free:
            raise busy(call.template_id, timeout_s or 0.0)
        self._begin_write(call)

    @contextmanager
    def _holding_write_lock(self, call: StoreCall) -> Iterator[None]:
        timeout_s, call.timeout_s = call.timeout_s, None  # waited for here
        with self._write_lock.held(timeout_s, call=f"store.{call.name}") as came:
            if not came:
                raise busy(call.template_id, timeout_s or 0.0)
            self._scheduler.note(_touches(call.template_id), writes=True)
            self._begin_write(call)
            yield
            # The commit belongs to the last stretch, whatever the callback gave way for.
            self._scheduler.note(_touches(call.template_id), writes=True)
            self._scheduler.note(_touches(None), writes=True)

    def _begin_write(self, call: StoreCall) -> None:
        self._scheduler.note(_touches(None), writes=True)
        self._mishaps.before_store_call(call.template_id, writes=True)


def _unknown(answer: Row | Exception, write: QueuedWrite) -> Row | Exception:
    if not isinstance(answer, Row):
        return answer
    return OutcomeUnknownError(answer.template_id, write.update_id or "")


def _touches(template_id: str | None) -> str:
    return "all commits" if template_id is None else f"template {template_id!r}"


class SimulatedCache:
    """A user's cache; each call is a step, and `transact` keeps all other calls waiting."""

    def __init__(
        self, scheduler: Scheduler, cache: Cache, user: str, mishaps: FaultInjector
    ) -> None:
        self._cache = cache
        self._mishaps = mishaps
        self._lock = SchedulerLock(scheduler, f"the cache of {user!r}")

    def get(self, key: str) -> JSON:
        """The value, or None."""
        return self._call("get", lambda: self._cache.get(key), writes=False)

    def set(self, key: str, value: JSON) -> None:
        """Store a value."""
        self._call("set", lambda: self._cache.set(key, value))

    def delete(self, key: str) -> None:
        """Forget a key."""
        self._call("delete", lambda: self._cache.delete(key))

    def add(self, key: str, value: JSON) -> bool:
        """Store only if the key is unknown; True if stored."""
        return self._call("add", lambda: self._cache.add(key, value))

    def clear(self) -> None:
        """Forget every key."""
        self._call("clear", self._cache.clear)

    @contextmanager
    def transact(self) -> Iterator[None]:
        """Exclude every other call on this cache; re-entrant."""
        self._mishaps.at_step()
        with self._lock.held(call="cache.transact"):
            yield

    def _call(self, call: str, effect: Callable[[], T], *, writes: bool = True) -> T:
        self._mishaps.at_step()
        self._lock.pass_by(f"cache.{call}", self._lock.name, writes=writes)
        return self._mishaps.at_cache_call(effect)
