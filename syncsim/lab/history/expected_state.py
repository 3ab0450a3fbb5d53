"""What a commit must hold, leaf by leaf: the judges' own reading of "the later writer wins a leaf".

It judges and never merges: from the base, the writer's document, the head before and the head
after it names the leaves that are not what the intent makes of the head before. It shares no line
with `syncsim.merging`, so that a fault there cannot excuse itself here. Order is no leaf.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

import orjson

from syncsim.contract import ABSENT, JSON, Document

Path: TypeAlias = tuple[str, ...]
"""Object keys and element ids from the top of the document to a leaf or a subtree."""

DERIVED: Final[Path] = ("metadata", "derived")
"""What only the background job writes; never judged as a user's leaf."""

NOTHING: Final[Mapping[str, JSON]] = {}


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A leaf that is `found` where the intent makes it `wanted`.

    `intended` tells whether the operation meant to change it at all.
    """

    path: Path
    wanted: JSON
    found: JSON
    intended: bool


def pointer(path: Path) -> str:
    """The path as a JSON Pointer: `/fields/email/label`."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def same(a: JSON, b: JSON) -> bool:
    """Equality of JSON text: 1, 1.0 and true differ, null is not absence, key order is no data."""
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if not isinstance(a, dict | list):
        return bool(a == b)
    # What Python takes for different is; what it takes for the same, as [1] and [True], may not be.
    return a == b and (orjson.dumps(a) == orjson.dumps(b) or _canonical(a) == _canonical(b))


def intended(base: Document, changes: Document) -> Document:
    """The document the writer means: `base` with the top-level keys of `changes` replaced.

    A `metadata` without `derived` does not delete it: users do not own it.
    """
    document = {**base, **changes}
    before, after = base.get("metadata"), document.get("metadata")
    if after is not before and isinstance(after, dict):
        document["metadata"] = {key: after[key] for key in after if key != "derived"}
        if isinstance(before, dict) and "derived" in before:
            document["metadata"]["derived"] = before["derived"]
    return document


def mismatches(
    base: JSON, intent: JSON, before: JSON, after: JSON, path: Path = ()
) -> Iterator[Mismatch]:
    """Leaves where `after` differs from `before` with the change `base` to `intent` applied.

    A leaf that the intent leaves alone stays as it was before; one that it changes becomes the
    intent's. An edit inside an element that is gone brings the element back as edited; a deletion
    removes it whatever became of it. `DERIVED` is left out.
    """
    if path == DERIVED:
        return
    if same(intent, base):
        yield from _unequal(before, after, path, intended=False)
        return
    if _is_ambiguous(base, intent, before, path):
        return
    ours, theirs = members(intent, path), members(before, path)
    origin = NOTHING if base is ABSENT else members(base, path)
    if ours is None or theirs is None or origin is None or type(intent) is not type(before):
        yield from _unequal(intent, after, path, intended=True)
        return
    found = members(after, path)
    if found is None or type(after) is not type(before):
        yield Mismatch(path, before, after, intended=True)
        return
    if is_plain_list(after, path):
        yield from _miscounted(path, *map(_counts, (base, intent, before, after)))
        return
    for key in {**origin, **ours, **theirs, **found}:
        a, b = origin.get(key, ABSENT), ours.get(key, ABSENT)
        c, d = theirs.get(key, ABSENT), found.get(key, ABSENT)
        if a is not b:
            yield from mismatches(a, b, c, d, (*path, key))
        elif not same(c, d):
            yield from _unequal(c, d, (*path, key), intended=False)


def differences(before: JSON, after: JSON, path: Path = ()) -> Iterator[Path]:
    """The deepest paths at which two documents differ, `DERIVED` included, order left out."""
    for deviation in _unequal(before, after, path, intended=False, whole=True):
        yield deviation.path


def value_at(document: JSON, path: Path) -> JSON:
    """The value at a path, or `ABSENT`."""
    at: Path = ()
    value = document
    for part in path:
        inside = members(value, at)
        if inside is None or part not in inside:
            return ABSENT
        value, at = inside[part], (*at, part)
    return value


def members(value: JSON, path: Path) -> Mapping[str, JSON] | None:
    """What lies one step below a value, by key or element id; None for a leaf.

    Elements of `fields` and `sections` go by `id`, options by `value`; one of these lists in which
    two share an id is a leaf. In any other list each element is its own identity, the second of two
    equal ones the second: so a list holds each value so many times, in whatever order.
    """
    if isinstance(value, dict):
        return value
    if not isinstance(value, list):
        return None
    attribute = _identity(path)
    if attribute is None:
        return _counted(value)
    try:
        found = {element[attribute]: element for element in value}
    except (KeyError, TypeError):
        return None
    return found if len(found) == len(value) else None


def is_plain_list(value: JSON, path: Path) -> bool:
    """Whether the value at a path is a list whose elements have no ids."""
    return isinstance(value, list) and _identity(path) is None


def _counted(elements: list[JSON]) -> dict[str, JSON]:
    """The elements by their text; of equal ones the second has a number behind it, and so on."""
    found: dict[str, JSON] = {}
    times: Counter[str] = Counter()
    for element in elements:
        text = _canonical(element).decode()
        times[text] += 1
        found[_nth(text, times[text])] = element
    return found


def _nth(text: str, number: int) -> str:
    return text if number == 1 else f"{text} #{number}"


def _counts(elements: JSON) -> Counter[str]:
    """How often a list holds each value, by its text; nothing where there is no list."""
    return (
        Counter(_canonical(e).decode() for e in elements)
        if isinstance(elements, list)
        else Counter()
    )


def _miscounted(
    path: Path,
    base: Counter[str],
    intent: Counter[str],
    before: Counter[str],
    after: Counter[str],
) -> Iterator[Mismatch]:
    """The values that a list without ids holds too often or too rarely.

    One that both writers added may stand there once or as often as both say; one that both took
    away is gone once, or as often as both say.
    """
    for text in {**base, **intent, **before, **after}:
        changes = intent[text] - base[text], before[text] - base[text]
        added = [max(change, 0) for change in changes]
        removed = [min(change, 0) for change in changes]
        least = base[text] + max(added) + sum(removed)
        most = base[text] + sum(added) + min(removed)
        value = orjson.loads(text)
        if after[text] < least:
            at = (*path, _nth(text, after[text] + 1))
            yield Mismatch(at, value, ABSENT, intended=changes[0] > 0)
        elif after[text] > most:
            at = (*path, _nth(text, after[text]))
            yield Mismatch(at, ABSENT, value, intended=changes[0] < 0)


def _identity(path: Path) -> str | None:
    if path in (("fields",), ("sections",)):
        return "id"
    if len(path) == 3 and path[0] == "fields" and path[2] == "options":
        return "value"
    return None


def _unequal(
    wanted: JSON, found: JSON, path: Path, *, intended: bool, whole: bool = False
) -> Iterator[Mismatch]:
    if same(wanted, found) or (path == DERIVED and not whole):
        return
    inside, there = members(wanted, path), members(found, path)
    if inside is None or there is None or type(wanted) is not type(found):
        yield Mismatch(path, wanted, found, intended)
        return
    for key in {**inside, **there}:
        yield from _unequal(
            inside.get(key, ABSENT),
            there.get(key, ABSENT),
            (*path, key),
            intended=intended,
            whole=whole,
        )


def _is_ambiguous(base: JSON, intent: JSON, before: JSON, path: Path) -> bool:
    """Whether two changes of one list without ids leave room for interpretation.

    Base [a], one writer makes it [b], the other [c]: aligned, a became b and then c; as a set, it
    is [b, c]. Both are right, so such a leaf is not judged.
    """
    if not (is_plain_list(intent, path) and is_plain_list(before, path)) or same(before, base):
        return False
    if not isinstance(base, list):
        return True
    ours, theirs, origin = _counted(intent), _counted(before), _counted(base)
    return not (origin.keys() - ours.keys()).isdisjoint(origin.keys() - theirs.keys())


def _canonical(value: JSON) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
