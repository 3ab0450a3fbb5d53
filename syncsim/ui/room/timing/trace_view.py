"""The trace of one update as a waterfall: request, attempts, waits, queue and commit as spans."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from syncsim.contract import JSON, Revision
from syncsim.events.kinds import Event
from syncsim.events.live_log import detail
from syncsim.events.tracing import Span, Trace, trace
from syncsim.ui.drawing import INK, STYLES, Style, counted, lanes, new_figure, person, typed
from syncsim.ui.room.run_view import RunView, Version
from syncsim.ui.timeline import QUEUE
from syncsim.ui.updates import UpdateTrace, updates

if TYPE_CHECKING:
    import plotly.graph_objects as go  # type: ignore[import-untyped]

MOST_SPANS: Final = 60
"""Spans that are drawn, the first ones; the table has all."""

COLUMNS: Final = ("span", "within", "start_ms", "took_ms", "status", "facts", "update_id")
_INDENT: Final = "\u00a0\u00a0\u00a0"

_LOOKS: Final[Mapping[str, tuple[str, Style]]] = {
    "request": ("request", Style("request", "▭", "#E8F1F8", INK, "square")),
    "attempt": ("attempt", STYLES["committed"]),
    "lost": ("attempt that lost or failed", STYLES["conflict"]),
    "wait": ("wait before a retry", STYLES["retry"]),
    "queue": ("in the queue", QUEUE),
    "commit": ("commit in the store", STYLES["merged"]),
    "mark": ("something said on the way", STYLES["idle"]),
}
"""What a bar means, in the order of the legend."""


def _traced(record: RunView, update_id: str | None) -> Trace | None:
    """The trace of an update; None if the record tells nothing of it.

    The version that an update committed settles it where its last answer was lost.
    """
    if update_id is None:
        return None
    told = [event for event in record.events if event.update_id == update_id]
    found = trace(told, update_id)
    if found is not None and found.status != "unknown":
        return found
    return trace(told, update_id, _committed(record, update_id)) or found


def waterfall(record: RunView, selected: str | None = None) -> go.Figure:
    """The spans of the selected update, or of the slowest one, in milliseconds since its start.

    Table: a row per span with span (its name), within (that of its parent), start_ms, took_ms (to
    the newest event where it still runs), status, facts (as text), update_id.
    """
    rows = updates(record)
    told = _traced(record, _slowest(rows) if selected is None else selected)
    spans = [] if told is None else list(_tree(told))
    figure = new_figure(
        "Trace" if told is None else _title(rows, told, selected, len(spans)),
        COLUMNS,
        [] if told is None else [_cells(told, span) for _, span in spans],
        height=150 + 30 * min(max(len(spans), 4), MOST_SPANS),
        empty="No update has begun yet"
        if selected is None
        else "The selected update has not begun here",
        barmode="overlay",
        legend_traceorder="normal",
    )
    if told is None:
        return figure
    spans = spans[:MOST_SPANS]
    _draw(figure, told, spans)
    lanes(figure, [_INDENT * depth + typed(span.name) for depth, span in spans])
    whole_ms = told.duration_s * 1000 or 1.0
    figure.update_xaxes(
        title="time since this update began (ms)",
        range=[-0.01 * whole_ms, 1.3 * whole_ms],
        zeroline=False,
    )
    return figure


def _slowest(rows: Sequence[UpdateTrace]) -> str | None:
    users = [row for row in rows if not row.is_job] or rows
    return max(users, key=lambda row: row.took_ms).update_id if users else None


def _committed(record: RunView, update_id: str) -> Revision | None:
    """What this update left in the store, as far as the record goes."""
    for version in record.versions:
        if version.update_id == update_id:
            return _as_revision(version)
    return None


def _as_revision(version: Version) -> Revision:
    if isinstance(version, Revision):
        return version
    return Revision(
        version.template_id,
        version.version,
        version.number,
        version.parent,
        version.by,
        version.at,
        b"{}",
        version.update_id,
        version.detail,
    )


def _tree(told: Trace, parent: int | None = None, depth: int = 0) -> Iterator[tuple[int, Span]]:
    """Each span under its parent, with how deep it lies."""
    for span in told.spans:
        if span.parent == parent:
            yield depth, span
            yield from _tree(told, span.id, depth + 1)


def _title(rows: Sequence[UpdateTrace], told: Trace, selected: str | None, spans: int) -> str:
    label = next((row.label for row in rows if row.update_id == told.update_id), None)
    who = typed(label or person(told.user or "?"))
    which = f"Trace of {who}" if selected is not None else f"Trace of the slowest update, {who}"
    version = f" {typed(told.version)}" if told.version else ""
    some = f", the first {MOST_SPANS} drawn" if spans > MOST_SPANS else ""
    rest = "" if told.is_whole else "; its beginning is not remembered"
    took = f"{told.duration_s * 1000:.1f} ms in {counted(spans, 'span')}{some}"
    return f"{which}: {told.status}{version} after {took}{rest}"


def _took_ms(told: Trace, span: Span) -> float:
    end_s = told.duration_s if span.end_s is None else span.end_s
    return (end_s - span.start_s) * 1000


def _cells(told: Trace, span: Span) -> list[JSON]:
    within = next((one.name for one in told.spans if one.id == span.parent), None)
    return [
        *(span.name, within, round(span.start_s * 1000, 3), round(_took_ms(told, span), 3)),
        *(span.status, _facts(span), told.update_id),
    ]


def _facts(span: Span) -> str:
    return detail(Event(0, span.name, 0.0, facts=span.facts))


def _meaning(span: Span) -> str:
    name = span.name.split(" ")[0]
    if name == "attempt" and span.status in ("conflict", "fault", "failed"):
        return "lost"
    return name if name in _LOOKS else "mark"


def _draw(figure: go.Figure, told: Trace, spans: list[tuple[int, Span]]) -> None:
    """A trace per meaning; the length and the status stand to the right of each bar."""
    least_ms = told.duration_s * 1000 * 0.004
    for meaning, (name, look) in _LOOKS.items():
        mine = [(lane, span) for lane, (_, span) in enumerate(spans) if _meaning(span) == meaning]
        if not mine:
            continue
        figure.add_bar(
            name=f"{look.sign} {name}",
            orientation="h",
            y=[lane for lane, _ in mine],
            base=[span.start_s * 1000 for _, span in mine],
            x=[max(_took_ms(told, span), least_ms) for _, span in mine],
            width=0.6,
            text=[f" {_took_ms(told, span):.1f} ms {typed(span.status)}" for _, span in mine],
            textposition="outside",
            textfont={"color": look.ink},
            cliponaxis=False,
            hovertext=[_hover(told, span) for _, span in mine],
            hoverinfo="text",
            marker={"color": look.fill, "line": {"color": look.ink, "width": 1}},
        )


def _hover(told: Trace, span: Span) -> str:
    facts = typed(_facts(span), 100)
    start_ms, took_ms = span.start_s * 1000, _took_ms(told, span)
    return f"{typed(span.name)}: {start_ms:.1f} + {took_ms:.1f} ms, {span.status}; {facts}"
