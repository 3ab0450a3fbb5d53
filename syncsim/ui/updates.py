"""What the events tell of each update and each run of the job: a row each, for charts and tables.

The same rows come from a live log, a finished run, a replay and a log of somebody else's solution.
Times are milliseconds since the first of them began.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeAlias

from syncsim.contract import BACKGROUND
from syncsim.events.kinds import Event
from syncsim.events.tracing import Span, Status, Trace, trace
from syncsim.ui.drawing import person


class HasEvents(Protocol):
    """A run, a history (`events` is a sequence) or a connection (`events` is a log)."""

    @property
    def events(self) -> Any:
        """Events, or a log that gives them when `read`."""


Source: TypeAlias = Iterable[Event] | HasEvents
"""Where events come from: themselves, a run, a history, a connection."""


def events_of(source: Source) -> Sequence[Event]:
    """The events of a source, as they are now."""
    events: Any = getattr(source, "events", source)
    return tuple(events.read() if hasattr(events, "read") else events)


@dataclass(frozen=True, slots=True)
class RetryWait:
    """One delay before a retry: what passed, and what the policy says without chance."""

    began_ms: float
    lasted_ms: float
    nominal_ms: float | None


@dataclass(frozen=True, slots=True)
class UpdateTrace:
    """One update, or one run of the job; `label` tells it from others of the same user.

    `update_id` is what its events carry. `steps` are its attempts, waits and times in the queue,
    with offsets in seconds from its own beginning. `merged` is how many paths of others stayed,
    `error` the class name of what it ended in. `attempts` counts what the events show: one that
    found nothing to write is among them.
    """

    update_id: str
    label: str
    user: str
    template_id: str | None
    status: Status
    version: str | None
    began_ms: float
    took_ms: float
    steps: tuple[Span, ...]
    merged: int
    error: str | None

    @property
    def is_job(self) -> bool:
        """Whether it is a run of the background job."""
        return self.user == BACKGROUND

    @property
    def attempts(self) -> int:
        """How many attempts began."""
        return sum(step.name.startswith("attempt") for step in self.steps)

    @property
    def waits(self) -> tuple[RetryWait, ...]:
        """The delays before its retries, in order."""
        return tuple(
            RetryWait(
                self.began_ms + step.start_s * 1000,
                (_end_s(step, self) - step.start_s) * 1000,
                None if step.facts.get("nominal_s") is None else step.facts["nominal_s"] * 1000,
            )
            for step in self.steps
            if step.name == "wait"
        )

    @property
    def queued_ms(self) -> float:
        """Its time in the commit queue."""
        queued = (step for step in self.steps if step.name == "queue")
        return sum((_end_s(step, self) - step.start_s) * 1000 for step in queued)

    def span_ms(self, step: Span) -> tuple[float, float]:
        """Where one of its steps begins on the common axis, and how long it took."""
        length_ms = (_end_s(step, self) - step.start_s) * 1000
        return self.began_ms + step.start_s * 1000, length_ms


def updates(source: Source) -> list[UpdateTrace]:
    """A row per update and run of the job that the events tell of, in the order they began."""
    told: dict[str, list[Event]] = {}
    for event in events_of(source):
        if event.update_id is not None and event.kind.startswith(_TOPICS):
            told.setdefault(event.update_id, []).append(event)
    traces = [one for one in (trace(events, id_) for id_, events in told.items()) if one]
    traces.sort(key=lambda one: one.started_at)
    total, number = Counter(one.user for one in traces), Counter[str | None]()
    rows = []
    for one in traces:
        number[one.user] += 1
        label = person(one.user or "?")
        if total[one.user] > 1:
            label += f" {number[one.user]}"
        rows.append(_update(one, label, (one.started_at - traces[0].started_at) * 1000))
    return rows


_TOPICS: Final = ("update.", "job.")


def _update(one: Trace, label: str, began_ms: float) -> UpdateTrace:
    """The row of one update; if it was repeated under its id, its last request counts."""
    request = [span for span in one.spans if span.parent is None][-1]
    commits = [span for span in one.spans if span.name == "commit"]
    return UpdateTrace(
        update_id=one.update_id,
        label=label,
        user=one.user or "?",
        template_id=one.template_id,
        status=one.status,
        version=one.version,
        began_ms=began_ms,
        took_ms=one.duration_s * 1000,
        steps=tuple(s for s in one.spans if s.name in _STEPS or s.name.startswith("attempt")),
        merged=max((span.facts.get("merged") or 0 for span in commits), default=0),
        error=request.facts.get("error"),
    )


_STEPS: Final = ("wait", "queue")


def _end_s(step: Span, update: UpdateTrace) -> float:
    """When a step ended; one that still runs has lasted until the last event of its update."""
    return update.took_ms / 1000 if step.end_s is None else step.end_s
