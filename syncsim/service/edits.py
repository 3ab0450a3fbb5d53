"""What a writer means, as a function of the head: changes against a base, or a return to a version.

An intent is applied anew to every head it is shown, so a retry can only re-apply and never re-send.
It does not know how it is committed (`commit_loop`) nor what is said about it (`service`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from syncsim import exact
from syncsim.contract import JSON, Conflict, Document, Revision, Row, Snapshot, Write
from syncsim.errors import InvalidTemplateError, SyncError
from syncsim.merging import changed_paths, merge, overlay, same
from syncsim.merging.blame import Version, authors
from syncsim.merging.paths import above, way
from syncsim.template import canonical, check_json, validate, view
from syncsim.template.frozen import thaw

INTENT: Final = "intent"
"""Key of a commit's detail: the fingerprint of what was asked under an id that the caller chose."""

FOREIGN_BASE: Final = "base_document"
"""Key of a commit's detail: the digest of a base document that the history does not hold."""

TOGETHER: Final = ("fields", "sections")
"""Parts of a template that are merged together."""


class HistoryReader(Protocol):
    """What an intent may ask of a template's history."""

    def find(self, template_id: str, version: str) -> Revision | None:
        """One version; None where the template never had it."""

    def newest(self, template_id: str, limit: int) -> Sequence[Revision]:
        """The newest committed versions, the head first."""

    def written(self, template_id: str) -> Sequence[Row]:
        """Heads that stand in a transaction under way, and that the history may not show yet."""


@dataclass(slots=True)
class Edit:
    """`changes` made against `base`; without a base, against the first head it is shown.

    After each application `conflicts` and `merged` tell what it met on that head, and `written`
    whether the head had to change.
    """

    template_id: str
    changes: Document
    base: Snapshot | None
    past: HistoryReader
    kind: str = "update"
    fingerprint: str | None = None
    """Kept with the commit where the caller chose the update id, to tell a replay from a reuse."""
    base_body: bytes | None = None
    """What the store holds under the base's version, where that is known without asking it."""
    conflicts: tuple[Conflict, ...] = ()
    written: bool = False
    _met: Document | None = None
    _before: tuple[Document, Document] = ({}, {})
    """The head that the changes were merged into before, and what came of it."""
    _base_version: str | None = None
    _base_document: Document | None = None
    _foreign_base: str | None = None
    _mine: Document | None = None

    def __call__(self, row: Row) -> Write | None:
        """The head with the changes merged in; None where the head holds them already."""
        try:
            return self._applied(row)
        except SyncError:
            raise
        except Exception:  # a value that fails to be compared, such as a table or an array
            check_json(self.changes, self.template_id)
            raise

    def _applied(self, row: Row) -> Write | None:
        head = view(row.body)
        if self._mine is None:
            self._begin(row, head)
        base, mine = self._base_document, self._mine
        assert base is not None
        assert mine is not None
        if row.version == self._base_version:
            self.conflicts, self._met = (), None
            result, kind = mine, self.kind
        else:
            # Valid, it shares what it has in common with the others, which a merge then passes by.
            self._mine = mine = validate(mine, self.template_id)
            result = self._merged(base, head, mine, row)
            self._met = head
            kind = "merge" if self.kind == "update" else self.kind
        self._before = head, result
        self.written = not same(result, head)
        if not self.written:
            return None
        valid = validate(result, self.template_id)
        self._before = head, valid
        return Write(valid, self._detail(kind))

    def _merged(self, base: Document, head: Document, mine: Document, row: Row) -> Document:
        """The changes merged into the head; `conflicts` are set.

        Parts of the head that are as they were when the changes were applied before are not merged
        again: a retry may run under the write lock, where others wait. Fields and sections are one
        part, as a merge keeps them valid together.
        """
        past_head, past_result = self._before
        kept = {key for key, part in past_head.items() if same(head.get(key), part)}
        if not kept.issuperset(TOGETHER):
            kept = kept.difference(TOGETHER)
        rest = ({k: v for k, v in side.items() if k not in kept} for side in (base, head, mine))
        merged = merge(*rest)
        known = [each for each in self.conflicts if each.path.split("/")[1] in kept]
        new = self._credited(merged.conflicts, row)
        self.conflicts = tuple(sorted((*known, *new), key=lambda each: (each.path, each.kind)))
        document: Document = merged.document
        return document | {key: part for key, part in past_result.items() if key in kept}

    @property
    def merged(self) -> tuple[str, ...]:
        """The deepest paths that others changed since the base and that stayed.

        Worked out when asked for, which is after the commit: the application itself may run under
        the write lock, where others wait.
        """
        if self._met is None:
            return ()
        return stayed(changed_paths(self._base_document, self._met), self.conflicts)

    def _begin(self, row: Row, head: Document) -> None:
        """Settle on the base: what the store holds under its version counts, not what came back."""
        base = self.base
        if base is None or base.version == row.version:
            self._base_version, self._base_document = row.version, head
        elif self.base_body is not None:
            self._base_version, self._base_document = base.version, view(self.base_body)
        else:
            stored = self.past.find(self.template_id, base.version)
            self._base_version = base.version
            if stored is None:
                self._base_document = validate(base.document, self.template_id)
                if self.fingerprint is not None:
                    self._foreign_base = digest(self.template_id, base.document)
            else:
                self._base_document = view(stored.body)
        self._mine = self._wanted(self._base_document)

    def _credited(self, conflicts: tuple[Conflict, ...], row: Row) -> tuple[Conflict, ...]:
        if not conflicts:
            return ()

        def newest(limit: int) -> list[Version]:
            found = {
                head.revision: Version(head.version, head.updated_by, head.body)
                for head in (*self.past.written(self.template_id), row)
            }
            for past in self.past.newest(self.template_id, limit):
                found[past.revision] = Version(
                    past.version, past.by, past.body, past.parent is None
                )
            return [found[n] for n in sorted(found, reverse=True) if n <= row.revision][:limit]

        return tuple(map(_handed_out, conflicts, authors(conflicts, newest)))

    def _wanted(self, base: Document) -> Document:
        return overlay(base, self.changes)

    def _detail(self, kind: str) -> dict[str, JSON]:
        detail: dict[str, JSON] = {"kind": kind, "base": self._base_version}
        if self.conflicts:
            detail["conflicts"] = [conflict.to_json() for conflict in self.conflicts]
        if self.fingerprint is not None:
            detail[INTENT] = self.fingerprint
            if self._foreign_base is not None:
                detail[FOREIGN_BASE] = self._foreign_base
        return detail


@dataclass(slots=True)
class RollbackEdit(Edit):
    """The document of an old version, whole, as a new version; others' later commits are merged."""

    restored: str = ""

    def _wanted(self, base: Document) -> Document:
        return self.changes

    def _detail(self, kind: str) -> dict[str, JSON]:
        # Named, because zero-argument super() is lost in a dataclass that was remade with slots.
        return {**Edit._detail(self, kind), "restored": self.restored}


def _handed_out(conflict: Conflict, author: str | None) -> Conflict:
    """The record with values of the caller's own: what a commit is made of stays with us."""
    base, earlier, later = map(thaw, (conflict.base, conflict.earlier, conflict.later))
    return replace(conflict, base=base, earlier=earlier, later=later, earlier_by=author)


def fingerprint(template_id: str, changes: Document, base: Snapshot | None) -> str:
    """A digest of what the caller asked for: the changes and the version they were made against.

    A version that the template never had says nothing; there the commit keeps a digest of the
    document as well (`FOREIGN_BASE`).
    """
    return digest(template_id, {"changes": changes, "base": None if base is None else base.version})


def digest(template_id: str, value: JSON) -> str:
    """Thirty-two hex digits that differ wherever two values differ; `InvalidTemplateError`."""
    try:
        return hashlib.sha256(canonical(value)).hexdigest()[:32]
    except InvalidTemplateError as error:
        raise InvalidTemplateError(template_id, "", value, error.expected) from None


def check_changes(template_id: str, changes: JSON) -> Document:
    """The changes as a plain dict; refused where they are none, or a key is no plain text.

    The values are checked with the whole document.
    """
    if not exact.is_a(changes, dict):
        raise InvalidTemplateError(
            template_id, "", changes, "an object of top-level keys and their whole new values"
        )
    plain: Document = {}
    for key, value in dict.items(changes):
        if type(key) is not str:
            raise InvalidTemplateError(template_id, "", key, "text as a key")
        plain[key] = value
    return plain


def stayed(theirs: tuple[str, ...], conflicts: tuple[Conflict, ...]) -> tuple[str, ...]:
    """Those of their paths that no recorded conflict lies at, above or below."""
    met = {conflict.path for conflict in conflicts if conflict.kept == "later"}
    if not met:
        return theirs
    around = above(met)
    return tuple(path for path in theirs if path not in around and met.isdisjoint(way(path)))
