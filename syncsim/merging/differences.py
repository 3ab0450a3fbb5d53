"""What changed between two JSON documents, as rows whose paths hold ids; for display and audit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from syncsim.contract import ABSENT, JSON
from syncsim.merging.identity import (
    TEMPLATE_KEYS,
    KeyMap,
    Path,
    Position,
    Token,
    attributes_at,
    by_id,
    compile_keys,
    pointer,
    same,
    same_if_shallow,
    segment,
    step,
)
from syncsim.merging.ordering import moved
from syncsim.merging.refusing import only_json


@dataclass(frozen=True, slots=True)
class Change:
    """One difference at the deepest path that shows it.

    `before` and `after` are the values, `ABSENT` where there is none. Of an element that was moved
    within its list they are the ids of the elements it followed and follows, None for the first.
    """

    path: str
    kind: Literal["added", "removed", "changed", "moved"]
    before: JSON
    after: JSON


def diff(a: JSON, b: JSON, *, keys: KeyMap = TEMPLATE_KEYS) -> tuple[Change, ...]:
    """The rows that lead from `a` to `b`; none if they are the same.

    Objects are compared key by key in alphabetical order, keyed lists element by element in the
    order of `a`, then what is new in that of `b`, then the fewest moves. An added or removed
    element is one row; so is any change of a list whose elements lack an id of their own.
    Nesting and `UsageError` as in `merge`.
    """
    at = compile_keys(keys)
    rows: list[Change] = []
    with only_json(a, b):
        if not same(a, b):
            _collect(rows, (), at, a, b)
    return tuple(rows)


def changed_paths(base: JSON, other: JSON, *, keys: KeyMap = TEMPLATE_KEYS) -> tuple[str, ...]:
    """The deepest paths at which `other` differs from `base`; the order of elements aside."""
    return tuple(change.path for change in diff(base, other, keys=keys) if change.kind != "moved")


def _collect(rows: list[Change], path: Path, at: Position, before: JSON, after: JSON) -> None:
    """Add the rows of two values that differ."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted({**before, **after}):
            old, new = before.get(key, ABSENT), after.get(key, ABSENT)
            if old is not new and not same_if_shallow(old, new):
                _collect(rows, (*path, key), step(at, key), old, new)
        return
    if isinstance(before, list) and isinstance(after, list):
        attributes = attributes_at(at)
        was, now = by_id(before, attributes), by_id(after, attributes)
        if was is not None and now is not None:
            for token in {**was, **now}:
                old, new = was.get(token, ABSENT), now.get(token, ABSENT)
                if old is not new and not same_if_shallow(old, new):
                    name = segment(token)
                    _collect(rows, (*path, name), step(at, name), old, new)
            if list(was) != list(now):
                rows.extend(_moves(path, list(was), list(now)))
            return
    kind: Literal["added", "removed", "changed"] = (
        "added" if before is ABSENT else "removed" if after is ABSENT else "changed"
    )
    rows.append(Change(pointer(path), kind, before, after))


def _moves(path: Path, before: list[Token], after: list[Token]) -> Iterator[Change]:
    shared = set(before).intersection(after)
    was = [token for token in before if token in shared]
    now = [token for token in after if token in shared]
    for token in moved(was, now) if was != now else ():
        yield Change(
            pointer((*path, segment(token))),
            "moved",
            _followed(before, token),
            _followed(after, token),
        )


def _followed(order: list[Token], token: Token) -> str | None:
    index = order.index(token)
    return segment(order[index - 1]) if index else None
