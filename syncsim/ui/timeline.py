"""The timeline of one lane an update: attempts, real waits, time in the queue, and its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from syncsim.contract import JSON
from syncsim.events.tracing import Span
from syncsim.ui.drawing import INK, STYLES, Style, counted, lanes, new_figure, typed
from syncsim.ui.updates import Source, UpdateTrace, updates

if TYPE_CHECKING:
    import plotly.graph_objects as go  # type: ignore[import-untyped]

LANE_HEIGHT: Final = 44
CROWDED_LANE_HEIGHT: Final = 28
CROWDED: Final = 16
"""With more lanes than these each is lower."""

BAR_WIDTH: Final = 0.5
"""Share of a lane; the rest holds the signs above the bars and the lines below."""

MOST_LANES: Final = 60
"""Updates that a timeline draws; its table has them all."""

MOST_STEPS: Final = 12
"""Steps of one update that are drawn: the last ones of an update that retries without end."""

MOST_BARS: Final = 300
"""Bars of one meaning that are drawn; a browser gets every one again with each change."""

_POINTS_A_WAIT: Final = 3
_SELECTED_BAND: Final = "#FFF3C4"


def retry_timeline(
    source: Source, *, selected: str | None = None, newest: bool = False
) -> go.Figure:
    """Each update's attempts, real waits, time in the queue and end, on one axis of milliseconds.

    A thin line below each wait is as long as its policy says without chance: 100, 200, 400 ms.
    `selected` is the `update_id` to mark. Of more updates than `MOST_LANES` the first are drawn, or
    the `newest`; the selected one always.
    Table: a row per update with update, user, template, result, version, attempts, merged,
    began_ms, waits_ms, nominal_ms, queued_ms, took_ms, error, update_id.
    """
    rows = updates(source)
    shown = _shown(rows, selected, newest)
    lane_height = LANE_HEIGHT if len(shown) <= CROWDED else CROWDED_LANE_HEIGHT
    figure = new_figure(
        _timeline_title(rows, len(shown), "newest" if newest else "first"),
        _TIMELINE_COLUMNS,
        [_timeline_cells(row) for row in rows],
        height=160 + lane_height * max(len(shown), 3),
        empty="No update has begun yet",
        barmode="overlay",
        legend_traceorder="normal",
    )
    if not rows:
        return figure
    _draw_steps(figure, shown)
    _draw_nominal_waits(figure, shown)
    _draw_signs(figure, shown)
    _mark(figure, shown, selected)
    began_ms = min(row.began_ms for row in shown)
    lasted_ms = max(row.began_ms + row.took_ms for row in shown) - began_ms
    figure.update_xaxes(
        title="time since the first update began (ms)",
        range=[began_ms - lasted_ms * 0.01, began_ms + lasted_ms * 1.45 + 1],
        zeroline=False,
    )
    return figure


def _shown(
    rows: Sequence[UpdateTrace], selected: str | None, newest: bool
) -> Sequence[UpdateTrace]:
    """The updates that get a lane, in the order they began; the selected one always gets one."""
    if len(rows) <= MOST_LANES:
        return rows
    kept = range(len(rows) - MOST_LANES, len(rows)) if newest else range(MOST_LANES)
    places = list(kept)
    for place, row in enumerate(rows):
        if row.update_id == selected and place not in kept:
            places[0 if newest else -1] = place
    return [rows[place] for place in places]


def _mark(figure: go.Figure, rows: Sequence[UpdateTrace], selected: str | None) -> None:
    """Name the lanes; the selected one has a sign before its name and a band behind it."""
    names = []
    for lane, row in enumerate(rows):
        is_selected = selected is not None and row.update_id == selected
        names.append(f"▶ {typed(row.label)}" if is_selected else typed(row.label))
        if is_selected:
            figure.add_shape(
                type="rect",
                layer="below",
                xref="paper",
                x0=0,
                x1=1,
                y0=lane - 0.5,
                y1=lane + 0.5,
                fillcolor=_SELECTED_BAND,
                line={"width": 0},
            )
    lanes(figure, names)


QUEUE: Final = Style("queue", "‖", "#E3E3E3", STYLES["idle"].ink, "square")

_STEP_LOOKS: Final[Mapping[str, tuple[str, Style]]] = {
    "conflict": ("attempt that lost", STYLES["conflict"]),
    "retry": ("wait before a retry", STYLES["retry"]),
    "queue": ("in the queue", QUEUE),
    "committed": ("attempt that committed", STYLES["committed"]),
    "merged": ("attempt that merged and committed", STYLES["merged"]),
    "idle": ("attempt that wrote nothing", STYLES["idle"]),
}
"""What a bar of the timeline means, in the order of the legend."""

_TIMELINE_COLUMNS: Final = (
    *("update", "user", "template", "result", "version", "attempts", "merged"),
    *("began_ms", "waits_ms", "nominal_ms", "queued_ms", "took_ms", "error", "update_id"),
)


def _timeline_title(rows: Sequence[UpdateTrace], shown: int, which: str) -> str:
    if not rows:
        return "Retry timeline"
    jobs = sum(row.is_job for row in rows)
    retried = sum(bool(row.waits) for row in rows)
    told = counted(len(rows) - jobs, "update")
    told += f", {counted(jobs, 'run')} of the job" if jobs else ""
    some = f" (the {which} {shown} drawn)" if shown < len(rows) else ""
    failed = sum(row.status == "failed" for row in rows)
    ends = f"{retried} had to wait, " + (f"{failed} failed, " if failed else "")
    slowest_ms = max(row.took_ms for row in rows)
    return f"Retry timeline: {told}{some}; {ends}the slowest took {slowest_ms:.0f} ms"


def _timeline_cells(row: UpdateTrace) -> list[JSON]:
    waits = row.waits
    return [
        *(row.label, row.user, row.template_id, row.status, row.version, row.attempts, row.merged),
        round(row.began_ms, 3),
        [round(wait.lasted_ms, 1) for wait in waits],
        [wait.nominal_ms for wait in waits],
        round(row.queued_ms, 3),
        round(row.took_ms, 3),
        row.error,
        row.update_id,
    ]


def _draw_steps(figure: go.Figure, rows: Sequence[UpdateTrace]) -> None:
    """One trace of bars per meaning, so that the legend can hide and show it."""
    bars: dict[str, list[tuple[int, float, float, str, str]]] = {}
    for lane, row in enumerate(rows):
        for step in row.steps[-MOST_STEPS:]:
            meaning = _meaning(row, step)
            began_ms, length_ms = row.span_ms(step)
            text = f"{length_ms:.0f} ms" if meaning == "retry" else ""
            told = f"{typed(row.label)}: {typed(step.name)}, {step.status}, {length_ms:.1f} ms"
            bars.setdefault(meaning, []).append((lane, began_ms, length_ms, text, told))
    for meaning, (name, look) in _STEP_LOOKS.items():
        if meaning not in bars:
            continue
        places, begins, lengths, texts, told_texts = zip(*bars[meaning][-MOST_BARS:], strict=True)
        figure.add_bar(
            name=f"{look.sign} {name}",
            orientation="h",
            y=places,
            base=begins,
            x=lengths,
            width=BAR_WIDTH,
            text=texts,
            textposition="inside",
            insidetextanchor="middle",
            constraintext="none",
            textangle=0,
            textfont={"color": INK, "size": 11},
            hovertext=told_texts,
            hoverinfo="text",
            marker={"color": look.fill, "line": {"color": look.ink, "width": 1}},
        )


def _meaning(row: UpdateTrace, step: Span) -> str:
    if step.name == "wait":
        return "retry"
    if step.name == "queue":
        return "queue"
    if step.status in ("conflict", "fault", "failed"):
        return "conflict"
    if row.status != "committed" or step is not _last_attempt(row):
        return "idle"
    return "merged" if row.merged else "committed"


def _last_attempt(row: UpdateTrace) -> Span | None:
    return next((step for step in reversed(row.steps) if step.name.startswith("attempt")), None)


def _draw_nominal_waits(figure: go.Figure, rows: Sequence[UpdateTrace]) -> None:
    """Below the bars, as a mark beyond the end of a short wait would cross the words there."""
    x: list[float | None] = []
    y: list[float | None] = []
    texts: list[str] = []
    for lane, row in enumerate(rows):
        for wait in row.waits[-MOST_STEPS:]:
            if wait.nominal_ms is not None:
                x += [wait.began_ms, wait.began_ms + wait.nominal_ms, None]
                y += [lane + 0.36, lane + 0.36, None]
                texts += [f"nominal wait {wait.nominal_ms:.0f} ms"] * 3
    most = MOST_BARS // _POINTS_A_WAIT * _POINTS_A_WAIT
    x, y, texts = x[-most:], y[-most:], texts[-most:]
    if texts:
        tick = {"symbol": "line-ns-open", "size": 7, "color": INK, "line": {"width": 2}}
        figure.add_scatter(
            name="nominal wait (100, 200, 400 ms)",
            mode="lines+markers",
            x=x,
            y=y,
            hovertext=texts,
            hoverinfo="text",
            line={"color": INK, "width": 2},
            marker=tick,
        )


def _draw_signs(figure: go.Figure, rows: Sequence[UpdateTrace]) -> None:
    """A sign above the bars for each swap lost, and each end in sign and words to their right."""
    conflict = STYLES["conflict"]
    lost = [
        (sum(row.span_ms(step)), lane - 0.38)
        for lane, row in enumerate(rows)
        for step in row.steps[-MOST_STEPS:]
        if step.status == "conflict"
    ][-MOST_BARS:]
    figure.add_scatter(
        mode="text",
        x=[at_ms for at_ms, _ in lost],
        y=[place for _, place in lost],
        text=[conflict.sign] * len(lost),
        textfont={"color": conflict.ink, "size": 13},
        hoverinfo="skip",
        showlegend=False,
        cliponaxis=False,
    )
    ends = [_end_of(row) for row in rows]
    figure.add_scatter(
        mode="text",
        x=[row.began_ms + row.took_ms for row in rows],
        y=list(range(len(rows))),
        text=[f" {text}" for text, _ in ends],
        textposition="middle right",
        textfont={"color": [look.ink for _, look in ends], "size": 13},
        hoverinfo="skip",
        showlegend=False,
        cliponaxis=False,
    )


def _end_of(row: UpdateTrace) -> tuple[str, Style]:
    version = f" {typed(row.version)}" if row.version else ""
    match row.status:
        case "committed" if row.merged:
            look = STYLES["merged"]
            return f"{look.sign} merged {row.merged}, committed{version}", look
        case "committed":
            look = STYLES["committed"]
            return f"{look.sign} committed{version}", look
        case "failed":
            look = STYLES["conflict"]
            return f"{look.sign} {typed(row.error or 'failed')}", look
        case other:
            look = STYLES["idle"]
            return f"{look.sign} {other}", look
