"""Which words of a text were taken out and which were put in: as marked HTML, and as plain text.

Each mark has a sign of its own as well as a colour: `-gone`, `+new`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from html import escape
from typing import Final, Literal, NamedTuple

MOST_WORK: Final = 1_000_000
"""Pairs of words that are compared; beyond that a text counts as replaced as a whole."""

LEAST_ALIKE: Final = 0.3
"""Share of the shorter text's words; with less in common, one text replaces the other as a whole.

Marks that pick a few common words out of two different texts are harder to read than both."""

AROUND: Final = 40
"""Characters of unchanged text that the short form keeps on each side of a change."""

MINUS: Final = "\N{MINUS SIGN}"

_WORD: Final = re.compile(r"\w+|\s+|[^\w\s]")
_INVISIBLE: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


class Mark(NamedTuple):
    """A run of the text and what became of it."""

    fate: Literal["same", "gone", "new"]
    text: str


def marks(before: str, after: str) -> list[Mark]:
    """The runs that lead from one text to the other, in order; `gone` comes before `new`.

    Without what is `new` they spell `before`, without what is `gone` they spell `after`.
    """
    old, new = _WORD.findall(before), _WORD.findall(after)
    if before == after:
        return [Mark("same", after)] if after else []
    if len(old) * len(new) > MOST_WORK:
        return _replaced(before, after)
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    blocks = matcher.get_matching_blocks()
    kept = sum(_letters(old[block.a : block.a + block.size]) for block in blocks)
    if kept < LEAST_ALIKE * min(_letters(old), _letters(new)):
        return _replaced(before, after)
    found: list[Mark] = []
    for begin, end, first, last in _spans(matcher, old):
        if old[begin:end] == new[first:last]:
            found.append(Mark("same", "".join(new[first:last])))
        else:
            found += _replaced("".join(old[begin:end]), "".join(new[first:last]))
    return [mark for mark in found if mark.text]


def marked(before: str, after: str) -> str:
    """The new text as HTML, with what is gone and new in `<del>` and `<ins>`; all as typed."""
    return _as_html(marks(before, after))


def marked_short(before: str, after: str) -> str:
    """The same with long unchanged runs left out."""
    found = marks(before, after)
    last = len(found) - 1
    return _as_html(
        [
            Mark(mark.fate, _shortened(mark.text, place > 0, place < last))
            if mark.fate == "same"
            else mark
            for place, mark in enumerate(found)
        ]
    )


def marked_text(before: str, after: str) -> str:
    """The same as plain text: `Your [-old-]{+new+} name`."""
    forms = {"same": "{}", "gone": "[-{}-]", "new": "{{+{}+}}"}
    return "".join(forms[mark.fate].format(mark.text) for mark in marks(before, after))


def visible(text: str) -> str:
    """The text with what cannot be seen, or would reorder it, as an escape; lines stay lines."""
    return _INVISIBLE.sub(lambda found: ascii(found.group())[1:-1], text)


def _letters(words: Sequence[str]) -> int:
    """The characters of the words, blanks between them aside."""
    return sum(len(word.strip()) for word in words)


def _spans(matcher: SequenceMatcher[str], old: Sequence[str]) -> Iterator[tuple[int, ...]]:
    """Spans that differ and spans that do not, in turn; a lone blank between changes is changed."""
    pending: tuple[int, ...] | None = None
    codes = matcher.get_opcodes()
    for number, (tag, begin, end, first, last) in enumerate(codes):
        inner = 0 < number < len(codes) - 1
        if tag == "equal" and not (inner and not "".join(old[begin:end]).strip()):
            if pending is not None:
                yield pending
            pending = None
            yield begin, end, first, last
        elif pending is None:
            pending = begin, end, first, last
        else:
            pending = pending[0], end, pending[2], last
    if pending is not None:
        yield pending


def _replaced(before: str, after: str) -> list[Mark]:
    return [mark for mark in (Mark("gone", before), Mark("new", after)) if mark.text]


def _shortened(text: str, has_left: bool, has_right: bool) -> str:
    left, right = AROUND * has_left, AROUND * has_right
    if len(text) <= left + right + AROUND:
        return text
    return text[:left] + " \N{HORIZONTAL ELLIPSIS} " + text[len(text) - right :]


def _as_html(found: Sequence[Mark]) -> str:
    forms = {
        "same": "{}",
        "gone": f'<del><b title="removed">{MINUS}</b><span>{{}}</span></del>',
        "new": '<ins><b title="added">+</b><span>{}</span></ins>',
    }
    return "".join(forms[mark.fate].format(escape(visible(mark.text))) for mark in found)
