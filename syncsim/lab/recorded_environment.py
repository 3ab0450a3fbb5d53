"""The environment with a recorder at its seams: every write attempt, every read body, every sleep.

It also is where a scenario interferes: time between an attempt's read and its write, and a rival
or an outage just before it. Of caches the deletions are counted; locks pass through untouched.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from syncsim.contract import (
    JSON,
    Cache,
    Clock,
    Document,
    Environment,
    EventLog,
    QueuedWrite,
    Revision,
    Row,
    SupportsBatches,
    Write,
)
from syncsim.errors import VersionConflictError
from syncsim.lab.history import Attempt, Fate, Way
from syncsim.lab.tape import Call, Tape

Change = Callable[[Row], Document | Write | None]
BeforeWrite = Callable[[Call, str], None]
"""Told of a write attempt of a call on a template, just before it is made."""


class RecordedEnvironment:
    """What `build(env)` gets in a recorded run; see the contract's `Environment`."""

    def __init__(
        self, env: Environment, tape: Tape, *, work_s: float, before_write: BeforeWrite
    ) -> None:
        self._env = env
        self._tape = tape
        # As `isinstance(env.store, SupportsBatches)`, which costs as much as ten steps of a run.
        has_batches = hasattr(env.store, SupportsBatches.update_many.__name__)
        recorded = RecordedBatches if has_batches else RecordedStore
        self.store = recorded(env.store, env.clock, tape, work_s, before_write)
        self.clock: Clock = RecordedClock(env.clock, tape)
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
            cache = self._caches[user] = RecordedCache(self._env.cache(user), self._tape)
        return cache

    def lock(self, name: str, *, timeout_s: float | None = None) -> AbstractContextManager[None]:
        """As in the environment underneath."""
        return self._env.lock(name, timeout_s=timeout_s)

    def new_id(self) -> str:
        """A new id, noted as the calling operation's."""
        drawn = self._env.new_id()
        call = self._tape.current()
        if call is not None:
            self._tape.ids.add(drawn, call.operation.id)
        return drawn


class RecordedClock:
    """The clock; notes how long an operation asked to sleep."""

    def __init__(self, clock: Clock, tape: Tape) -> None:
        self.now = clock.now
        self.monotonic = getattr(clock, "monotonic", None)
        self._clock = clock
        self._tape = tape

    def sleep(self, seconds: float) -> None:
        """Sleep on the clock underneath."""
        call = self._tape.served()
        if call is not None:
            call.slept_s += max(seconds, 0.0)
        self._clock.sleep(seconds)


class RecordedCache:
    """A user's cache; counts what an operation deletes. All other calls are the cache's own."""

    def __init__(self, cache: Cache, tape: Tape) -> None:
        self.get = cache.get
        self.set = cache.set
        self.add = cache.add
        self.transact = cache.transact
        self._cache = cache
        self._tape = tape

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
        call = self._tape.current()
        if call is not None:
            call.invalidations += 1


class RecordedStore:
    """The store; notes each write attempt and whose document reads are.

    `work_s` passes between an attempt's read and its write, in `compare_and_swap` and `put`. Not in
    `update_locked`: a merge at the head is no user's work, and nobody else could work meanwhile.
    """

    def __init__(
        self, store: Any, clock: Clock, tape: Tape, work_s: float, before_write: BeforeWrite
    ) -> None:
        self._store = store
        self._clock = clock
        self._tape = tape
        self._work_s = work_s
        self._before_write = before_write

    def __getattr__(self, name: str) -> Any:
        """What the store can besides: create, templates, head, find_update, audit, ..."""
        return getattr(self._store, name)

    def read(self, template_id: str) -> Row:
        """The head with its document."""
        self._note_body_read()
        row: Row = self._store.read(template_id)
        return row

    def history(self, template_id: str, *, limit: int | None = None) -> Sequence[Revision]:
        """The versions with their documents, newest first."""
        self._note_body_read()
        revisions: Sequence[Revision] = self._store.history(template_id, limit=limit)
        return revisions

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
        """One write attempt, after the work."""

        def swap() -> Row:
            row: Row = self._store.compare_and_swap(
                template_id,
                expected_version,
                document,
                by=by,
                update_id=update_id,
                detail=detail,
                timeout_s=timeout_s,
            )
            return row

        self._work()
        return self._attempt(template_id, "swap", by, update_id, swap, expected=expected_version)

    def put(self, template_id: str, document: Document, *, by: str) -> Row:
        """One write attempt, after the work, which asks for no version."""
        self._work()
        return self._attempt(
            template_id, "put", by, None, lambda: self._store.put(template_id, document, by=by)
        )

    def update_locked(
        self,
        template_id: str,
        change: Change,
        *,
        by: str,
        update_id: str | None = None,
        timeout_s: float | None = None,
    ) -> Row:
        """One write attempt, however often `change` is called."""
        watched = _Watched(change)

        def write() -> Row:
            row: Row = self._store.update_locked(
                template_id, watched, by=by, update_id=update_id, timeout_s=timeout_s
            )
            return row

        return self._attempt(template_id, "locked", by, update_id, write, watched=watched)

    # -- one attempt -------------------------------------------------------------------------------

    def _attempt(
        self,
        template_id: str,
        way: Way,
        by: str,
        update_id: str | None,
        write: Callable[[], Row],
        *,
        expected: str | None = None,
        watched: _Watched | None = None,
    ) -> Row:
        call = self._tape.owner(update_id, template_id, by)
        began = self._tape.order()
        fate: Fate = "failed"
        actual: str | None = None
        try:
            self._begin(call, template_id)
            began = self._tape.order()
            row = write()
            fate = "won" if watched is None or watched.has_written else "unchanged"
            actual = row.version
            return row
        except VersionConflictError as conflict:
            fate, actual = "lost", conflict.actual
            raise
        finally:
            self._note(call, template_id, way, fate, began, expected, actual)

    def _begin(self, call: Call | None, template_id: str) -> None:
        if call is not None:
            call.writes += 1
            self._before_write(call, template_id)
            call.write_began_s = self._tape.elapsed_s()

    def _note(
        self,
        call: Call | None,
        template_id: str,
        way: Way,
        fate: Fate,
        began: int,
        expected: str | None,
        actual: str | None,
    ) -> None:
        ended = self._tape.order()
        operation = began_at = None
        slept_s = 0.0
        if call is not None:
            operation = call.operation.id
            slept_s, call.slept_s = call.slept_s, 0.0
            began_at = call.operation.called_at + call.write_began_s - call.started_s
        told = (expected, actual, slept_s, began_at)
        self._tape.attempts.append(Attempt(operation, template_id, way, fate, began, ended, *told))

    def _work(self) -> None:
        if self._work_s:
            self._clock.sleep(self._work_s)

    def _note_body_read(self) -> None:
        call = self._tape.served()
        if call is not None:
            call.body_reads += 1


class RecordedBatches(RecordedStore):
    """The same over a store that commits several queued writes in one transaction."""

    def update_many(
        self,
        template_id: str,
        writes: Sequence[QueuedWrite],
        *,
        timeout_s: float | None = None,
    ) -> list[Row | Exception]:
        """A write attempt of each operation whose write is in the batch."""
        watched = [_Watched(write.change) for write in writes]
        batch = [
            QueuedWrite(change, write.by, write.update_id)
            for change, write in zip(watched, writes, strict=True)
        ]
        calls = [self._tape.owner(w.update_id, template_id, w.by) for w in writes]
        began = self._tape.order()
        answers: Sequence[Row | Exception | None] = [None] * len(batch)
        try:
            for call in calls:
                self._begin(call, template_id)
            began = self._tape.order()
            answers = self._store.update_many(template_id, batch, timeout_s=timeout_s)
            return list(answers)  # type: ignore[arg-type]  # a store answers every write
        finally:
            for call, change, answer in zip(calls, watched, answers, strict=True):
                fate: Fate = "failed"
                actual: str | None = None
                if isinstance(answer, Row):
                    fate = "won" if change.has_written else "unchanged"
                    actual = answer.version
                self._note(call, template_id, "batch", fate, began, None, actual)


class _Watched:
    """A change that remembers whether its last answer was something to write."""

    __slots__ = ("_change", "has_written")

    def __init__(self, change: Change) -> None:
        self._change = change
        self.has_written = False

    def __call__(self, row: Row) -> Document | Write | None:
        answer = self._change(row)
        self.has_written = answer is not None
        return answer
