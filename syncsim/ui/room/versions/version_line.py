"""The versions of a template as a line to read from left to right: a lane per author, as SVG. Pure.

It is SVG and no Plotly figure, as a page can afford one live figure only, and as it stands as it is
in a saved page. `charts.version_history` draws the same by time.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from syncsim.events.live_log import clock_time
from syncsim.ui.diagram_steps import cut
from syncsim.ui.drawing import STYLES, counted, person
from syncsim.ui.room.run_view import Version
from syncsim.ui.room.versions.audit import kind_of
from syncsim.ui.room.versions.word_marks import visible

MOST_SHOWN: Final = 60
"""Versions that are drawn, the newest ones; the audit trail has them all."""

LANE: Final = 30
STEP: Final = 46
LEFT: Final = 110
TOP: Final = 10

_KINDS: Final = {
    "created": ("★", "ink"),
    "update": (STYLES["committed"].sign, "committed"),
    "merge": (STYLES["merged"].sign, "merged"),
    "rollback": ("↶", "retry"),
    "job": ("■", "idle"),
}
_OTHER: Final = ("●", "ink")


def version_line(versions: Sequence[Version], marked: Sequence[str] = ()) -> str:
    """The versions, oldest first, each with its sign, number and conflicts; `marked` are ringed.

    In order and not by time, so that commits a millisecond apart can be told from each other.
    """
    if not versions:
        return '<p class="sync-idle">○ No version has been written yet</p>'
    shown = versions[-MOST_SHOWN:]
    authors = list(dict.fromkeys(one.by for one in shown))
    lanes = {author: TOP + LANE * (place + 0.5) for place, author in enumerate(authors)}
    width = LEFT + STEP * len(shown) + 20
    height = TOP + LANE * len(authors) + 10
    names = "".join(
        f'<text x="0" y="{y + 4}">{_text(cut(person(author), 15))}</text>'
        f'<line x1="{LEFT - 8}" x2="{width}" y1="{y}" y2="{y}" stroke="var(--sync-line)"/>'
        for author, y in lanes.items()
    )
    points = [(LEFT + STEP * (n + 0.5), lanes[one.by]) for n, one in enumerate(shown)]
    way = " ".join(f"{x:g},{y:g}" for x, y in points)
    dots = "".join(
        _dot(one, x, y, one.version in marked) for one, (x, y) in zip(shown, points, strict=True)
    )
    told = sentence(versions)
    some = f" (the newest {len(shown)} drawn)" if len(shown) < len(versions) else ""
    return (
        f"<p>{_text(told + some)}</p><p>{_legend(shown)}</p>"
        f'<div class="sync-scroll" tabindex="0" role="group" aria-label="Version timeline">'
        f'<svg role="img" aria-label="{_text(told)}" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}">{names}'
        f'<polyline points="{way}" fill="none" stroke="var(--sync-idle)" stroke-dasharray="2 3"/>'
        f"{dots}</svg></div>"
    )


def sentence(versions: Sequence[Version]) -> str:
    """What the line shows, in words, as typed."""
    authors = len({one.by for one in versions})
    newest = versions[-1]
    return (
        f"{counted(len(versions), 'version')} by {counted(authors, 'author')}; the newest is "
        f"{newest.version}, {kind_of(newest)} by {person(newest.by)} at {clock_time(newest.at)}"
    )


def _dot(one: Version, x: float, y: float, is_marked: bool) -> str:
    kind = kind_of(one)
    sign, tone = _KINDS.get(kind, _OTHER)
    lost = _overridden(one)
    ink = f"var(--sync-{'conflict' if lost else tone})"
    tip = f"{one.version}: {kind} by {person(one.by)} at {clock_time(one.at)}"
    tip += f", {counted(lost, 'value')} overridden" if lost else ""
    ring = f'stroke="{ink}" stroke-width="{3 if is_marked else 1}"'
    number = cut(one.version.partition("-")[0], 6)
    return (
        f"<g><title>{_text(tip)}</title>"
        f'<circle cx="{x:g}" cy="{y:g}" r="10" fill="var(--sync-ground)" {ring}/>'
        f'<text x="{x:g}" y="{y + 4:g}" text-anchor="middle" style="fill: {ink}">{sign}</text>'
        f'<text x="{x + 12:g}" y="{y - 5:g}" style="font-size: 10px">{_text(number)}'
        f"{f' ✗{lost}' if lost else ''}</text></g>"
    )


def _legend(versions: Sequence[Version]) -> str:
    seen = dict.fromkeys(map(kind_of, versions))
    told = [
        f'<span class="sync-{tone}">{sign} {_text(cut(kind))}</span>'
        for kind in seen
        for sign, tone in [_KINDS.get(kind, _OTHER)]
    ]
    if any(map(_overridden, versions)):
        told.append('<span class="sync-conflict">✗ values overridden</span>')
    return " &nbsp; ".join(told)


def _overridden(one: Version) -> int:
    told = one.detail.get("conflicts") if isinstance(one.detail, dict) else None
    return len(told) if isinstance(told, list) else 0


def _text(text: str) -> str:
    return escape(visible(text))
