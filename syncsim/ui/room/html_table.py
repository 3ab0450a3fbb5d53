"""A table as HTML, in a box that scrolls and has a name; everything in it is text."""

from __future__ import annotations

from collections.abc import Container, Sequence
from html import escape

from syncsim.contract import JSON
from syncsim.events.live_log import printable


def html_table(
    heads: Sequence[str],
    rows: Sequence[Sequence[JSON]],
    caption: str,
    *,
    box: str,
    chosen: Container[int] = (),
    names_rows: bool = False,
) -> str:
    """The rows under their heads; `box` is the class of what it scrolls in.

    Rows at the places in `chosen` stand out and have a sign. `names_rows`: the first cell of each
    row is its heading.
    """
    name = escape(printable(caption))
    columns = "".join(f'<th scope="col">{escape(printable(head))}</th>' for head in heads)
    body = "".join(_row(row, place in chosen, names_rows) for place, row in enumerate(rows))
    return (
        f'<div class="{box}" role="group" tabindex="0" aria-label="{name}">'
        f"<table><caption>{name}</caption>"
        f"<thead><tr>{columns}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def cell(value: JSON) -> str:
    """A value as plain text for a cell: an absent one is empty, numbers are short.

    On one line, and long texts are cut: files to take away have them whole.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    if isinstance(value, list):
        return ", ".join(cell(one) or "?" for one in value)
    return printable(str(value))


def _row(row: Sequence[JSON], is_chosen: bool, is_named: bool) -> str:
    first, *others = (escape(cell(one)) for one in row)
    sign = "▶ " if is_chosen else ""
    head = f'<th scope="row">{sign}{first}</th>' if is_named else f"<td>{sign}{first}</td>"
    marks = ' class="syncsim-selected" aria-current="true"' if is_chosen else ""
    return f"<tr{marks}>{head}{''.join(f'<td>{one}</td>' for one in others)}</tr>"
