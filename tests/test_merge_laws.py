"""Laws of the merge, held by Hypothesis against generated edit scripts of two and three writers."""

from __future__ import annotations

import copy
import random
from collections import Counter
from collections.abc import Iterator
from itertools import permutations
from typing import Any

import orjson
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from syncsim.contract import ABSENT, Conflict
from syncsim.merging import changed_paths, diff, merge, same
from syncsim.merging.identity import (
    KeyMap,
    attributes_at,
    by_id,
    compile_keys,
    id_of,
    pointer,
    segment,
    split,
    step,
)
from syncsim.template import validate
from tests.edit_scripts import (
    Kind,
    Sides,
    Step,
    card_lists,
    cards,
    edited,
    kinds,
    nested,
    nodes,
    scripts,
    sides,
    templates,
)

# -- looking at documents --------------------------------------------------------------------------


def leaves(value: Any, keys: KeyMap, path: tuple[str, ...] = (), at: Any = None) -> dict[str, Any]:
    """Every scalar and every list without ids, by its path with ids."""
    at = compile_keys(keys) if at is None else at
    children = value if isinstance(value, dict) else None
    if isinstance(value, list):
        children = by_id(value, attributes_at(at))
    if children is None:
        return {pointer(path): value}
    found: dict[str, Any] = {}
    for token, child in children.items():
        name = segment(token)
        found |= leaves(child, keys, (*path, name), step(at, name))
    return found


def value_at(document: Any, path: str, keys: KeyMap) -> Any:
    """What stands at a path with ids; ABSENT where nothing does."""
    value, at = document, compile_keys(keys)
    for part in split(path):
        if isinstance(value, list):
            tokens = ((id_of(element, attributes_at(at)), element) for element in value)
            value = {segment(token): element for token, element in tokens if token is not None}
        value = value.get(part, ABSENT) if isinstance(value, dict) else ABSENT
        at = step(at, part)
    return value


def covered(path: str, conflicts: tuple[Conflict, ...]) -> bool:
    """Whether a conflict is told at the path, above it or below it."""
    return any(
        (path + "/").startswith(conflict.path + "/") or conflict.path.startswith(path + "/")
        for conflict in conflicts
    )


def unordered(value: Any) -> Any:
    """The document without the order of its lists."""
    if isinstance(value, dict):
        return {key: unordered(item) for key, item in value.items()}
    if isinstance(value, list):
        return sorted((unordered(item) for item in value), key=orjson.dumps)
    return value


def scalars(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from scalars(item)
    else:
        yield repr(value)


def inserted_by_both(keys: KeyMap, base: Any, earlier: Any, later: Any) -> bool:
    """Whether both sides brought new elements, keyed or plain, so that runs may meet.

    So may an edited object without an id, and in a sequence what was moved.
    """
    found = [v for each in (base, earlier, later) for v in leaves(each, keys).values()]
    plain = [v for v in found if isinstance(v, list)]
    if any(isinstance(e, dict) for v in plain for e in v) or any(
        len(v) > len({*map(str, v)}) for v in plain
    ):
        return True

    def words(document: Any) -> Counter[str]:
        plain = [v for v in leaves(document, keys).values() if isinstance(v, list)]
        return Counter(str(element) for elements in plain for element in elements)

    def new(side: Any) -> bool:
        return bool(words(side) - words(base)) or any(
            change.kind == "added" for change in diff(base, side, keys=keys)
        )

    return new(earlier) and new(later)


# -- the laws --------------------------------------------------------------------------------------


@given(st.one_of(sides, nested))
def test_a_side_that_changed_nothing_has_no_say(case: Sides) -> None:
    keys, base, side, _ = case
    for three in [(base, side, side), (base, base, side), (base, side, base)]:
        result = merge(*copy.deepcopy(three), keys=keys)
        assert same(result.document, side)
        assert result.conflicts == ()


@given(st.one_of(sides, nested))
def test_merging_a_merge_again_changes_nothing(case: Sides) -> None:
    keys, base, earlier, later = case
    once = merge(base, earlier, later, keys=keys).document
    assert same(merge(base, earlier, once, keys=keys).document, once)


@given(templates)
def test_a_change_merged_into_a_head_that_holds_it_is_no_second_change(case: Sides) -> None:
    """A retry that finds its own change in what it re-reads is harmless, but for the order."""
    keys, base, earlier, later = case
    head = merge(base, earlier, later, keys=keys).document
    again = merge(base, head, later, keys=keys).document
    assert same(unordered(again), unordered(head))


@given(sides)
def test_swapped_sides_tell_the_same_conflicts(case: Sides) -> None:
    """Invariants aside: a deletion that wins leaves nothing to mend, an edit that wins may."""
    keys, base, earlier, later = case
    one = merge(base, earlier, later, keys=keys).conflicts
    other = merge(base, later, earlier, keys=keys).conflicts
    invariants = [
        split(conflict.path) for conflict in (*one, *other) if conflict.kind == "invariant"
    ]
    mended = {path[:2] if path[0] == "fields" else path[:1] for path in invariants}

    def told(conflicts: tuple[Conflict, ...]) -> set[tuple[str, ...]]:
        paths = {split(conflict.path) for conflict in conflicts}
        return {path for path in paths if not {path[:1], path[:2]} & mended}

    assert told(one) == told(other)


@given(sides)
def test_without_a_conflict_the_sides_are_equal(case: Sides) -> None:
    keys, base, earlier, later = case
    one, other = merge(base, earlier, later, keys=keys), merge(base, later, earlier, keys=keys)
    assume(not one.conflicts)
    assert same(unordered(one.document), unordered(other.document))
    if not inserted_by_both(keys, base, earlier, later):
        assert same(one.document, other.document)


@given(st.one_of(sides, nested))
def test_what_a_side_added_is_in_the_result_or_in_a_record(case: Sides) -> None:
    keys, base, earlier, later = case
    result = merge(base, earlier, later, keys=keys)
    there = {*scalars(result.document)}
    for conflict in result.conflicts:
        there.update(scalars(list(conflict.to_json().values())))
    known = {*scalars(base)}
    for side in (earlier, later):
        assert {*scalars(side)} - known <= there


@given(templates)
def test_a_leaf_is_as_the_side_that_changed_it_has_it(case: Sides) -> None:
    """Every leaf that no record speaks of; a list of tags has what both sides added to it."""
    keys, base, earlier, later = case
    result = merge(base, earlier, later)
    was, first, second, now = (
        leaves(each, keys) for each in (base, earlier, later, result.document)
    )
    for path in {*was, *first, *second, *now}:
        if covered(path, result.conflicts):
            continue
        a, b, c, d = (each.get(path, ABSENT) for each in (was, first, second, now))
        if isinstance(b, list) and isinstance(c, list) and isinstance(d, list):
            old = a if isinstance(a, list) else []
            added = {*b, *c} - {*old}
            assert {*d} == ({*old} & {*b} & {*c}) | added
        else:
            assert same(d, c if same(a, b) else b), path


@given(sides)
def test_no_id_occurs_twice(case: Sides) -> None:
    """In no list; and no card of the base in two columns, however often it was moved."""
    keys, base, earlier, later = case
    document = merge(base, earlier, later, keys=keys).document
    lists = [document[key] for key in ("fields", "sections", "columns") if key in document]
    if "columns" in document:
        lists += card_lists(document)
        known = {card["id"] for card in cards(base)}
        lists.append([card for card in cards(document) if card["id"] in known])
    for elements in lists:
        names = [element["id"] for element in elements]
        assert len(names) == len(set(names))


@settings(max_examples=300)
@given(nested)
def test_elements_that_move_into_each_other_are_there_once(case: Sides) -> None:
    """What both sides still have stands in the result, or in a record if one side deleted around
    it; what one of them brought anew, or the base had, stands there once.
    """
    keys, base, earlier, later = case
    result = merge(base, earlier, later, keys=keys)
    was, first, second, now = (
        Counter(node["id"] for node in nodes(each))
        for each in (base, earlier, later, result.document)
    )
    brought_by_both = {*first} & {*second} - {*was}
    assert all(count == 1 for name, count in now.items() if name not in brought_by_both)
    told = {*scalars([list(conflict.to_json().values()) for conflict in result.conflicts])}
    for name in {*first} & {*second}:
        assert name in now or repr(name) in told, name


@given(sides)
def test_no_conflict_is_told_of_what_both_left_alone(case: Sides) -> None:
    keys, base, earlier, later = case
    for conflict in merge(base, earlier, later, keys=keys).conflicts:
        was, first, second = (
            value_at(each, conflict.path, keys) for each in (base, earlier, later)
        )
        assert not (same(was, first) and same(was, second)), conflict


@given(st.one_of(sides, nested))
def test_the_inputs_are_left_as_they_are(case: Sides) -> None:
    keys, *three = case
    before = copy.deepcopy(three)
    merge(*three, keys=keys)
    assert same(three, before)


@given(st.one_of(sides, nested), st.integers(0, 2**32))
def test_the_order_of_keys_is_no_data(case: Sides, seed: int) -> None:
    keys, *three = case
    chance = random.Random(seed)

    def shuffled(value: Any) -> Any:
        if isinstance(value, dict):
            items = [(key, shuffled(item)) for key, item in value.items()]
            chance.shuffle(items)
            return dict(items)
        return [shuffled(item) for item in value] if isinstance(value, list) else value

    plain, mixed = merge(*three, keys=keys), merge(*map(shuffled, three), keys=keys)
    assert same(plain.document, mixed.document)
    assert plain.conflicts == mixed.conflicts


@given(kinds, scripts, st.lists(scripts.map(lambda script: script[:3]), min_size=3, max_size=3))
def test_writers_merged_one_after_another_agree_in_any_order(
    kind: Kind, base_script: list[Step], writers: list[list[Step]]
) -> None:
    keys, base = kind.keys, edited(kind, kind.start, base_script)
    wanted = [edited(kind, base, script) for script in writers]
    results = []
    for order in permutations(wanted):
        head = base
        for mine in order:
            merged = merge(base, head, mine, keys=keys)
            assume(not merged.conflicts)
            head = merged.document
        results.append(unordered(head))
    assert all(same(result, results[0]) for result in results)


@settings(max_examples=300)
@given(templates)
def test_merged_templates_are_valid(case: Sides) -> None:
    _, base, earlier, later = case
    validate(merge(base, earlier, later).document)


@given(templates)
def test_the_merge_of_leaf_edits_is_that_of_a_table_of_leaves(case: Sides) -> None:
    """An independent oracle: where no element came, went or moved, ten lines say the same."""
    keys, base, earlier, later = case
    for side in (earlier, later):
        assume(all(change.kind == "changed" for change in diff(base, side)))
    was, first, second = (leaves(each, keys) for each in (base, earlier, later))
    assume(not any(isinstance(v, list) and not same(v, first.get(p)) for p, v in was.items()))
    wanted = {
        path: second[path]
        if same(first[path], was[path]) or not same(second[path], was[path])
        else first[path]
        for path in was
    }
    result = merge(base, earlier, later)
    assume(not any(conflict.kind == "invariant" for conflict in result.conflicts))
    assert same(leaves(result.document, keys), wanted)
    clashes = {
        p
        for p in was
        if not same(first[p], was[p])
        and not same(second[p], was[p])
        and not same(first[p], second[p])
    }
    assert {conflict.path for conflict in result.conflicts} == clashes


@given(sides)
def test_changed_paths_are_where_the_documents_differ(case: Sides) -> None:
    keys, base, other, _ = case
    paths = changed_paths(base, other, keys=keys)
    assert len(paths) == len(set(paths))
    for path in paths:
        assert not same(value_at(base, path, keys), value_at(other, path, keys))
    was, now = leaves(base, keys), leaves(other, keys)
    for path in {*was, *now}:
        if not same(was.get(path, ABSENT), now.get(path, ABSENT)):
            assert any(
                (path + "/").startswith(at + "/") or at.startswith(path + "/") for at in paths
            )
