"""What changed between two JSON documents, as rows whose paths hold ids; for display and audit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from syncsim.contract import ABSENT, JSON
from syncsim.merging.identity import (
    TEMPLATE_KEYS,
    KeyMap,
    Position,
    Token,
    attributes_at,
    by_id,
    compile_keys,
    escaped,
    same,
    same_if_shallow,
    segment,
    step,
)
from syncsim.merging.json_guard import only_json
from syncsim.merging.ordering import moved

Kind: TypeAlias = Literal["added", "removed", "changed", "moved"]
_Row: TypeAlias = tuple[str, Kind, JSON, JSON]

_CONTAINERS: Final = (dict, list)


@dataclass(frozen=True, slots=True)
class Change:
    """One difference at the deepest path that shows it.

    `before` and `after` are the values, `ABSENT` where there is none. Of an element that was moved
    within its list they are the ids of the elements it followed and follows, None for the first.
    """

    path: str
    kind: Kind
    before: JSON
    after: JSON


def diff(a: JSON, b: JSON, *, keys: KeyMap = TEMPLATE_KEYS) -> tuple[Change, ...]:
    """The rows that lead from `a` to `b`; none if they are the same.

    Objects are compared key by key in alphabetical order, keyed lists element by element in the
    order of `a`, then what is new in that of `b`, then the fewest moves. An added or removed
    element is one row; so is any change of a list whose elements lack an id of their own.
    Nesting and `UsageError` as in `merge`.
    """
    return tuple(Change(*row) for row in _rows(a, b, keys))


def changed_paths(base: JSON, other: JSON, *, keys: KeyMap = TEMPLATE_KEYS) -> tuple[str, ...]:
    """The deepest paths at which `other` differs from `base`; the order of elements aside."""
    return tuple([path for path, kind, _, _ in _rows(base, other, keys) if kind != "moved"])


def _rows(a: JSON, b: JSON, keys: KeyMap) -> list[_Row]:
    at = compile_keys(keys)
    rows: list[_Row] = []
    with only_json(a, b):
        if not same(a, b):
            _collect(rows, "", at, a, b)
    return rows


def _collect(rows: list[_Row], path: str, at: Position, before: JSON, after: JSON) -> None:
    """Add the rows of two values that differ."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(_unlike(before, after)):
            _descend(rows, path, at, key, before.get(key, ABSENT), after.get(key, ABSENT))
        return
    if isinstance(before, list) and isinstance(after, list):
        attributes = attributes_at(at)
        was, now = by_id(before, attributes), by_id(after, attributes)
        if was is not None and now is not None:
            for token in _unlike(was, now):
                old, new = was.get(token, ABSENT), now.get(token, ABSENT)
                _descend(rows, path, at, segment(token), old, new)
            if list(was) != list(now):
                rows.extend(_moves(path, list(was), list(now)))
            return
    rows.append((path, _kind(before, after), before, after))


def _unlike(was: dict[Any, JSON], now: dict[Any, JSON]) -> list[Any]:
    """The keys under which the two differ; most values are the same object or text in both."""
    keys = [
        key
        for key, old in was.items()
        if (new := now.get(key, ABSENT)) is not old
        and (old != new if type(old) is str else not same_if_shallow(old, new))
    ]
    return keys if was.keys() >= now.keys() else keys + [key for key in now if key not in was]


def _descend(rows: list[_Row], path: str, at: Position, name: str, old: JSON, new: JSON) -> None:
    """Collect one key or element further down; two scalars that differ have nothing below them."""
    place = f"{path}/{escaped(name)}"
    if isinstance(old, _CONTAINERS) and isinstance(new, _CONTAINERS):
        _collect(rows, place, step(at, name), old, new)
    else:
        rows.append((place, _kind(old, new), old, new))


def _kind(before: JSON, after: JSON) -> Kind:
    return "added" if before is ABSENT else "removed" if after is ABSENT else "changed"


def _moves(path: str, before: list[Token], after: list[Token]) -> Iterator[_Row]:
    shared = set(before).intersection(after)
    was = [token for token in before if token in shared]
    now = [token for token in after if token in shared]
    if was == now:
        return
    followed, follows = _predecessors(before), _predecessors(after)
    for token in moved(was, now):
        yield f"{path}/{escaped(segment(token))}", "moved", followed[token], follows[token]


def _predecessors(order: list[Token]) -> dict[Token, str | None]:
    """For each token the id before it; None for the first."""
    return dict(zip(order, [None, *map(segment, order)], strict=False))
