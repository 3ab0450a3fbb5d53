"""A chart in words: its sentence, its table as rows and as HTML, a box with an accessible name.

Pure; works for each figure of `drawing.new_figure`, live, saved or read again from its JSON.
"""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Final

from syncsim.contract import JSON
from syncsim.ui.drawing import counted, table_of
from syncsim.ui.room.html_table import html_table

if TYPE_CHECKING:
    import plotly.graph_objects as go  # type: ignore[import-untyped]

MOST_ROWS: Final = 500
"""Rows of a table on the page, the newest ones; `rows` and `as_frame` have all of them."""

TABLE_STYLE: Final = """<style>
.syncsim-table { overflow: auto; max-height: 420px; max-width: 100%; font-size: 13px;
  color: var(--jp-ui-font-color1, #222); background: var(--jp-layout-color1, #fff); }
.syncsim-table table { border-collapse: collapse; margin: 0; }
.syncsim-table caption { text-align: left; padding: 4px 8px; font-weight: 600; }
.syncsim-table th, .syncsim-table td { padding: 3px 8px; text-align: left; vertical-align: top;
  border-bottom: 1px solid var(--jp-border-color2, #ccc); overflow-wrap: anywhere; }
.syncsim-table th { position: sticky; top: 0; background: var(--jp-layout-color2, #eee);
  overflow-wrap: normal; }
.syncsim-table tr.syncsim-selected td { font-weight: 600; }
.syncsim-sentence { margin: 2px 0 4px; font-size: 13px; overflow-wrap: anywhere;
  color: var(--jp-ui-font-color1, #222); }
</style>"""

_TAG: Final = re.compile(r"<[^>]*>")


def rows(figure: go.Figure) -> list[dict[str, JSON]]:
    """The table a chart is drawn from, a dict per row, texts as they were typed.

    `UsageError` for a figure that is none of these charts.
    """
    columns, cells = table_of(figure)
    return [dict(zip(columns, row, strict=True)) for row in cells]


def sentence(figure: go.Figure) -> str:
    """What the chart shows, in a sentence made of its data; plain text, to be escaped."""
    title = _plain(figure.layout.title.text or "Chart")
    if figure.layout.meta and not figure.layout.meta["rows"]:
        said = ". ".join(_plain(note.text) for note in figure.layout.annotations)
        return f"{title}. {said}."
    return f"{title}."


def label(figure: go.Figure) -> str:
    """The accessible name of the chart: its sentence, and how many rows its table has; plain."""
    count = len(figure.layout.meta["rows"]) if figure.layout.meta else 0
    return f"Chart. {sentence(figure)} {counted(count, 'row')} in its table."


def sentence_line(figure: go.Figure) -> str:
    """The sentence as a line of HTML to stand above the picture."""
    return f'<p class="syncsim-sentence">{html.escape(sentence(figure))}</p>'


def table(figure: go.Figure, *, selected: str | None = None) -> str:
    """The chart as an HTML table, captioned with its sentence; everything in it is text.

    The row whose `update_id` is `selected` stands out and has a sign. Long tables show their
    newest rows and say so.
    """
    told = rows(figure)
    columns = list(figure.layout.meta["columns"])
    cut = f" The last {MOST_ROWS} of {len(told)} rows." if len(told) > MOST_ROWS else ""
    return as_table(told[-MOST_ROWS:], columns, caption=sentence(figure) + cut, selected=selected)


def as_table(
    told: list[dict[str, JSON]],
    columns: list[str],
    *,
    caption: str,
    selected: str | None = None,
) -> str:
    """Rows as an HTML table in a box that scrolls; `caption` and cells are plain text."""
    shown = [name for name in columns if name != "update_id"]
    places = range(len(told) if selected is not None else 0)
    return html_table(
        [_heading(name) for name in shown],
        [[row[name] for name in shown] for row in told],
        caption,
        box="syncsim-table",
        chosen=[place for place in places if told[place].get("update_id") == selected],
    )


def _heading(name: str) -> str:
    """`took_ms` as `took (ms)`."""
    for unit in ("ms", "s"):
        if name.endswith(f"_{unit}") and not name.endswith("per_s"):
            return f"{name[: -len(unit) - 1].replace('_', ' ')} ({unit})"
    return name.replace("_per_s", " per second").replace("_", " ")


def _plain(text: str) -> str:
    return html.unescape(_TAG.sub(" ", text.replace("<br>", ": "))).strip()
