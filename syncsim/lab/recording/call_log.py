"""The calls of one process as they begin and end, each with the writes made during it.

Any thread may write. Order and elapsed time come in from outside, so the same log serves real
threads, whose stamps compare between the processes of a host, and a scheduler, which counts.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from syncsim.events.kinds import Event
from syncsim.lab.history.drawn_ids import DrawnIds
from syncsim.lab.history.recorded_failure import is_from_outside
from syncsim.lab.history.records import Attempt, Operation

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Records:
    """What one process recorded; `history_builder` turns its raw stamps into sequence numbers.

    `ids` maps every operation to itself and every id that it drew to it.
    """

    operations: tuple[Operation, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    events: tuple[Event, ...] = ()
    ids: Mapping[str, str] = field(default_factory=dict)


class Call:
    """An operation under way: what was asked, and what has happened on its behalf so far."""

    __slots__ = (
        "body_reads",
        "invalidations",
        "operation",
        "slept_s",
        "started_s",
        "write_began_s",
        "writes",
    )

    def __init__(self, operation: Operation, started_s: float) -> None:
        self.operation = operation
        self.started_s = started_s
        self.body_reads = 0
        self.invalidations = 0
        self.writes = 0
        self.write_began_s = started_s
        self.slept_s = 0.0  # since the write attempt before


_current: ContextVar[Call | None] = ContextVar("syncsim_recorded_call", default=None)


class CallLog:
    """The call_log of one process: its calls, write attempts, events and ids.

    `order` gives growing numbers, `elapsed_s` seconds on a clock that cannot step. `heard` is
    called with each event as it comes in.
    """

    def __init__(
        self,
        order: Callable[[], int],
        elapsed_s: Callable[[], float],
        heard: Callable[[Event], object] | None = None,
    ) -> None:
        self.order = order
        self.elapsed_s = elapsed_s
        self.attempts: list[Attempt] = []
        self.events: list[Event] = []
        self._heard = heard
        self.hear = self.events.append if heard is None else self._hear
        self.ids = DrawnIds()
        self._calls: dict[str, Call] = {}
        self._open: dict[str, Call] = {}
        self._adopted = threading.local()
        self._lock = threading.Lock()

    def _hear(self, event: Event) -> None:
        self.events.append(event)
        if self._heard is not None:
            self._heard(event)

    def perform(
        self,
        asked: Operation,
        verb: Callable[[], T],
        told: Callable[[T], dict[str, Any]],
        raised: Callable[[BaseException], dict[str, Any]],
        *,
        since_s: float,
    ) -> T:
        """Do `verb` as this operation, `called` just now; what it does meanwhile belongs to it.

        `since_s` is what `elapsed_s` said before `called_at` was taken: a thread may have to wait
        between the two clocks, and no operation must seem to have returned before it did.
        `told` and `raised` say what of an answer or exception goes on record. An answer that
        `told` cannot read counts as raised. What is ended from outside stays open.
        """
        call = Call(asked, since_s)
        with self._lock:
            self._calls[asked.id] = self._open[asked.id] = call
        self.ids.add(asked.id, asked.id)
        entered = _current.set(call)
        try:
            answer = verb()
            end = self._end(call)
            facts = told(answer)
        except BaseException as error:
            if not is_from_outside(error):
                self._answered(call, self._end(call), raised(error))
            raise
        finally:
            _current.reset(entered)
            with self._lock:
                del self._open[asked.id]
        self._answered(call, end, facts)
        return answer

    def _end(self, call: Call) -> tuple[int, float]:
        return self.order(), self.elapsed_s() - call.started_s

    def _answered(self, call: Call, end: tuple[int, float], facts: dict[str, Any]) -> None:
        returned, latency_s = end
        call.operation = replace(
            call.operation,
            returned=returned,
            latency_s=latency_s,
            body_reads=call.body_reads,
            invalidations=call.invalidations,
            **facts,
        )

    def current(self) -> Call | None:
        """The call in whose context this code runs; None on a thread that the solution started."""
        return _current.get()

    def has(self, call: Call) -> bool:
        """Whether it is a call of this call_log, and not of another run in the same thread."""
        return self._calls.get(call.operation.id) is call

    def served(self) -> Call | None:
        """The call that this code works for.

        On a thread of the solution's own it is the one for which the thread last wrote, as long as
        that is under way.
        """
        call = _current.get()
        if call is None:
            call = getattr(self._adopted, "call", None)
            if call is not None and call.operation.id not in self._open:
                return None
        return call

    def concerned(self, update_id: str | None) -> Call | None:
        """The call of a log record: the owner of this id, else the one that this code works for."""
        found = self.ids.owner(update_id)
        return self.served() if found is None else self._calls[found]

    def owner(self, update_id: str | None, template_id: str, by: str) -> Call | None:
        """The call that a write belongs to.

        Its id decides if that belongs to an operation; else the context, if the write is by the
        same user; else the only open call of this user. One thread may commit for others, as the
        leader of a queue does, or a writer thread.
        """
        found = self.ids.owner(update_id)
        if found is not None:
            return self._calls[found]
        call = _current.get()
        if call is not None and call.operation.user == by:
            return call
        theirs = self._only_open(template_id, by)
        if call is not None:
            return theirs or call
        self._adopted.call = theirs
        return theirs

    def _only_open(self, template_id: str, user: str) -> Call | None:
        with self._lock:
            calls = list(self._open.values())
        found = [
            call
            for call in calls
            if call.operation.user == user
            and call.operation.template_id == template_id
            and call.operation.kind not in ("get", "probe")
        ]
        return found[0] if len(found) == 1 else None

    def records(self) -> Records:
        """Everything so far; calls that have not returned are open."""
        with self._lock:
            calls = list(self._calls.values())
        return Records(
            tuple(call.operation for call in calls),
            tuple(self.attempts),
            tuple(self.events),
            dict(self.ids.owners),
        )
