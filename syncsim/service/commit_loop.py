"""One change brought to commit: a first attempt at once, retries by policy, a deadline over all.

A change is a function of the head (`Row -> Write | None`), so every attempt re-reads and
re-applies; nothing is ever re-sent. This file knows attempts, delays and the deadline. It does not
know what a change means (`service`, `background`) nor how a queue works (`commit_queue`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from syncsim.contract import Environment, Row, Write
from syncsim.errors import (
    OutcomeUnknownError,
    RetriesExhaustedError,
    StoreUnavailableError,
    SyncError,
    VersionConflictError,
)
from syncsim.service.commit_queue import CommitQueue
from syncsim.service.retry import RetryPolicy

Change = Callable[[Row], Write | None]
"""What a writer wants of the head it is shown; None where the head needs no change."""


@dataclass(slots=True)
class Attempting:
    """An update under way: what the pending view shows and the error tells."""

    template_id: str
    by: str
    update_id: str
    started_at: float
    attempts: int = 0
    """Write attempts so far; one that found nothing to write is not counted."""
    conflicts: int = 0
    """Swaps lost so far."""
    waited_s: float = 0.0
    last_expected: str | None = None
    last_actual: str | None = None
    commit_s: float = 0.0
    """Time in the store or queue call that ended it."""
    waiting: bool = False
    unsure: bool = False
    """An attempt was sent and its answer lost; a commit under the update id may exist."""


class Committer:
    """Runs changes to their commit; `read` gives the head of a template to a user who writes."""

    def __init__(
        self,
        env: Environment,
        read: Callable[[str, str], Row],
        queue: CommitQueue,
        policy: RetryPolicy,
        deadline_s: float,
    ) -> None:
        self._env = env
        self._read = read
        self._now = env.clock.now
        self._queue = queue
        self._policy = policy
        self._deadline_s = deadline_s
        self._under_way: dict[int, Attempting] = {}

    def under_way(self, template_id: str) -> list[Attempting]:
        """Updates of this template that have begun and not ended, oldest first."""
        return [a for a in list(self._under_way.values()) if a.template_id == template_id]

    def commit(
        self, template_id: str, change: Change, *, by: str, update_id: str, topic: str = "update"
    ) -> tuple[Row, Attempting]:
        """The committed row, or the head where `change` answered None; and how it was reached.

        `topic` is the prefix of the events: update or job.
        When the policy's attempts or the deadline are spent: `RetriesExhaustedError` after a lost
        swap, `StoreUnavailableError` after a fault, `OutcomeUnknownError` if an attempt may have
        been committed. Whatever is not worth retrying leaves at once.
        """
        state = Attempting(template_id, by, update_id, self._now())
        try:
            self._under_way[id(state)] = state
            row = self._attempts(change, state, topic)
            del self._under_way[id(state)]
            return row, state
        except BaseException:  # no `finally`, since an interrupt may come on its first line
            self._under_way.pop(id(state), None)
            raise

    def _attempts(self, change: Change, state: Attempting, topic: str) -> Row:
        policy = self._policy
        deadline = state.started_at + self._deadline_s
        previous_s: float | None = None
        retry = 0
        while True:
            try:
                if policy.queues(retry) or self._would_lose(retry, state.template_id):
                    return self._queued(change, state, retry, deadline)
                return self._optimistic(change, state, retry, deadline)
            except (VersionConflictError, OutcomeUnknownError, StoreUnavailableError) as error:
                state.attempts = retry + 1
                self._note(error, state, topic)
                if not error.retryable and error.definite:
                    raise
                cause: SyncError = error
            retry += 1
            delay_s = policy.delay_s(retry, self._env.random, previous_s)
            if retry > policy.retries or self._now() + delay_s >= deadline:
                raise self._exhausted(cause, state) from cause
            self._wait(retry, delay_s, state, topic)
            previous_s = delay_s

    def _would_lose(self, retry: int, template_id: str) -> bool:
        """Whether a first attempt meets a line that its policy would send it to after it lost."""
        return retry == 0 and self._policy.queues(1) and self._queue.has_line(template_id)

    def _optimistic(self, change: Change, state: Attempting, retry: int, deadline: float) -> Row:
        store = self._env.store
        row = self._read(state.template_id, state.by)
        state.last_expected = row.version
        write = change(row)
        if write is None:
            return row
        state.attempts = retry + 1
        began = self._now()
        _check_in_time(state.template_id, began, deadline)
        row = store.compare_and_swap(
            state.template_id,
            row.version,
            write.document,
            by=state.by,
            update_id=state.update_id,
            detail=_numbered(write, retry).detail,
            timeout_s=deadline - began,
        )
        state.commit_s = self._now() - began
        return row

    def _queued(self, change: Change, state: Attempting, retry: int, deadline: float) -> Row:
        def counted(row: Row) -> Write | None:
            write = change(row)
            state.last_expected = row.version
            state.attempts = retry if write is None else retry + 1
            if write is None:
                return None
            _check_in_time(state.template_id, self._now(), deadline)
            return _numbered(write, retry)

        began = self._now()
        row = self._queue.commit(
            state.template_id,
            counted,
            by=state.by,
            update_id=state.update_id,
            deadline=deadline,
        )
        state.commit_s = self._now() - began
        return row

    def _note(self, error: SyncError, state: Attempting, topic: str) -> None:
        if isinstance(error, VersionConflictError):
            state.conflicts += 1
            state.last_expected, state.last_actual = error.expected, error.actual
            self._env.events.emit(
                f"{topic}.conflict",
                template_id=state.template_id,
                user=state.by,
                update_id=state.update_id,
                expected=error.expected,
                actual=error.actual,
                attempt=state.attempts,
            )
            return
        state.unsure = state.unsure or not error.definite
        self._env.events.emit(
            f"{topic}.fault",
            template_id=state.template_id,
            user=state.by,
            update_id=state.update_id,
            error=type(error).__name__,
            reason=str(error),
            attempt=state.attempts,
        )

    def _wait(self, retry: int, delay_s: float, state: Attempting, topic: str) -> None:
        env = self._env
        env.events.emit(
            f"{topic}.retry",
            template_id=state.template_id,
            user=state.by,
            update_id=state.update_id,
            attempt=retry,
            delay_s=delay_s,
            nominal_s=self._policy.nominal_s(retry),
        )
        before = self._now()
        state.waiting = True
        env.clock.sleep(delay_s)
        state.waiting = False
        slept_s = self._now() - before
        state.waited_s += slept_s
        env.events.emit(
            f"{topic}.waited",
            template_id=state.template_id,
            user=state.by,
            update_id=state.update_id,
            attempt=retry,
            delay_s=delay_s,
            slept_s=slept_s,
        )

    def _exhausted(self, cause: SyncError, state: Attempting) -> SyncError:
        if state.unsure:
            return OutcomeUnknownError(state.template_id, state.update_id)
        if isinstance(cause, StoreUnavailableError):
            return StoreUnavailableError(
                state.template_id,
                cause.reason,
                attempts=state.attempts,
                waited_s=state.waited_s,
                update_id=state.update_id,
            )
        return RetriesExhaustedError(
            state.template_id,
            state.attempts,
            state.waited_s,
            state.last_expected,
            state.last_actual,
            update_id=state.update_id,
        )


def _check_in_time(template_id: str, now: float, deadline: float) -> None:
    """`StoreUnavailableError` where the merge took until the deadline; nothing is written then."""
    if now > deadline:
        raise StoreUnavailableError(
            template_id,
            "busy: what it was to be merged with took until the deadline; "
            "send smaller changes, or allow more time",
        )


def _numbered(write: Write, retry: int) -> Write:
    """The write with the number of its attempt in the detail; a first attempt goes without."""
    if retry == 0 or not isinstance(write.detail, dict):
        return write
    return Write(write.document, {**write.detail, "attempts": retry + 1})
