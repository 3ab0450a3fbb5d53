"""A sequence diagram as a Plotly figure: the same rows and lanes, details on hovering, and a table.

Words and signs stand beside every colour. What users typed is text, never markup.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from syncsim.contract import JSON
from syncsim.lab.findings import Finding
from syncsim.ui.drawing import INK, LOOKS, Look, counted, new_figure, typed
from syncsim.ui.happenings import Kind, duration
from syncsim.ui.sequence import Diagram, Source, Step, sequence

if TYPE_CHECKING:
    import plotly.graph_objects as go  # type: ignore[import-untyped]

ROW: Final = 28
"""Pixels a step."""

PLAIN: Final = Look("read", "←", "#595959", "#595959", "circle")
CALL: Final = Look("call", "▸", INK, INK, "triangle-right")
ANSWER: Final = Look("answer", "◂", INK, INK, "triangle-left")

MEANINGS: Final[Mapping[Kind, tuple[str, Look]]] = {
    "call": ("▸ call of a verb", CALL),
    "answer": ("◂ answer", ANSWER),
    "read": ("← read", PLAIN),
    "hit": ("← read", PLAIN),
    "miss": ("∅ not in the cache", LOOKS["idle"]),
    "fill": ("→ put into a cache or removed", PLAIN),
    "drop": ("→ put into a cache or removed", PLAIN),
    "won": ("✓ committed", LOOKS["committed"]),
    "idle": ("○ wrote nothing", LOOKS["idle"]),
    "lost": ("✗ swap lost, or an error", LOOKS["conflict"]),
    "failed": ("✗ swap lost, or an error", LOOKS["conflict"]),
    "wait": ("↻ wait", LOOKS["retry"]),
    "lock": ("▪ lock", LOOKS["idle"]),
    "blocked": ("‖ held up", LOOKS["conflict"]),
    "gap": ("⋮ left out", LOOKS["idle"]),
}

COLUMNS: Final = ("step", "at_s", "who", "kind", "where", "version", "operation", "text", "mark")


def sequence_diagram(run: Source, finding: Finding | None = None) -> go.Figure:
    """The run as a figure, with what proves `finding` marked; unless told, its first fault.

    Table (`charts.as_frame`): a row per step with step, at_s, who, kind, where (store, cache or
    None), version, operation, text, mark.
    """
    diagram = sequence(run, finding)
    figure = new_figure(
        f"{typed(diagram.title, 60)}<br><sub>{typed(diagram.sentence, 150)}</sub>",
        COLUMNS,
        [_cells(step) for step in diagram.steps],
        height=170 + ROW * max(len(diagram.steps), 3),
        empty="Nothing was called",
        hovermode="closest",
    )
    if not diagram.steps:
        return figure
    _draw_bands(figure, diagram)
    _draw_arrows(figure, diagram)
    _draw_sentences(figure, diagram)
    _axes(figure, diagram)
    return figure


def _cells(step: Step) -> list[JSON]:
    happening = step.happening
    mark = None if step.mark is None else f"{step.mark.sign} {step.mark.word}"
    return [
        *(step.number or None, round(happening.at_s, 6), happening.who, happening.kind),
        *(happening.where, happening.version, happening.operation, happening.text, mark),
    ]


def _draw_bands(figure: go.Figure, diagram: Diagram) -> None:
    """Marked rows stand on a band, from one side to the other."""
    stale = diagram.finding is not None and diagram.finding.code == "M1"
    look = LOOKS["stale" if stale else "conflict"]
    for row, step in enumerate(diagram.steps):
        if step.mark is not None:
            figure.add_hrect(
                y0=row - 0.5, y1=row + 0.5, fillcolor=look.fill, opacity=0.15, line_width=0
            )
            figure.add_annotation(
                text=f"<b>{step.mark.sign}</b>",
                x=-0.62,
                y=row,
                showarrow=False,
                font={"size": 18, "color": look.ink},
            )


@dataclass(slots=True)
class _Trace:
    """The arrows of one meaning; None parts one from the next."""

    look: Look
    x: list[float | None] = field(default_factory=list)
    y: list[float | None] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    symbols: list[str] = field(default_factory=list)
    angles: list[float] = field(default_factory=list)

    def point(self, x: float, y: float, text: str) -> None:
        """Something at home."""
        self._add([x, None], y, text, [self.look.symbol, "circle"], 0)

    def arrow(self, tail: float, tip: float, y: float, text: str, head: str) -> None:
        """From lane to lane; a head "arrow" points up unless turned."""
        angle = 0 if head != "arrow" else 90 if tip > tail else -90
        self._add([tail, tip, None], y, text, ["circle", head, "circle"], angle)

    def _add(
        self, xs: list[float | None], y: float, text: str, symbols: list[str], angle: float
    ) -> None:
        self.x += xs
        self.y += [y] * (len(xs) - 1) + [None]
        self.texts += [text] * len(xs)
        self.symbols += symbols
        self.angles += [angle] * len(xs)


def _draw_arrows(figure: go.Figure, diagram: Diagram) -> None:
    """One trace per meaning, so that the legend can hide and show it."""
    traces: dict[str, _Trace] = {}
    for row, step in enumerate(diagram.steps):
        kind = step.happening.kind
        meaning, look = MEANINGS[kind]
        trace = traces.setdefault(meaning, _Trace(look))
        text = _hover(step)
        if step.target is None or step.target == step.source:
            trace.point(step.source, row, text)
        elif kind in ("read", "hit"):
            trace.arrow(step.target, step.source, row, text, "arrow")
        else:
            head = "x" if kind in ("lost", "failed") else "arrow"
            trace.arrow(step.source, step.target, row, text, head)
    for meaning, trace in traces.items():
        figure.add_scatter(
            name=meaning,
            mode="lines+markers",
            x=trace.x,
            y=trace.y,
            hovertext=trace.texts,
            hoverinfo="text",
            line={
                "color": trace.look.ink,
                "width": 2,
                "dash": "dot" if meaning[0] in "∅✗○" else "solid",
            },
            marker={
                "symbol": trace.symbols,
                "size": [6 if symbol == "circle" else 14 for symbol in trace.symbols],
                "angle": trace.angles,
                "color": trace.look.ink,
                "opacity": 1,
            },
        )


def _hover(step: Step) -> str:
    happening = step.happening
    lines = [
        f"step {step.number}, {duration(happening.at_s)} after the first",
        typed(happening.text, 200),
    ]
    if step.mark is not None:
        lines.insert(0, f"<b>{step.mark.sign} {typed(step.mark.word)}</b>")
    if happening.operation is not None:
        lines.append(f"operation {typed(happening.operation)}")
    return "<br>".join(lines)


def _draw_sentences(figure: go.Figure, diagram: Diagram) -> None:
    """To the right of the lanes, what happened."""
    texts = []
    for step in diagram.steps:
        told = typed(step.happening.text, 74)
        if step.mark is not None:
            told = f"<b>{step.mark.sign} {typed(step.mark.word)}</b><br>{told}"
        texts.append(told)
    figure.add_scatter(
        mode="text",
        x=[len(diagram.lanes) - 0.4] * len(texts),
        y=list(range(len(texts))),
        text=texts,
        textposition="middle right",
        textfont={"color": INK, "size": 11.5},
        hovertext=[_hover(step) for step in diagram.steps],
        hoverinfo="text",
        showlegend=False,
    )


def _axes(figure: go.Figure, diagram: Diagram) -> None:
    lanes = diagram.lanes
    chars = 12 if len(lanes) < 7 else 8
    heads = [
        f"<b>{typed(lane.label, chars)}</b>"
        if lane.kind != "cache"
        else f"cache of<br>{typed(lane.label.removeprefix('cache of '), chars)}"
        for lane in lanes
    ]
    figure.update_xaxes(
        tickvals=list(range(len(lanes))),
        ticktext=heads,
        tickangle=0,
        side="top",
        # The sentences take as much room as six lanes.
        range=[-0.8, len(lanes) - 0.4 + max(5, len(lanes) * 0.8)],
        zeroline=False,
        griddash="dot",
        gridcolor="#B0B0B0",
        fixedrange=True,
    )
    figure.update_yaxes(
        tickvals=list(range(len(diagram.steps))),
        ticktext=[str(step.number or "⋮") for step in diagram.steps],
        range=[len(diagram.steps) - 0.4, -0.6],
        zeroline=False,
        showgrid=False,
        fixedrange=True,
    )
    figure.update_layout(
        margin={"t": 120, "l": 40}, title={"y": 1, "yanchor": "top", "pad": {"t": 14}}
    )
    rows = counted(len(diagram.steps), "step")
    figure.update_yaxes(title={"text": f"{rows}, in order", "font": {"size": 11}})
