"""What became of one update: the events that carry its id, laid out as nested spans of time.

Pure: events and perhaps a revision in, a `Trace` out. A process remembers a bounded number of
events, and its own only; the store's revision stays, so of an old or foreign update the commit is
what can be shown.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from syncsim.contract import JSON, Revision
from syncsim.errors import OutcomeUnknownError
from syncsim.events import kinds
from syncsim.events.kinds import Event
from syncsim.events.live_log import printable

Status: TypeAlias = Literal["committed", "unchanged", "skipped", "failed", "unknown", "running"]
"""How an update stands; unknown = its last answer was lost, or its end is not remembered."""


@dataclass(slots=True)
class Span:
    """A stretch of time in an update; offsets in seconds from the start of the trace.

    `name` is request, attempt, wait (a back-off), queue or commit, or the kind of another event,
    which takes no time. `parent` is the `id` of the span it lies in, None for a root. `end_s` is
    None while it runs. `status` is ok, conflict, fault, failed or running; a request's a `Status`.
    """

    id: int
    parent: int | None
    name: str
    start_s: float
    end_s: float | None = None
    status: str = "running"
    facts: dict[str, JSON] = field(default_factory=dict)

    def to_json(self) -> dict[str, JSON]:
        """The attributes as plain JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Trace:
    """An update's spans, each behind its parent; a repeated call is a second request.

    `version` is the one it committed. `started_at` is in seconds since the epoch. `is_whole` says
    whether the beginning was still remembered.
    """

    update_id: str
    status: Status
    template_id: str | None
    user: str | None
    version: str | None
    started_at: float
    is_whole: bool
    spans: tuple[Span, ...]

    @property
    def duration_s(self) -> float:
        """From the first event to the last."""
        return max(span.start_s if span.end_s is None else span.end_s for span in self.spans)

    def to_json(self) -> dict[str, JSON]:
        """The attributes as plain JSON, with the duration and the spans as a list."""
        return {
            "update_id": self.update_id,
            "status": self.status,
            "template_id": self.template_id,
            "user": self.user,
            "version": self.version,
            "started_at": self.started_at,
            "duration_s": self.duration_s,
            "is_whole": self.is_whole,
            "spans": [span.to_json() for span in self.spans],
        }

    def as_text(self, width: int = 40) -> str:
        """A waterfall for the terminal.

            update 7f3a of event_registration by ann: committed 13-0c5d11aa, 103.2 ms
            request      0.0 ms ████████████████████████████████████████  103.2 ms committed
              attempt 1  0.0 ms █                                           1.1 ms conflict
              wait       1.1 ms  █████████████████████████████████████     97.1 ms ok

        The columns are name, start, bar (`width` characters), duration and status.
        """
        head = f"update {self.update_id} of {self.template_id} by {self.user}: {self.status}"
        if self.version is not None:
            head += f" {self.version}"
        rest = "" if self.is_whole else " (its beginning is not remembered)"
        took = f", {self.duration_s * 1000:.1f} ms{rest}"
        rows = list(self._rows(None))
        column = max(len(name) for name, _ in rows)
        bars = (f"{name:<{column}} {self._bar(span, width)}" for name, span in rows)
        return "\n".join([printable(head) + took, *bars])

    def _rows(self, parent: int | None, indent: str = "") -> Iterator[tuple[str, Span]]:
        """The spans as a tree, each under its parent, with its indented name."""
        for span in self.spans:
            if span.parent == parent:
                yield printable(indent + span.name), span
                yield from self._rows(span.id, indent + "  ")

    def _bar(self, span: Span, width: int) -> str:
        end_s = self.duration_s if span.end_s is None else span.end_s
        whole_s = self.duration_s or 1.0
        left = min(math.floor(span.start_s / whole_s * width), width - 1)
        length = max(math.ceil(end_s / whole_s * width) - left, 1)
        bar = (" " * left + "█" * length).ljust(width)
        took_ms = (end_s - span.start_s) * 1000
        return f"{span.start_s * 1000:>8.1f} ms {bar}{took_ms:>8.1f} ms {span.status}"


def trace(
    events: Iterable[Event], update_id: str, revision: Revision | None = None
) -> Trace | None:
    """The trace of an update from a log's events and the revision it committed, if that is known.

    Of `events` those with this very `update_id` count, in order of `seq`. The commit of `revision`
    is added where no event tells of it: an answer that was lost is settled by it. None if there is
    neither event nor revision.
    """
    told = sorted((one for one in events if one.update_id == update_id), key=lambda one: one.seq)
    if told:
        waterfall = _Waterfall(told[0].at)
        for event in told:
            waterfall.add(event)
    elif revision is not None:
        waterfall = _Waterfall(revision.at)
    else:
        return None
    if revision is not None and waterfall.status != "committed":
        waterfall.commit_from(revision)
    return Trace(
        update_id,
        waterfall.status,
        revision.template_id if revision is not None else told[0].template_id,
        revision.by if revision is not None else told[0].user,
        waterfall.version,
        waterfall.started_at,
        bool(told) and isinstance(told[0], _STARTED),
        tuple(waterfall.spans),
    )


_STARTED = (kinds.UpdateStarted, kinds.JobStarted)


class _Waterfall:
    """The spans so far, and which request and step of it are open; events come in order.

    A solution need not say when an attempt begins: one that ends without a beginning is taken to
    have begun where the step before it ended.
    """

    def __init__(self, started_at: float) -> None:
        self.started_at = started_at
        self.spans: list[Span] = []
        self.status: Status = "unknown"
        self.version: str | None = None
        self._now_s = 0.0
        self._request: Span | None = None
        self._step: Span | None = None
        self._step_ended_s = 0.0
        self._attempts = 0

    def add(self, event: Event) -> None:
        # Offsets never step back, though clocks do and threads stamp before they store.
        self._now_s = max(self._now_s, event.at - self.started_at)
        if self._request is None or isinstance(event, _STARTED):
            self._begin_request(event)
        elif self._request.end_s is not None:
            self._mark(event)
            return
        match event:
            case kinds.UpdateStarted() | kinds.JobStarted():
                pass
            case kinds.Attempted():
                self._end_step("ok")
                self._step_ended_s = self._now_s
                self._attempt(event.attempt).facts = event.exportable()
            case kinds.Conflicted():
                self._attempt(event.attempt)
                self._end_step("conflict", event)
            case kinds.Faulted():
                self._attempt(event.attempt)
                self._end_step("fault", event)
            case kinds.RetryScheduled():
                self._begin_step("wait", event)
            case kinds.RetryWaited():
                self._end_step("ok", event)
            case kinds.UpdateQueued():
                self._begin_step("queue", event)
            case kinds.UpdateDequeued():
                self._leave_queue(event)
            case kinds.Committed():
                self._commit(event)
            case kinds.Unchanged():
                self._end_request("unchanged", event)
            case kinds.JobSkipped():
                self._end_request("skipped", event)
            case kinds.Failed():
                unsure = event.definite is False or event.error == OutcomeUnknownError.__name__
                self._end_request("unknown" if unsure else "failed", event)
            case _:
                self._mark(event)

    def commit_from(self, revision: Revision) -> None:
        """The commit as the store remembers it, where no event told of it."""
        at_s = max(revision.at - self.started_at, 0.0)
        facts = {"version": revision.version, "parent": revision.parent, "by": revision.by}
        self.spans.append(Span(len(self.spans), None, "commit", at_s, at_s, "ok", facts))
        self.version = revision.version
        self._stands("committed")

    # -- the request -------------------------------------------------------------------------------

    def _begin_request(self, event: Event) -> None:
        if self._request is not None and self._request.end_s is None:
            self._end_request("unknown")
        self._request = self._span(None, "request", self._now_s)
        if isinstance(event, _STARTED):
            self._request.facts = event.exportable()
        self._step_ended_s = self._now_s
        self._attempts = 0
        self._stands("running")

    def _end_request(self, status: Status, event: Event | None = None) -> None:
        self._end_step("failed" if status in ("failed", "unknown") else "ok")
        if self._request is not None:
            _end(self._request, self._now_s, status, event)
        self._stands(status)

    def _stands(self, status: Status) -> None:
        if self.status != "committed":  # which a repeated call cannot undo
            self.status = status

    def _commit(self, event: kinds.Committed) -> None:
        self.version = event.version
        if event.attempts != 0:  # else an earlier call under this id had committed it
            attempt = self._attempt(event.attempts)
            began_s = self._now_s if event.commit_s is None else self._now_s - event.commit_s
            commit = self._span(attempt, "commit", min(max(began_s, attempt.start_s), self._now_s))
            _end(commit, self._now_s, "ok", event)
        self._end_request("committed", event)

    def _mark(self, event: Event) -> None:
        """Something else that happened on the way, or right after the answer was known."""
        _end(self._span(self._request, event.kind, self._now_s), self._now_s, "ok", event)
        if self._request is not None and self._request.end_s is not None:
            self._request.end_s = self._now_s

    # -- its steps: attempt, wait, queue; one at a time --------------------------------------------

    def _begin_step(self, name: str, event: Event) -> None:
        self._end_step("ok")
        self._step = self._span(self._request, name, self._now_s)
        self._step.facts = event.exportable()

    def _end_step(self, status: str, event: Event | None = None, at_s: float | None = None) -> None:
        if self._step is not None:
            self._step_ended_s = self._now_s if at_s is None else at_s
            _end(self._step, self._step_ended_s, status, event)
            self._step = None

    def _leave_queue(self, event: kinds.UpdateDequeued) -> None:
        """The event comes when the batch is done: end the wait where it ended, begin an attempt."""
        if self._step is None or self._step.name != "queue":
            self._mark(event)
            return
        self._end_step("ok", event, self._after(self._step, event.waited_s))
        self._attempt()

    def _attempt(self, number: int | None = None) -> Span:
        """The attempt under way; where none was said to begin, since the end of the last step."""
        step = self._step
        if step is None or step.name in ("wait", "queue"):
            if step is not None:
                self._end_step("ok", at_s=self._after(step, step.facts.get("delay_s")))
            self._attempts = number or self._attempts + 1
            step = self._span(self._request, f"attempt {self._attempts}", self._step_ended_s)
            self._step = step
        return step

    def _after(self, step: Span, duration_s: float | None) -> float:
        """The time at which a step of this duration ended, now at the latest."""
        if duration_s is None:
            return self._now_s
        return min(step.start_s + max(duration_s, 0.0), self._now_s)

    def _span(self, parent: Span | None, name: str, start_s: float) -> Span:
        span = Span(len(self.spans), None if parent is None else parent.id, name, start_s)
        self.spans.append(span)
        return span


def _end(span: Span, end_s: float, status: str, event: Event | None = None) -> None:
    span.end_s = end_s
    span.status = status
    if event is not None:
        span.facts = span.facts | event.exportable()
