"""Elements that change from one keyed list to another: the place as a scalar, the content by id.

For lists inside keyed elements, such as the cards of a board's columns, and for lists of different
patterns, such as a backlog beside them. In a template nothing moves like that: its fields are one
flat list, and an option's value means something in its field only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from copy import deepcopy
from typing import NamedTuple, TypeAlias

from syncsim.contract import ABSENT, JSON
from syncsim.merging.identity import (
    KeyMap,
    Path,
    Position,
    Token,
    attributes_at,
    by_id,
    compile_keys,
    id_of,
    pointer,
    segment,
    split,
    step,
)
from syncsim.merging.three_way import ThreeWay


class _KeyedList(NamedTuple):
    """A list of a document. `home` is its path from the element it belongs to, which may move."""

    pattern: Path
    path: Path
    home: Path
    at: Position
    elements: list[JSON]


class _Place(NamedTuple):
    """An element and the list it stands in."""

    list: _KeyedList
    element: JSON


class _Move(NamedTuple):
    """An element that stands in another list than in the base on a side, or on both."""

    token: Token
    base: _Place
    earlier: _Place | None
    later: _Place | None


Places: TypeAlias = dict[Token, dict[Path, list[_Place]]]
"""Every element with an id by its token, and by the pattern of the list it stands in."""


def gather_moves(
    three_way: ThreeWay, base: JSON, earlier: JSON, later: JSON, keys: KeyMap
) -> tuple[JSON, JSON, JSON]:
    """The three documents, changed (as copies) so that no element stands in two different lists.

    An element that left one list for another that has the same kind of id is merged here, and left
    only where it is to be, as if that side had inserted it. If the sides put it into different
    lists later's holds. Conflicts are told under the path it had in `base`, the one that all sides
    know. An id that occurs twice under one pattern of a document tells nothing and is left alone.
    """
    root = compile_keys(keys)
    documents = [base, earlier, later]
    copied = False
    for patterns in _kinds(keys):
        # The innermost first: what moves inside an element that moves has its own place by then.
        for pattern in patterns if _may_move(patterns) else ():
            if not _moves(pattern, *(_places(d, patterns, root) for d in documents)):
                continue
            if not copied:
                # One by one: copied together, what the documents share they would go on sharing.
                documents = [deepcopy(document) for document in documents]
                copied = True
            was, first, second = (_places(document, patterns, root) for document in documents)
            dropped = _homes(documents[0], patterns, root) - _homes(documents[2], patterns, root)
            edits = _Edits()
            for move in _moves(pattern, was, first, second):
                _gather(three_way, edits, move, dropped)
            edits.apply()
    base, earlier, later = documents
    return base, earlier, later


def _kinds(keys: KeyMap) -> list[list[Path]]:
    """The patterns of lists whose elements have the same attributes as id, the longest first."""
    kinds: defaultdict[tuple[str, ...], list[Path]] = defaultdict(list)
    for pattern, named in keys.items():
        kinds[(named,) if isinstance(named, str) else tuple(named)].append(split(pattern))
    return [sorted(patterns, key=len, reverse=True) for patterns in kinds.values()]


def _may_move(patterns: list[Path]) -> bool:
    return len(patterns) > 1 or "*" in patterns[0]


def _moves(pattern: Path, base: Places, earlier: Places, later: Places) -> list[_Move]:
    """The elements of the base's lists of this pattern that a side has in another list."""
    moves = []
    for token, places in base.items():
        if len(places.get(pattern, ())) != 1:
            continue
        (was,) = places[pattern]
        now = [_whereabouts(pattern, places, side.get(token, {})) for side in (earlier, later)]
        if None in now:
            continue
        first, second = (place[0] if place else None for place in now if place is not None)
        if any(place and place.list.home != was.list.home for place in (first, second)):
            moves.append(_Move(token, was, first, second))
    return moves


def _whereabouts(
    pattern: Path, base: dict[Path, list[_Place]], side: dict[Path, list[_Place]]
) -> list[_Place] | None:
    """Where an element of the base's lists of this pattern stands on a side, if anywhere.

    In a list of the pattern; else, where it is the only one that left its pattern, in the only one
    that was entered. None where that is not clear.
    """
    if pattern in side:
        return side[pattern] if len(side[pattern]) == 1 else None
    left = [each for each in base if each not in side]
    entered = [places for each, places in side.items() if each not in base]
    if not entered:
        return []
    return entered[0] if len(left) == len(entered) == len(entered[0]) == 1 else None


def _gather(three_way: ThreeWay, edits: _Edits, move: _Move, dropped: set[Path]) -> None:
    """Merge one element that moved; `dropped` are the homes that `later` did away with."""
    token, base, earlier, later = move
    path = (*base.list.path, segment(token))
    edits.clear(base)
    # Moved into a list that later deleted, it stays there as an edit of what was deleted.
    buried = (
        earlier is not None and earlier.list.home in dropped and earlier.list.home != base.list.home
    )
    if earlier is None or later is None:
        first = ABSENT if earlier is None else earlier.element
        second = ABSENT if later is None else later.element
        three_way.record(path, "delete-edit", base.element, first, second)
        if earlier is not None and not buried:
            edits.clear(earlier)
        return

    homes = base.list.home, earlier.list.home, later.list.home
    if len(set(homes)) == 3:
        was, first, second = (pointer(place.list.path) for place in (base, earlier, later))
        three_way.record(path, "move", was, first, second)
    at = step(base.list.at, segment(token))
    content = three_way.value(path, at, base.element, earlier.element, later.element)
    if homes[1] == homes[2]:
        edits.fill(earlier, content)
        edits.fill(later, content)
    elif homes[2] == homes[0] and not buried:
        edits.fill(earlier, content)
        edits.clear(later)
    else:
        edits.fill(later, content)
        if not buried:
            edits.clear(earlier)


class _Edits:
    """Elements to be taken out of their lists or exchanged, each list in one go."""

    def __init__(self) -> None:
        self._lists: dict[int, tuple[list[JSON], dict[int, JSON]]] = {}

    def fill(self, place: _Place, content: JSON) -> None:
        """Put the content where the element is; ABSENT takes it out."""
        elements = place.list.elements
        _, contents = self._lists.setdefault(id(elements), (elements, {}))
        contents[id(place.element)] = content

    def clear(self, place: _Place) -> None:
        """Take the element out."""
        self.fill(place, ABSENT)

    def apply(self) -> None:
        """Change the lists."""
        for elements, contents in self._lists.values():
            wanted = [contents.get(id(each), each) for each in elements]
            elements[:] = [each for each in wanted if each is not ABSENT]


def _places(document: JSON, patterns: list[Path], root: Position) -> Places:
    """Every element of the lists of these patterns, in document order."""
    places: Places = {}
    for pattern in patterns:
        for found in _lists(document, pattern, root):
            for element in found.elements:
                token = id_of(element, attributes_at(found.at))
                if token is not None:
                    by_pattern = places.setdefault(token, {})
                    by_pattern.setdefault(pattern, []).append(_Place(found, element))
    return places


def _homes(document: JSON, patterns: list[Path], root: Position) -> set[Path]:
    return {found.home for pattern in patterns for found in _lists(document, pattern, root)}


def _lists(document: JSON, pattern: Path, root: Position) -> Iterator[_KeyedList]:
    """The lists that a pattern leads to, through lists whose elements have ids."""

    def below(
        value: JSON, rest: Path, at: Position, path: Path, home: Path
    ) -> Iterator[_KeyedList]:
        if not rest:
            if isinstance(value, list):
                yield _KeyedList(pattern, path, home, at, value)
            return
        wanted, further = rest[0], rest[1:]
        if isinstance(value, dict):
            for key, item in value.items():
                if wanted in ("*", key):
                    yield from below(item, further, step(at, key), (*path, key), (*home, key))
        elif isinstance(value, list):
            for token, element in (by_id(value, attributes_at(at)) or {}).items():
                name = segment(token)
                if wanted in ("*", name):
                    yield from below(element, further, step(at, name), (*path, name), (name,))

    return below(document, pattern, root, (), ())
