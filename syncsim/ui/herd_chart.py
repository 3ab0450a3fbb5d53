"""What retry policies are worth as users grow, side by side: success, attempts, latency, cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from syncsim.lab.engines.load_test import HerdRow
from syncsim.service.retry import POLICIES
from syncsim.ui.drawing import INK, new_figure

if TYPE_CHECKING:
    import plotly.graph_objects as go  # type: ignore[import-untyped]

_COLOURS: Final = ("#009E73", "#D55E00", "#0072B2", "#E69F00", "#CC79A7", INK)
_SYMBOLS: Final = ("circle", "x", "diamond", "square", "triangle-up", "star")
_LOOKS: Final = dict(zip(POLICIES, zip(_COLOURS, _SYMBOLS, strict=True), strict=True))
"""A colour and a mark for each delay; with the queue the line is solid, without it dashed."""

_PANELS: Final = (
    ("success_percent", "succeeded (%)", "linear"),
    ("attempts", "write attempts an update", "linear"),
    ("p99_ms", "99 % answered within (ms)", "log"),
    ("transactions", "write transactions a success", "log"),
)
_GAP: Final = 0.07


def herd_chart(rows: Sequence[HerdRow]) -> go.Figure:
    """Four panels over the number of users, a line for each policy.

    `rows` as `lab.herd.herd` or `released` answers. Table: policy, users, updates, success_percent,
    attempts, p50_ms, p99_ms, transactions, locked_ms, findings.
    """
    figure = new_figure(
        _title(rows),
        (
            *("policy", "users", "updates", "success_percent", "attempts"),
            *("p50_ms", "p99_ms", "transactions", "locked_ms", "findings"),
        ),
        [
            [
                *(row.policy, row.users, row.updates, _percent(row), round(row.attempts, 3)),
                *(round(row.p50_ms, 2), round(row.p99_ms, 2)),
                *(_rounded(row.transactions), _rounded(row.locked_ms)),
                sum(row.findings.values()),
            ]
            for row in rows
        ],
        height=760,
        empty="No load has been run yet",
    )
    if not rows:
        return figure
    for place, (value, title, scale) in enumerate(_PANELS):
        _lay_out(figure, place, title, scale, sorted({row.users for row in rows}))
        for policy in dict.fromkeys(row.policy for row in rows):
            mine = sorted((r for r in rows if r.policy == policy), key=lambda row: row.users)
            _draw(figure, place, policy, [(row.users, _value(row, value)) for row in mine])
    return figure


def _title(rows: Sequence[HerdRow]) -> str:
    if not rows:
        return "The herd"
    found = sum(sum(row.findings.values()) for row in rows)
    told = f"{found} findings" if found else "nothing lost, nothing stale"
    minutes = max(row.minutes for row in rows)
    when = f"one update a minute each, {minutes} min" if minutes else "all at one instant"
    return f"The herd: up to {max(row.users for row in rows):,} users, {when}; {told}"


def _lay_out(figure: go.Figure, place: int, title: str, scale: str, users: list[int]) -> None:
    """Give panel 0 to 3 its quarter of the page and its axes."""
    across, down = place % 2, place // 2
    width = (1 - _GAP) / 2
    left, top = across * (width + _GAP), 1 - down * (width + _GAP)
    number = place + 1 if place else ""
    figure.update_layout(
        {
            f"xaxis{number}": {
                "domain": [left, left + width],
                "anchor": f"y{number}",
                "type": "log",
                "tickvals": users,
                "ticktext": [f"{count:,}" for count in users],
                "title": "users" if down else None,
            },
            f"yaxis{number}": {
                "domain": [max(top - width, 0.0), top],
                "anchor": f"x{number}",
                "type": scale,
                "title": title,
                "rangemode": "tozero",
            },
        }
    )


def _draw(figure: go.Figure, place: int, policy: str, points: list[tuple[int, Any]]) -> None:
    name, _, queue = policy.partition("/queue=")
    colour, symbol = _LOOKS[name]
    number = place + 1 if place else ""
    figure.add_scatter(
        name=f"{name}, no queue" if queue == "never" else f"{name}, queue from retry {queue}",
        legendgroup=policy,
        showlegend=place == 0,
        mode="lines+markers",
        x=[users for users, _ in points],
        y=[value for _, value in points],
        xaxis=f"x{number}",
        yaxis=f"y{number}",
        line={"color": colour, "dash": "dash" if queue == "never" else "solid"},
        marker={"symbol": symbol, "size": 9, "color": colour},
    )


def _value(row: HerdRow, name: str) -> float | None:
    if name == "success_percent":
        return _percent(row)
    value: float | None = getattr(row, name)
    return value


def _percent(row: HerdRow) -> float:
    return round(100 * row.success_rate, 3)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
