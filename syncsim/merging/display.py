"""Changes and conflicts in the words of the form: rows of text, with labels in place of ids.

Rows are tuples, for callers that draw tables; `as_text` draws one without any library.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

from syncsim.contract import ABSENT, JSON, Conflict
from syncsim.merging.differences import Change
from syncsim.merging.identity import split

Row: TypeAlias = tuple[str, ...]

CHANGE_HEADER: Final = ("", "What", "Before", "After")
CONFLICT_HEADER: Final = ("What", "Before", "Not kept", "Kept")

SIGNS: Final = {"added": "+", "removed": "-", "changed": "~", "moved": ">"}

MAX_SHOWN: Final = 60
"""Length of a value in a row, in characters; longer ones are cut."""


def change_rows(changes: Iterable[Change], *documents: JSON) -> list[Row]:
    """A row of sign, place, before and after for each change; labels come from `documents`."""
    rows: list[Row] = []
    for change in changes:
        before, after = shown(change.before), shown(change.after)
        if change.kind == "moved":
            before, after = _place(change.before), _place(change.after)
        rows.append((SIGNS[change.kind], label(change.path, *documents), before, after))
    return rows


def conflict_rows(conflicts: Iterable[Conflict], *documents: JSON) -> list[Row]:
    """A row of place, value before, value not kept and value kept for each conflict."""
    rows: list[Row] = []
    for conflict in conflicts:
        by = "" if conflict.earlier_by is None else f" ({conflict.earlier_by})"
        earlier, later = shown(conflict.earlier) + by, shown(conflict.later)
        lost, kept = (earlier, later) if conflict.kept == "later" else (later, earlier)
        rows.append((label(conflict.path, *documents), shown(conflict.base), lost, kept))
    return rows


def label(path: str, *documents: JSON) -> str:
    """A path in words: `/fields/email/help` as `fields > E-mail > help`.

    The words are those of the first document that has them, else the id.
    """
    words: list[str] = []
    values = list(documents)
    for part in split(path):
        values = [_below(value, part) for value in values]
        named = (_title(value) for value in values if isinstance(value, dict))
        words.append(next((name for name in named if name is not None), part))
    return " > ".join(words) or "the document"


def shown(value: JSON) -> str:
    """A value in few characters, an element by its label."""
    if value is ABSENT:
        return "(absent)"
    name = _title(value) if isinstance(value, dict) else value
    text = name if isinstance(name, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 3] + "..."


def as_text(header: Row, rows: Sequence[Row]) -> str:
    """The rows under their header in aligned columns; empty without rows."""
    if not rows:
        return ""
    table = [header, *rows]
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in table
    )


def _place(follows: JSON) -> str:
    return "first" if follows is None else f"after {follows}"


def _title(element: JSON) -> str | None:
    found = element.get("label") or element.get("title")
    return found if isinstance(found, str) else None


def _below(value: JSON, part: str) -> JSON:
    if isinstance(value, dict):
        return value.get(part, ABSENT)
    if isinstance(value, list):
        elements = (element for element in value if isinstance(element, dict))
        return next((e for e in elements if part in (e.get("id"), e.get("value"))), ABSENT)
    return ABSENT
