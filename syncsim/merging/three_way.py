"""Three-way merge of JSON values, leaf by leaf: what each side changed stays, later wins a clash.

Keyed lists go element by element by id. What this file does not know: elements that change from one
list to another (`moves`), and what makes a template valid (`invariants`).
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal, NamedTuple

from syncsim.contract import ABSENT, JSON, Conflict
from syncsim.merging.alignment import Aligned, Elements, Lists, Memory, adds_up, align, align_by_id
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


class _Found(NamedTuple):
    """A list merged by content, and what was recorded on the way."""

    merged: list[JSON]
    conflicts: list[Conflict]
    aligned: Aligned


class ThreeWay:
    """One merge under way; `conflicts` holds what it could not keep, one record a place.

    With `lines`, two versions of a text are merged by lines first, and clash only if that fails.
    """

    __slots__ = ("conflicts", "earlier_by", "is_trial", "lines", "memory")

    def __init__(
        self,
        *,
        lines: bool = False,
        earlier_by: str | None = None,
        is_trial: bool = False,
        memory: Memory | None = None,
    ) -> None:
        """Begin without a conflict; `earlier_by` is who stands as the author in the records.

        `is_trial` says that another merge looks whether the result is settled (`_is_settled`).
        """
        self.lines = lines
        self.earlier_by = earlier_by
        self.is_trial = is_trial
        self.memory = Memory() if memory is None else memory
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

    def fresh(self, *, is_trial: bool = False) -> ThreeWay:
        """Another merge of the same kind, without a conflict yet."""
        return ThreeWay(
            lines=self.lines,
            earlier_by=self.earlier_by,
            is_trial=is_trial or self.is_trial,
            memory=self.memory,
        )

    def forget(self, paths: Collection[str]) -> None:
        """Drop what was recorded at these pointers or below them; all are equally deep."""
        depth = next(iter(paths), "").count("/") + 1
        self.conflicts = [
            each for each in self.conflicts if "/".join(each.path.split("/")[:depth]) not in paths
        ]

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
            # As in `value`, without a call for each leaf that no side touched.
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
        lists = (base if isinstance(base, list) else [], earlier, later)
        aligned = align_by_id(lists, attributes_at(at))
        if aligned is not None:
            return self._elements(path, at, aligned)
        found = self._by_content(path, at, lists)
        if found is not None and (self.is_trial or self._is_settled(path, at, lists, found)):
            self.conflicts += found.conflicts
            return found.merged
        self.record(path, _kind(*lists), base, earlier, later)
        return later

    def _by_content(
        self, path: Path, at: Position, lists: Lists, aligned: Aligned | None = None
    ) -> _Found | None:
        """The merge of lists whose elements have no ids; None if values got lost or doubled."""
        aligned = aligned or align(lists, attributes_at(at), self.memory)
        if aligned is None:
            return None
        within = self.fresh(is_trial=True)
        merged = within._elements(path, at, aligned)
        if aligned.is_disputed:
            within.record(path, _kind(*lists), *lists)
        if aligned.is_sequence and not adds_up(lists, merged, none_fewer=not within.conflicts):
            return None
        return _Found(merged, within.conflicts, aligned)

    def _is_settled(self, path: Path, at: Position, lists: Lists, found: _Found) -> bool:
        """Whether merging once more changes nothing, whichever side came first.

        An alignment by content does not promise that (Khanna, Kunal, Pierce 2007): the merged list
        may be aligned in another way than the lists it was made of.
        """
        if found.aligned.is_certain:
            return True
        base, earlier, later = lists
        again = self.fresh(is_trial=True)
        swapped = again._by_content(path, at, (base, later, earlier), found.aligned.swapped())
        # A result that is what one side has was merged from the same three lists just now.
        return swapped is not None and all(
            same(result, other) or same(again.value(path, at, base, side, result), result)
            for side, other, result in (
                (earlier, later, found.merged),
                (later, earlier, swapped.merged),
            )
        )

    def _elements(self, path: Path, at: Position, aligned: Aligned) -> list[JSON]:
        base, earlier, later = aligned.base, aligned.earlier, aligned.later
        merged = self._children(path, at, base, earlier, later)
        order, disputed = arrange(list(base), list(earlier), list(later), merged)
        if disputed:
            was_shown, first, second = map(_shown, (base, earlier, later))
            self.record(path, "order", was_shown, first, second)
        return [merged[token] for token in order]

    def _nameless(self, path: Path, at: Position, base: JSON, earlier: JSON, later: JSON) -> JSON:
        """An element without an id: merged if that leaves no conflict, else later's as a whole.

        A path cannot lead into it, so a conflict is recorded at its list's path; and where two
        sides put two different objects in one place, half of each would make no sense.
        """
        known = self.memory.merged.get((path, id(base), id(earlier), id(later)))
        if known is None:
            within = self.fresh()
            merged = within._differing(path, step(at, "*"), base, earlier, later)
            known = self.memory.add(path, (base, earlier, later), merged, not within.conflicts)
        if known.is_clean:
            return known.merged
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
