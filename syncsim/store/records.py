"""What is kept of a commit, and how the next one follows from it; the same in every store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, NamedTuple, Self

import orjson

from syncsim.contract import BACKGROUND, JSON, Head, Revision, Row
from syncsim.errors import UsageError
from syncsim.template import content_hash, version_token


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who changed a template when and why, without the document.

    `kind` is what the writer called it (create, update, merge, rollback, job), None if nothing;
    `detail` is everything the writer left with the commit, conflicts included.
    """

    template_id: str
    version: str
    parent: str | None
    by: str
    at: float
    kind: str | None
    update_id: str | None
    detail: JSON


class Tip(NamedTuple):
    """What a commit must know of the one before it."""

    version: str | None
    revision: int
    at: float
    user_updated_at: float | None

    def head(self) -> Head:
        """The same as the head; not for the tip of a template that has no version."""
        assert self.version is not None
        return Head(self.version, self.revision, self.user_updated_at)


ROOT: Final = Tip(None, 0, 0.0, None)
"""The tip of a template that has no version yet."""


class CommitRow(NamedTuple):
    """One commit as it is kept; the fields are the columns of table `revision`, in their order.

    `detail` is JSON text. `at` and `user_updated_at` are the row's values as of this commit, so the
    row of any commit can be given again later. `digest` proves all other columns, see `sealed`.
    """

    template_id: str
    revision: int
    version: str
    parent: str | None
    by: str
    at: float
    user_updated_at: float | None
    update_id: str | None
    detail: str | None
    digest: bytes
    body: bytes

    @classmethod
    def sealed(
        cls,
        template_id: str,
        revision: int,
        parent: str | None,
        by: str,
        at: float,
        user_updated_at: float | None,
        update_id: str | None,
        detail: str | None,
        body: bytes,
    ) -> Self:
        """The commit with its version and the digest of its row."""
        content = sha256(body).digest()
        columns = (
            template_id,
            revision,
            version_token(revision, content),
            parent,
            by,
            at,
            user_updated_at,
            update_id,
            detail,
        )
        return cls._make((*columns, _digest(columns, content[:HALF]), body))

    def is_intact(self, *, has_body: bool = True) -> bool:
        """Whether the row is the one that was committed; the body counts where it was read."""
        try:
            if has_body:
                content = content_hash(self.body)
                if self.version != version_token(self.revision, content):
                    return False
            else:
                content = self.digest
            decoded(self.detail)
            return self.digest == _digest(self[:-2], content[:HALF])
        except (TypeError, ValueError):  # a column that holds another type, or no JSON
            return False

    @property
    def tip(self) -> Tip:
        """This commit as the parent of the next."""
        return Tip(self.version, self.revision, self.at, self.user_updated_at)

    def head(self) -> Head:
        """This commit as the head, without its document."""
        return Head(self.version, self.revision, self.user_updated_at)

    def row(self) -> Row:
        """This commit as the head; a new object each time, because its document is the caller's."""
        return Row(
            self.template_id,
            self.version,
            self.revision,
            self.body,
            self.at,
            self.by,
            self.user_updated_at,
        )

    def as_revision(self) -> Revision:
        """This commit as a line of the history; a new object each time."""
        return Revision(
            self.template_id,
            self.version,
            self.revision,
            self.parent,
            self.by,
            self.at,
            self.body,
            self.update_id,
            decoded(self.detail),
        )

    def audit_entry(self) -> AuditEntry:
        """This commit as a line of the audit trail; needs no body."""
        detail = decoded(self.detail)
        kind = detail.get("kind") if isinstance(detail, dict) else None
        return AuditEntry(
            self.template_id,
            self.version,
            self.parent,
            self.by,
            self.at,
            kind,
            self.update_id,
            detail,
        )


HALF: Final = 16
"""Bytes of each half of a digest: 128 bits, beyond what chance or a flipped bit can meet."""


def _digest(columns: tuple[Any, ...], content: bytes) -> bytes:
    """The body's hash, then a hash of that and of all other columns.

    In two halves, so that a row can be proved without reading its body (the audit trail). The
    columns go in as one JSON array, which tells ``("a", None)`` from ``("a,null",)``.
    """
    return content + sha256(orjson.dumps(columns) + content).digest()[:HALF]


class CasRequest(NamedTuple):
    """A wish to commit what `following` makes of a tip, if that is `expected_version`."""

    template_id: str
    expected_version: str
    update_id: str | None
    following: Callable[[Tip], CommitRow]


def next_commit(
    tip: Tip,
    template_id: str,
    body: bytes,
    by: str,
    now: float,
    update_id: str | None,
    detail: JSON,
) -> CommitRow:
    """The commit of `body` on top of `tip`.

    `at` never goes backwards, even if the clock does. `user_updated_at` is the clock's own answer
    and follows it back: one reading from a clock that stood an hour ahead would otherwise be
    inherited by every later commit, and the background job would hold still for that hour.
    """
    revision = tip.revision + 1
    return CommitRow.sealed(
        template_id,
        revision,
        tip.version,
        by,
        max(now, tip.at),
        tip.user_updated_at if by == BACKGROUND else now,
        update_id,
        encoded(detail),
        body,
    )


def encoded(detail: JSON) -> str | None:
    """A commit's `detail` as JSON text; `UsageError` for what JSON cannot hold."""
    if detail is None:
        return None
    try:
        return orjson.dumps(detail).decode()
    except TypeError as error:
        raise UsageError("detail", detail, f"plain JSON ({error})") from None


def decoded(detail: str | None) -> JSON:
    """A commit's `detail` as the caller's own JSON."""
    return None if detail is None else orjson.loads(detail)
