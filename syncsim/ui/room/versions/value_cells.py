"""A JSON value in a cell of a table: as HTML, as JSON text for export; absent is never null."""

from __future__ import annotations

import json
from html import escape
from typing import Final

from syncsim.contract import ABSENT, JSON
from syncsim.merging import same
from syncsim.ui.room.versions.word_marks import marked, marked_short, visible

LONG: Final = 120
"""Characters of a value that a cell shows; the rest is a click away."""

ABSENT_TEXT: Final = "absent"

UNCHANGED: Final = '<span class="sync-idle">○ unchanged</span>'


def json_text(value: JSON) -> str:
    """The value as JSON on one line; `absent`, which is no JSON, where there is none."""
    return ABSENT_TEXT if value is ABSENT else _dumped(value)


def value_cell(value: JSON) -> str:
    """The value as HTML: text as typed, all else as JSON, long ones cut with a way to see all.

    A text that could be taken for another value (`null`, `5`, nothing, blanks) is in quotes.
    """
    if value is ABSENT:
        return f"<i>{ABSENT_TEXT}</i>"
    if isinstance(value, str):
        text = _dumped(value) if _is_misleading(value) else value
        return _cut(text, f"<span>{escape(visible(text))}</span>", escape(visible(text[:LONG])))
    text = _dumped(value)
    if len(text) <= LONG:
        return f"<code>{escape(visible(text))}</code>"
    whole = visible(json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True))
    return _cut(text, f"<code>{escape(whole)}</code>", f"<code>{escape(_called(value))}</code>")


def change_cell(before: JSON, after: JSON) -> str:
    """What a change made of a value, as HTML: added, removed or changed, words marked in texts."""
    if same(before, after):
        return UNCHANGED
    if after is ABSENT:
        return f"{_word('removed')} <del>{value_cell(before)}</del>"
    if before is ABSENT:
        return f"{_word('added')} <ins>{value_cell(after)}</ins>"
    if not isinstance(before, str) or not isinstance(after, str):
        return f"{_word('changed')} {value_cell(after)}"
    if _is_misleading(before) or _is_misleading(after):
        before, after = _dumped(before), _dumped(after)
    whole = marked(before, after)
    if max(len(before), len(after)) <= LONG:
        return f"{_word('changed')} {whole}"
    return f"{_word('changed')} {_folded(marked_short(before, after), whole)}"


def moved_cell(place: str) -> str:
    """Where an element stands that was moved: `> moved after E-mail`."""
    return f"{_word('moved')} {escape(visible(place))}"


SIGNS: Final = {"added": "+", "removed": "\N{MINUS SIGN}", "changed": "~", "moved": ">"}


def _word(change: str) -> str:
    return f'<span class="sync-{change}">{escape(SIGNS[change])} {change}</span>'


def _is_misleading(text: str) -> bool:
    """Whether a reader would take the text for another JSON value, or for nothing."""
    if not text or text.strip() != text or text == ABSENT_TEXT:
        return True
    if text[0] not in '"[{-0123456789tfn':
        return False
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _called(value: JSON) -> str:
    """A long value in a few words: its label or title, else how it begins."""
    if isinstance(value, dict):
        name = value.get("label") or value.get("title") or value.get("id")
        if isinstance(name, str):
            return visible(name[:LONG])
    return visible(_dumped(value)[:LONG])


def _cut(text: str, whole: str, beginning: str) -> str:
    return whole if len(text) <= LONG else _folded(f"{beginning}\N{HORIZONTAL ELLIPSIS}", whole)


def _folded(short: str, whole: str) -> str:
    return f'<details><summary>{short}</summary><div class="sync-whole">{whole}</div></details>'


def _dumped(value: JSON) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
