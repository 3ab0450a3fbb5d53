"""A sequence diagram as one inline SVG: no script, no font, no link, no id that could clash.

Lanes to the left, a sentence per step to the right, so that no label has to fit between two lanes.
All that users typed is escaped. Colours are CSS variables, for light and dark.
"""

from __future__ import annotations

import html
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Final

from syncsim.ui.diagram_steps import Kind, cut, duration
from syncsim.ui.sequence import OTHERS, Diagram, Lane, Step

GUTTER: Final = 104
"""Pixels for number and time, left of the lanes."""

TEXT: Final = 424
"""Pixels for the sentences, right of the lanes."""

TEXT_CHARS: Final = 58
HEADER: Final = 58
LINE: Final = 16
LEAST_ROW: Final = 28
WIDTH: Final = 1200
"""What fits a window of 1280 pixels; more lanes than fit make it wider."""

LANE_WIDTHS: Final = (72, 150)
_CHAR: Final = 6.4  # pixels of an average letter at 11 px

SIGNS: Final[Mapping[Kind, str]] = {
    "call": "▸",
    "answer": "◂",
    "read": "←",
    "hit": "←",
    "miss": "∅",
    "fill": "→",
    "drop": "⌫",
    "won": "✓",
    "lost": "✗",
    "failed": "✗",
    "idle": "○",
    "wait": "↻",
    "lock": "▪",
    "blocked": "‖",
    "gap": "⋮",
}

LEGEND: Final[Sequence[tuple[Kind, str]]] = (
    ("call", "call of a verb"),
    ("read", "read"),
    ("miss", "not in the cache"),
    ("won", "committed"),
    ("lost", "swap lost, or an error"),
    ("wait", "wait"),
    ("blocked", "held up"),
)

STYLE: Final = """
.syncsim-seq{--ink:#222;--soft:#595959;--rule:#b0b0b0;--back:#fff;--head:#f2f4f7;
--won:#00704f;--bad:#b34700;--wait:#8a5a00;--stale:#9a4576;--band:#fdeee4;--stale-band:#f8ebf2;
color:var(--ink);background:var(--back)}
.syncsim-seq svg{display:block;background:var(--back)}
.syncsim-seq text{font:12.5px system-ui,"Segoe UI",sans-serif;fill:var(--ink)}
.syncsim-seq .w{font-size:11px;fill:var(--c,var(--ink));paint-order:stroke;
stroke:var(--halo,var(--back));stroke-width:4px;stroke-linejoin:round}
.syncsim-seq .n{fill:var(--soft);font-size:11px}
.syncsim-seq .h{font-weight:600}
.syncsim-seq .m{font-weight:700;fill:var(--c)}
.syncsim-seq .sign{font-size:19px;font-weight:700;fill:var(--c)}
.syncsim-seq .life{stroke:var(--rule);stroke-dasharray:3 4}
.syncsim-seq .head{fill:var(--head);stroke:var(--rule)}
.syncsim-seq .bar{fill:var(--head);stroke:var(--soft)}
.syncsim-seq .a,.syncsim-seq .pill{stroke:var(--c,var(--soft));stroke-width:1.6;fill:none}
.syncsim-seq .pill{fill:var(--back)}
.syncsim-seq .p{fill:var(--c,var(--soft))}
.syncsim-seq .band{fill:var(--tint)}
.syncsim-seq .pair{stroke:var(--c);stroke-width:3;fill:none}
.syncsim-seq .won,.syncsim-seq .answer-committed{--c:var(--won)}
.syncsim-seq .lost,.syncsim-seq .failed,.syncsim-seq .blocked{--c:var(--bad)}
.syncsim-seq .wait{--c:var(--wait)}
.syncsim-seq .fault{--c:var(--bad);--tint:var(--band)}
.syncsim-seq .fault-stale{--c:var(--stale);--tint:var(--stale-band)}
.syncsim-seq .on-fault{--halo:var(--band)}
.syncsim-seq .on-fault-stale{--halo:var(--stale-band)}
"""

DARK: Final = (
    "--ink:#e8e8e8;--soft:#b5b5b5;--rule:#6a6f77;--back:#16181c;--head:#262a31;"
    "--won:#4fd1a5;--bad:#ff9b66;--wait:#f0b84d;--stale:#e3a3c6;"
    "--band:#3a2418;--stale-band:#38202d"
)
"""The same variables for a dark page."""


def svg(diagram: Diagram, width: int = WIDTH) -> str:
    """The picture, to be put into an element of class `syncsim-seq` with `STYLE` on the page.

    About `width` pixels wide, or more where there are many lanes.
    """
    return _Drawing(diagram, width).svg()


def escape(text: str) -> str:
    """The text as typed, in any place of the markup; what UTF-8 cannot hold, as an escape."""
    return html.escape(text.encode("utf-8", "backslashreplace").decode(), quote=True)


class _Drawing:
    def __init__(self, diagram: Diagram, width: int) -> None:
        self.diagram = diagram
        lanes = max(len(diagram.lanes), 1)
        least, most = LANE_WIDTHS
        self.lane_width = max(least, min(most, (width - GUTTER - TEXT - 14) // lanes))
        self.text_x = GUTTER + lanes * self.lane_width + 14
        self.width = self.text_x + TEXT
        self.rows = [_sentences(step) for step in diagram.steps]
        self.tops: list[int] = []
        y = HEADER
        for lines in self.rows:
            self.tops.append(y)
            y += max(LEAST_ROW, LINE * len(lines) + 12)
        self.height = y + 8
        stale = diagram.finding is not None and diagram.finding.code == "M1"
        self.fault = "fault-stale" if stale else "fault"

    def svg(self) -> str:
        label = escape(f"Sequence diagram. {self.diagram.title}. {self.diagram.sentence}")
        parts = [
            f'<svg role="img" aria-label="{label}" '
            f'width="{self.width}" height="{self.height}" '
            f'viewBox="0 0 {self.width} {self.height}">',
            *self._bands(),
            *(
                part
                for number, lane in enumerate(self.diagram.lanes)
                for part in self._lane(number, lane)
            ),
            *self._bars(),
            *chain.from_iterable(map(self._row, range(len(self.rows)))),
            "</svg>",
        ]
        return "\n".join(parts)

    def _x(self, lane: int) -> float:
        return GUTTER + (lane + 0.5) * self.lane_width

    def _middle(self, row: int) -> float:
        below = self.tops[row + 1] if row + 1 < len(self.tops) else self.height - 8
        return (self.tops[row] + below) / 2

    # -- behind ------------------------------------------------------------------------------------

    def _bands(self) -> Iterator[str]:
        """Marked rows stand on a band, and a bracket in the margin ties them together."""
        marked = [row for row, step in enumerate(self.diagram.steps) if step.mark is not None]
        for row in marked:
            top, middle = self.tops[row], self._middle(row)
            yield (
                f'<rect class="band {self.fault}" x="0" y="{top + 1}" width="{self.width}" '
                f'height="{2 * (middle - top) - 2:g}" rx="4"/>'
            )
        if len(marked) > 1:
            first, last = self._middle(marked[0]), self._middle(marked[-1])
            ticks = "".join(f"M5 {self._middle(row):g}H12" for row in marked)
            yield f'<path class="pair {self.fault}" d="M5 {first:g}V{last:g}{ticks}"/>'

    def _lane(self, number: int, lane: Lane) -> Iterator[str]:
        x, half = self._x(number), self.lane_width / 2 - 5
        chars = int((self.lane_width - 14) / 7.4)
        dash = ' stroke-dasharray="4 3"' if lane.kind == "cache" else ""
        radius = {"user": 12, "cache": 3, "store": 3}[lane.kind]
        yield f"<g><title>{escape(lane.label)}</title>"
        yield f'<line class="life" x1="{x:g}" x2="{x:g}" y1="46" y2="{self.height}"/>'
        yield (
            f'<rect class="head" x="{x - half:g}" y="6" width="{2 * half:g}" height="40" '
            f'rx="{radius}"{dash}/>'
        )
        if lane.kind == "store":
            yield f'<line class="head" x1="{x - half:g}" x2="{x + half:g}" y1="12" y2="12"/>'
        if lane.kind == "cache":
            yield f'<text class="n" text-anchor="middle" x="{x:g}" y="22">cache of</text>'
            owner = lane.label.removeprefix("cache of ")
            yield f'<text text-anchor="middle" x="{x:g}" y="38">{escape(cut(owner, chars))}</text>'
        else:
            label = escape(cut(lane.label, chars))
            yield f'<text class="h" text-anchor="middle" x="{x:g}" y="31">{label}</text>'
        yield "</g>"

    def _bars(self) -> Iterator[str]:
        """A bar on the lane of one user from each call to its answer, or to the end."""
        calls: dict[str | None, tuple[int, int]] = {}
        for row, step in enumerate(self.diagram.steps):
            happening = step.happening
            if self.diagram.lanes[step.source].owner == OTHERS:
                continue
            if happening.kind == "call":
                calls[happening.operation] = (row, step.source)
            elif happening.kind in ("answer", "failed") and happening.where is None:
                begun = calls.pop(happening.operation, None)
                if begun is not None:
                    yield self._bar(begun[1], self._middle(begun[0]), self._middle(row))
        for row, lane in calls.values():
            yield self._bar(lane, self._middle(row), self.height)

    def _bar(self, lane: int, top: float, bottom: float) -> str:
        x = self._x(lane) - 4
        return f'<rect class="bar" x="{x:g}" y="{top:g}" width="8" height="{bottom - top:g}"/>'

    # -- rows --------------------------------------------------------------------------------------

    def _row(self, row: int) -> Iterator[str]:
        step, y = self.diagram.steps[row], self._middle(row)
        happening = step.happening
        look = (
            f"{happening.kind} answer-{happening.word}"
            if happening.kind == "answer"
            else happening.kind
        )
        if step.mark is not None:
            look += f" on-{self.fault}"
        yield f'<g class="{escape(look)}"><title>{escape(happening.text)}</title>'
        if happening.kind == "gap":
            yield f'<text class="n" x="{GUTTER}" y="{y + 4:g}">⋮</text>'
        elif step.target is None:
            yield from self._pill(step, y)
        else:
            yield from self._arrow(step, y)
        yield "</g>"
        yield "<g>" if step.mark is None else f'<g class="{self.fault}">'
        if step.mark is not None:
            yield f'<text class="sign" x="16" y="{y + 7:g}">{escape(step.mark.sign)}</text>'
        if step.number:
            yield f'<text class="n" text-anchor="end" x="50" y="{y + 4:g}">{step.number}</text>'
        time = self._time(row)
        if time:
            yield f'<text class="n" text-anchor="end" x="{GUTTER - 4}" y="{y + 4:g}">{time}</text>'
        lines = self.rows[row]
        top = y - (len(lines) - 1) * LINE / 2 + 4
        for number, line in enumerate(lines):
            bold = ' class="m"' if step.mark is not None and number == 0 else ""
            yield f'<text{bold} x="{self.text_x}" y="{top + number * LINE:g}">{escape(line)}</text>'
        yield "</g>"

    def _time(self, row: int) -> str:
        """The time since the first step, where it differs from that of the row above."""
        at_s = self.diagram.steps[row].happening.at_s
        before = self.diagram.steps[row - 1].happening.at_s if row else -1.0
        return "" if abs(at_s - before) < 5e-4 else duration(at_s)

    def _pill(self, step: Step, y: float) -> Iterator[str]:
        happening, x = step.happening, self._x(step.source)
        chars = int((self.lane_width - 6) / _CHAR)
        word = f"{SIGNS[happening.kind]} {happening.word}"
        word = cut(word if len(word) <= chars else happening.word, chars)
        half = len(word) * _CHAR / 2 + 6
        yield (
            f'<rect class="pill" x="{x - half:g}" y="{y - 10:g}" width="{2 * half:g}" '
            f'height="20" rx="10"/>'
        )
        yield self._word(word, x, y + 4)

    def _word(self, word: str, x: float, y: float) -> str:
        return f'<text class="w" text-anchor="middle" x="{x:g}" y="{y:g}">{escape(word)}</text>'

    def _arrow(self, step: Step, y: float) -> Iterator[str]:
        """The arrow to what a step reaches; for a read the other way round, as the data goes."""
        assert step.target is not None
        happening = step.happening
        if step.source == step.target:
            yield from self._pill(step, y)
            return
        begin, end = self._x(step.source), self._x(step.target)
        way = 1 if end > begin else -1
        begin += 5 * way
        tip, tail = (begin, end) if happening.kind in ("read", "hit") else (end, begin)
        yield from self._line(happening.kind, tail, tip, y + 6)
        sign = {"won": "✓ ", "failed": "✗ ", "lost": "✗ "}.get(happening.kind, "")
        chars = int((self.lane_width - 10) / _CHAR)
        # In the gap beside the source, where no other lane is crossed.
        at = begin + way * (self.lane_width / 2 - 5)
        yield self._word(cut(sign + happening.word, chars), at, y)
        if happening.version is not None:
            anchor, beyond = ("start", end + 9) if way == 1 else ("end", end - 9)
            yield (
                f'<text class="n" text-anchor="{anchor}" x="{beyond:g}" y="{y + 10:g}">'
                f"{escape(cut(happening.version, int((self.lane_width - 8) / 6.2)))}</text>"
            )

    def _line(self, kind: Kind, tail: float, tip: float, y: float) -> Iterator[str]:
        """The arrow itself: broken where nothing came of it, crossed where the swap was lost."""
        back = 1 if tip > tail else -1
        dash = ' stroke-dasharray="5 4"' if kind in ("miss", "lost", "idle") else ""
        yield f'<path class="a"{dash} d="M{tail:g} {y:g}H{tip - 7 * back:g}"/>'
        if kind in ("lost", "failed"):
            yield f'<path class="a" d="M{tip - 9:g} {y - 5:g}l9 10m0 -10l-9 10"/>'
        else:
            yield f'<path class="p" d="M{tip:g} {y:g}l{-9 * back} -4.5v9z"/>'
        if kind == "won":
            yield f'<circle class="p" cx="{tip:g}" cy="{y:g}" r="5"/>'


def _sentences(step: Step) -> list[str]:
    """The lines beside a row: what it proves, then what happened."""
    lines = textwrap.wrap(step.happening.text, TEXT_CHARS, break_on_hyphens=False) or [""]
    if step.mark is None:
        return lines
    return [f"{step.mark.sign} {step.mark.word}", *lines]
