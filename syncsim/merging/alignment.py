"""Which element of a list is which on three sides: by id, and where there is none by content.

A value that occurs once in a list is its own identity; where one occurs more often, its place in
the sequence tells each of them apart. An element that was replaced where it stood, or by one
much like it, is the same element edited, so that two sides replacing one element meet, as do an
edit and a move.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple, TypeAlias

from syncsim.contract import JSON
from syncsim.merging.identity import Path, Token, by_id, canonical_text, id_of
from syncsim.merging.likeness import Likeness, alike
from syncsim.merging.sequences import Pairs, common, untangled

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
    is_certain: bool = True
    """Whether elements go by ids, or are plain values that come once, and so by themselves."""
    is_sequence: bool = False
    """Whether a value comes more than once, so that its place had to tell which one is meant."""
    is_disputed: bool = False
    """Whether something of `earlier` was taken back, because `later` put other things there."""

    def swapped(self) -> Aligned | None:
        """The same with the sides exchanged; None for a sequence, in which they are not equal."""
        if self.is_sequence:
            return None
        return self._replace(earlier=self.later, later=self.earlier)


class Element(NamedTuple):
    """An element as it was merged from its three versions; `is_clean` if without a conflict."""

    versions: tuple[JSON, JSON, JSON]
    merged: JSON
    is_clean: bool


class Memory:
    """What was found out about lists and their elements, for trials that align them again."""

    __slots__ = ("_common", "_names", "likeness", "merged")

    def __init__(self) -> None:
        self._common: dict[tuple[int, int], tuple[list[Name], list[Name], Pairs]] = {}
        self._names: dict[tuple[int, tuple[str, ...]], tuple[list[JSON], list[Name]]] = {}
        self.likeness = Likeness()
        self.merged: dict[tuple[Path, int, int, int], Element] = {}

    def names(self, side: list[JSON], attributes: tuple[str, ...]) -> list[Name]:
        """What the elements are recognised by; holds the list, so that its number stays its own."""
        held = self._names.get((id(side), attributes))
        if held is None:
            held = side, [_name(element, attributes) for element in side]
            self._names[id(side), attributes] = held
        return held[1]

    def add(
        self, path: Path, versions: tuple[JSON, JSON, JSON], merged: JSON, is_clean: bool
    ) -> Element:
        """Keep how an element of the list at this path was merged."""
        base, earlier, later = map(id, versions)
        element = Element(versions, merged, is_clean)
        self.merged[path, base, earlier, later] = element
        return element

    def common(self, first: list[Name], second: list[Name]) -> Pairs:
        """What two lists of names have in common as sequences."""
        held = self._common.get((id(first), id(second)))
        if held is None:
            held = first, second, common(first, second)
            self._common[id(first), id(second)] = held
        return held[2]


def align_by_id(lists: Lists, attributes: tuple[str, ...]) -> Aligned | None:
    """The elements of three lists by the id `attributes`; None unless each has one of its own."""
    base, earlier, later = (by_id(side, attributes) for side in lists)
    if base is None or earlier is None or later is None:
        return None
    return Aligned(base, earlier, later)


def align(lists: Lists, attributes: tuple[str, ...], memory: Memory) -> Aligned | None:
    """The elements of three lists under common tokens, where some or all have no id of their own.

    Those go by content; so do all where an id is not unique. None where values come more than once
    and one side moved what the other put something else in place of.
    """
    names = [memory.names(side, attributes) for side in lists]
    if any(len(side) > len(set(side)) for side in map(_ids, names)):
        names = [memory.names(side, ()) for side in lists]
    is_sequence = any(len(side) > len(set(side)) for side in names)
    if is_sequence:
        names = _told_apart(names, memory)
    tokens = _tokens(names, lists, memory.likeness, is_sequence=is_sequence)
    order = untangled(*tokens) if is_sequence else tokens[1]
    if order is None:
        return None
    base, earlier, later = (
        dict(zip(side, elements, strict=True)) for side, elements in zip(tokens, lists, strict=True)
    )
    held = {token: earlier.get(token, base.get(token)) for token in order}
    is_plain = not any(isinstance(element, dict | list) for side in lists for element in side)
    is_certain = is_plain and not is_sequence
    return Aligned(base, held, later, is_certain, is_sequence, order != tokens[1])


def adds_up(lists: Lists, merged: list[JSON], *, none_fewer: bool) -> bool:
    """Whether no value was doubled by a merge of sequences, or lost where a side added it.

    To move a value is to remove one and to insert one, so two moves may come out as three values,
    and a move may hide an insertion. What both sides added may count once or twice.
    """
    base, earlier, later, result = (
        Counter(map(canonical_text, elements)) for elements in (*lists, merged)
    )
    for value in base | earlier | later:
        changes = earlier[value] - base[value], later[value] - base[value]
        added = [max(change, 0) for change in changes]
        removed = [min(change, 0) for change in changes]
        if result[value] > base[value] + sum(added) + min(removed):
            return False
        is_repeated = max(base[value], earlier[value], later[value]) > 1
        if none_fewer and is_repeated and result[value] < base[value] + max(added) + sum(removed):
            return False
    return True


def _name(element: JSON, attributes: tuple[str, ...]) -> Name:
    token = id_of(element, attributes)
    return canonical_text(element) if token is None else token


def _ids(names: Iterable[Name]) -> list[Name]:
    return [name for name in names if not isinstance(name, bytes)]


# -- values that come more than once ---------------------------------------------------------------


def _told_apart(names: list[list[Name]], memory: Memory) -> list[list[Name]]:
    """The names of elements without ids with a number each: the same for the same element.

    Which is the same follows from what a list has in common with `base`, as sequences; of what is
    new on both sides, from what the runs that stand at one place have in common. A move is a
    removal and an insertion here.
    """
    base, earlier, later = names
    numbers: dict[tuple[object, ...], int] = {}

    def numbered(name: Name, *which: object) -> Name:
        if not isinstance(name, bytes):
            return name
        return b"%b #%d" % (name, numbers.setdefault(which, len(numbers)))

    was = [numbered(name, place) for place, name in enumerate(base)]
    rows = [dict((new, old) for old, new in memory.common(base, side)) for side in (earlier, later)]
    kept = {*rows[0].values()}.intersection(rows[1].values())
    new = [_new_runs(side, of, kept) for side, of in zip((earlier, later), rows, strict=True)]
    twins: dict[int, int] = {}
    for row, places in new[1].items():
        others = new[0].get(row, [])
        pairs = common([earlier[place] for place in others], [later[place] for place in places])
        twins |= {places[second]: others[first] for first, second in pairs}
    first = [
        was[rows[0][place]] if place in rows[0] else numbered(name, "earlier", place)
        for place, name in enumerate(earlier)
    ]
    second = [
        was[rows[1][place]]
        if place in rows[1]
        else first[twins[place]]
        if place in twins
        else numbered(name, "later", place)
        for place, name in enumerate(later)
    ]
    return [was, first, second]


def _new_runs(side: list[Name], rows: dict[int, int], kept: set[int]) -> dict[int, list[int]]:
    """The places of what is new in a list, by the row in the base of the last kept one before."""
    runs: dict[int, list[int]] = {}
    last = -1
    for place in range(len(side)):
        row = rows.get(place)
        if row is None:
            runs.setdefault(last, []).append(place)
        elif row in kept:
            last = row
    return runs


# -- elements that were edited ---------------------------------------------------------------------


def _tokens(
    names: list[list[Name]], lists: Lists, likeness: Likeness, *, is_sequence: bool
) -> list[list[Token]]:
    """A token for each element, the same for those that are one on several sides."""
    sides = [
        dict(zip(side, elements, strict=True)) for side, elements in zip(names, lists, strict=True)
    ]
    alike_earlier, alike_later = _alike(names, sides, likeness)
    base = names[0]
    earlier, later = (
        [old_of.get(name, name) for name in side]
        for old_of, side in zip((alike_earlier, alike_later), names[1:], strict=True)
    )
    replaced_earlier, replaced_later = _replaced(base, earlier), _replaced(base, later)

    same_runs: dict[tuple[Name, ...], int] = {}
    run_numbers: dict[int, int] = {}

    def number(run: tuple[Name, ...]) -> int:
        """Equal for equal runs; each is compared as a whole but once."""
        if id(run) not in run_numbers:
            run_numbers[id(run)] = same_runs.setdefault(run, len(same_runs))
        return run_numbers[id(run)]

    def edited(mine: Replaced, other: list[Name], theirs: Replaced) -> dict[Name, Name]:
        """By new name the old one, where mine edited an element, not removed one and put another.

        Not so if the other side holds the new value too, which must not appear twice. A plain value
        is edited only if the other side replaced it in the same run: where `draft` was replaced
        here and removed there, nothing of it is left to conflict over. In a sequence it is edited
        as well if the other side still has it, since its place is what it is known by.
        """
        held, both = set(other), {(number(run), place) for run, place in theirs.values()}
        return {
            new: run[place]
            for new, (run, place) in mine.items()
            if new not in held
            and (
                isinstance(sides[0][run[place]], dict | list)
                or (is_sequence and run[place] in held)
                or (number(run), place) in both
            )
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

    return [
        list(tokens(side, old)) for side, old in zip((base, earlier, later), old_names, strict=True)
    ]


def _alike(
    names: list[list[Name]], sides: list[dict[Name, JSON]], likeness: Likeness
) -> tuple[dict[Name, Name], dict[Name, Name]]:
    """By new name the old one, of objects and lists that neither side left as they were."""
    if not any(isinstance(element, dict | list) for element in sides[0].values()):
        return {}, {}
    base, earlier, later = map(set, names)

    def objects(names: list[Name], elements: dict[Name, JSON], others: set[Name]) -> list[Name]:
        return [
            name
            for name in names
            if isinstance(name, bytes)
            and name not in others
            and isinstance(elements[name], dict | list)
        ]

    found = []
    for side, elements, other in ((names[1], sides[1], later), (names[2], sides[2], earlier)):
        # What stands alone between the same neighbours in both needs no likeness.
        alone = {
            new: run[0] for new, (run, _) in _replaced(names[0], side).items() if len(run) == 1
        }
        old = objects(names[0], sides[0], {*earlier, *later, *alone.values()})
        new = objects(side, elements, {*base, *other, *alone})
        pairs = alike([sides[0][name] for name in old], [elements[name] for name in new], likeness)
        found.append({new[index]: old[place] for index, place in pairs.items()})
    return found[0], found[1]


def _replaced(base: list[Name], other: list[Name]) -> Replaced:
    """Every element without an id that was replaced where it stood.

    Between the same neighbours and one for one: from `a b c` to `a x y`, x replaced b and y c; in
    `a x y c` either x or y may have been b.
    """
    gone, come = _runs(base, set(other)), _runs(other, set(base))
    old = {anchor: tuple(run) for anchor, run in gone.items()}
    return {
        new: (old[anchor], place)
        for anchor, run in come.items()
        if len(run) == len(old.get(anchor, ()))
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
