"""Elements that change from one keyed list to another: the place as a scalar, the content by id.

For lists inside keyed elements, such as the cards of a board's columns, and for lists of different
patterns, such as a backlog beside them. In a template nothing moves like that: its fields are one
flat list, and an option's value means something in its field only.

First every element gets its place in the merged document, then all of them are put there in one
pass, so that no element is looked for in a list that another move has already changed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, Final, TypeAlias

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

Route: TypeAlias = tuple[Token, ...]
"""Object keys and the tokens of elements from the root down to a list or an element."""

Kind: TypeAlias = tuple[str, ...]
"""The attributes that are the id of an element; it moves only between lists that have the same."""

BASE: Final = 0
EARLIER: Final = 1
LATER: Final = 2


class _Place:
    """An element with an id, in the list in which one of the documents has it."""

    __slots__ = ("at", "element", "holder", "route", "token", "traced", "way")

    def __init__(
        self,
        holder: _Place | None,
        way: Path,
        route: Route,
        at: Position,
        token: Token,
        element: JSON,
    ) -> None:
        """`way` leads from the element `holder`, or the root, to the list; `at` is the list's."""
        self.holder = holder
        self.way = way
        self.route = route
        self.at = at
        self.token = token
        self.element = element
        self.traced: _Traced | None = None

    def home(self) -> tuple[object, ...]:
        """A key, equal for two places in the same list, whatever became of the list's holder."""
        holder = self.holder
        if holder is None:
            return (self.way,)
        if holder.traced is not None:
            return holder.traced, self.way
        return holder.home(), holder.token, self.way

    def inside(self) -> Position:
        """The position of the element itself."""
        return step(self.at, segment(self.token))


Places: TypeAlias = dict[tuple[Kind, Token], dict[int, list[_Place]]]
"""Every element that may move, by its id, and by the pattern of the list that it stands in."""


class _Traced:
    """An element of the base that is found, or known to be missing, on both sides."""

    __slots__ = ("chosen", "homes", "places")

    def __init__(self, base: _Place, earlier: _Place | None, later: _Place | None) -> None:
        self.places = (base, earlier, later)
        self.homes: tuple[tuple[object, ...] | None, ...] = ()
        self.chosen: _Place | None = base
        """Where it stands in the merged document; None where `later` deleted it."""
        for place in self.places:
            if place is not None:
                place.traced = self

    def is_moved(self) -> bool:
        """Whether a side has it in another list than the base; finds out its homes."""
        self.homes = tuple([None if place is None else place.home() for place in self.places])
        return any(home is not None and home != self.homes[BASE] for home in self.homes)

    def is_moved_by_one(self) -> bool:
        """Whether both sides have it, and one of them where the base has it."""
        was, first, second = self.homes
        return None not in (first, second) and first != second and was in (first, second)

    def path(self) -> Path:
        """Its path in the base, the one that all sides know."""
        base = self.places[BASE]
        assert base is not None
        return (*map(segment, base.route), segment(base.token))


def gather_moves(
    three_way: ThreeWay, base: JSON, earlier: JSON, later: JSON, keys: KeyMap
) -> tuple[JSON, JSON, JSON]:
    """The three documents, changed (as copies) so that no element stands in two different lists.

    An element that left one list for another that has the same kind of id is merged here, and left
    only where it is to be, as if that side had inserted it. If the sides put it into different
    lists later's holds; so it does for all elements that would stand one inside the other by the
    moves of both sides. Conflicts stand under the path it had in `base`, the one that all sides
    know. An id that occurs twice under one pattern of a document tells nothing and is left alone;
    so is one in a list that no pattern leads to, but for what an element of the base has in it.
    """
    kinds = _kinds(keys)
    if not kinds:
        return base, earlier, later
    root = compile_keys(keys)
    was = _places(base, root, kinds, {})
    moves = _moves(was, _places(earlier, root, kinds, was), _places(later, root, kinds, was))
    if not moves:
        return base, earlier, later
    _choose(three_way, moves)
    gathering = _Gathering(three_way, moves)
    return (
        gathering.rebuilt(BASE, base, ()),
        gathering.rebuilt(EARLIER, earlier, ()),
        gathering.rebuilt(LATER, later, ()),
    )


def _kinds(keys: KeyMap) -> set[Kind]:
    """The kinds of id that several lists may have, so that elements move between these."""
    patterns: defaultdict[Kind, list[Path]] = defaultdict(list)
    for pattern, named in keys.items():
        patterns[(named,) if isinstance(named, str) else tuple(named)].append(split(pattern))
    return {kind for kind, each in patterns.items() if len(each) > 1 or "*" in each[0]}


# -- which element is where ------------------------------------------------------------------------


def _places(document: JSON, root: Position, kinds: set[Kind], known: Places) -> Places:
    """Every element of these kinds in the keyed lists of a document, in document order.

    Inside an element that `known` has, the keyed lists are also those that it has there: what
    moves deeper than the patterns go takes its own along.
    """
    places: Places = {}

    def below(value: JSON, at: Position, holder: _Place | None, way: Path, route: Route) -> None:
        if isinstance(value, dict):
            for key, item in value.items():
                if isinstance(item, dict | list) and (further := step(at, key)):
                    below(item, further, holder, (*way, key), (*route, key))
            return
        kind = attributes_at(at)
        index = by_id(value, kind)
        may_move = kind in kinds
        if index is None and not may_move:
            return
        pattern = _pattern(at)
        tokens = index or (id_of(element, kind) for element in value)
        for token, element in zip(tokens, value, strict=True):
            if token is None:
                continue
            place = _Place(holder, way, route, at, token, element)
            if may_move:
                places.setdefault((kind, token), {}).setdefault(pattern, []).append(place)
            if index is not None and isinstance(element, dict | list):
                further = place.inside()
                if may_move and (kind, token) in known:
                    further = _joined(_known(known[kind, token], pattern), further)
                if further:
                    below(element, further, place, (), (*route, token))

    if isinstance(document, dict | list):
        below(document, root, None, (), ())
    return places


def _pattern(at: Position) -> int:
    """A number for the pattern that names the list at this position."""
    return next((id(node) for node in at if None in node), 0)


def _known(places: dict[int, list[_Place]], pattern: int) -> Position:
    found = places.get(pattern) or list(chain.from_iterable(places.values()))
    return found[0].inside() if len(found) == 1 else Position(())


def _joined(first: Position, second: Position) -> Position:
    """Both positions as one, the first before the second."""
    new = [node for node in second if not any(node is other for other in first)]
    return Position((*first, *new)) if new else first


def _moves(base: Places, earlier: Places, later: Places) -> list[_Traced]:
    """The elements of the base that a side has in another list."""
    traced = []
    for name, places in base.items():
        sides = earlier.get(name, {}), later.get(name, {})
        for pattern, found in places.items():
            now = [_whereabouts(pattern, places, side) for side in sides]
            if len(found) == 1 and None not in now:
                first, second = (each[0] if each else None for each in now)
                traced.append(_Traced(found[0], first, second))
    return [each for each in traced if each.is_moved()]


def _whereabouts(
    pattern: int, base: dict[int, list[_Place]], side: dict[int, list[_Place]]
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


# -- where it is to be -----------------------------------------------------------------------------


def _choose(three_way: ThreeWay, moves: list[_Traced]) -> None:
    """Give each element that moved its place, and record what moves were not kept.

    A move of `earlier` into what `later` deleted is an edit of what was deleted, and the element
    stays. Where moves of both sides would put elements one inside the other all around, those of
    `earlier` among them are taken back. Each is taken back for itself, so that merging once more
    finds the same ones.
    """
    for move in moves:
        was, first, second = move.homes
        move.chosen = move.places[EARLIER if first is not None and second == was else LATER]
        if None not in move.homes and len({was, first, second}) == 3:
            _record(three_way, move)
    recorded: set[_Traced] = set()
    while movers := [move for move in moves if _is_by_earlier(move)]:
        circles = dict.fromkeys(chain.from_iterable(map(_circle, movers)))
        for each in circles:
            if each.is_moved_by_one() and each not in recorded:
                recorded.add(each)
                _record(three_way, each)
        unwanted = {*circles, *map(_outermost_buried, movers)}
        refused = [move for move in movers if move in unwanted]
        if not refused:
            break
        for move in refused:
            move.chosen = move.places[LATER]


def _record(three_way: ThreeWay, move: _Traced) -> None:
    was, first, second = (pointer([*map(segment, place.route)]) for place in _present(move))
    three_way.record(move.path(), "move", was, first, second)


def _present(move: _Traced) -> Iterator[_Place]:
    return (place for place in move.places if place is not None)


def _is_by_earlier(move: _Traced) -> bool:
    """Whether it is to stand where `earlier` alone has moved it."""
    return move.chosen is move.places[EARLIER]


def _around(place: _Place | None) -> Iterator[_Traced]:
    """The traced elements around a place, from the inside out, each by the place chosen so far.

    In a circle each comes once.
    """
    passed = set()
    while place is not None:
        place = place.holder
        if place is not None and (each := place.traced) is not None:
            if each in passed:
                return
            passed.add(each)
            yield each
            place = each.chosen


def _is_buried(place: _Place | None) -> bool:
    """Whether a place is inside something that `later` deleted."""
    return any(each.places[LATER] is None for each in _around(place))


def _outermost_buried(move: _Traced) -> _Traced | None:
    """The element, itself or around it, that `earlier` moved into something `later` deleted."""
    outermost = move
    for each in _around(move.chosen):
        if each.places[LATER] is None:
            return outermost
        if _is_by_earlier(each):
            outermost = each
    return None


def _circle(move: _Traced) -> list[_Traced]:
    """The elements that stand one inside the other, all around from this one to itself."""
    around = list(_around(move.chosen))
    return around if around and around[-1] is move else []


# -- putting it there ------------------------------------------------------------------------------


class _Gathering:
    """Three documents in which the elements that moved are put where they are to be."""

    def __init__(self, three_way: ThreeWay, moves: Iterable[_Traced]) -> None:
        self._three_way = three_way
        self._merged: dict[_Traced, JSON] = {}
        # By side and list what to do with its elements: a move to fill in, or None to clear.
        self._edits: list[dict[Route, dict[Token, _Traced | None]]] = [{}, {}, {}]
        self._kinds: list[dict[Route, Kind]] = [{}, {}, {}]
        self._on_the_way: list[set[Route]] = [set(), set(), set()]
        for move in moves:
            self._plan(move)

    def _plan(self, move: _Traced) -> None:
        base, earlier, later = move.places
        assert base is not None
        is_buried = move.homes[EARLIER] != move.homes[BASE] and _is_buried(earlier)
        self._edit(BASE, base, None)
        if earlier is None or later is None:
            first = ABSENT if earlier is None else earlier.element
            second = ABSENT if later is None else later.element
            self._three_way.record(move.path(), "delete-edit", base.element, first, second)
            if earlier is not None and not is_buried:
                self._edit(EARLIER, earlier, None)
            return
        if move.homes[EARLIER] == move.homes[LATER]:
            self._edit(EARLIER, earlier, move)
            self._edit(LATER, later, move)
        elif move.chosen is earlier:
            self._edit(EARLIER, earlier, move)
            self._edit(LATER, later, None)
        else:
            self._edit(LATER, later, move)
            if not is_buried:
                self._edit(EARLIER, earlier, None)

    def _edit(self, side: int, place: _Place, what: _Traced | None) -> None:
        self._edits[side].setdefault(place.route, {})[place.token] = what
        around: _Place | None = place
        while around is not None and around.route not in self._kinds[side]:
            route = around.route
            self._kinds[side][route] = attributes_at(around.at)
            self._on_the_way[side].update(route[:length] for length in range(len(route) + 1))
            around = around.holder

    def rebuilt(self, side: int, value: JSON, route: Route) -> JSON:
        """What a side has there, without what is cleared and with what is filled in."""
        if route not in self._on_the_way[side]:
            return value
        if isinstance(value, dict):
            return {key: self.rebuilt(side, item, (*route, key)) for key, item in value.items()}
        kind, edits = self._kinds[side][route], self._edits[side].get(route, {})
        elements = []
        for element in value:
            token: Any = id_of(element, kind)
            if token not in edits:
                elements.append(self.rebuilt(side, element, (*route, token)))
            elif (move := edits[token]) is not None:
                elements.append(self._content(move))
        return elements

    def _content(self, move: _Traced) -> JSON:
        """The element, merged; what is filled in inside it is merged on the way."""
        if move not in self._merged:
            sides = [
                self.rebuilt(side, place.element, (*place.route, place.token))
                for side, place in enumerate(_present(move))
            ]
            base, chosen = move.places[BASE], move.chosen
            assert base is not None
            assert chosen is not None
            at = _joined(base.inside(), chosen.inside())
            self._merged[move] = self._three_way.value(move.path(), at, *sides)
        return self._merged[move]
