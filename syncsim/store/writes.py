"""What a write does, said once over a transaction: who may commit what on which head.

A store adds the transaction itself and the reads. Two stores that share these lines cannot differ
in what a lost swap, a used update id or a failing callback means.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from functools import wraps
from typing import Concatenate, Final, ParamSpec, Protocol, TypeVar

from syncsim.contract import JSON, Clock, Document, QueuedWrite, Row, Write
from syncsim.errors import (
    OutcomeUnknownError,
    StoreUnavailableError,
    TemplateExistsError,
    TemplateNotFoundError,
    UsageError,
    VersionConflictError,
)
from syncsim.store.records import ROOT, CasRequest, CommitRow, Tip, next_commit
from syncsim.system.forks import ProcessBound
from syncsim.template import check_template_id, check_update_id, check_user, encode

WRITE_TIMEOUT_S: Final = 2.0
"""How long a write waits for its turn unless the caller says otherwise."""

CLOSED: Final = "it was closed; connect again"
"""Why a store refuses every call after `close`."""

MAX_LIMIT: Final = 2**63 - 1
"""The largest number of versions that can be asked for: what a database counts up to."""

Change = Callable[[Row], Document | Write | None]
P = ParamSpec("P")
T = TypeVar("T")
AnyWrites = TypeVar("AnyWrites", bound="VersionedWrites")


def alone(
    write: Callable[Concatenate[AnyWrites, P], T],
) -> Callable[Concatenate[AnyWrites, P], T]:
    """Have the write refused inside another one, and healed where a fault or an interrupt ends it.

    An interrupt may come on the last line of the transaction, where nothing in it can help.
    """

    @wraps(write)
    def healed(self: AnyWrites, /, *args: P.args, **named: P.kwargs) -> T:
        if self._is_writing():
            raise nested_write()
        try:
            return write(self, *args, **named)
        except BaseException:
            self._heal()
            raise

    return healed


class Transaction(Protocol):
    """A write transaction: alone from `with` to the end of the block, then all of it or nothing."""

    def find(self, update_id: str | None) -> CommitRow | None:
        """The commit under this id, one of this transaction included; None for no id."""

    def used(self, update_ids: Iterable[str | None]) -> set[str]:
        """Those of the ids under which something was committed before; None is no id."""

    def tip(self, template_id: str) -> Tip | None:
        """What the next commit stands on; None where there is no such template."""

    def last(self, template_id: str) -> CommitRow | None:
        """The newest commit; None where there is no such template."""

    def append(self, record: CommitRow) -> bool:
        """Make this the newest commit of its template; False if its update id was used before."""


class VersionedWrites(ProcessBound, ABC):
    """The writing half of the contract's `CandidateStore` and `SupportsBatches`."""

    def __init__(self, clock: Clock) -> None:
        self._now = clock.now
        self._bind()

    @abstractmethod
    def _transaction(
        self, template_id: str, timeout_s: float | None
    ) -> AbstractContextManager[Transaction]:
        """The transaction to enter; entering waits at most `timeout_s` (None: `WRITE_TIMEOUT_S`).

        Then `StoreUnavailableError`.
        """

    @abstractmethod
    def _is_writing(self) -> bool:
        """Whether the calling thread is inside a transaction: a `change` must not write."""

    @abstractmethod
    def _heal(self) -> None:
        """Roll back what the calling thread has begun, and let the next writer in."""

    def _swap(self, swap: CasRequest, timeout_s: float | None) -> CommitRow:
        """The commit of a swap, in a transaction of its own; a store may know a shorter way."""
        with self._transaction(swap.template_id, timeout_s) as transaction:
            return swapped(transaction, swap)

    @alone
    def create(
        self, template_id: str, document: Document, *, by: str, timeout_s: float | None = None
    ) -> Row:
        """Write the first version; raises `TemplateExistsError` where there is one.

        `timeout_s` as in `compare_and_swap`.
        """
        check_template_id(template_id)
        check_author(by)
        body = encode(document, template_id)
        with self._transaction(template_id, timeout_s) as transaction:
            tip = transaction.tip(template_id)
            if tip is not None:
                raise TemplateExistsError(template_id, tip.version)
            record = next_commit(ROOT, template_id, body, by, self._now(), None, {"kind": "create"})
            transaction.append(record)
            return record.row()

    @alone
    def put(self, template_id: str, document: Document, *, by: str) -> Row:
        """Write over whatever is there: the lost update, laid out for solutions to fall into."""
        check_author(by)
        body = encode(document, template_id)
        with self._transaction(template_id, None) as transaction:
            tip = transaction.tip(template_id)
            if tip is None:
                raise unknown(template_id)
            record = next_commit(tip, template_id, body, by, self._now(), None, {"kind": "put"})
            transaction.append(record)
            return record.row()

    @alone
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
        """Write if the head is `expected_version`, else raise `VersionConflictError`.

        Under an `update_id` that has committed before, nothing is written and that commit's row is
        returned, before the version is looked at. `timeout_s` bounds the wait for the write lock
        (None: 2 s); after it `StoreUnavailableError`. `OutcomeUnknownError` only where the answer
        to the commit was lost and the store cannot settle it.
        """
        check_author(by, update_id)
        body = encode(document, template_id)

        def following(tip: Tip) -> CommitRow:
            return next_commit(tip, template_id, body, by, self._now(), update_id, detail)

        return self._swap(
            CasRequest(template_id, expected_version, update_id, following), timeout_s
        ).row()

    @alone
    def update_locked(
        self,
        template_id: str,
        change: Change,
        *,
        by: str,
        update_id: str | None = None,
        timeout_s: float | None = None,
    ) -> Row:
        """Read, change and write under the write lock; a change of None writes nothing.

        `change` may read from this store, may raise (then nothing is written), and must not write.
        A document equal to the head is written all the same. Under a used `update_id` it is not
        called, and that commit's row is returned.
        """
        check_author(by, update_id)
        with self._transaction(template_id, timeout_s) as transaction:
            done = transaction.find(update_id)
            if done is not None:
                return done.row()
            last = transaction.last(template_id)
            if last is None:
                raise unknown(template_id)
            record = self._changed(last, QueuedWrite(change, by, update_id))
            if record is not last:
                transaction.append(record)
            return record.row()

    @alone
    def update_many(
        self, template_id: str, writes: Sequence[QueuedWrite], *, timeout_s: float | None = None
    ) -> list[Row | Exception]:
        """Commit several writes in one transaction, a version each, in order.

        Each answer is what `update_locked` would have returned or raised; a write that fails leaves
        the others as they are. Where the store itself fails it raises, and none is committed. With
        the outcome unknown, each write that would have been committed gets `OutcomeUnknownError`.
        """
        for write in writes:
            check_author(write.by, write.update_id)
        answers: list[Row | Exception] = []
        appended: list[int] = []
        if not writes:
            return answers
        try:
            with self._transaction(template_id, timeout_s) as transaction:
                last = transaction.last(template_id)
                if last is None:
                    raise unknown(template_id)
                used = transaction.used(write.update_id for write in writes)
                for index, write in enumerate(writes):
                    record = transaction.find(write.update_id) if write.update_id in used else None
                    if record is None:
                        try:
                            record = self._changed(last, write)
                        except Exception as error:
                            answers.append(error)
                            continue
                        if record is not last:
                            transaction.append(record)
                            appended.append(index)
                            last = record
                            if write.update_id is not None:
                                used.add(write.update_id)
                    answers.append(record.row())
        except OutcomeUnknownError:
            for index in appended:
                answers[index] = OutcomeUnknownError(template_id, writes[index].update_id or "")
        return answers

    def _changed(self, last: CommitRow, write: QueuedWrite) -> CommitRow:
        """The commit that a change makes of the newest one; the newest itself where it has none."""
        answer = write.change(last.row())
        if answer is None:
            return last
        wanted = answer if isinstance(answer, Write) else Write(answer)
        return next_commit(
            last.tip,
            last.template_id,
            encode(wanted.document, last.template_id),
            write.by,
            self._now(),
            write.update_id,
            wanted.detail,
        )


def swapped(transaction: Transaction, swap: CasRequest) -> CommitRow:
    """The commit of this swap; raises `VersionConflictError` or `TemplateNotFoundError`."""
    tip = transaction.tip(swap.template_id)
    if tip is not None and tip.version == swap.expected_version:
        record = swap.following(tip)
        if transaction.append(record):
            return record
    # Not swapped, so the id decides; a swap has looked at it, and costs no query for it.
    done = transaction.find(swap.update_id)
    if done is not None:
        return done
    if tip is None:
        raise unknown(swap.template_id)
    raise VersionConflictError(swap.template_id, swap.expected_version, tip.version)


def unknown(template_id: str) -> TemplateNotFoundError:
    """The error for a template that is not there; `UsageError` for an id that none can have."""
    check_template_id(template_id)
    return TemplateNotFoundError(template_id)


def nested_write() -> UsageError:
    """The error for a write inside a `change`, which would wait for itself."""
    return UsageError("change", "a write inside a write", "a function that only reads the store")


def busy(template_id: str | None, timeout_s: float) -> StoreUnavailableError:
    """The error for a write whose turn did not come in time."""
    return StoreUnavailableError(
        template_id,
        f"busy: its turn did not come within {timeout_s:.3f} s; try again, or allow more time",
    )


def check_author(by: str, update_id: str | None = None) -> None:
    """`UsageError` unless `by` is a user or the job, and `update_id` short text or None."""
    check_user(by, reserved_ok=True)
    if update_id is not None:
        check_update_id(update_id)


def is_text(value: object) -> bool:
    """Whether a database could hold it as text: a str without lone surrogates."""
    try:
        return isinstance(value, str) and (value.isascii() or bool(value.encode()))
    except UnicodeEncodeError:
        return False


def check_limit(limit: int | None) -> None:
    """`UsageError` unless None or a whole number from 1 to `MAX_LIMIT`."""
    if limit is not None and (type(limit) is not int or not 1 <= limit <= MAX_LIMIT):
        raise UsageError("limit", limit, f"a whole number from 1 to {MAX_LIMIT}, or None for all")
