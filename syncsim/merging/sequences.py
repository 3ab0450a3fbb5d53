"""What two sequences have in common, and where the changes of two writers meet in a third.

For lists in which a value comes more than once, so that only its place tells which one it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from typing import Final, TypeAlias, TypeVar

MAX_CELLS: Final = 400_000_000
"""Product of the lengths up to which an alignment is searched: a bit of memory for each cell."""

Item = TypeVar("Item", bound=Hashable)

Pairs: TypeAlias = list[tuple[int, int]]


def common(first: Sequence[Hashable], second: Sequence[Hashable]) -> Pairs:
    """The places of a longest common subsequence in both, as pairs in order.

    Of several it is the one that begins and ends first, so that what is new comes last. It is
    searched row by row with one bit for each column (Hyyro 2004, "Bit-parallel LCS-length
    computation revisited"): quadratic, but 10,000 by 10,000 take some 20 ms. Longer lists are
    compared from both ends, and what lies between counts as replaced.
    """
    start = _equal_at_front(first, second)
    pairs = [(place, place) for place in range(start)]
    first, second = first[start:], second[start:]
    end = _equal_at_front(first[::-1], second[::-1])
    if end < min(len(first), len(second)) and len(first) * len(second) <= MAX_CELLS:
        rest = _longest(first, second)
    else:  # also where one run was inserted or removed, and nothing is left to search
        rest = [(len(first) - place, len(second) - place) for place in range(end, 0, -1)]
    return pairs + [(start + row, start + column) for row, column in rest]


def _equal_at_front(first: Sequence[Hashable], second: Sequence[Hashable]) -> int:
    pairs = enumerate(zip(first, second, strict=False))
    unequal = (place for place, (one, other) in pairs if one != other)
    return next(unequal, min(len(first), len(second)))


def _longest(first: Sequence[Hashable], second: Sequence[Hashable]) -> Pairs:
    """The pairs, read back from the table of lengths; a 0 bit is a column that adds to the row's"""
    held: defaultdict[Hashable, int] = defaultdict(int)
    for column, item in enumerate(second):
        held[item] |= 1 << column
    full = (1 << len(second)) - 1
    bits = full
    table = [bits]
    for item in first:
        met = bits & held.get(item, 0)
        bits = ((bits + met) | (bits - met)) & full
        table.append(bits)
    pairs: Pairs = []
    row, column = len(first), len(second)
    while row and column:
        bit = 1 << (column - 1)
        if table[row] & bit:
            column -= 1
        elif not table[row - 1] & bit:
            row -= 1
        else:
            row, column = row - 1, column - 1
            pairs.append((row, column))
    return pairs[::-1]


def untangled(
    base: Sequence[Item], earlier: Sequence[Item], later: Sequence[Item]
) -> list[Item] | None:
    """`earlier` as in `base` wherever `later` rewrote what `earlier` changed, or the reverse.

    No sequence holds an item twice. Between what all three have in common, insertions of both
    stand side by side, and so do deletions; but a run that one side put in place of another run
    meets whatever the other side did there, as in diff3 (Khanna, Kunal, Pierce 2007, "A formal
    investigation of diff3"). None if taking that back would double or lose what was moved.
    """
    kept = _kept(base, earlier) & _kept(base, later)
    runs = zip(*(_runs(side, kept) for side in (base, earlier, later)), strict=True)
    untangled: list[Item] = []
    for was, first, second in runs:
        untangled += was if _clash(was, first, second) else first
    known = set(base)
    held = set(untangled)
    if len(held) < len(untangled) or not known.intersection(earlier) <= held:
        return None
    return untangled


def _kept(base: Sequence[Item], side: Sequence[Item]) -> set[Item]:
    """What two sequences without repetition have in common, in one order."""
    shared = set(base).intersection(side)
    if [item for item in base if item in shared] == [item for item in side if item in shared]:
        return shared
    return {base[row] for row, _ in common(base, side)}


def _runs(items: Sequence[Item], kept: set[Item]) -> list[list[Item]]:
    """The items in runs; each run but the first begins with an item that is kept."""
    runs: list[list[Item]] = [[]]
    for item in items:
        if item in kept:
            runs.append([])
        runs[-1].append(item)
    return runs


def _clash(was: list[Item], first: list[Item], second: list[Item]) -> bool:
    if first in (was, second) or second == was:
        return False
    return any(set(was) - set(side) and set(side) - set(was) for side in (first, second))
