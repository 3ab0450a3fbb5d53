"""The order of a merged list: whose reordering counts, and where inserted elements go.

Works on the tokens of elements alone and knows nothing of their content.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Container, Mapping, Sequence
from functools import cmp_to_key
from itertools import zip_longest
from typing import Any

from syncsim.merging.identity import Token

Order = Sequence[Token]


def arrange(
    base: Order, earlier: Order, later: Order, alive: Collection[Token]
) -> tuple[list[Token], bool]:
    """The `alive` tokens in merged order, and whether the two sides disagree about it.

    If one side alone reordered the elements that all three have, its order holds; if both did, both
    count as long as they moved different elements and do not contradict each other; otherwise the
    order is `later`'s and the answer True. An inserted element follows the one it followed; at the
    same place `earlier`'s run comes first, then `later`'s, never interleaved. What both
    inserted at different places stands where `later` has it, and the answer is True.

    Every alive token is in `earlier` or `later`; no sequence holds a token twice.
    """
    if earlier == later:
        return [token for token in later if token in alive], False
    shared = set(base).intersection(earlier, later)
    was, first, second = (
        [token for token in order if token in shared and token in alive]
        for order in (base, earlier, later)
    )
    if first == second:
        spine, disputed = second, False
    elif was in (first, second):
        spine, disputed = first if second == was else second, False
    else:
        reconciled = _reconcile(was, first, second)
        spine, disputed = reconciled or second, reconciled is None

    anchors = set(spine)
    inserted = {token for token in alive if token not in anchors}
    by_both = inserted.intersection(earlier).intersection(later)
    runs = _runs(later, anchors, by_both)
    disputed = disputed or runs != _runs(earlier, anchors, by_both)
    spine = _strung(spine, runs)

    anchors |= by_both
    runs = _runs(earlier, anchors, inserted)
    for place, run in _runs(later, anchors, inserted).items():
        runs.setdefault(place, []).extend(run)
    return _strung(spine, runs), disputed


def moved(base: Order, other: Order) -> list[Token]:
    """The fewest tokens that have to move to turn `base` into `other`, in the order of `other`.

    Both hold the same tokens. What stays is a longest increasing subsequence of the ranks in
    `base` (Fredman 1975, "On computing the length of longest increasing subsequences"). Of two
    neighbours that changed places the first one counts as moved, behind the second.
    """
    rank = _ranks(base)
    lowest: list[int] = []  # for each length of a run: the lowest (negated) rank it can begin with,
    heads: list[Token] = []  # and the token of that rank
    follower: dict[Token, Token | None] = {}
    for token in reversed(other):
        length = bisect_left(lowest, -rank[token])
        follower[token] = heads[length - 1] if length else None
        lowest[length : length + 1] = [-rank[token]]
        heads[length : length + 1] = [token]
    stays: set[Token] = set()
    stayed = heads[-1] if heads else None
    while stayed is not None:
        stays.add(stayed)
        stayed = follower[stayed]
    return [token for token in other if token not in stays]


def _reconcile(was: Order, first: Order, second: Order) -> list[Token] | None:
    """An order with the moves of both sides; None if they contradict each other.

    Each moved element keeps its place among those that no side moved, and every pair comes out as
    the side that turned it round has it. From `a b c d`, one side moving `a` behind `c` and the
    other `d` before `b` leaves no such order: b, c, a and a, d, b.
    """
    moved_first, moved_second = moved(was, first), moved(was, second)
    movers = dict.fromkeys([*moved_first, *moved_second])
    still = [token for token in was if token not in movers]
    place_first, place_second = _places(first, set(still)), _places(second, set(still))
    place = {token: place_first[token] for token in moved_first}
    for token in moved_second:
        if place.setdefault(token, place_second[token]) != place_second[token]:
            return None

    rank_was, rank_first, rank_second = _ranks(was), _ranks(first), _ranks(second)

    def precedes(x: Token, y: Token) -> bool:
        in_first = rank_first[x] < rank_first[y]
        turned = in_first != (rank_was[x] < rank_was[y])
        return in_first if turned else rank_second[x] < rank_second[y]

    runs: dict[Token | None, list[Token]] = {}
    for token in movers:
        runs.setdefault(place[token], []).append(token)
    by_precedence: Callable[[Token], Any] = cmp_to_key(lambda x, y: -1 if precedes(x, y) else 1)
    for run in runs.values():
        run.sort(key=by_precedence)
    merged = _strung(still, runs)
    # No side disputes how the others lie to each other and to those that moved.
    of_movers = ([t for t in order if t in movers] for order in (was, first, second, merged))
    return merged if _is_union(*of_movers) else None


def _is_union(was: Order, first: Order, second: Order, merged: Order) -> bool:
    """Whether `merged` turns round the pairs that `first` or `second` does, and no other.

    With d the number of pairs that two orders have differently, it turns what the one turned if it
    lies between: d(was, first) + d(first, merged) = d(was, merged); likewise the other; and nothing
    else if it turns as many as the two together.
    """
    turned, by_first, by_second = (turned_pairs(was, each) for each in (merged, first, second))
    return (
        turned == by_first + turned_pairs(first, merged)
        and turned == by_second + turned_pairs(second, merged)
        and 2 * turned == by_first + by_second + turned_pairs(first, second)
    )


def turned_pairs(one: Order, other: Order) -> int:
    """How many pairs of tokens two orders of the same tokens have the other way round.

    Counted while sorting by merging (Knuth, The Art of Computer Programming 3, 5.2.4).
    """
    rank = _ranks(one)
    runs = [[rank[token]] for token in other]
    turned = 0
    while len(runs) > 1:
        merged: list[list[int]] = []
        left: list[int]
        right: list[int]
        for left, right in zip_longest(runs[::2], runs[1::2], fillvalue=[]):
            if not right or left[-1] < right[0]:
                merged.append([*left, *right])
            elif right[-1] < left[0]:
                turned += len(left) * len(right)
                merged.append([*right, *left])
            else:
                turned += sum([bisect_left(right, place) for place in left])
                merged.append(sorted([*left, *right]))
        runs = merged
    return turned


def _places(order: Order, anchors: Container[Token]) -> dict[Token, Token | None]:
    """For each token that is no anchor the last anchor before it; None at the start."""
    places: dict[Token, Token | None] = {}
    anchor: Token | None = None
    for token in order:
        if token in anchors:
            anchor = token
        else:
            places[token] = anchor
    return places


def _runs(
    order: Order, anchors: Container[Token], among: Container[Token]
) -> dict[Token | None, list[Token]]:
    """Those tokens, in runs by the last anchor before them."""
    runs: dict[Token | None, list[Token]] = {}
    for token, place in _places(order, anchors).items():
        if token in among:
            runs.setdefault(place, []).append(token)
    return runs


def _strung(spine: Order, runs: Mapping[Token | None, list[Token]]) -> list[Token]:
    """The spine with each run behind its anchor, that of None at the front."""
    strung = list(runs.get(None, ()))
    for token in spine:
        strung.append(token)
        strung.extend(runs.get(token, ()))
    return strung


def _ranks(order: Order) -> dict[Token, int]:
    return {token: rank for rank, token in enumerate(order)}
