"""Three-way merge of text by lines, for those who ask for it; by default text is one value."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import NamedTuple


class _Hunk(NamedTuple):
    """Lines `start` to `end` of the base were replaced by `lines`."""

    start: int
    end: int
    lines: tuple[str, ...]


def merge_lines(base: str, earlier: str, later: str) -> str | None:
    """The text with the changed lines of both sides; None if these overlap or touch each other.

    The same change on both sides counts once. The rule is that of diff3 (Khanna, Kunal, Pierce
    2007, "A formal investigation of diff3").
    """
    lines = base.split("\n")
    hunks = sorted({*_hunks(lines, earlier.split("\n")), *_hunks(lines, later.split("\n"))})
    merged: list[str] = []
    done = -1
    for hunk in hunks:
        if hunk.start <= done:
            return None
        merged += [*lines[max(done, 0) : hunk.start], *hunk.lines]
        done = hunk.end
    return "\n".join([*merged, *lines[max(done, 0) :]])


def _hunks(base: list[str], other: list[str]) -> list[_Hunk]:
    changes = SequenceMatcher(None, base, other, autojunk=False).get_opcodes()
    return [
        _Hunk(start, end, tuple(other[first:last]))
        for tag, start, end, first, last in changes
        if tag != "equal"
    ]
