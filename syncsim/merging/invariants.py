"""What two valid edits of a template can break together, and how it is mended.

A mend takes back one of the two edits, as little of it as makes the template valid again, and
records what was not kept. What no single edit is to blame for, such as too many fields in all, is
left for the store to refuse.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, combinations
from operator import is_
from typing import Final

from syncsim.contract import ABSENT, JSON, Conflict
from syncsim.merging.differences import changed_paths
from syncsim.merging.identity import (
    TEMPLATE_KEYS,
    Path,
    by_id,
    compile_keys,
    pointer,
    segment,
    split,
    step,
)
from syncsim.merging.three_way import ThreeWay
from syncsim.template.validation_cache import is_field

DEPENDENT: Final = ("default", "required", "validation", "options", "type")
"""The attributes of a field that limit each other, in the order in which they are taken back."""

MAX_SINGLE: Final = 20
"""How many changes of a field are tried one by one before whole attributes; bounds the work."""

MAX_OPTIONS: Final = 20_000
"""How many options these trials may look at in all, so that a field of thousands is tried less."""

_ROOT: Final = compile_keys(TEMPLATE_KEYS)


def mend(three_way: ThreeWay, base: JSON, earlier: JSON, later: JSON, merged: JSON) -> JSON:
    """The merge of valid templates, valid again; the same object if there was nothing to mend.

    Where a field stands in a section that one side deleted, the section comes back, and the side
    that has it is the one kept. Where the attributes of a field no longer fit each other, changes
    of `earlier` are taken back: one if that suffices, else those of whole attributes, at worst
    of all `DEPENDENT`, which leaves them as later has them. What is no template stays as it is.
    """
    documents = (base, earlier, later, merged)
    if not all(isinstance(document, dict) for document in documents):
        return merged
    mended = _mend_fields(three_way, *[_elements(document, "fields") for document in documents])
    if mended is not None:
        merged = {**merged, "fields": mended}
    sections = [_elements(document, "sections") for document in documents]
    if _all_one(sections):
        return merged
    restored = _restore_sections(three_way, _elements(merged, "fields"), *sections)
    return merged if restored is None else {**merged, "sections": restored}


# -- a field whose attributes no longer fit each other ---------------------------------------------


def _mend_fields(
    three_way: ThreeWay,
    base: list[JSON],
    earlier: list[JSON],
    later: list[JSON],
    merged: list[JSON],
) -> list[JSON] | None:
    """The merged fields with the broken ones mended; None if none was broken."""
    whole = {*map(id, earlier), *map(id, later)}
    places = [i for i, field in enumerate(map(id, merged)) if field not in whole]
    broken = [i for i in places if not is_field(merged[i])]
    if not broken:
        return None
    was, first, second = (by_id(side, ("id",)) for side in (base, earlier, later))
    if was is None or first is None or second is None:
        return None
    mended = merged.copy()
    records: dict[str, list[Conflict]] = {}
    for i in broken:
        name = merged[i]["id"]
        if is_field(first.get(name)) and is_field(second.get(name)):
            path, sides = ("fields", name), (was.get(name, {}), first[name], second[name])
            mended[i], within = _mend_field(three_way, path, *sides, merged[i])
            records[pointer(path)] = within.conflicts
    three_way.forget(records)
    three_way.conflicts += chain.from_iterable(records.values())
    return mended


def _mend_field(
    three_way: ThreeWay, path: Path, base: JSON, earlier: JSON, later: JSON, merged: JSON
) -> tuple[JSON, ThreeWay]:
    """The field merged anew so that it is valid, and the merge that did it."""
    at = step(step(_ROOT, path[0]), path[1])
    singles = min(MAX_SINGLE, MAX_OPTIONS // (1 + len(merged.get("options", ()))))
    for chosen in _selections(_differing(later, merged), singles):
        within = three_way.fresh()
        mended = within.value(path, at, base, _taken_back(earlier, base, chosen), later)
        if is_field(mended):
            for change in chosen:
                was, first, second = (_value(field, change) for field in (base, earlier, later))
                within.record((*path, *change), "invariant", was, first, second)
            return mended, within
    within = three_way.fresh()
    return within.value(path, at, base, earlier, later), within


def _differing(later: JSON, merged: JSON) -> list[Path]:
    """What `earlier` had its way with: dependent attributes, or single options and limits."""
    paths = changed_paths(later, merged, keys={"/options": "value"})
    changes = dict.fromkeys(split(path)[:2] for path in paths)
    return sorted(
        (change for change in changes if change[0] in DEPENDENT),
        key=lambda change: DEPENDENT.index(change[0]),
    )


def _selections(changes: list[Path], singles: int) -> Iterator[list[Path]]:
    """What to take back, the least first: a single change, then 1, 2, ... whole attributes."""
    yield from ([change] for change in changes[:singles])
    attributes = dict.fromkeys(change[:1] for change in changes)
    for count in range(1, len(attributes) + 1):
        yield from map(list, combinations(attributes, count))


def _taken_back(field: JSON, base: JSON, changes: list[Path]) -> JSON:
    """A copy of the field in which these places are as in `base`."""
    reduced = dict(field)
    for attribute, *inner in changes:
        old = base.get(attribute, ABSENT)
        if inner and attribute == "options":
            reduced[attribute] = _as_in(old or [], reduced[attribute], inner[0], "value")
        elif inner:
            reduced[attribute] = _with(
                reduced[attribute], inner[0], (old or {}).get(inner[0], ABSENT)
            )
        else:
            reduced = _with(reduced, attribute, old)
    return reduced


def _value(field: JSON, change: Path) -> JSON:
    attribute, *inner = change
    value = field.get(attribute, ABSENT)
    if inner and isinstance(value, list):
        value = by_id(value, ("value",)) or {}
    return (value or {}).get(inner[0], ABSENT) if inner else value


# -- a section that was deleted and is needed ------------------------------------------------------


def _restore_sections(
    three_way: ThreeWay,
    fields: list[JSON],
    base: list[JSON],
    earlier: list[JSON],
    later: list[JSON],
    merged: list[JSON],
) -> list[JSON] | None:
    """The merged sections with those that a field still refers to; None if none is missing."""
    present = by_id(merged, ("id",))
    if present is None:
        return None
    references = (field.get("section") for field in fields if isinstance(field, dict))
    missing = {name for name in references if isinstance(name, str)} - present.keys()
    if not missing:
        return None
    was, first, second = (by_id(side, ("id",)) for side in (base, earlier, later))
    if was is None or first is None or second is None:
        return None
    restored = [name for name in was if name in missing and (name in first or name in second)]
    for name in restored:
        if name in second:
            earlier = _as_in(base, earlier, name, "id")
        else:
            later = _as_in(base, later, name, "id")
    at = step(_ROOT, "sections")
    three_way.forget(["/sections"])
    sections: list[JSON] = three_way.value(("sections",), at, base, earlier, later)
    for name in restored:
        three_way.record(
            ("sections", segment(name)),
            "invariant",
            was[name],
            first.get(name, ABSENT),
            second.get(name, ABSENT),
            kept="later" if name in second else "earlier",
        )
    return sections


# -- places in copies ------------------------------------------------------------------------------


def _elements(document: JSON, key: str) -> list[JSON]:
    elements = document.get(key)
    return elements if isinstance(elements, list) else []


def _all_one(lists: list[list[JSON]]) -> bool:
    """Whether all of them hold the same objects in the same order."""
    first, *others = lists
    return all(len(other) == len(first) and all(map(is_, first, other)) for other in others)


def _with(mapping: JSON, key: str, value: JSON) -> JSON:
    """A copy with the key set, or without it where the value is ABSENT."""
    copy = {**mapping, key: value}
    if value is ABSENT:
        del copy[key]
    return copy


def _as_in(base: list[JSON], elements: list[JSON], name: JSON, attribute: str) -> list[JSON]:
    """A copy of the elements in which the one of this name is as in `base`, or gone as there.

    Where it is missing it comes back behind the element that it followed in `base`.
    """
    places = {element[attribute]: place for place, element in enumerate(elements)}
    after = 0
    for element in base:
        if element[attribute] == name:
            at = places.get(name, after)
            return [*elements[:at], element, *elements[at + (name in places) :]]
        after = places.get(element[attribute], after - 1) + 1
    return [element for element in elements if element[attribute] != name]
