"""What all charts share: one meaning per colour, text as typed, the table each is drawn from.

A figure carries its table in its own JSON, so that `as_frame` gives it back wherever the figure has
been: replayed, saved, sent. What users wrote is text there, never markup.
"""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from syncsim.contract import JSON
from syncsim.errors import MissingExtraError, UsageError
from syncsim.events.live_log import printable
from syncsim.template.document import MAX_NAME

if TYPE_CHECKING:
    import pandas
    import plotly.graph_objects as go  # type: ignore[import-untyped]


# -- one meaning per colour ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Style:
    """How one meaning is shown: never by colour alone, always with its sign and word too.

    `fill` is for bars and lines and can be told apart by the colour-blind (Masataka Okabe, Kei Ito,
    "Color Universal Design", 2008); `ink` is the same hue for text on white, `pale` for text on a
    dark theme's ground, both at least 4.5:1.
    """

    word: str
    sign: str
    fill: str
    ink: str
    symbol: str
    pale: str = "#DDDDDD"


STYLES: Final[Mapping[str, Style]] = {
    look.word: look
    for look in (
        Style("committed", "✓", "#009E73", "#00704F", "circle", "#3CCB9C"),
        Style("merged", "⊕", "#0072B2", "#0072B2", "diamond", "#6CB8F0"),
        Style("retry", "↻", "#E69F00", "#8A5A00", "triangle-up", "#F0B13C"),
        Style("conflict", "✗", "#D55E00", "#B34700", "x", "#FF9A5C"),
        Style("stale", "⚠", "#CC79A7", "#9A4576", "hexagon", "#E5A3C8"),
        Style("idle", "○", "#B0B0B0", "#595959", "square", "#BDBDBD"),
    )
}
INK: Final = "#222222"

_AXIS: Final = {
    "gridcolor": "#EBF0F8",
    "linecolor": "#EBF0F8",
    "zerolinecolor": "#EBF0F8",
    "zerolinewidth": 2,
    "ticks": "",
    "title": {"standoff": 15},
    "automargin": True,
}
SHEET: Final[Mapping[str, Any]] = {
    "layout": {
        "autotypenumbers": "strict",
        "hovermode": "closest",
        "paper_bgcolor": "white",
        "plot_bgcolor": "white",
        "xaxis": _AXIS,
        "yaxis": _AXIS,
        "annotationdefaults": {"arrowcolor": "#2A3F5F", "arrowhead": 0, "arrowwidth": 1},
    },
    "data": {"bar": [{"type": "bar", "marker": {"line": {"color": "white", "width": 0.5}}}]},
}
"""Plotly's template of our charts: of its `plotly_white` what they use.

Plotly copies and checks a template for each figure. With the whole of `plotly_white` that took
30 ms a chart, with this one 4.
"""

MOST_CHARS: Final = 2_000
"""Characters of a text in a chart's table; the events have it whole."""


# -- text as typed ---------------------------------------------------------------------------------


def escaped(text: str) -> str:
    """The text so that Plotly shows it as it was typed; `html.unescape` is the exact inverse.

    Plotly reads some tags (`<a href=...>`, `<b>`) and, where MathJax is loaded, what stands between
    two dollar signs, in which `\\href{javascript:...}` would be a link.
    """
    return html.escape(text, quote=False).replace("$", "&#36;")


def typed(text: str, limit: int = 32) -> str:
    """A name or a short text for a chart: on one line, cut at `limit` characters, escaped."""
    return escaped(_cut(printable(text), limit))


def person(user: str, background: str = "Background") -> str:
    """How a user is called in a chart, not escaped; the reserved name of the job gets a capital.

    A name that is longer than any user may have, as only a broken solution or an edited file gives
    one, is cut.
    """
    return background if user == "background" else _cut(user, MAX_NAME)


def counted(number: int, thing: str) -> str:
    """`1 update`, `2 updates`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


# -- figures ---------------------------------------------------------------------------------------


def graph_objects() -> Any:
    """`plotly.graph_objects`, loaded when the first chart is drawn; `MissingExtraError` without."""
    try:
        import plotly.graph_objects as go
    except ImportError:
        raise MissingExtraError("viz", "a chart") from None
    return go


def new_figure(
    title: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[JSON]],
    *,
    height: int,
    empty: str,
    **layout: Any,
) -> go.Figure:
    """A figure without traces that carries its table; without rows it says `empty` instead.

    `title` and `empty` are shown as they are: escape what others wrote. Cells of `rows` are not
    escaped; they are numbers, texts, None, or lists of numbers.
    """
    cells = [[_in_json(cell) if isinstance(cell, str) else cell for cell in row] for row in rows]
    drawn = dict(
        title={"text": title, "font": {"size": 16}, "x": 0, "xref": "paper", "y": 0.97},
        template=SHEET,
        font={"color": INK, "size": 13},
        height=height,
        margin={"l": 10, "r": 20, "t": 50, "b": 20},
        legend={"orientation": "h", "x": 0, "y": 0, "yref": "container", "font": {"size": 12}},
        showlegend=True,
        hoverlabel={"bgcolor": "white", "font": {"color": INK}, "align": "left"},
        meta={"columns": list(columns), "rows": cells},
    )
    figure = graph_objects().Figure(layout=drawn)
    figure.update_layout(**layout)
    if not rows:
        figure.add_annotation(
            text=empty, x=0.5, y=0.5, xref="paper", yref="paper", showarrow=False, font={"size": 14}
        )
        figure.update_xaxes(visible=False)
        figure.update_yaxes(visible=False)
    return figure


def _in_json(cell: str) -> str:
    """The text escaped, a very long one cut; what UTF-8 cannot hold is an escape."""
    return escaped(_cut(cell, MOST_CHARS).encode("utf-8", "backslashreplace").decode())


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def lanes(figure: go.Figure, labels: Sequence[str]) -> None:
    """Name the places 0, 1, 2, ... of the y axis from top to bottom; `labels` are escaped.

    Places are numbers, because Plotly would take a user called "2024" for a number or a date, and
    two users of one shortened name for one.
    """
    places = list(range(len(labels)))
    figure.update_yaxes(
        tickvals=places,
        ticktext=list(labels),
        range=[len(labels) - 0.4, -0.6],
        zeroline=False,
        automargin=True,
    )


def as_frame(figure: go.Figure) -> pandas.DataFrame:
    """The table a chart is drawn from, texts as they were typed; needs the `viz` extra.

    `UsageError` for a figure that is none of these charts.
    """
    return frame_of(*table_of(figure))


def frame_of(columns: Sequence[str], rows: Sequence[Sequence[JSON]]) -> pandas.DataFrame:
    """A table as a frame; `MissingExtraError` without pandas."""
    try:
        import pandas
    except ImportError:
        raise MissingExtraError("viz", "as_frame()") from None
    return pandas.DataFrame(rows, columns=list(columns))


def table_of(figure: go.Figure) -> tuple[list[str], list[list[JSON]]]:
    """The columns and rows a chart is drawn from, texts as they were typed; without pandas.

    `UsageError` for a figure that is none of these charts.
    """
    meta = figure.layout.meta
    if not isinstance(meta, dict) or set(meta) != {"columns", "rows"}:
        raise UsageError(
            "figure",
            figure.layout.title.text,
            "a chart of syncsim.ui.charts or of the control room",
        )
    rows = [
        [html.unescape(cell) if isinstance(cell, str) else cell for cell in row]
        for row in meta["rows"]
    ]
    return list(meta["columns"]), rows
