"""Which element of a list is which on three sides: by id, and where there is none by content.

A value that occurs once in a list is its own identity. An element that was replaced where it stood
is the same element edited, so that two sides replacing one element meet, as do an edit and a move.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

import orjson

from syncsim.contract import JSON
from syncsim.merging.identity import Token, by_id, id_of

Elements: TypeAlias = dict[Token, JSON]
"""The elements of a list by token, in list order; the tokens of those without an id are ints."""

Lists: TypeAlias = tuple[list[JSON], list[JSON], list[JSON]]

Name: TypeAlias = Token | bytes
"""What an element is recognised by between two lists: the token of its id, or canonical text."""

Replaced: TypeAlias = dict[Name, tuple[tuple[Name, ...], int]]
"""For the name of a new element the old one it stands for: the run that was in, and where."""


class Aligned(NamedTuple):
    """Three lists in which one token means one element."""

    base: Elements
    earlier: Elements
    later: Elements


def align(
    base: list[JSON], earlier: list[JSON], later: list[JSON], attributes: tuple[str, ...]
) -> Aligned | None:
    """The elements of three lists under common tokens, by the id `attributes` if they are there.

    Elements that lack an id go by content, and so do all where an id is not unique. Where content
    repeats itself they go by position, as long as nothing moved; otherwise the answer is None.
    """
    keyed = by_id(base, attributes), by_id(earlier, attributes), by_id(later, attributes)
    if keyed[0] is not None and keyed[1] is not None and keyed[2] is not None:
        return Aligned(keyed[0], keyed[1], keyed[2])
    lists = (base, earlier, later)
    for by in (attributes, ()):
        names = [[_name(element, by) for element in elements] for elements in lists]
        if all(len(set(side)) == len(side) for side in names):
            return _by_content(lists, names)
    return _by_position(lists) if _in_place(*names) else None


def canonical_text(value: JSON) -> bytes:
    """Bytes that are equal exactly if the values are `same`."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # an int beyond 64 bit, a lone surrogate, more than 254 levels
        return json.dumps(value, sort_keys=True).encode()


def _name(element: JSON, attributes: tuple[str, ...]) -> Name:
    token = id_of(element, attributes)
    return canonical_text(element) if token is None else token


def _in_place(base: list[Name], *sides: list[Name]) -> bool:
    """Whether elements were only replaced: no length changed, and no value turned up elsewhere."""
    for side in sides:
        if len(side) != len(base):
            return False
        replaced = [pair for pair in zip(base, side, strict=True) if pair[0] != pair[1]]
        if {old for old, _ in replaced} & {new for _, new in replaced}:
            return False
    return True


def _by_position(lists: Lists) -> Aligned:
    base, earlier, later = (Elements(enumerate(side)) for side in lists)
    return Aligned(base, earlier, later)


def _by_content(lists: Lists, names: list[list[Name]]) -> Aligned:
    base, earlier, later = names
    replaced_earlier, replaced_later = _replaced(base, earlier), _replaced(base, later)
    plain = {
        name
        for name, element in zip(base, lists[0], strict=True)
        if not isinstance(element, dict | list)
    }

    def edited(mine: Replaced, other: list[Name], theirs: Replaced) -> dict[Name, Name]:
        """By new name the old one, where mine edited an element, not removed one and put another.

        Not so if the other side holds the new value too, which must not appear twice. A plain value
        is edited only if both sides replaced it in one run: where `draft` was replaced here and
        removed there, nothing of it is left to conflict over.
        """
        held, both = set(other), set(theirs.values())
        return {
            new: run[place]
            for new, (run, place) in mine.items()
            if new not in held and (run[place] not in plain or (run, place) in both)
        }

    old_names: tuple[dict[Name, Name], ...] = (
        {},
        edited(replaced_earlier, later, replaced_later),
        edited(replaced_later, earlier, replaced_earlier),
    )
    numbers: dict[Name, int] = {}

    def tokens(side: list[Name], old: dict[Name, Name]) -> Iterator[Token]:
        for name in side:
            known = old.get(name, name)
            yield numbers.setdefault(known, len(numbers)) if isinstance(known, bytes) else known

    aligned = (
        dict(zip(tokens(side, old), elements, strict=True))
        for side, old, elements in zip(names, old_names, lists, strict=True)
    )
    return Aligned(*aligned)


def _replaced(base: list[Name], other: list[Name]) -> Replaced:
    """Every element without an id that was replaced where it stood.

    Between the same neighbours and one for one: from `a b c` to `a x y`, x replaced b and y c; in
    `a x y c` nobody can say which one was b.
    """
    gone, come = _runs(base, set(other)), _runs(other, set(base))
    return {
        new: (tuple(gone[anchor]), place)
        for anchor, run in come.items()
        if len(run) == len(gone.get(anchor, ()))
        for place, new in enumerate(run)
    }


def _runs(names: list[Name], shared: set[Name]) -> dict[Name | None, list[Name]]:
    """The names that are neither ids nor shared, in runs, by the last shared name before them."""
    runs: dict[Name | None, list[Name]] = {}
    anchor: Name | None = None
    for name in names:
        if name in shared:
            anchor = name
        elif isinstance(name, bytes):
            runs.setdefault(anchor, []).append(name)
    return runs
