"""What each step of a traced run saw: the version read, who won a swap, how long a wait was.

A trace tells who did what in which order and no more, and it has to be cheap. To watch a run is to
put this environment between the recorder and the simulated one: every effect is noted before
anybody else can run, no step is added, and a run that is not watched pays nothing.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from syncsim.contract import JSON, Cache, Row
from syncsim.errors import SyncError, VersionConflictError
from syncsim.lab.recording.intercepted_store import InterceptedStore, StoreCall
from syncsim.lab.recording.recorder import ObservedLog
from syncsim.lab.simulation.environment import SimulatedEnvironment, SimulatedStore
from syncsim.lab.simulation.scheduler import START_S, Scheduler

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StepResult:
    """What one call came to, noted when it was over, `after` so many steps of the trace.

    `call` is that of the trace (`store.read`, `cache.get`, `sleep`, `lock`), or `call` and `answer`
    of a verb, or `unlock`. `subject` is the template, the owner of the cache, the operation or the
    lock. `at_s` counts virtual seconds from the beginning of the run.

    `facts`, where they apply: `version` (read or written), `by`, `update_id`, `expected`, `actual`,
    `seconds`, `key`, `holds` (texts in a cache entry, by which its version is known; None = nothing
    there), `writes` (of a batch: by, update_id, version each), `error`.
    """

    after: int
    at_s: float
    actor: str
    call: str
    subject: str
    facts: Mapping[str, JSON]


class StepResults:
    """The notebook of one run."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self.noted: list[StepResult] = []

    def note(self, call: str, subject: str, **facts: JSON) -> None:
        """Note what the calling actor has just done; a thread that is no actor is not watched."""
        actor = self._scheduler.actor()
        if actor is not None:
            after, at_s = len(self._scheduler.trace), self._scheduler.now - START_S
            self.noted.append(StepResult(after, at_s, actor.name, call, subject, facts))

    def of(
        self, call: str, subject: str, do: Callable[[], T], told: Callable[[T], dict[str, JSON]]
    ) -> T:
        """Do it, and note what it answered or raised."""
        try:
            answer = do()
        except VersionConflictError as lost:
            self.note(call, subject, expected=lost.expected, actual=lost.actual)
            raise
        except SyncError as error:
            self.note(call, subject, error=f"{type(error).__name__}: {error}")
            raise
        self.note(call, subject, **told(answer))
        return answer


class TracedLog:
    """An event log that notes where each operation's call and answer lie between the steps."""

    def __init__(self, log: ObservedLog, sights: StepResults) -> None:
        self._log = log
        self._sights = sights
        self.subscribe = log.subscribe

    @contextmanager
    def operation(self, user: str | None, update_id: str | None) -> Iterator[None]:
        """As in the log underneath. What ends in no `Exception` at all was never answered."""
        operation = update_id or ""
        self._sights.note("call", operation)
        with self._log.operation(user, update_id):
            try:
                yield
            except Exception:
                self._sights.note("answer", operation)
                raise
            self._sights.note("answer", operation)


class TracedEnvironment(SimulatedEnvironment):
    """A simulated environment that notes every answer."""

    def __init__(self, env: SimulatedEnvironment, sights: StepResults) -> None:
        self._env = env
        self._sights = sights
        self.store: Any = TracedStore(env.store, sights)
        self.users = env.users
        self.clock: Any = TracedClock(env, sights)
        self.random: random.Random = env.random  # type: ignore[assignment]
        self.events = env.events
        self.new_id = env.new_id  # type: ignore[method-assign]

    def cache(self, user: str) -> Cache:
        """This user's cache."""
        return TracedCache(self._env.cache(user), user, self._sights)

    @contextmanager
    def lock(self, name: str, *, timeout_s: float | None = None) -> Iterator[None]:
        """Hold the lock underneath; note when it is taken and when it is given up."""
        with self._env.lock(name, timeout_s=timeout_s):
            self._sights.note("lock", f"lock {name!r}")
            yield
            self._sights.note("unlock", f"lock {name!r}")


class TracedClock:
    """The clock; notes each sleep when it is over."""

    def __init__(self, env: SimulatedEnvironment, sights: StepResults) -> None:
        self.now = env.clock.now
        self._clock = env.clock
        self._sights = sights

    def sleep(self, seconds: float) -> None:
        """Sleep in virtual time."""
        self._clock.sleep(seconds)
        self._sights.note("sleep", "", seconds=max(seconds, 0.0))


class TracedCache:
    """One user's cache; notes what every call found or left there."""

    def __init__(self, cache: Cache, owner: str, sights: StepResults) -> None:
        self._cache = cache
        self._owner = owner
        self._sights = sights
        self.transact = cache.transact

    def get(self, key: str) -> JSON:
        """The value, or None."""
        return self._note("get", lambda: self._cache.get(key), key, holds)

    def set(self, key: str, value: JSON) -> None:
        """Store a value."""
        self._note("set", lambda: self._cache.set(key, value), key, lambda _: holds(value))

    def delete(self, key: str) -> None:
        """Forget a key."""
        self._note("delete", lambda: self._cache.delete(key), key)

    def add(self, key: str, value: JSON) -> bool:
        """Store only if the key is unknown; True if stored."""
        return self._note(
            "add",
            lambda: self._cache.add(key, value),
            key,
            lambda was: holds(value if was else None),
        )

    def clear(self) -> None:
        """Forget every key."""
        self._note("clear", self._cache.clear)

    def _note(
        self,
        call: str,
        do: Callable[[], T],
        key: str | None = None,
        told: Callable[[T], JSON] = lambda answer: None,
    ) -> T:
        return self._sights.of(
            f"cache.{call}", self._owner, do, lambda answer: {"key": key, "holds": told(answer)}
        )


class TracedStore(InterceptedStore):
    """The store; notes which version each call read or wrote. It can do what that one can."""

    def __init__(self, store: SimulatedStore, sights: StepResults) -> None:
        super().__init__(store)
        self._sights = sights

    def around(self, call: StoreCall, do: Callable[[], T]) -> T:
        """Make the call and note it, except a look-up, which tells nothing that a diagram shows."""
        if not call.writes and call.name not in ("read", "head", "history"):
            return do()
        return self._sights.of(
            f"store.{call.name}", call.template_id, do, lambda answer: _facts(call, answer)
        )


def _facts(call: StoreCall, answer: Any) -> dict[str, JSON]:
    if call.name == "update_many":
        rows = zip(call.batch, answer, strict=True)
        return {
            "writes": [
                {"by": write.by, "update_id": write.update_id, "version": row.version}
                for write, row in rows
                if isinstance(row, Row)
            ]
        }
    if call.writes:
        return {"version": answer.version, "by": call.by, "update_id": call.update_id}
    head = next(iter(answer), None) if call.name == "history" else answer
    return {"version": None if head is None else head.version}


def holds(entry: JSON) -> list[str] | None:
    """The short texts at the top of a cache entry; None for no entry."""
    if entry is None:
        return None
    items = entry.values() if isinstance(entry, dict) else entry
    items = items if isinstance(entry, dict | list) else [entry]
    return [item for item in items if isinstance(item, str) and len(item) <= 80]
