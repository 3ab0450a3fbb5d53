"""Group commit: swaps that wait for the write lock in one process go into one transaction.

Flat combining as in `commit_queue`, here across templates. Who has the turn commits every waiting
swap with its own, each judged as if it were alone; the others find their answer when their turn
comes. A swap whose transaction failed, or was interrupted, goes alone then: its update id makes
that harmless even where the first has committed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from threading import get_ident
from time import monotonic

from syncsim.errors import (
    OutcomeUnknownError,
    StoreUnavailableError,
    SyncError,
    TemplateNotFoundError,
    UsageError,
    VersionConflictError,
)
from syncsim.store.records import CasRequest, CommitRow
from syncsim.store.writes import Transaction, busy, swapped
from syncsim.system.locks import FairLock

TOGETHER = 64
"""Swaps in one transaction; more gains nothing and keeps other processes waiting."""


class _Waiting:
    """A swap in the line; out of it once a leader has taken it, and answered after the COMMIT."""

    __slots__ = ("answer", "swap", "thread")

    def __init__(self, swap: CasRequest) -> None:
        self.swap = swap
        self.thread = get_ident()
        self.answer: CommitRow | SyncError | None = None

    def unknown(self) -> OutcomeUnknownError:
        return OutcomeUnknownError(self.swap.template_id, self.swap.update_id or "")


class SwapLine:
    """The waiting swaps of one store; each has an update id."""

    def __init__(
        self, transaction: Callable[[str, float | None], AbstractContextManager[Transaction]]
    ) -> None:
        self._transaction = transaction
        self._turn = FairLock()  # taken before the file's lock, never after
        self._waiting: deque[_Waiting] = deque()

    def commit(self, swap: CasRequest, timeout_s: float) -> CommitRow:
        """The commit of this swap; waits at most `timeout_s` for its turn and for the file's lock.

        Raises what `compare_and_swap` does; `OutcomeUnknownError` also where the time is over
        while a leader commits it.
        """
        deadline = monotonic() + timeout_s
        mine = _Waiting(swap)
        try:
            self._waiting.append(mine)
            if self._turn.acquire(timeout_s):
                try:
                    while mine.answer is None:
                        self._lead(mine, max(deadline - monotonic(), 0.0))
                finally:
                    self._turn.release()
        finally:
            withdrawn = self._withdraw(mine)
        answer = mine.answer
        if answer is None:
            answer = busy(swap.template_id, timeout_s) if withdrawn else mine.unknown()
        if isinstance(answer, SyncError):
            raise answer
        return answer

    def heal(self) -> None:
        """After a fault or an interrupt: take this thread's swap out of the line, and its turn."""
        me = get_ident()
        for one in [one for one in self._waiting.copy() if one.thread == me]:
            self._withdraw(one)
        self._turn.heal()

    def _lead(self, mine: _Waiting, wait_s: float) -> None:
        """Commit all that wait; `mine` alone if a leader that failed took it out of the line."""
        batch: list[_Waiting] = []
        answers: list[CommitRow | SyncError]
        try:
            with self._transaction(mine.swap.template_id, wait_s) as transaction:
                if mine in self._waiting:
                    self._take(batch)
                else:
                    batch.append(mine)
                answers = [_judged(transaction, each.swap) for each in batch]
        except OutcomeUnknownError:
            answers = [each.unknown() for each in batch]
        except StoreUnavailableError:
            if len(batch) < 2:
                raise
            return  # one of them may be to blame; each goes alone
        for each, answer in zip(batch, answers, strict=True):
            each.answer = answer

    def _take(self, batch: list[_Waiting]) -> None:
        with suppress(IndexError):  # no more of them
            while len(batch) < TOGETHER:
                front = self._waiting[0]
                if self._withdraw(front):  # else its own thread did, as its time was over
                    batch.append(front)

    def _withdraw(self, one: _Waiting) -> bool:
        """Take the swap out of the line; True for the one thread that did so."""
        try:
            self._waiting.remove(one)
        except ValueError:
            return False
        return True


def _judged(transaction: Transaction, swap: CasRequest) -> CommitRow | SyncError:
    try:
        return swapped(transaction, swap)
    except (VersionConflictError, TemplateNotFoundError, UsageError) as error:
        return error  # of this swap; any other is the end of the transaction
