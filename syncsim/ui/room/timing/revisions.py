"""How a template's version grew: its number over time, each commit marked by who made it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from syncsim.contract import BACKGROUND, JSON
from syncsim.ui.drawing import INK, STYLES, Style, counted, new_figure, person, typed
from syncsim.ui.room.run_view import RunView
from syncsim.ui.room.timing.moments import TimelineMoment, commits

if TYPE_CHECKING:
    import plotly.graph_objects as go  # type: ignore[import-untyped]

MOST_POINTS: Final = 300
"""Commits that are drawn, the newest; the table has all."""

MOST_LABELS: Final = 16
"""A record with more commits than these names their users on hover only."""

COLUMNS: Final = ("at_s", "template", "number", "version", "who", "what", "update_id")

_LOOKS: Final[Mapping[str, tuple[str, Style]]] = {
    "created": ("template created", Style("created", "☆", "#FFFFFF", INK, "star")),
    "user": ("commit of a user", STYLES["committed"]),
    "job": ("commit of the job", Style("job", "■", INK, INK, "square")),
}


@dataclass(frozen=True, slots=True)
class _Commit:
    number: int
    what: str
    moment: TimelineMoment


def versions(record: RunView, selected: str | None = None) -> go.Figure:
    """The number of each template's newest version as steps, with a mark for each commit.

    Numbers count from 1 in the store's order. Table: a row per commit: at_s (since the first),
    template, number, version, who, what (created, user, job), update_id.
    """
    told = _numbered(commits(record))
    first = min((one.moment.at for one in told), default=0.0)
    figure = new_figure(
        _title(told),
        COLUMNS,
        [_cells(one, first) for one in told],
        height=420,
        empty="No version has been written yet",
        hovermode="closest",
        legend_traceorder="normal",
    )
    if not told:
        return figure
    drawn = told[-MOST_POINTS:]
    end_s = max(record.now, *(one.moment.at for one in told)) - first
    _draw_steps(figure, drawn, first, end_s)
    _draw_marks(figure, drawn, first, has_labels=len(told) <= MOST_LABELS)
    _draw_selected(figure, drawn, first, selected)
    length_s = end_s or 1.0
    figure.update_xaxes(
        title="time since the first version (s)",
        range=[-0.05 * length_s, 1.08 * length_s],
        zeroline=False,
    )
    most = max(one.number for one in told)
    figure.update_yaxes(
        title="version number",
        range=[min(one.number for one in drawn) - 0.6, most + 0.08 * most + 0.6],
        zeroline=False,
        dtick=1 if most <= 12 else None,
    )
    return figure


def _numbered(told: Sequence[TimelineMoment]) -> list[_Commit]:
    """Each commit with its place among those of its template, from 1."""
    counts = Counter[str]()
    found = []
    for one in told:
        counts[one.template_id] += 1
        what = one.what if one.what == "created" else "job" if one.who == BACKGROUND else "user"
        found.append(_Commit(counts[one.template_id], what, one))
    return found


def _title(told: Sequence[_Commit]) -> str:
    if not told:
        return "Versions"
    counts = Counter(one.what for one in told)
    users = counted(len({one.moment.who for one in told if one.what == "user"}), "user")
    words = {"created": "created", "user": f"by {users}", "job": "by the job"}
    parts = [f"{counts[what]} {word}" for what, word in words.items() if counts[what]]
    some = f" (the newest {MOST_POINTS} drawn)" if len(told) > MOST_POINTS else ""
    return f"Versions: {len(told)}{some}; {', '.join(parts)}"


def _cells(one: _Commit, first: float) -> list[JSON]:
    moment = one.moment
    return [
        *(round(moment.at - first, 6), moment.template_id, one.number, moment.version),
        *(moment.who, one.what, moment.update_id),
    ]


def _draw_steps(figure: go.Figure, drawn: Sequence[_Commit], first: float, end_s: float) -> None:
    """A line for each template, which goes on to the end of the record."""
    for template_id in dict.fromkeys(one.moment.template_id for one in drawn):
        mine = [one for one in drawn if one.moment.template_id == template_id][1 - MOST_POINTS :]
        figure.add_scatter(
            mode="lines",
            x=[*(one.moment.at - first for one in mine), end_s],
            y=[*(one.number for one in mine), mine[-1].number],
            line={"shape": "hv", "color": STYLES["idle"].fill, "width": 2},
            hoverinfo="skip",
            showlegend=False,
        )


def _draw_marks(
    figure: go.Figure, drawn: Sequence[_Commit], first: float, *, has_labels: bool
) -> None:
    for what, (name, look) in _LOOKS.items():
        mine = [one for one in drawn if one.what == what]
        if not mine:
            continue
        has_names = has_labels and what != "created"
        figure.add_scatter(
            name=f"{look.sign} {name}",
            mode="markers+text" if has_names else "markers",
            x=[one.moment.at - first for one in mine],
            y=[one.number for one in mine],
            text=[f"{typed(person(one.moment.who))} " for one in mine] if has_names else None,
            textposition="top left",
            textfont={"size": 12, "color": look.ink},
            hovertext=[_hover(one, first) for one in mine],
            hoverinfo="text",
            cliponaxis=False,
            marker={
                "symbol": look.symbol,
                "size": 13,
                "color": look.fill,
                "line": {"color": look.ink, "width": 1},
            },
        )


def _draw_selected(
    figure: go.Figure, drawn: Sequence[_Commit], first: float, selected: str | None
) -> None:
    chosen = [one for one in drawn if selected and one.moment.update_id == selected]
    if chosen:
        figure.add_scatter(
            name=f"▶ selected: {typed(person(chosen[-1].moment.who))}",
            mode="markers",
            x=[chosen[-1].moment.at - first],
            y=[chosen[-1].number],
            hovertext=[_hover(chosen[-1], first)],
            hoverinfo="text",
            marker={"symbol": "circle-open", "size": 24, "color": INK, "line": {"width": 3}},
        )


def _hover(one: _Commit, first: float) -> str:
    moment = one.moment
    version = f" {typed(moment.version)}" if moment.version else ""
    where, at_s = typed(moment.template_id), moment.at - first
    who = typed(person(moment.who))
    return f"{who}: version {one.number}{version} of {where} at {at_s:.3f} s"
