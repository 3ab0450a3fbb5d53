"""The line in which a conflicting change cannot lose: first come, merged at the head, in batches.

A caller appends its change, then waits for the template's lock. The caller that gets it leads: it
commits up to `BATCH` waiting changes in one transaction, a version each, and passes the lock on;
the others find their change done when their turn comes. This is flat combining (Hendler, Incze,
Shavit, Tzafrir, SPAA 2010) over a lock that the environment owns, so that the same code runs under
threads, processes and the scheduler. What is *not* here: delays and the number of attempts
(`commit_loop`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from syncsim.contract import Document, Environment, QueuedWrite, Row, Write, supports_batches
from syncsim.errors import LockTimeoutError, OutcomeUnknownError, StoreUnavailableError
from syncsim.system.interrupts import within

BATCH = 64
"""Changes a leader commits before it passes the lock on; more gains nothing (notes on retry)."""

HOLD_S = 0.1
"""How long a transaction goes on taking changes: the writers of other templates wait meanwhile."""

Change = Callable[[Row], Document | Write | None]


@dataclass(slots=True, eq=False)
class Ticket:
    """A change in the line; the leader sets `answer`, once, when its turn comes."""

    template_id: str
    change: Change
    by: str
    update_id: str
    queued_at: float
    deadline: float
    answer: Row | Exception | None = None
    taken: bool = False


class Line(deque[Ticket]):
    """The changes of one template that wait, the front first; `is_led` while a batch is written."""

    is_led = False

    def __init__(self) -> None:
        super().__init__()
        self.written: list[Row] = []
        """The heads that the batch under way has stood on; all but the first are its own."""


class _NotYet(Exception):
    """A change whose transaction has taken long enough already; it goes into the next one."""


class CommitQueue:
    """One line per template in this process; between processes the store's write lock decides.

    `saw` gets the head that a batch left, before any of its writers knows of his commit.
    """

    def __init__(self, env: Environment, saw: Callable[[Row], object] = lambda row: None) -> None:
        self._env = env
        self._saw = saw
        store = env.store
        self._batches = store if supports_batches(store) else None
        self._lines: dict[str, Line] = {}

    def has_line(self, template_id: str) -> bool:
        """Whether changes of this template wait or are being written: a swap made now loses."""
        line = self._lines.get(template_id)
        return line is not None and (line.is_led or len(line) > 0)

    def commit(
        self, template_id: str, change: Change, *, by: str, update_id: str, deadline: float
    ) -> Row:
        """Commit `change` at the head, behind everyone who queued before.

        `deadline` is a time on the environment's clock. Raises what the change or the store raised;
        `StoreUnavailableError` if the turn did not come in time (then surely nothing was written),
        `OutcomeUnknownError` if a leader had taken the change and did not answer in time.
        """
        env = self._env
        now = env.clock.now()
        ticket = Ticket(template_id, change, by, update_id, now, deadline)
        line = self._lines.setdefault(template_id, Line())

        def lead(_: object) -> None:
            while ticket.answer is None:
                if ticket not in line:  # a leader was interrupted, and could not put it back
                    raise OutcomeUnknownError(template_id, update_id)
                self._lead(line, deadline)

        try:
            line.append(ticket)
            env.events.emit(
                "update.queued",
                template_id=template_id,
                user=by,
                update_id=update_id,
                position=len(line),
            )
            within(env.lock(f"commit:{template_id}", timeout_s=max(deadline - now, 0.0)), lead)
        except LockTimeoutError as late:
            with suppress(ValueError):
                line.remove(ticket)
            if ticket.answer is None:
                raise _too_late(ticket) from late
        except BaseException:
            with suppress(ValueError):
                line.remove(ticket)
            raise
        answer = ticket.answer
        assert answer is not None
        if isinstance(answer, Exception):
            raise answer
        return answer

    def pending(self, template_id: str) -> list[Ticket]:
        """Who waits in the line now, the front first."""
        return list(self._lines.get(template_id, ()))

    def written(self, template_id: str) -> Sequence[Row]:
        """The heads that a batch under way has stood on, which the history does not show yet."""
        line = self._lines.get(template_id)
        return () if line is None else tuple(line.written)

    def _lead(self, line: Line, deadline: float) -> None:
        """Commit one batch from the front of the line; the caller holds the template's lock."""
        batch: list[Ticket] = []
        now = self._env.clock.now()
        try:
            line.is_led = True
            _take(line, batch, now)
            self._write(line, batch, max(deadline - now, 0.0))
            line.is_led = False
        except Exception as error:
            line.is_led = False
            for ticket in batch:
                if ticket.answer is None:
                    ticket.answer = error
        except BaseException:
            # Interrupted: the unanswered go back to the front. Their update ids make a second
            # commit of the same change impossible, should the first have arrived.
            line.is_led = False
            line.written = []
            _put_back(line, batch)
            raise
        line.written = []
        _put_back(line, batch)
        batch = [ticket for ticket in batch if ticket.answer is not None]
        rows = [ticket.answer for ticket in batch if isinstance(ticket.answer, Row)]
        if rows:
            self._saw(max(rows, key=lambda row: row.revision))
        for ticket in batch:
            self._env.events.emit(
                "update.dequeued",
                template_id=ticket.template_id,
                user=ticket.by,
                update_id=ticket.update_id,
                waited_s=now - ticket.queued_at,
                batch=len(batch),
            )

    def _write(self, line: Line, batch: list[Ticket], timeout_s: float) -> None:
        store = self._env.store
        if len(batch) > 1 and self._batches is not None:
            writes = [
                QueuedWrite(change, t.by, t.update_id) for t, change in self._held(line, batch)
            ]
            answers = self._batches.update_many(batch[0].template_id, writes, timeout_s=timeout_s)
            for ticket, answer in zip(batch, answers, strict=True):
                if not isinstance(answer, _NotYet):
                    ticket.answer = answer
            return
        for ticket in batch:
            try:
                ticket.answer = store.update_locked(
                    ticket.template_id,
                    ticket.change,
                    by=ticket.by,
                    update_id=ticket.update_id,
                    timeout_s=timeout_s,
                )
            except Exception as error:
                ticket.answer = error

    def _held(self, line: Line, batch: list[Ticket]) -> Iterator[tuple[Ticket, Change]]:
        """The changes of a batch; a change that is late is left for the next batch.

        The first is always made. What each was shown is kept in `line.written`.
        """
        now = self._env.clock.now
        until = 0.0

        def held(change: Change) -> Change:
            def shown(row: Row) -> Document | Write | None:
                nonlocal until
                if not line.written:
                    until = now() + HOLD_S
                elif now() >= until:
                    raise _NotYet
                line.written.append(row)
                return change(row)

            return shown

        return ((ticket, held(ticket.change)) for ticket in batch)


def _put_back(line: Line, batch: list[Ticket]) -> None:
    """Return what was taken and has no answer to the front of the line, in its order."""
    for ticket in reversed(batch):
        ticket.taken = ticket.answer is not None
        if ticket.answer is None and ticket not in line:
            line.appendleft(ticket)


def _take(line: Line, batch: list[Ticket], now: float) -> None:
    """Move the front of the line into the batch; a change whose time is over is answered instead.

    A ticket is in the batch before it leaves the line, so that an interrupt loses none; and it is
    `taken` before, so that a writer who gives up meanwhile does not believe it unwritten.
    """
    with suppress(IndexError):  # the last one withdrew just now
        while len(batch) < BATCH:
            ticket = line[0]
            is_late = ticket.deadline <= now
            if is_late:
                ticket.answer = _too_late(ticket)
            else:
                ticket.taken = True
                batch.append(ticket)
            try:
                line.remove(ticket)
            except ValueError:  # withdrawn by its writer
                if not is_late:
                    batch.pop()


def _too_late(ticket: Ticket) -> StoreUnavailableError | OutcomeUnknownError:
    if ticket.taken:
        return OutcomeUnknownError(ticket.template_id, ticket.update_id)
    return StoreUnavailableError(
        ticket.template_id, "busy: the turn in the commit queue did not come before the deadline"
    )
