"""Who wrote the value that a later writer overrode: the author behind each conflict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Final

from syncsim.contract import ABSENT, JSON, Conflict, Revision
from syncsim.merging.identity import (
    TEMPLATE_ROOT,
    attributes_at,
    id_of,
    same,
    segment,
    split,
    step,
)

LOOK_BACK: Final = 8
"""Versions behind the head that are searched; it happens under the write lock, so it is bounded."""


def credited(
    conflicts: tuple[Conflict, ...], newest_first: Sequence[Revision]
) -> tuple[Conflict, ...]:
    """The conflicts with `earlier_by` the last author who changed each path.

    `newest_first` begins with the head. Without a version that shows the change, the author that
    the conflict names already is left.
    """
    return tuple(
        replace(conflict, earlier_by=_author(conflict.path, newest_first) or conflict.earlier_by)
        for conflict in conflicts
    )


def _author(path: str, newest_first: Sequence[Revision]) -> str | None:
    for revision, before in pairwise(newest_first):
        if not same(value_at(revision.document, path), value_at(before.document, path)):
            return revision.by
    return None


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
