"""Latency and throughput over time: percentiles and answers a second, in slots of equal length."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from syncsim.contract import BACKGROUND, JSON
from syncsim.events import kinds
from syncsim.events.kinds import Event
from syncsim.lab.results.figures import percentile
from syncsim.ui.charts import SLOWEST_MS
from syncsim.ui.drawing import INK, STYLES, Style, counted, new_figure, person, typed
from syncsim.ui.room.run_view import RunView

if TYPE_CHECKING:
    import plotly.graph_objects as go  # type: ignore[import-untyped]

MOST_SLOTS: Final = 60
"""Slots on the axis: longer records have longer slots."""

MOST_POINTS: Final = 300
"""Updates drawn one by one, the newest; percentiles and tables count all of them."""

LONGEST_S: Final = 1e12
"""Longer than any record lasts; times that a solution made up reach no further."""

PERCENTILES: Final = (50, 95, 99)
_SLOTS_S: Final = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800)

_ENDS: Final[Mapping[type[Event], str]] = {
    kinds.UpdateCommitted: "committed",
    kinds.UpdateUnchanged: "unchanged",
    kinds.UpdateFailed: "failed",
}
_LOOKS: Final[Mapping[str, Style]] = {
    "committed": STYLES["committed"],
    "unchanged": STYLES["idle"],
    "failed": STYLES["conflict"],
}
_LINES: Final[Mapping[int, tuple[str, str, str]]] = {
    50: ("#0072B2", "solid", "circle"),
    95: ("#8A5A00", "dash", "diamond"),
    99: ("#9A4576", "dot", "square"),
}


@dataclass(frozen=True, slots=True)
class Answer:
    """The end of one user's update; `took_ms` is None where neither it nor its beginning is known.

    `at_s` is seconds since the record's first event.
    """

    update_id: str | None
    user: str
    result: str
    at_s: float
    took_ms: float | None


def answers(record: RunView) -> list[Answer]:
    """Every answer to a user's update, in order; runs of the job are none.

    The time is the `latency_s` that the solution said, else that since the update began.
    """
    if not record.events:
        return []
    first = min(event.at for event in record.events)
    began: dict[str, float] = {}
    told = []
    for event in record.events:
        if isinstance(event, kinds.UpdateStarted):
            began[event.update_id or ""] = event.at
        result = _ENDS.get(type(event))
        if result is None or event.user == BACKGROUND:
            continue
        start = began.get(event.update_id or "")
        said_s: float | None = event.latency_s  # type: ignore[attr-defined]
        took_s = None if start is None else _passed_s(start, event.at)
        if said_s is not None:
            took_s = _passed_s(0.0, said_s)
        told.append(
            Answer(
                *(event.update_id, event.user or "?", result, _passed_s(first, event.at)),
                None if took_s is None else took_s * 1000,
            )
        )
    return told


def slot_s(lasted_s: float, least_s: float = 0.01) -> float:
    """The length of a slot, in seconds: a round one, so that `MOST_SLOTS` hold what lasted."""
    for length_s in _SLOTS_S:
        if length_s >= least_s and lasted_s / length_s < MOST_SLOTS:
            return length_s
    return math.ceil(lasted_s / (MOST_SLOTS - 1) / 3600) * 3600.0


def latency(record: RunView, selected: str | None = None) -> go.Figure:
    """How long updates took, and the median, p95 and p99 of those that ended in each slot of time.

    Percentiles are nearest-rank, as in a run's figures. Table: a row per slot with an answer:
    from_s, to_s, updates, p50_ms, p95_ms, p99_ms, max_ms.
    """
    told = [answer for answer in answers(record) if answer.took_ms is not None]
    took_ms = [answer.took_ms or 0.0 for answer in told]
    length_s = slot_s(_lasted_s(record))
    slots = _slots(told, length_s)
    cells: list[list[JSON]] = [
        [
            round(n * length_s, 3),
            round((n + 1) * length_s, 3),
            len(mine),
            *(percentile([a.took_ms or 0.0 for a in mine], p) for p in PERCENTILES),
            round(max(a.took_ms or 0.0 for a in mine), 3),
        ]
        for n, mine in slots.items()
    ]
    all_of_it = ", ".join(f"p{p} {percentile(took_ms, p) or 0:.0f} ms" for p in PERCENTILES)
    figure = new_figure(
        f"Latency: {counted(len(told), 'update')}, {all_of_it}, "
        f"the slowest {max(took_ms):.0f} ms of the {SLOWEST_MS} allowed"
        if told
        else "Latency",
        ("from_s", "to_s", "updates", "p50_ms", "p95_ms", "p99_ms", "max_ms"),
        cells,
        height=400,
        empty="No update has ended yet",
        hovermode="closest",
    )
    if not told:
        return figure
    _draw_answers(figure, told)
    middles = [(n + 0.5) * length_s for n in slots]
    for place, percent in enumerate(PERCENTILES, 3):
        colour, dash, symbol = _LINES[percent]
        figure.add_scatter(
            name=f"p{percent} of {_seconds(length_s)}",
            mode="lines+markers",
            x=middles,
            y=[row[place] for row in cells],
            line={"color": colour, "dash": dash, "width": 2},
            marker={"symbol": symbol, "size": 7, "color": colour},
            hovertext=[f"p{percent}: {row[place]:.1f} ms of {row[2]} updates" for row in cells],
            hoverinfo="text",
        )
    _ring(figure, told, selected)
    figure.update_xaxes(title="time since the first event (s)", rangemode="tozero", zeroline=False)
    figure.update_yaxes(title="time from call to answer (ms)", rangemode="tozero")
    return figure


def throughput(record: RunView, selected: str | None = None) -> go.Figure:
    """Answers a second in each slot of time, by what they were; the slot of the selected is named.

    The last slot counts as whole, though time in it may not have passed yet. Table: a row per slot
    with from_s, to_s, committed, unchanged, failed, per_s (all of them a second).
    """
    told = answers(record)
    lasted_s = _lasted_s(record)
    length_s = slot_s(lasted_s, 0.1)
    slots = _slots(told, length_s)
    places = range(max(slots, default=-1) + 1)
    counts = {
        result: [sum(a.result == result for a in slots.get(n, ())) for n in places]
        for result in _LOOKS
    }
    rates = [len(slots.get(n, ())) / length_s for n in places]
    per_s = len(told) / max(lasted_s, length_s)
    figure = new_figure(
        f"Throughput: {counted(len(told), 'answer')} in {max(lasted_s, length_s):.1f} s, "
        f"{per_s:.1f} a second, at best {max(rates):.0f} in {_seconds(length_s)}"
        if told
        else "Throughput",
        ("from_s", "to_s", *_LOOKS, "per_s"),
        [
            [
                *(round(n * length_s, 3), round((n + 1) * length_s, 3)),
                *(counts[result][n] for result in _LOOKS),
                round(rates[n], 3),
            ]
            for n in places
        ],
        height=400,
        empty="No update has ended yet",
        barmode="stack",
        legend_traceorder="normal",
    )
    for result, look in _LOOKS.items():
        if any(counts[result]):
            figure.add_bar(
                name=f"{look.sign} {result}",
                x=[(n + 0.5) * length_s for n in places],
                y=[count / length_s for count in counts[result]],
                width=length_s,
                hovertext=[
                    f"{n * length_s:.2f} to {(n + 1) * length_s:.2f} s: {count} {result}"
                    for n, count in enumerate(counts[result])
                ],
                hoverinfo="text",
                marker={"color": look.fill, "line": {"color": look.ink, "width": 1}},
            )
    for answer in told:
        if selected is not None and answer.update_id == selected:
            n = math.floor(answer.at_s / length_s)
            text = f"▶ {typed(person(answer.user))}"
            figure.add_annotation(text=text, x=(n + 0.5) * length_s, y=rates[n], ay=-24)
    if told:
        figure.update_xaxes(title="time since the first event (s)", rangemode="tozero")
        figure.update_yaxes(title="answers a second", rangemode="tozero")
    return figure


def _lasted_s(record: RunView) -> float:
    times = [event.at for event in record.events]
    return _passed_s(min(times), max(times)) if times else 0.0


def _passed_s(begin: float, end: float) -> float:
    return min(max(end - begin, 0.0), LONGEST_S)


def _slots(told: Sequence[Answer], length_s: float) -> dict[int, list[Answer]]:
    found: dict[int, list[Answer]] = {}
    for answer in sorted(told, key=lambda answer: answer.at_s):
        found.setdefault(math.floor(answer.at_s / length_s), []).append(answer)
    return found


def _draw_answers(figure: go.Figure, told: Sequence[Answer]) -> None:
    for result, look in _LOOKS.items():
        mine = [answer for answer in told if answer.result == result][-MOST_POINTS:]
        if mine:
            figure.add_scatter(
                name=f"{look.sign} {result}",
                mode="markers",
                x=[answer.at_s for answer in mine],
                y=[answer.took_ms for answer in mine],
                hovertext=[_told(answer) for answer in mine],
                hoverinfo="text",
                marker={"symbol": look.symbol, "size": 8, "color": look.fill, "opacity": 0.7},
            )


def _ring(figure: go.Figure, told: Sequence[Answer], selected: str | None) -> None:
    for answer in told:
        if selected is not None and answer.update_id == selected:
            figure.add_scatter(
                name=f"▶ selected: {typed(person(answer.user))}",
                mode="markers",
                x=[answer.at_s],
                y=[answer.took_ms],
                hovertext=[_told(answer)],
                hoverinfo="text",
                marker={"symbol": "circle-open", "size": 18, "color": INK, "line": {"width": 3}},
            )
            return


def _told(answer: Answer) -> str:
    return f"{typed(person(answer.user))}: {answer.result} after {answer.took_ms or 0:.1f} ms"


def _seconds(length_s: float) -> str:
    return f"{length_s * 1000:.0f} ms" if length_s < 1 else f"{length_s:.0f} s"
