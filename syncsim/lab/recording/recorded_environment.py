"""The environment with a recorder at its seams: every write attempt, every read body, every sleep.

It also is where a scenario interferes: time between an attempt's read and its write, and a rival
or an outage just before it. Of caches the deletions are counted; locks pass through untouched.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, TypeVar

from syncsim.contract import (
    Cache,
    Clock,
    Document,
    Environment,
    EventLog,
    QueuedWrite,
    Row,
    Write,
)
from syncsim.errors import VersionConflictError
from syncsim.lab.history.records import Attempt, Fate, Way
from syncsim.lab.recording.call_log import Call, CallLog
from syncsim.lab.recording.intercepted_store import InterceptedStore, StoreCall

T = TypeVar("T")

BeforeWrite = Callable[[Call, str], None]
"""Called with the call and its template id, just before each write attempt."""

_WAYS: Final[dict[str, Way]] = {
    "compare_and_swap": "swap",
    "put": "put",
    "update_locked": "locked",
    "update_many": "batch",
}


class RecordedEnvironment:
    """What `build(env)` gets in a recorded run; see the contract's `Environment`."""

    def __init__(
        self, env: Environment, call_log: CallLog, *, work_s: float, before_write: BeforeWrite
    ) -> None:
        self._env = env
        self._call_log = call_log
        self.store = RecordedStore(env.store, env.clock, call_log, work_s, before_write)
        self.clock: Clock = RecordedClock(env.clock, call_log)
        self._caches: dict[str, RecordedCache] = {}

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
        """As in the environment underneath; the recorder listens to it."""
        return self._env.events

    def cache(self, user: str) -> Cache:
        """This user's cache; the same object each time."""
        cache = self._caches.get(user)
        if cache is None:
            cache = self._caches[user] = RecordedCache(self._env.cache(user), self._call_log)
        return cache

    def lock(self, name: str, *, timeout_s: float | None = None) -> AbstractContextManager[None]:
        """As in the environment underneath."""
        return self._env.lock(name, timeout_s=timeout_s)

    def new_id(self) -> str:
        """A new id, noted as the calling operation's."""
        drawn = self._env.new_id()
        call = self._call_log.current()
        if call is not None:
            self._call_log.ids.add(drawn, call.operation.id)
        return drawn


class RecordedClock:
    """The clock; notes how long an operation asked to sleep."""

    def __init__(self, clock: Clock, call_log: CallLog) -> None:
        self.now = clock.now
        self.monotonic = getattr(clock, "monotonic", None)
        self._clock = clock
        self._call_log = call_log

    def sleep(self, seconds: float) -> None:
        """Sleep on the clock underneath."""
        call = self._call_log.served()
        if call is not None:
            call.slept_s += max(seconds, 0.0)
        self._clock.sleep(seconds)


class RecordedCache:
    """A user's cache; counts what an operation deletes. All other calls are the cache's own."""

    def __init__(self, cache: Cache, call_log: CallLog) -> None:
        self.get = cache.get
        self.set = cache.set
        self.add = cache.add
        self.transact = cache.transact
        self._cache = cache
        self._call_log = call_log

    def __getattr__(self, name: str) -> Any:
        """What the cache can besides."""
        return getattr(self._cache, name)

    def delete(self, key: str) -> None:
        """Forget a key."""
        self._note()
        self._cache.delete(key)

    def clear(self) -> None:
        """Forget every key."""
        self._note()
        self._cache.clear()

    def _note(self) -> None:
        call = self._call_log.current()
        if call is not None:
            call.invalidations += 1


class RecordedStore(InterceptedStore):
    """The store; it notes each write attempt and which operation reads a document.

    `work_s` passes between an attempt's read and its write, in `compare_and_swap` and `put`. Not in
    `update_locked`: a merge at the head is no user's work, and no other user could work meanwhile.
    """

    def __init__(
        self, store: Any, clock: Clock, call_log: CallLog, work_s: float, before_write: BeforeWrite
    ) -> None:
        super().__init__(store)
        self._clock = clock
        self._call_log = call_log
        self._work_s = work_s
        self._before_write = before_write

    def __getattr__(self, name: str) -> Any:
        """What the store has besides its verbs: path, synchronous, close, ..."""
        return getattr(self._inner, name)

    def around(self, call: StoreCall, do: Callable[[], T]) -> T:
        """Do the call on the store underneath, on record."""
        if call.name in ("read", "history"):
            self._note_body_read()
        way = _WAYS.get(call.name)
        if way is None:
            return do()
        if self._work_s and way in ("swap", "put"):
            self._clock.sleep(self._work_s)
        return self._attempt(call, way, do)

    def _attempt(self, call: StoreCall, way: Way, do: Callable[[], T]) -> T:
        """Do the call: one attempt per operation that writes, however often a change is called."""
        changes = [_Watched(one.change) for one in call.attempts]
        owners = [self._call_log.owner(a.update_id, call.template_id, a.by) for a in call.attempts]
        if way == "batch":
            call.batch = [
                QueuedWrite(change, write.by, write.update_id)
                for change, write in zip(changes, call.batch, strict=True)
            ]
        elif way == "locked":
            call.change = changes[0]
        began = self._call_log.order()
        answers: Sequence[object] = [None] * len(owners)
        try:
            for owner in owners:
                self._begin(owner, call.template_id)
            began = self._call_log.order()
            answer = do()
            answers = answer if isinstance(answer, list) else [answer]
            return answer
        except VersionConflictError as lost:
            answers = [lost] * len(owners)
            raise
        finally:
            for owner, change, one in zip(owners, changes, answers, strict=True):
                self._note(owner, call, way, began, one, change)

    def _begin(self, call: Call | None, template_id: str) -> None:
        if call is not None:
            call.writes += 1
            self._before_write(call, template_id)
            call.write_began_s = self._call_log.elapsed_s()

    def _note(
        self,
        owner: Call | None,
        call: StoreCall,
        way: Way,
        began: int,
        answer: object,
        change: _Watched,
    ) -> None:
        fate: Fate = "failed"
        actual: str | None = None
        if isinstance(answer, Row):
            fate, actual = "won" if change.has_written else "unchanged", answer.version
        elif isinstance(answer, VersionConflictError):
            fate, actual = "lost", answer.actual
        ended = self._call_log.order()
        operation = began_at = None
        slept_s = 0.0
        if owner is not None:
            operation = owner.operation.id
            slept_s, owner.slept_s = owner.slept_s, 0.0
            began_at = owner.operation.called_at + owner.write_began_s - owner.started_s
        told = (call.version, actual, slept_s, began_at)
        self._call_log.attempts.append(
            Attempt(operation, call.template_id, way, fate, began, ended, *told)
        )

    def _note_body_read(self) -> None:
        call = self._call_log.served()
        if call is not None:
            call.body_reads += 1


class _Watched:
    """A change, and whether its last answer was a write; a call without a change counts as one."""

    __slots__ = ("_change", "has_written")

    def __init__(self, change: Any) -> None:
        self._change = change
        self.has_written = change is None

    def __call__(self, row: Row) -> Document | Write | None:
        answer: Document | Write | None = self._change(row)
        self.has_written = answer is not None
        return answer
