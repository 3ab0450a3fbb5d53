"""How each version came about: what it was made against, what it met, what became of every leaf.

A resolution is worked out from the documents and from what the commit kept in its detail; so it can
be told of a store that is read afterwards, of a run, and of somebody else's solution, which may
keep nothing. Here are values; `conflict_view` shows them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal, TypeAlias

from syncsim.contract import ABSENT, JSON, Conflict, Document
from syncsim.events import kinds
from syncsim.merging import Change, diff, same
from syncsim.merging.blame import value_at
from syncsim.merging.display import label
from syncsim.ui.room.run_view import RunView, Version, number_of

Fate: TypeAlias = Literal["overridden", "taken back", "set back", "preserved"]
"""`overridden`: two changed it, the later one's value is kept; `taken back`: the earlier one's, as
the template would not be valid otherwise; `set back`: an earlier change is gone and nothing was
recorded about it; `preserved`: a change that stayed."""

FATES: Final[tuple[Fate, ...]] = ("set back", "overridden", "taken back", "preserved")


@dataclass(frozen=True, slots=True)
class Leaf:
    """One place of the template: what it was, what each side made of it, what it is.

    `change` is a kind of `Conflict`, or added, removed, changed, moved. The values of what was
    moved are texts such as "after E-mail". `earlier_by` and `earlier_version` are whose change the
    earlier one was; None where it is the later one's alone. `conflict` is what was recorded.
    """

    path: str
    label: str
    change: str
    fate: Fate
    before: JSON
    earlier: JSON
    later: JSON
    result: JSON
    earlier_by: str | None = None
    earlier_version: str | None = None
    conflict: Conflict | None = None

    @property
    def is_later_alone(self) -> bool:
        """Whether only the later writer changed it."""
        return self.earlier_by is None and self.conflict is None

    @property
    def kept(self) -> str:
        """Whose value stands: earlier, later, or both where no value was lost."""
        if self.conflict is not None:
            return self.conflict.kept
        return "both" if self.fate == "preserved" else "later"


class Steps:
    """What each version changed of its parent; worked out once, however many ask."""

    def __init__(self, known: Mapping[tuple[str, str], Version]) -> None:
        self._known = known
        self._changes: dict[tuple[str, str], tuple[Change, ...]] = {}

    def parent(self, one: Version) -> Version | None:
        """The version that this one was written over; None if unknown, or not an earlier one."""
        found = self._known.get((one.template_id, one.parent or ""))
        return found if found is not None and number_of(found) < number_of(one) else None

    def changes(self, one: Version) -> tuple[Change, ...]:
        """The changes from its parent to the version; none where the parent is not known."""
        key = (one.template_id, one.version)
        if key not in self._changes:
            parent = self.parent(one)
            self._changes[key] = () if parent is None else diff(parent.document, one.document)
        return self._changes[key]

    def touched(self, one: Version, path: str, is_move: bool) -> bool:
        """Whether a version changed something at, above or below a path; moved it if `is_move`."""
        here = path + "/"
        return any(
            (change.path + "/").startswith(here) or here.startswith(change.path + "/")
            for change in self.changes(one)
            if (change.kind == "moved") is is_move
        )


class Resolution:
    """One version: `base`, what its writer had read, and `between`, what was committed since.

    `base` is None where no event or operation names it, or the record does not hold it. `between`
    is oldest first and ends with the parent; empty if the writer had read the head.
    """

    def __init__(
        self,
        version: Version,
        base: Version | None,
        between: Sequence[Version],
        parent: JSON,
        steps: Steps,
    ) -> None:
        self.version = version
        self.base = base
        self.between = tuple(between)
        self._parent = parent
        self._steps = steps

    @cached_property
    def conflicts(self) -> tuple[Conflict, ...]:
        """The conflicts kept with the version; none from a solution that keeps something else."""
        told = _detail(self.version).get("conflicts")
        return tuple(_conflicts(told if isinstance(told, list) else ()))

    @property
    def has_met(self) -> bool:
        """Whether others had committed since its base."""
        return bool(self.between or self.conflicts)

    @property
    def parent_document(self) -> Document | None:
        """What the head was when it was committed; None where the record does not hold it."""
        return None if self._parent is ABSENT else self._parent

    @cached_property
    def leaves(self) -> tuple[Leaf, ...]:
        """Every place that either side changed, what is lost first."""
        theirs = list(self._theirs())
        found = [*self._disputed(), *theirs, *self._mine(theirs)]
        return tuple(sorted(found, key=lambda leaf: FATES.index(leaf.fate)))

    def of(self, fate: Fate) -> tuple[Leaf, ...]:
        """The leaves of one fate."""
        return tuple(leaf for leaf in self.leaves if leaf.fate == fate)

    # -- the three kinds of leaves -----------------------------------------------------------------

    def _disputed(self) -> Iterator[Leaf]:
        for conflict in self.conflicts:
            by = self._changed_by(conflict.path, conflict.kind == "order")
            result = value_at(self.version.document, conflict.path)
            if conflict.kind == "order" and isinstance(result, list):
                result = [_id(element) for element in result]
            yield Leaf(
                conflict.path,
                self._label(conflict.path),
                conflict.kind,
                "overridden" if conflict.kept == "later" else "taken back",
                conflict.base,
                conflict.earlier,
                conflict.later,
                result,
                conflict.earlier_by or (None if by is None else by.by),
                None if by is None else by.version,
                conflict,
            )

    def _theirs(self) -> Iterator[Leaf]:
        """The changes between the base and the parent that no record of a conflict covers."""
        if self.base is None or not self.between:
            return
        mine = {(each.path, each.kind) for each in self._mine_changes}
        for change in diff(self.base.document, self._parent):
            if self._is_recorded(change):
                continue
            by = self._changed_by(change.path, change.kind == "moved") or self.between[-1]
            before, after = change.before, change.after
            fate: Fate = "preserved"
            if change.kind == "moved":
                before, after = self._places(change)
                result: JSON = "moved again" if (change.path, "moved") in mine else after
            else:
                result = value_at(self.version.document, change.path)
                fate = _fate(before, after, result)
            later = before if fate == "preserved" else result
            yield Leaf(
                change.path,
                self._label(change.path),
                change.kind,
                fate,
                before,
                after,
                later,
                result,
                by.by,
                by.version,
            )

    def _mine(self, theirs: Sequence[Leaf]) -> Iterator[Leaf]:
        """The version's own changes of its parent that neither a record nor `theirs` covers."""
        seen = {(leaf.path, leaf.change == "moved") for leaf in theirs}
        for change in self._mine_changes:
            is_move = change.kind == "moved"
            if self._is_recorded(change) or (change.path, is_move) in seen:
                continue
            before, after = self._places(change) if is_move else (change.before, change.after)
            yield Leaf(
                change.path,
                self._label(change.path),
                change.kind,
                "preserved",
                before,
                before,
                after,
                after,
            )

    # -- what they are worked out from -------------------------------------------------------------

    @property
    def _mine_changes(self) -> tuple[Change, ...]:
        return self._steps.changes(self.version)

    def _is_recorded(self, change: Change) -> bool:
        """Whether a conflict lies at, above or below the path; an order one covers only moves."""
        here = change.path + "/"
        for conflict in self.conflicts:
            at = conflict.path + "/"
            if conflict.kind == "order":
                if change.kind == "moved" and here.startswith(at):
                    return True
            elif here.startswith(at) or at.startswith(here):
                return True
        return False

    def _changed_by(self, path: str, is_move: bool) -> Version | None:
        """The last version in `between` that changed, or moved, something at this place."""
        return next(
            (one for one in reversed(self.between) if self._steps.touched(one, path, is_move)), None
        )

    @property
    def _documents(self) -> tuple[Document, ...]:
        base = {} if self.base is None else self.base.document
        return base, self.parent_document or {}, self.version.document

    def _label(self, path: str) -> str:
        return label(path, *self._documents)

    def _places(self, change: Change) -> tuple[str, str]:
        """Where an element stood and stands, in words."""
        before, after = change.before, change.after
        documents = self._documents
        return place(change.path, before, *documents), place(change.path, after, *documents)


def place(path: str, follows: JSON, *documents: JSON) -> str:
    """Where the element at a path stands, in words: `first`, or `after E-mail`."""
    if follows is None:
        return "first"
    named = label(f"{path.rpartition('/')[0]}/{follows}", *documents)
    return f"after {named.rpartition(' > ')[2]}"


def resolutions(record: RunView) -> list[Resolution]:
    """How each version came about, oldest first; the first version of a template is not among them.

    Cheap: documents are compared when the leaves are asked for.
    """
    known = {(one.template_id, one.version): one for one in record.versions}
    bases = _bases(record)
    steps = Steps(known)
    found = []
    for one in record.versions:
        if one.parent is None:
            continue
        parent = steps.parent(one)
        told = _detail(one).get("base") or bases.get(_of(one))
        base = known.get((one.template_id, told)) if isinstance(told, str) else parent
        between = None if base is None else _since(base, parent, steps)
        if between is None:
            base = None
        document: Any = ABSENT if parent is None else parent.document
        found.append(Resolution(one, base, between or (), document, steps))
    return found


def _since(base: Version, parent: Version | None, steps: Steps) -> list[Version] | None:
    """The versions after the base up to the parent, oldest first; None if base is no ancestor."""
    between: list[Version] = []
    above = parent
    while above is not None and number_of(above) > number_of(base):
        between.append(above)
        above = steps.parent(above)
    return between[::-1] if above is not None and above.version == base.version else None


def chosen(record: RunView, selected: str | None) -> list[Resolution]:
    """The resolutions of a selected update, operation or version; of all that met others if None.

    An update is found by the id its events bear. With nothing selected, and if no version met
    others, the newest version stands for all.
    """
    found = resolutions(record)
    if selected:
        operation = None if record.run is None else record.run.history.operation_of(selected)
        return [one for one in found if _is_of(one.version, selected, operation)]
    return [one for one in found if one.has_met] or found[-1:]


def holdings(record: RunView) -> list[tuple[str, str, float]]:
    """Which versions the record holds, to tell whether there is anything new to show."""
    return [(one.template_id, one.version, one.at) for one in record.versions]


def _is_of(version: Version, selected: str, operation: str | None) -> bool:
    if selected == version.version:
        return True
    if version.update_id is not None and version.update_id.startswith(selected):
        return True
    return operation is not None and getattr(version, "operation", None) == operation


def _of(version: Version) -> str:
    return version.update_id or getattr(version, "operation", None) or ""


def _bases(record: RunView) -> Mapping[str, str]:
    """The base version of each update and operation, as far as events and operations name it."""
    told: dict[str, str] = {}
    for event in record.events:
        if isinstance(event, kinds.UpdateStarted) and event.update_id and event.base:
            told[event.update_id] = event.base
    if record.run is None:
        return told
    history = record.run.history
    own = {o.id: o.base_version for o in history.operations if o.base_version is not None}
    ids = {update_id: own[o] for update_id, o in history.ids.items() if o in own}
    return {**told, **own, **ids}


def _detail(version: Version) -> dict[str, JSON]:
    return version.detail if isinstance(version.detail, dict) else {}


def _conflicts(records: Sequence[JSON]) -> Iterator[Conflict]:
    """The conflicts among the records; a solution may have written anything."""
    for record in records:
        try:
            conflict = Conflict.from_json(record)
        except (TypeError, KeyError, AttributeError):
            continue
        texts = (conflict.path, conflict.kind, conflict.kept, conflict.earlier_by or "")
        if all(isinstance(text, str) for text in texts) and conflict.kept in ("earlier", "later"):
            yield conflict


def _fate(before: JSON, after: JSON, result: JSON) -> Fate:
    """What became of an earlier change without a recorded conflict."""
    if same(after, result):
        return "preserved"
    if same(before, result):
        return "set back"
    # A writer that only added below what was added has overridden nothing.
    is_kept = all(change.before is ABSENT for change in diff(after, result, keys={}))
    return "preserved" if isinstance(after, dict) and is_kept else "overridden"


def _id(element: JSON) -> JSON:
    if isinstance(element, dict):
        return element.get("id", element.get("value", element))
    return element
