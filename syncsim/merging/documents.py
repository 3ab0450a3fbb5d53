"""The three-way merge of documents, and the changes of a writer as a whole document.

The face of the room. Content is merged in `three_way`, with `alignment` and `ordering` for lists;
elements that change their list are followed in `moves`; `invariants` keeps a template valid.
"""

from __future__ import annotations

from dataclasses import dataclass

from syncsim.contract import ABSENT, JSON, Conflict, Document
from syncsim.merging.differences import Change, changed_paths, diff
from syncsim.merging.identity import TEMPLATE_KEYS, TEMPLATE_ROOT, KeyMap, compile_keys, same
from syncsim.merging.invariants import mend
from syncsim.merging.json_guard import only_json
from syncsim.merging.moves import gather_moves
from syncsim.merging.three_way import ThreeWay

__all__ = [
    "TEMPLATE_KEYS",
    "Change",
    "Merge",
    "changed_paths",
    "diff",
    "merge",
    "overlay",
    "same",
]


@dataclass(frozen=True, slots=True)
class Merge:
    """A merged document, and by path what of either side could not be kept in it."""

    document: JSON
    conflicts: tuple[Conflict, ...]


def merge(
    base: JSON,
    earlier: JSON,
    later: JSON,
    *,
    keys: KeyMap = TEMPLATE_KEYS,
    lines: bool = False,
    earlier_by: str | None = None,
) -> Merge:
    """What `earlier` (committed) and `later` (arriving) made of `base`, in one document.

    A change of one side stays, the same change of both counts once, and where two changes clash
    later's value is kept and a `Conflict` says what was not. Objects go key by key, the lists named
    by `keys` element by element by id (`/fields/*/options` to `value`; a list of attributes for a
    composite id), other lists by content; strings are whole values, or with `lines` merged by
    lines where that is clean. With the keys of templates, three valid templates give a valid one,
    but for limits on its size.

    Pure: no clock, no chance; the same answer for any order of keys. The inputs are left as they
    are, and the result shares what is unchanged with them, so copy it before changing it. Safe to
    repeat: `merge(b, e, merge(b, e, l).document)` gives the same document again, except where
    objects without ids were both edited and moved. Nesting up to 200 levels is followed.

    `UsageError` for far deeper nesting, for a document that contains itself, for a value that is no
    JSON where merging meets it, and for `keys` that are no map of paths to attributes.
    """
    at = compile_keys(keys)
    with only_json(base, earlier, later):
        if same(base, later) or same(earlier, later):
            return Merge(earlier, ())
        if same(base, earlier):
            return Merge(later, ())
        three_way = ThreeWay(lines=lines, earlier_by=earlier_by)
        if at == TEMPLATE_ROOT:
            document = three_way.value((), at, base, earlier, later)
            document = mend(three_way, base, earlier, later, document)
        else:
            document = three_way.value((), at, *gather_moves(three_way, base, earlier, later, keys))
    conflicts = sorted(three_way.conflicts, key=lambda conflict: (conflict.path, conflict.kind))
    return Merge(document, tuple(conflicts))


def overlay(base: Document, changes: Document) -> Document:
    """What a writer wants, as a whole document: `base` with the top-level keys of `changes`.

    `metadata.derived` is always base's, present or absent, as only the background job writes it.
    Shares with both arguments all that it need not copy.
    """
    wanted = {**base, **changes}
    metadata = wanted.get("metadata")
    if "metadata" not in changes or not isinstance(metadata, dict):
        return wanted
    derived = _derived(base.get("metadata"))
    if metadata.get("derived", ABSENT) is not derived:
        wanted["metadata"] = {**metadata, "derived": derived}
        if derived is ABSENT:
            del wanted["metadata"]["derived"]
    return wanted


def _derived(metadata: JSON) -> JSON:
    return metadata.get("derived", ABSENT) if isinstance(metadata, dict) else ABSENT
