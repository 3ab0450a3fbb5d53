"""Who wrote the value that a later writer overrode: the author behind each conflict."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from typing import Final, NamedTuple

import orjson

from syncsim.contract import ABSENT, JSON, Conflict
from syncsim.merging.differences import Change, diff
from syncsim.merging.identity import TEMPLATE_ROOT, attributes_at, id_of, same, segment, split, step
from syncsim.merging.paths import above, way
from syncsim.template import view

LOOK_BACK: Final = 8
"""Versions that are looked at first; then `FARTHEST`, as long as an author is missing."""

FARTHEST: Final = 96
"""Versions that are looked at in all: more than a storm of 50 has, and a millisecond. With
512 the slowest of 1,000 writers at one instant waited 2.5 times as long as without any look."""

LOOK_BACK_BYTES: Final = 8 * 1024 * 1024
"""What is read of a history in all, in bytes: it happens under the write lock, so it is bounded."""

REMEMBERED: Final = 256
"""Versions whose changes are kept: paths, no documents."""

SHARED_BYTES: Final = 16_384
"""Size of a version up to which a view of it is kept in memory."""


class Version(NamedTuple):
    """A version of a template and its author; `body` is its canonical bytes."""

    token: str
    by: str
    body: bytes
    is_first: bool = False

    def document(self) -> JSON:
        """What it holds; a small one shared with those who have seen it, which are soon compared.

        Large ones would drive each other out of the memory of views.
        """
        return view(self.body) if len(self.body) <= SHARED_BYTES else orjson.loads(self.body)


def authors(
    conflicts: Sequence[Conflict], newest: Callable[[int], Sequence[Version]]
) -> list[str | None]:
    """For each conflict who wrote what stood at its path, before a later writer overrode it.

    `newest` gives so many versions, first the head that the conflicts were met on. The author is
    that of the newest version that changed something at the path, or above or below it. None where
    that is longer ago than `FARTHEST` versions or `LOOK_BACK_BYTES`.
    """
    found: dict[int, str] = {}
    for version, before in pairwise(_looked_back(newest)):
        missing = [number for number in range(len(conflicts)) if number not in found]
        if not missing or version is None:
            break
        if before is None:  # the first version: the rest is as it was created
            found |= dict.fromkeys(missing, version.by)
            break
        touched = _touched(before, version)
        found |= {n: version.by for n in missing if touched.what(conflicts[n])}
    return [found.get(number) for number in range(len(conflicts))]


def _looked_back(newest: Callable[[int], Sequence[Version]]) -> Iterator[Version | None]:
    """The versions as far as they are to be looked at; None behind the first one of all."""
    limit, given = LOOK_BACK, 0
    while True:
        versions = newest(limit)
        yield from versions[given:]
        if versions[-1].is_first:
            yield None
            return
        most = min(FARTHEST, LOOK_BACK_BYTES // len(versions[0].body))
        if limit >= most:
            return
        limit, given = most, len(versions)


_recent: Final[OrderedDict[tuple[str, str, int], _Touched]] = OrderedDict()
"""What the versions changed that were looked at last; in a storm every writer looks at them."""


def _touched(before: Version, version: Version) -> _Touched:
    """What a version changed; no lock, as the worst of a race is to find it out again."""
    key = before.token, version.token, len(version.body)
    touched = _recent.get(key)
    if touched is None:
        touched = _recent[key] = _Touched(diff(before.document(), version.document()))
        while len(_recent) > REMEMBERED:
            with suppress(KeyError):
                _recent.popitem(last=False)
    return touched


class _Touched:
    """Where one version differs from the one before it."""

    def __init__(self, rows: Sequence[Change]) -> None:
        self._changed = {row.path: row for row in rows if row.kind != "moved"}
        self._above = above(self._changed)
        # An order changes by what is moved, and by what is inserted.
        moves = (row.path for row in rows if row.kind in ("moved", "added"))
        self._reordered = {path.rpartition("/")[0] for path in moves}

    def what(self, conflict: Conflict) -> bool:
        """Whether what the conflict is about is among it."""
        path = conflict.path
        if conflict.kind == "order":
            return path in self._reordered or path in self._changed
        row = self._changed.get(path)
        if row is not None and isinstance(row.before, list) and isinstance(row.after, list):
            return _in_list(conflict, row.before, row.after)
        return path in self._above or not self._changed.keys().isdisjoint(way(path))


def _in_list(conflict: Conflict, before: list[JSON], after: list[JSON]) -> bool:
    """Whether an element came into a list without ids, or left it; any change, if the conflict is
    about the list as a whole.
    """
    sought = conflict.base if conflict.earlier is ABSENT else conflict.earlier
    if isinstance(sought, list):
        return True
    was, now = (any(same(element, sought) for element in each) for each in (before, after))
    return was != now


def value_at(document: JSON, path: str) -> JSON:
    """What stands at a JSON Pointer with element ids, in a template; `ABSENT` for nothing."""
    value, position = document, TEMPLATE_ROOT
    for part in split(path):
        if isinstance(value, dict):
            value = value.get(part, ABSENT)
        elif isinstance(value, list):
            attributes = attributes_at(position)
            value = next((e for e in value if _is_named(e, attributes, part)), ABSENT)
        else:
            return ABSENT
        position = step(position, part)
    return value


def _is_named(element: JSON, attributes: tuple[str, ...], part: str) -> bool:
    token = id_of(element, attributes)
    return token is not None and segment(token) == part
