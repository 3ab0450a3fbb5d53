"""Updates as OpenTelemetry spans, where its API is installed; nothing at all where it is not.

One span per update ("syncsim.update") or run of the job ("syncsim.job"), child of the span that the
caller has open, with an event for each step on the way: attempt, conflict, fault, retry, queue. The
attributes are ids, versions, counts and outcomes, never template contents or user names.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from syncsim.events import BoundedEventLog
from syncsim.events.kinds import Event, Failed
from syncsim.system.interrupts import under_own_lock

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer, TracerProvider

MOST_OPEN: Final = 10_000
"""Updates under way; beyond it the span of the oldest is ended, its outcome "unknown"."""

_STARTS = frozenset({"update.started", "job.started"})
_OUTCOMES = ("committed", "unchanged", "skipped", "failed")
_ENDS = {f"{topic}.{outcome}": outcome for topic in ("update", "job") for outcome in _OUTCOMES}
_STEPS = {kind for kind in Event.KINDS if kind.startswith(("update.", "job."))} - _STARTS - {*_ENDS}


def forward_to_opentelemetry(
    log: BoundedEventLog, tracer_provider: TracerProvider | None = None
) -> Callable[[], None]:
    """Make a span of every new update; returns the way to stop.

    Without the API, and without a provider here or in the process by now, this does nothing: set
    up the provider before `connect`.
    """
    try:
        from opentelemetry.trace import ProxyTracerProvider, get_tracer, get_tracer_provider
    except ImportError:
        return lambda: None
    if tracer_provider is None and isinstance(get_tracer_provider(), ProxyTracerProvider):
        return lambda: None
    spans = _OpenSpans(get_tracer("syncsim", tracer_provider=tracer_provider))
    stops = (
        log.subscribe(spans.start, kinds=_STARTS),
        log.subscribe(spans.note, kinds=_STEPS, when=spans.are_open),
        log.subscribe(spans.end, kinds=_ENDS, when=spans.are_open),
    )

    def stop() -> None:
        for one in stops:
            one()

    return stop


class _OpenSpans:
    """The spans of the updates under way, by update id, oldest first; safe from any thread."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer
        self._lock = threading.RLock()
        self._by_update: dict[str, Span] = {}

    def are_open(self) -> bool:
        return bool(self._by_update)

    def start(self, event: Event) -> None:
        if event.update_id is None:
            return
        attributes = {"syncsim.update.id": event.update_id, **_attributes(event)}
        if event.template_id is not None:
            attributes["syncsim.template.id"] = event.template_id
        name = f"syncsim.{event.kind.partition('.')[0]}"
        span = self._tracer.start_span(name, attributes=attributes, start_time=_ns(event))
        if not span.is_recording():
            return
        abandoned = self._open(event.update_id, span)
        if abandoned is not None:
            abandoned.set_attribute("syncsim.outcome", "unknown")
            abandoned.end(_ns(event))

    @under_own_lock
    def _open(self, update_id: str, span: Span) -> Span | None:
        """Keep the span; returns the one that had to go for it, if any."""
        abandoned = self._by_update.pop(update_id, None)
        if len(self._by_update) >= MOST_OPEN:
            abandoned = self._by_update.pop(next(iter(self._by_update)))
        self._by_update[update_id] = span
        return abandoned

    def note(self, event: Event) -> None:
        span = self._by_update.get(event.update_id or "")
        if span is not None:
            span.add_event(event.kind, _attributes(event), _ns(event))

    def end(self, event: Event) -> None:
        span = self._by_update.pop(event.update_id or "", None)  # in one step
        if span is None:
            return
        span.set_attribute("syncsim.outcome", _ENDS[event.kind])
        span.set_attributes(_attributes(event))
        if isinstance(event, Failed):
            from opentelemetry.trace import StatusCode

            span.set_status(StatusCode.ERROR, event.error)
        span.end(_ns(event))


def _attributes(event: Event) -> dict[str, str | int | float | bool]:
    """The facts as attributes; `version` has its own name, for `syncsim.version` is a namespace."""
    names = {"version": "version.committed", "base": "version.base"}
    return {f"syncsim.{names.get(name, name)}": fact for name, fact in event.exportable().items()}


def _ns(event: Event) -> int:
    return round(event.at * 1e9)
