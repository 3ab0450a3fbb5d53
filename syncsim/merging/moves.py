"""Elements that change from one keyed list to another: the place as a scalar, the content by id.

For lists inside keyed elements, such as the cards of a board's columns. In a template nothing moves
like that: its fields are one flat list, and an option's value means something in its field only.
"""

from __future__ import annotations

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

    path: Path
    home: Path
    at: Position
    elements: list[JSON]


class _Place(NamedTuple):
    """An element and the list it stands in."""

    list: _KeyedList
    element: JSON

    def clear(self) -> None:
        self.list.elements[:] = [each for each in self.list.elements if each is not self.element]

    def fill(self, content: JSON) -> None:
        self.list.elements[:] = [
            content if each is self.element else each for each in self.list.elements
        ]


Places: TypeAlias = dict[Token, list[_Place]]


def gather_moves(
    three_way: ThreeWay, base: JSON, earlier: JSON, later: JSON, keys: KeyMap
) -> tuple[JSON, JSON, JSON]:
    """The three documents, changed (as copies) so that no element stands in two different lists.

    An element that left one list for another of the same pattern is merged here, and left only
    where it is to be, as if that side had inserted it. If the sides put it into different lists
    later's holds. Conflicts are told under the path it had in `base`, the one that all sides know.
    An id that occurs twice under its pattern in one document tells nothing and is left alone.
    """
    root = compile_keys(keys)
    documents = [base, earlier, later]
    copied = False
    # The innermost first: what moves inside an element that moves has its own place by then.
    for pattern in sorted((split(pattern) for pattern in keys), key=len, reverse=True):
        if "*" not in pattern or not _movers(*(_places(d, pattern, root) for d in documents)):
            continue
        if not copied:
            # One by one: copied together, what the documents share they would go on sharing.
            documents = [deepcopy(document) for document in documents]
            copied = True
        was, first, second = (_places(document, pattern, root) for document in documents)
        dropped = _homes(documents[0], pattern, root) - _homes(documents[2], pattern, root)
        for token in _movers(was, first, second):
            (old,) = was[token]
            new = [side[token][0] if token in side else None for side in (first, second)]
            _gather(three_way, token, old, new[0], new[1], dropped)
    base, earlier, later = documents
    return base, earlier, later


def _movers(base: Places, earlier: Places, later: Places) -> list[Token]:
    movers = []
    for token, places in base.items():
        sides = [side[token] for side in (earlier, later) if token in side]
        if all(len(each) == 1 for each in (places, *sides)) and any(
            each[0].list.home != places[0].list.home for each in sides
        ):
            movers.append(token)
    return movers


def _gather(
    three_way: ThreeWay,
    token: Token,
    base: _Place,
    earlier: _Place | None,
    later: _Place | None,
    dropped: set[Path],
) -> None:
    """Merge one element that moved; `dropped` are the homes that `later` did away with."""
    path = (*base.list.path, segment(token))
    base.clear()
    # Moved into a list that later deleted, it stays there as an edit of what was deleted.
    buried = earlier is not None and earlier.list.home in dropped - {base.list.home}
    if earlier is None or later is None:
        first = ABSENT if earlier is None else earlier.element
        second = ABSENT if later is None else later.element
        three_way.record(path, "delete-edit", base.element, first, second)
        if earlier is not None and not buried:
            earlier.clear()
        return

    homes = base.list.home, earlier.list.home, later.list.home
    if len(set(homes)) == 3:
        was, first, second = (pointer(place.list.path) for place in (base, earlier, later))
        three_way.record(path, "move", was, first, second)
    at = step(base.list.at, segment(token))
    content = three_way.value(path, at, base.element, earlier.element, later.element)
    if homes[1] == homes[2]:
        earlier.fill(content)
        later.fill(content)
    elif homes[2] == homes[0] and not buried:
        earlier.fill(content)
        later.clear()
    else:
        later.fill(content)
        if not buried:
            earlier.clear()


def _places(document: JSON, pattern: Path, root: Position) -> Places:
    """Every element of the lists of a pattern by the token of its id, in document order."""
    places: Places = {}
    for found in _lists(document, pattern, root):
        for element in found.elements:
            token = id_of(element, attributes_at(found.at))
            if token is not None:
                places.setdefault(token, []).append(_Place(found, element))
    return places


def _homes(document: JSON, pattern: Path, root: Position) -> set[Path]:
    return {found.home for found in _lists(document, pattern, root)}


def _lists(
    value: JSON, pattern: Path, at: Position, path: Path = (), home: Path = ()
) -> Iterator[_KeyedList]:
    """The lists that a pattern leads to, through lists whose elements have ids."""
    if not pattern:
        if isinstance(value, list):
            yield _KeyedList(path, home, at, value)
        return
    wanted, *rest = pattern
    if isinstance(value, dict):
        for key, item in value.items():
            if wanted in ("*", key):
                yield from _lists(item, tuple(rest), step(at, key), (*path, key), (*home, key))
    elif isinstance(value, list):
        for token, element in (by_id(value, attributes_at(at)) or {}).items():
            name = segment(token)
            if wanted in ("*", name):
                yield from _lists(element, tuple(rest), step(at, name), (*path, name), (name,))
