"""What differs between two versions, in the words of the form: as HTML, as rows. Pure."""

from __future__ import annotations

from html import escape
from typing import Final

from syncsim.contract import ABSENT, JSON, Document
from syncsim.merging import Change, diff
from syncsim.merging.display import label
from syncsim.ui.drawing import counted
from syncsim.ui.room.versions.look import toned
from syncsim.ui.room.versions.resolutions import place
from syncsim.ui.room.versions.value_cells import (
    SIGNS,
    change_cell,
    json_text,
    moved_cell,
    value_cell,
)
from syncsim.ui.room.versions.word_marks import marked_text, visible

MOST_CHANGES: Final = 100
"""Changes that the view shows; the rows have them all."""


def diff_view(a: Document, b: Document, a_name: str, b_name: str) -> str:
    """The changes that lead from document `a` to `b`, as HTML; needs `look.STYLE` once a page."""
    changes = diff(a, b)
    title = f"<h4>{_text(a_name)} → {_text(b_name)}</h4>"
    if not changes:
        same = toned("idle", "○", "Nothing differs: the same content")
        return f'<section class="sync-past">{title}<p>{same}</p></section>'
    more = len(changes) - MOST_CHANGES
    cut = f"<p>{more} more changes: see the table.</p>" if more > 0 else ""
    heads = "".join(f'<th scope="col">{head}</th>' for head in ("Place", "Before", "After"))
    rows = "".join(_row(change, a, b) for change in changes[:MOST_CHANGES])
    return (
        f'<section class="sync-past">{title}<p>{tally(changes)}</p>'
        '<div class="sync-scroll" tabindex="0" role="group" aria-label="Changes">'
        f'<table class="sync-fields"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>'
        f"</div>{cut}</section>"
    )


def diff_rows(a: Document, b: Document) -> list[dict[str, JSON]]:
    """A row per change: sign, change, field in words, path, before and after as JSON, words."""
    rows: list[dict[str, JSON]] = []
    for change in diff(a, b):
        before, after = change.before, change.after
        is_text = isinstance(before, str) and isinstance(after, str) and change.kind == "changed"
        is_move = change.kind == "moved"
        rows.append(
            {
                "sign": SIGNS[change.kind],
                "change": change.kind,
                "field": label(change.path, a, b),
                "path": change.path,
                "before": place(change.path, before, a, b) if is_move else json_text(before),
                "after": place(change.path, after, a, b) if is_move else json_text(after),
                "words": marked_text(before, after) if is_text else None,
            }
        )
    return rows


def tally(changes: tuple[Change, ...]) -> str:
    """How many of each kind, in signs and words, as HTML."""
    told = []
    for kind, sign in SIGNS.items():
        number = sum(change.kind == kind for change in changes)
        if number:
            told.append(f'<span class="sync-{kind}">{escape(sign)} {number} {kind}</span>')
    return f"{counted(len(changes), 'change')}: {', '.join(told)}"


def in_words(changes: tuple[Change, ...], *documents: JSON, most: int = 4) -> str:
    """The changes in one line: `changed name; added fields > Phone; 2 more`; as typed."""
    told = [f"{change.kind} {label(change.path, *documents)}" for change in changes[:most]]
    more = len(changes) - len(told)
    return "; ".join([*told, *([f"{more} more"] if more else [])])


def _row(change: Change, a: Document, b: Document) -> str:
    if change.kind == "moved":
        before = escape(visible(place(change.path, change.before, a, b)))
        after = moved_cell(place(change.path, change.after, a, b))
    else:
        before = value_cell(change.before)
        after = change_cell(change.before, change.after)
        if change.after is ABSENT:
            after = f'<span class="sync-removed">{escape(SIGNS["removed"])} removed</span>'
    name = _text(label(change.path, a, b))
    return (
        f'<tr><th scope="row">{name}<br><small><code>{_text(change.path)}</code></small></th>'
        f'<td data-of="Before">{before}</td><td data-of="After">{after}</td></tr>'
    )


def _text(text: str) -> str:
    return escape(visible(text))
