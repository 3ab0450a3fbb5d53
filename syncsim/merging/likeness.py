"""Which object was edited to which: pairs by likeness, for elements that have no id.

The likeness of two values is twice the number of their equal leaves over the leaves of both, as in
`difflib`; lists in them are aligned as sequences. Above one half they are taken for one element.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

from syncsim.contract import JSON
from syncsim.merging.identity import canonical_text
from syncsim.merging.sequences import common

CROWD: Final = 16
"""A leaf that more elements have does not tell which one is meant, and is not looked up."""

NEAREST: Final = 4
"""How many elements, those with the most leaves in common, one is compared with; bounds the work"""

Leaf: TypeAlias = tuple[object, ...]


def alike(old: Sequence[JSON], new: Sequence[JSON]) -> dict[int, int]:
    """By index of a new element the index of the old one it was edited from, each at most once.

    The likest pairs first; of equally like ones those that come first.
    """
    if not (old and new):
        return {}
    having: defaultdict[Leaf, list[int]] = defaultdict(list)
    sizes = []
    for index, element in enumerate(old):
        leaves = list(_leaves(element))
        sizes.append(len(leaves))
        for leaf in set(leaves):
            having[leaf].append(index)
    pairs = []
    for index, element in enumerate(new):
        leaves = list(_leaves(element))
        shared: Counter[int] = Counter()
        for leaf in set(leaves):
            holders = having.get(leaf, ())
            if len(holders) <= CROWD:
                shared.update(holders)
        for candidate, _ in sorted(shared.items(), key=lambda item: (-item[1], item[0]))[:NEAREST]:
            likeness = 2 * _equal(old[candidate], element) / (sizes[candidate] + len(leaves))
            if likeness > 0.5:
                pairs.append((-likeness, candidate, index))
    edited: dict[int, int] = {}
    taken: set[int] = set()
    for _, candidate, index in sorted(pairs):
        if index not in edited and candidate not in taken:
            edited[index] = candidate
            taken.add(candidate)
    return edited


def _leaves(value: JSON, path: Leaf = ()) -> Iterator[Leaf]:
    """Every scalar and every empty object or list, with the keys that lead to it."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _leaves(item, (*path, key))
    elif isinstance(value, list) and value:
        for item in value:
            yield from _leaves(item, (*path, 0))
    else:
        yield (*path, canonical_text(value))


def _equal(old: JSON, new: JSON) -> int:
    """How many leaves of one value are equal leaves of the other."""
    if isinstance(old, dict) and isinstance(new, dict) and old:
        return sum(_equal(item, new[key]) for key, item in old.items() if key in new)
    if isinstance(old, list) and isinstance(new, list) and old:
        pairs = common([*map(canonical_text, old)], [*map(canonical_text, new)])
        return sum(len(list(_leaves(old[row]))) for row, _ in pairs)
    return int(canonical_text(old) == canonical_text(new))
