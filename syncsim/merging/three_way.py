"""Three-way merge of JSON values, leaf by leaf: what each side changed stays, later wins a clash.

Keyed lists go element by element by id. What this file does not know: elements that change from one
list to another (`moves`), and what makes a template valid (`invariants`).
"""

from __future__ import annotations

from typing import Literal

from syncsim.contract import ABSENT, JSON, Conflict
from syncsim.merging.alignment import Elements, align
from syncsim.merging.identity import (
    Path,
    Position,
    attributes_at,
    json_type,
    pointer,
    segment,
    step,
)
from syncsim.merging.identity import same_if_shallow as same
from syncsim.merging.lines import merge_lines
from syncsim.merging.ordering import arrange


class ThreeWay:
    """One merge under way; `conflicts` holds what it could not keep, one record a place.

    With `lines`, two versions of a text are merged by lines first, and clash only if that fails.
    """

    __slots__ = ("conflicts", "earlier_by", "lines")

    def __init__(self, *, lines: bool = False, earlier_by: str | None = None) -> None:
        """Begin without a conflict; `earlier_by` is who stands as the author in the records."""
        self.lines = lines
        self.earlier_by = earlier_by
        self.conflicts: list[Conflict] = []

    def value(self, path: Path, at: Position, base: JSON, earlier: JSON, later: JSON) -> JSON:
        """The merged value at `path`; ABSENT where it is gone, or was not there, on a side."""
        if same(base, later):
            return earlier
        if same(base, earlier) or same(earlier, later):
            return later
        return self._differing(path, at, base, earlier, later)

    def record(
        self,
        path: Path,
        kind: str,
        base: JSON,
        earlier: JSON,
        later: JSON,
        kept: Literal["earlier", "later"] = "later",
    ) -> None:
        """Note what stood against what at this path, and which of them is kept."""
        self.conflicts.append(
            Conflict(pointer(path), kind, base, earlier, later, kept, self.earlier_by)
        )

    def again(self, path: Path, at: Position, base: JSON, earlier: JSON, later: JSON) -> JSON:
        """As `value`, with what was recorded at the path or below it forgotten first."""
        here = pointer(path)
        below = here + "/"
        self.conflicts = [
            each for each in self.conflicts if each.path != here and not each.path.startswith(below)
        ]
        return self.value(path, at, base, earlier, later)

    def _differing(self, path: Path, at: Position, base: JSON, earlier: JSON, later: JSON) -> JSON:
        """Both sides changed the value, and not in the same way."""
        if isinstance(earlier, dict) and isinstance(later, dict):
            was = base if isinstance(base, dict) else {}
            return self._children(path, at, was, earlier, later)
        if isinstance(earlier, list) and isinstance(later, list):
            return self._lists(path, at, base, earlier, later)
        if self.lines and isinstance(base, str) and isinstance(earlier, str):
            merged = merge_lines(base, earlier, later) if isinstance(later, str) else None
            if merged is not None:
                return merged
        self.record(path, _kind(base, earlier, later), base, earlier, later)
        return later

    def _children(
        self, path: Path, at: Position, base: Elements, earlier: Elements, later: Elements
    ) -> Elements:
        """Values of objects by key, or elements of lists by token, merged one by one."""
        merged: Elements = {}
        for token in {**earlier, **later}:
            first = earlier.get(token, ABSENT)
            second = later.get(token, ABSENT)
            if first is second:  # nearly all: documents share what is the same in them
                merged[token] = first
                continue
            was = base.get(token, ABSENT)
            # As in `value`, without a call for each leaf that nobody touched.
            if was is second or same(was, second):
                value = first
            elif was is first or same(was, first) or same(first, second):
                value = second
            elif isinstance(token, int):
                value = self._nameless(path, at, was, first, second)
            else:
                name = segment(token)
                value = self._differing((*path, name), step(at, name), was, first, second)
            if value is not ABSENT:
                merged[token] = value
        return merged

    def _lists(
        self, path: Path, at: Position, base: JSON, earlier: list[JSON], later: list[JSON]
    ) -> list[JSON]:
        was = base if isinstance(base, list) else []
        aligned = align(was, earlier, later, attributes_at(at))
        if aligned is None:
            self.record(path, _kind(base, earlier, later), base, earlier, later)
            return later
        merged = self._children(path, at, *aligned)
        base_order, earlier_order, later_order = map(list, aligned)
        order, disputed = arrange(base_order, earlier_order, later_order, merged)
        if disputed:
            was_shown, first, second = map(_shown, aligned)
            self.record(path, "order", was_shown, first, second)
        return [merged[token] for token in order]

    def _nameless(self, path: Path, at: Position, base: JSON, earlier: JSON, later: JSON) -> JSON:
        """An element without an id: merged if that leaves no conflict, else later's as a whole.

        A path cannot lead into it, so a conflict is told at the path of its list; and where two
        sides put two different objects in one place, half of each would make no sense.
        """
        within = ThreeWay(lines=self.lines)
        merged = within._differing(path, step(at, "*"), base, earlier, later)
        if not within.conflicts:
            return merged
        self.record(path, _kind(base, earlier, later), base, earlier, later)
        return later


def _kind(base: JSON, earlier: JSON, later: JSON) -> str:
    if earlier is ABSENT or later is ABSENT:
        return "delete-edit"
    if base is ABSENT:
        return "add-add"
    return "edit" if json_type(earlier) == json_type(later) else "type"


def _shown(elements: Elements) -> list[JSON]:
    """The ids in order; of an element without one, the element."""
    return [
        element if isinstance(token, int) else segment(token) for token, element in elements.items()
    ]
