"""Which object was edited to which: pairs by likeness, for elements that have no id.

The likeness of two values is twice the number of their equal leaves over the leaves of both, as in
`difflib`; lists in them are aligned as sequences. Above one half they are taken for one element.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from itertools import chain
from typing import Final, NamedTuple, TypeAlias

from syncsim.contract import JSON
from syncsim.merging.identity import canonical_text
from syncsim.merging.sequences import common

CROWD: Final = 16
"""A leaf that more elements have does not tell which one is meant, and is not looked up."""

NEAREST: Final = 4
"""How many elements, those with the most leaves in common, one is compared with; bounds the work"""

Leaf: TypeAlias = tuple[object, ...]


class _Looks(NamedTuple):
    """An element as it is compared; `is_flat` says that no list inside it holds anything."""

    element: JSON
    leaves: frozenset[Leaf]
    size: int
    is_flat: bool


class Likeness:
    """How much elements are alike, remembered while one merge lasts: trials compare them again."""

    __slots__ = ("_likeness", "_looks")

    def __init__(self) -> None:
        self._looks: dict[int, _Looks] = {}
        self._likeness: dict[tuple[int, int], float] = {}

    def looks(self, element: JSON) -> _Looks:
        """What it is compared by; holds the element, so that its number stays its own."""
        looks = self._looks.get(id(element))
        if looks is None:
            leaves = _leaves(element)
            is_flat = not any(0 in leaf for leaf in leaves)
            looks = _Looks(element, frozenset(leaves), len(leaves), is_flat)
            self._looks[id(element)] = looks
        return looks

    def of(self, old: _Looks, new: _Looks) -> float:
        """From 0, nothing equal, to 1."""
        pair = id(old.element), id(new.element)
        likeness = self._likeness.get(pair)
        if likeness is None:
            if old.is_flat or new.is_flat:
                equal = len(old.leaves & new.leaves)
            else:
                equal = _equal(old.element, new.element)
            likeness = self._likeness[pair] = 2 * equal / (old.size + new.size)
        return likeness


def alike(old: Sequence[JSON], new: Sequence[JSON], likeness: Likeness) -> dict[int, int]:
    """By index of a new element the index of the old one it was edited from, each at most once.

    The likest pairs first; of equally like ones those that come first.
    """
    if not (old and new):
        return {}
    having: defaultdict[Leaf, list[int]] = defaultdict(list)
    were = [likeness.looks(element) for element in old]
    for index, looks in enumerate(were):
        for leaf in looks.leaves:
            having[leaf].append(index)
    telling = {leaf: holders for leaf, holders in having.items() if len(holders) <= CROWD}
    pairs = []
    for index, element in enumerate(new):
        looks = likeness.looks(element)
        holders = [telling[leaf] for leaf in looks.leaves if leaf in telling]
        nearest: Collection[int] = set(chain.from_iterable(holders))
        if len(nearest) > NEAREST:
            shared = Counter(chain.from_iterable(holders))
            nearest = sorted(shared, key=lambda candidate: (-shared[candidate], candidate))[
                :NEAREST
            ]
        for candidate in nearest:
            found = likeness.of(were[candidate], looks)
            if found > 0.5:
                pairs.append((-found, candidate, index))
    edited: dict[int, int] = {}
    taken: set[int] = set()
    for _, candidate, index in sorted(pairs):
        if index not in edited and candidate not in taken:
            edited[index] = candidate
            taken.add(candidate)
    return edited


def _leaves(value: JSON, path: Leaf = ()) -> list[Leaf]:
    """Every scalar and every empty object or list, with the keys that lead to it."""
    if not (isinstance(value, dict | list) and value):
        return [(*path, canonical_text(value))]
    leaves: list[Leaf] = []
    for key, item in value.items() if isinstance(value, dict) else ((0, each) for each in value):
        if isinstance(item, dict | list):
            leaves += _leaves(item, (*path, key))
        else:
            leaves.append((*path, key, canonical_text(item)))
    return leaves


def _equal(old: JSON, new: JSON) -> int:
    """How many leaves of one value are equal leaves of the other."""
    if isinstance(old, dict) and isinstance(new, dict) and old:
        return sum(_equal(item, new[key]) for key, item in old.items() if key in new)
    if isinstance(old, list) and isinstance(new, list) and old:
        pairs = common([*map(canonical_text, old)], [*map(canonical_text, new)])
        return sum(len(_leaves(old[row])) for row, _ in pairs)
    return int(canonical_text(old) == canonical_text(new))
