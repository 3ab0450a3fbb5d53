"""The environment in a simulated run: every shared effect is a step of the scheduler.

It fills the contract's `Environment`, so a recorder wraps it like any other (recording outside,
gate inside: nobody else runs between an effect and its record). Any store and any caches may lie
underneath; time, chance, ids and locks are the run's own.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, Protocol, TypeVar

from syncsim.contract import (
    JSON,
    Cache,
    CandidateStore,
    Document,
    EventLog,
    Head,
    QueuedWrite,
    Revision,
    Row,
    SupportsBatches,
    SupportsLookup,
)
from syncsim.errors import LockTimeoutError, OutcomeUnknownError
from syncsim.lab.simulation.faults import Faults, Mishaps
from syncsim.lab.simulation.gate_locks import GateLock
from syncsim.lab.simulation.polling import Polling
from syncsim.lab.simulation.scheduler import Scheduler
from syncsim.locks import check_lock
from syncsim.store.writes import Change, busy

T = TypeVar("T")

SEEDS: Final = 2**32
"""How many seeds `environment.random` may be drawn from."""


class FullStore(CandidateStore, SupportsBatches, SupportsLookup, Protocol):
    """Everything that the package's own stores can do."""


class SimulatedEnvironment:
    """What `build(env)` gets in a simulated run. `events` pass through; emitting is no step."""

    def __init__(
        self,
        gate: Scheduler,
        store: FullStore,
        *,
        users: tuple[str, ...],
        events: EventLog,
        cache_of: Callable[[str], Cache],
        faults: Faults | None = None,
    ) -> None:
        self._gate = gate
        self._mishaps = Mishaps(faults or Faults(), gate)
        self._cache_of = cache_of
        self._caches: dict[str, SimulatedCache] = {}
        self._locks: dict[str, GateLock] = {}
        self._seed = gate.draw("seed", SEEDS)
        self._drawn_ids = 0
        self.store = SimulatedStore(gate, store, self._mishaps)
        self.users = users
        self.clock = SimulatedClock(gate, self._mishaps)
        self.random = SimulatedRandom(gate, self._seed)
        self.events = events

    def cache(self, user: str) -> Cache:
        """This user's cache; the same object each time."""
        cache = self._caches.get(user)
        if cache is None:
            inner = self._cache_of(user)
            cache = self._caches[user] = SimulatedCache(self._gate, inner, user, self._mishaps)
        return cache

    @contextmanager
    def lock(self, name: str, *, timeout_s: float | None = None) -> Iterator[None]:
        """First come, first served; waits in virtual time, then raises `LockTimeoutError`."""
        check_lock(name, timeout_s)
        lock = self._locks.get(name)
        if lock is None:
            lock = self._locks[name] = GateLock(self._gate, f"lock {name!r}")
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

    def __init__(self, gate: Scheduler, mishaps: Mishaps) -> None:
        self._gate = gate
        self._mishaps = mishaps
        self._polling = Polling(gate)

    def now(self) -> float:
        """Seconds since the epoch; no step, unless to poll it."""
        self._polling.look()
        return self._gate.now

    def sleep(self, seconds: float) -> None:
        """Be away for that long; the others go on meanwhile."""
        self._mishaps.at_step()
        self._gate.sleep(seconds)


class SimulatedRandom(random.Random):
    """Chance from the drawn seed; its use is noted, as the order of use decides who gets what."""

    def __init__(self, gate: Scheduler, seed: int) -> None:
        self._gate = gate
        super().__init__(seed)

    def random(self) -> float:
        """As in `random.Random`."""
        self._gate.note("random", writes=True)
        return super().random()

    def getrandbits(self, k: int, /) -> int:
        """As in `random.Random`."""
        self._gate.note("random", writes=True)
        return super().getrandbits(k)


class SimulatedStore:
    """A store of which each call is a step. Writes wait for the write lock, which is the gate's.

    `update_locked` and `update_many` hold that lock while their callbacks run, whose own calls are
    steps. Only the holder gets to the store's real transaction, so nobody waits there.
    `timeout_s` None waits without limit: a lock inversion is a deadlock here, not a slow error.
    """

    def __init__(self, gate: Scheduler, store: FullStore, mishaps: Mishaps) -> None:
        self._gate = gate
        self._store = store
        self._mishaps = mishaps
        self._write_lock = GateLock(gate, "the write lock of the store")

    # -- reads -------------------------------------------------------------------------------------

    def templates(self) -> Sequence[str]:
        """The ids of all templates, sorted."""
        self._before_read("templates", None)
        return self._store.templates()

    def read(self, template_id: str) -> Row:
        """The head with its document."""
        self._before_read("read", template_id)
        return self._store.read(template_id)

    def head(self, template_id: str) -> Head:
        """The head without its document."""
        self._before_read("head", template_id)
        return self._store.head(template_id)

    def history(self, template_id: str, *, limit: int | None = None) -> Sequence[Revision]:
        """Every committed version, newest first."""
        self._before_read("history", template_id)
        return self._store.history(template_id, limit=limit)

    def revision(self, template_id: str, version: str) -> Revision | None:
        """One version of a template, or None."""
        self._before_read("revision", template_id)
        return self._store.revision(template_id, version)

    def find_update(self, update_id: str) -> Revision | None:
        """The revision that this update committed, or None."""
        self._before_read("find_update", None)
        return self._store.find_update(update_id)

    # -- writes ------------------------------------------------------------------------------------

    def create(
        self, template_id: str, document: Document, *, by: str, timeout_s: float | None = None
    ) -> Row:
        """Write the first version."""
        self._before_write("create", template_id, timeout_s)
        return self._after_write(
            self._store.create(template_id, document, by=by), template_id, None
        )

    def put(self, template_id: str, document: Document, *, by: str) -> Row:
        """Write over whatever is there."""
        self._before_write("put", template_id, None)
        return self._after_write(self._store.put(template_id, document, by=by), template_id, None)

    def compare_and_swap(
        self,
        template_id: str,
        expected_version: str,
        document: Document,
        *,
        by: str,
        update_id: str | None = None,
        detail: JSON = None,
        timeout_s: float | None = None,
    ) -> Row:
        """Write if the head is `expected_version`; `StoreUnavailableError` after `timeout_s`."""
        self._before_write("compare_and_swap", template_id, timeout_s)
        row = self._store.compare_and_swap(
            template_id, expected_version, document, by=by, update_id=update_id, detail=detail
        )
        return self._after_write(row, template_id, update_id)

    def update_locked(
        self,
        template_id: str,
        change: Change,
        *,
        by: str,
        update_id: str | None = None,
        timeout_s: float | None = None,
    ) -> Row:
        """Read, change and write under the write lock."""
        with self._holding_write_lock("update_locked", template_id, timeout_s):
            row = self._store.update_locked(template_id, change, by=by, update_id=update_id)
        return self._after_write(row, template_id, update_id)

    def update_many(
        self, template_id: str, writes: Sequence[QueuedWrite], *, timeout_s: float | None = None
    ) -> list[Row | Exception]:
        """Several such changes in one transaction; a lost answer is lost for each of them."""
        with self._holding_write_lock("update_many", template_id, timeout_s):
            answers = self._store.update_many(template_id, writes)
        try:
            return self._after_write(answers, template_id, None)
        except OutcomeUnknownError:
            return [
                OutcomeUnknownError(template_id, write.update_id or "")
                if isinstance(answer, Row)
                else answer
                for write, answer in zip(writes, answers, strict=True)
            ]

    # -- around a call -----------------------------------------------------------------------------

    def _before_read(self, call: str, template_id: str | None) -> None:
        self._mishaps.at_step()
        self._gate.step(f"store.{call}", _touches(template_id))
        self._mishaps.before_store_call(template_id, writes=False)

    def _before_write(self, call: str, template_id: str, timeout_s: float | None) -> None:
        self._mishaps.at_step()
        is_free = self._write_lock.pass_by(
            f"store.{call}", _touches(template_id), writes=True, timeout_s=timeout_s
        )
        if not is_free:
            raise busy(template_id, timeout_s or 0.0)
        self._begin_write(template_id)

    @contextmanager
    def _holding_write_lock(
        self, call: str, template_id: str, timeout_s: float | None
    ) -> Iterator[None]:
        self._mishaps.at_step()
        with self._write_lock.held(timeout_s, call=f"store.{call}") as came:
            if not came:
                raise busy(template_id, timeout_s or 0.0)
            self._gate.note(_touches(template_id), writes=True)
            self._begin_write(template_id)
            yield
            # The commit belongs to the last stretch, whatever the callback gave way for.
            self._gate.note(_touches(template_id), writes=True)
            self._gate.note(_touches(None), writes=True)

    def _begin_write(self, template_id: str) -> None:
        self._gate.note(_touches(None), writes=True)
        self._mishaps.before_store_call(template_id, writes=True)

    def _after_write(self, answer: T, template_id: str, update_id: str | None) -> T:
        self._mishaps.after_write(template_id, update_id)
        return answer


def _touches(template_id: str | None) -> str:
    return "all commits" if template_id is None else f"template {template_id!r}"


class SimulatedCache:
    """A user's cache of which each call is a step; `transact` keeps all other calls waiting."""

    def __init__(self, gate: Scheduler, cache: Cache, user: str, mishaps: Mishaps) -> None:
        self._cache = cache
        self._mishaps = mishaps
        self._lock = GateLock(gate, f"the cache of {user!r}")

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
