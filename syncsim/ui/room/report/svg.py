"""What the pictures of a saved page are made of: axis, ticks, names, marks; as SVG text.

Everything given as text is escaped here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final

from syncsim.events.live_log import printable
from syncsim.ui.diagram_steps import cut
from syncsim.ui.sequence_svg import escape

WIDTH: Final = 960
LEFT: Final = 150
"""Pixels for the names of the lanes, left of the axis."""

RIGHT: Final = 170
"""Pixels for how each update ended, right of the longest bar."""

LONGEST: Final = 1e15
"""An axis is no longer than this, whatever times a run claims: a float still counts in it."""


class Axis:
    """The common axis of time, with as many pixels as there are between `LEFT` and `RIGHT`."""

    HEIGHT: Final = 44

    def __init__(self, end: float, unit: str) -> None:
        self.unit = unit
        self.long = min(max(end, 1.0), LONGEST)
        self.scale = (WIDTH - LEFT - RIGHT) / self.long

    def x(self, at: float) -> float:
        """The pixel of a time; what lies beyond an end of the axis stands at it."""
        return LEFT + min(max(at, 0.0), self.long) * self.scale

    def length(self, long: float) -> float:
        """The pixels of a span: enough to be seen."""
        return max(min(long, self.long) * self.scale, 1.5)

    def grid(self, height: float) -> Iterator[str]:
        """Lines at round times, with their numbers below them."""
        for value in ticks(self.long, 8):
            x = self.x(value)
            yield f'<path class="grid" d="M{x:.1f} 4V{height + 4}"/>'
            yield text(x, height + 20, f"{value:g}", "soft", anchor="middle")
        middle = LEFT + (WIDTH - LEFT - RIGHT) / 2
        yield text(
            middle, height + 38, f"time since the beginning ({self.unit})", "soft", anchor="middle"
        )


def ticks(end: float, most: int) -> list[float]:
    """At most `most` + 1 round numbers from 0 to `end`."""
    power = 10.0 ** math.floor(math.log10(end / most))
    step = next((power * n for n in (1, 2, 5, 10) if end / (power * n) <= most), power * 20)
    return [number * step for number in range(math.floor(end / step + 1e-9) + 1)]


def svg(label: str, height: float, parts: Sequence[str]) -> str:
    """The whole picture under its accessible name."""
    return (
        f'<svg role="img" aria-label="{escape(label)}" width="{WIDTH}" height="{height:g}" '
        f'viewBox="0 0 {WIDTH} {height:g}">' + "".join(parts) + "</svg>"
    )


def text(x: float, y: float, words: str, tone: str = "ink", *, anchor: str = "start") -> str:
    """Words in the colour of a meaning."""
    return (
        f'<text class="t-{tone}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">'
        f"{escape(printable(words))}</text>"
    )


def name(label: str, top: float) -> str:
    """The name of the lane that begins at `top`."""
    return text(LEFT - 8, top + 22, cut(label, 20), anchor="end")


def mark(x: float, y: float, tone: str, told: str, *, square: bool = False) -> str:
    """A point: a cross for what failed, a square for the job, else a circle."""
    title = f"<title>{escape(printable(told))}</title>"
    if tone == "conflict":
        path = f"M{x - 5:.1f} {y - 5:.1f}l10 10m0 -10l-10 10"
        return f'<path class="cross" d="{path}">{title}</path>'
    if square:
        return (
            f'<rect class="f-{tone}" x="{x - 5:.1f}" y="{y - 5:.1f}" width="10" height="10">'
            f"{title}</rect>"
        )
    return f'<circle class="f-{tone}" cx="{x:.1f}" cy="{y:.1f}" r="5">{title}</circle>'
