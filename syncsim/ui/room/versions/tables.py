"""Rows as a table on the page, and as files to take away: CSV and JSON. Text stays text in each.

A row is a dict of scalars; all rows have the keys of the first. A spreadsheet takes a cell that
begins with `=`, `+`, `-` or `@` for a formula, no matter who wrote it; in the CSV such a text
begins with an apostrophe. The JSON has every text as it was.
"""

from __future__ import annotations

import csv
import io
import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final, TypeAlias

from syncsim.contract import JSON
from syncsim.ui.room.html_table import html_table as as_html

Rows: TypeAlias = Sequence[Mapping[str, JSON]]

MOST_ROWS: Final = 200
"""Rows that a table on the page shows, the last ones; the files have them all."""

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\N{FULLWIDTH EQUALS SIGN}")
_FORMULA_WIDE: Final = ("\N{FULLWIDTH PLUS SIGN}", "\N{FULLWIDTH HYPHEN-MINUS}")
_FORMULAS: Final = (*_FORMULA, *_FORMULA_WIDE, "\N{FULLWIDTH COMMERCIAL AT}")


def html_table(
    rows: Rows, caption: str, *, empty: str = "Nothing yet", total: int | None = None
) -> str:
    """The last rows as an HTML table that scrolls inside its box; nothing in it is markup.

    `total`: how many rows there are, where these are the last ones.
    """
    if not rows:
        return f'<p class="sync-idle">○ {escape(empty)}</p>'
    shown = rows[-MOST_ROWS:]
    total = len(rows) if total is None else total
    more = f" (the last {len(shown)} of {total})" if len(shown) < total else ""
    cells = [list(row.values()) for row in shown]
    return as_html(list(rows[0]), cells, caption + more, box="sync-scroll")


def csv_text(rows: Rows) -> str:
    """All rows as CSV with a header and CRLF (RFC 4180); None is an empty cell. Empty if no rows.

    A text that a spreadsheet would take for a formula begins with an apostrophe.
    """
    if not rows:
        return ""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)
    writer.writerow(rows[0])
    for row in rows:
        writer.writerow([_harmless(cell) for cell in row.values()])
    return out.getvalue()


def json_text(rows: Rows) -> str:
    """All rows as a JSON list of objects, indented; half a surrogate pair is an escape in it."""
    text = json.dumps([dict(row) for row in rows], indent=2, ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace").decode()


def download_link(file_name: str, text: str) -> str:
    """A link that saves the text as a file; it holds the text itself, so it needs no server.

    `file_name` ends in `.csv` or `.json`.
    """
    kind = "text/csv" if file_name.endswith(".csv") else "application/json"
    body = text.encode("utf-8", "backslashreplace")
    size = f"{max(len(body) / 1000, 0.1):.1f} kB"
    return (
        f'<a download="{escape(file_name)}" href="data:{kind};charset=utf-8;base64,'
        f'{b64encode(body).decode()}">Save {escape(file_name)} ({size})</a>'
    )


def _harmless(cell: JSON) -> JSON:
    if isinstance(cell, str) and cell.lstrip(" ").startswith(_FORMULAS):
        return f"'{cell}"
    return cell
