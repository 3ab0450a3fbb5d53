"""The background job on one axis with the users' commits and the cooldown that follows each.

What is drawn is `moments`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from syncsim.contract import JSON
from syncsim.lab.checkers.policy import COOLDOWN_S
from syncsim.ui.drawing import INK, STYLES, Style, counted, lanes, new_figure, person, typed
from syncsim.ui.room.run_view import RunView
from syncsim.ui.room.timing.moments import TimelineMoment, What, cooldowns, moments

if TYPE_CHECKING:
    import plotly.graph_objects as go  # type: ignore[import-untyped]

MOST_POINTS: Final = 300
"""Marks of one meaning, and bands, that are drawn: the newest; the table has all."""

MOST_TEXTS: Final = 5
"""Skip messages written out, the newest; the others show on hover and in the table."""

COLUMNS: Final = (
    *("at_s", "template", "who", "what", "version", "since_user_s", "text", "update_id"),
)
_LOOKS: Final[Mapping[What, tuple[str, Style]]] = {
    "created": ("template created", Style("created", "☆", "#FFFFFF", INK, "star")),
    "commit": ("commit of a user", STYLES["committed"]),
    "wrote": ("job wrote", Style("wrote", "■", INK, INK, "square")),
    "violation": ("job wrote within the cooldown: violation", STYLES["conflict"]),
    "skipped": ("job skipped", STYLES["idle"]),
    "unchanged": ("job found nothing to write", Style("unchanged", "=", "#595959", INK, "line-ew")),
    "failed": ("job failed", Style("failed", "!", "#B34700", "#B34700", "cross-thin")),
}
_BAND: Final = Style("cooldown", "░", "#FBE3B5", "#8A5A00", "square")


def job_axis(
    record: RunView, selected: str | None = None, *, cooldown_s: float = COOLDOWN_S
) -> go.Figure:
    """User commits, cooldown bands of `cooldown_s` seconds and runs of the job, on one axis.

    Table: a row per commit and per run: at_s (since the first), template, who, what (created,
    commit, wrote, violation, skipped, unchanged, failed), version, since_user_s, text, update_id.
    """
    told = moments(record, cooldown_s)
    first = told[0].at if told else 0.0
    figure = new_figure(
        _title(told, cooldown_s),
        COLUMNS,
        [_cells(moment, first) for moment in told],
        height=400,
        empty="Nobody has committed, and the job has not run yet",
        barmode="overlay",
        hovermode="closest",
        legend_traceorder="normal",
    )
    if not told:
        return figure
    now_s = max(record.now, told[-1].at) - first
    _draw_bands(figure, told, first, cooldown_s)
    _draw_marks(figure, told, first, selected)
    end_s = max(now_s, min(told[-1].at - first + cooldown_s, now_s + cooldown_s))
    _draw_texts(figure, told, first, end_s)
    lanes(figure, ["users", "Background", *([""] * _TEXT_LANES)])
    figure.update_xaxes(
        title="time since the first commit or run (s)",
        range=[-0.03 * end_s - 0.05, 1.03 * end_s + 0.05],
        zeroline=False,
    )
    return figure


def _cells(moment: TimelineMoment, first: float) -> list[JSON]:
    since_s = moment.since_user_s
    return [
        *(round(moment.at - first, 6), moment.template_id, moment.who, moment.what),
        *(moment.version, None if since_s is None else round(since_s, 6), moment.text),
        moment.update_id,
    ]


def _title(told: Sequence[TimelineMoment], cooldown_s: float) -> str:
    if not told:
        return "Background job"
    counts = Counter[str](moment.what for moment in told)
    runs = sum(counts.values()) - counts["commit"] - counts["created"]
    ends = ", ".join(
        f"{counts[what]} {word}"
        for what, word in (
            ("wrote", "wrote"),
            ("skipped", "skipped"),
            ("unchanged", "found nothing to write"),
            ("failed", "failed"),
        )
        if counts[what]
    )
    broken = counts["violation"]
    verdict = f"{broken} within the cooldown of {cooldown_s:g} s: violation" if broken else ""
    told_runs = ", ".join(part for part in (ends, verdict) if part)
    return f"Background job: {counted(counts['commit'], 'user commit')}, {counted(runs, 'run')}" + (
        f": {told_runs}" if told_runs else ""
    )


# -- drawing ---------------------------------------------------------------------------------------

_USERS, _JOB = 0, 1
_TEXT_LANES: Final = 2


def _draw_bands(
    figure: go.Figure, told: Sequence[TimelineMoment], first: float, cooldown_s: float
) -> None:
    """Bands that touch are one: a bar for each stretch in which the job must not write."""
    bands = [(begin - first, end - first) for begin, end in cooldowns(told, cooldown_s)][
        -MOST_POINTS:
    ]
    if bands:
        figure.add_bar(
            name=f"{_BAND.sign} cooldown, {cooldown_s:g} s after each user commit",
            orientation="h",
            y=[_JOB] * len(bands),
            base=[began_s for began_s, _ in bands],
            x=[ended_s - began_s for began_s, ended_s in bands],
            width=0.8,
            hovertext=[f"cooldown until {ended_s:.2f} s" for _, ended_s in bands],
            hoverinfo="text",
            marker={"color": _BAND.fill, "line": {"color": _BAND.ink, "width": 1}},
        )


def _draw_marks(
    figure: go.Figure, told: Sequence[TimelineMoment], first: float, selected: str | None
) -> None:
    for what, (name, look) in _LOOKS.items():
        mine = [moment for moment in told if moment.what == what][-MOST_POINTS:]
        if mine:
            figure.add_scatter(
                name=f"{look.sign} {name}",
                mode="markers",
                x=[moment.at - first for moment in mine],
                y=[_lane(moment) for moment in mine],
                hovertext=[_told(moment, first) for moment in mine],
                hoverinfo="text",
                cliponaxis=False,
                marker={
                    "symbol": look.symbol,
                    "size": 16 if what == "violation" else 12,
                    "color": look.fill,
                    "line": {"color": look.ink, "width": 2},
                },
            )
    chosen = [moment for moment in told if selected and moment.update_id == selected]
    if chosen:
        figure.add_scatter(
            name=f"▶ selected: {typed(person(chosen[-1].who))}",
            mode="markers",
            x=[chosen[-1].at - first],
            y=[_lane(chosen[-1])],
            hovertext=[_told(chosen[-1], first)],
            hoverinfo="text",
            marker={"symbol": "circle-open", "size": 24, "color": INK, "line": {"width": 3}},
        )


def _draw_texts(
    figure: go.Figure, told: Sequence[TimelineMoment], first: float, end_s: float
) -> None:
    """What the job said, below its lane; to the left of a mark where the right has no room."""
    said = [m for m in told if m.what in ("skipped", "violation", "failed")][-MOST_TEXTS:]
    if not said:
        return
    figure.add_scatter(
        mode="text",
        x=[moment.at - first for moment in said],
        y=[_JOB + 0.7 + 0.36 * place for place in range(len(said))],
        text=[_line(moment) for moment in said],
        textposition=[
            "middle left" if moment.at - first > 0.5 * end_s else "middle right" for moment in said
        ],
        textfont={"size": 12, "color": [_LOOKS[moment.what][1].ink for moment in said]},
        hoverinfo="skip",
        showlegend=False,
        cliponaxis=False,
    )


def _lane(moment: TimelineMoment) -> int:
    return _USERS if moment.what in ("created", "commit") else _JOB


def _line(moment: TimelineMoment) -> str:
    return f"{_LOOKS[moment.what][1].sign} {typed(moment.text, 80)}"


def _told(moment: TimelineMoment, first: float) -> str:
    name = _LOOKS[moment.what][0]
    version = f" {typed(moment.version)}" if moment.version else ""
    text = f"; {typed(moment.text, 80)}" if moment.text else ""
    at_s = moment.at - first
    who, where = typed(person(moment.who)), typed(moment.template_id)
    return f"{who}: {name}{version} of {where} at {at_s:.3f} s{text}"
