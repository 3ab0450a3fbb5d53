"""What a solution is and what it may touch: the verbs, the environment, the values between them.

Protocols and frozen values only. Nothing here knows SQL, diskcache or time; every other room of the
package speaks in these words. Times are seconds since the epoch on the store's clock.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Literal, Protocol, TypeAlias, TypeGuard

import orjson

JSON: TypeAlias = Any
"""None, bool, int, float, str, list[JSON] or dict[str, JSON]."""

Document: TypeAlias = dict[str, JSON]
"""A template: schema_version, name, description, fields, sections, settings, metadata."""

BACKGROUND: Final = "background"
"""The one reserved user name: the maintenance job writes under it."""


class Absent(Enum):
    """The type of `ABSENT`; an enum so that identity survives pickling and copying."""

    ABSENT = "ABSENT"

    def __repr__(self) -> str:
        return "ABSENT"

    def __bool__(self) -> bool:
        return False


ABSENT: Final = Absent.ABSENT
"""No value at this path. Distinct from None, which is JSON's null; in JSON its key is left out."""


# -- values that the verbs take and return ---------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A template as somebody read it; hand it back as `base` with the changes made to it.

    `version` is opaque: compare it for equality and nothing else. `document` is the caller's own
    copy, or deeply read-only where a view was asked for.
    """

    template_id: str
    version: str
    document: Document
    updated_at: float
    updated_by: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """One leaf that two writers changed: what it was, what each made of it, whose value stands.

    `path` is a JSON Pointer with element ids in place of list indexes (`/fields/email/label`).
    `kind` is one of edit, delete-edit, type, add-add, order, move, invariant. A value that is not
    there is `ABSENT`.
    """

    path: str
    kind: str
    base: JSON
    earlier: JSON
    later: JSON
    kept: Literal["earlier", "later"]
    earlier_by: str | None = None

    def to_json(self) -> dict[str, JSON]:
        """The record as JSON; the key of an absent value and of an unknown author is left out."""
        record = {
            "path": self.path,
            "kind": self.kind,
            "base": self.base,
            "earlier": self.earlier,
            "later": self.later,
            "kept": self.kept,
            "earlier_by": ABSENT if self.earlier_by is None else self.earlier_by,
        }
        return {key: value for key, value in record.items() if value is not ABSENT}

    @classmethod
    def from_json(cls, record: Mapping[str, JSON]) -> Conflict:
        """The inverse of `to_json`."""
        return cls(
            record["path"],
            record["kind"],
            record.get("base", ABSENT),
            record.get("earlier", ABSENT),
            record.get("later", ABSENT),
            record["kept"],
            record.get("earlier_by"),
        )


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a verb ended, when it did not raise.

    `attempts` counts write attempts: 1 = no retry, 0 = nothing was attempted. `merged` are the
    deepest paths that others changed since the base and that stayed; `conflicts` the leaves on
    which a later writer won.
    """

    status: Literal["committed", "unchanged", "skipped"]
    version: str | None
    attempts: int = 0
    merged: tuple[str, ...] = ()
    conflicts: tuple[Conflict, ...] = ()
    reason: str | None = None


# -- values that the store takes and returns -------------------------------------------------------


class Stored:
    """One version of a template as the store holds it: `body` is the document in canonical bytes.

    `document` is decoded from them when first asked for, so an object that only carries a version
    onwards costs no parse.
    """

    __slots__ = ("_document", "body", "revision", "template_id", "version")

    template_id: str
    version: str
    revision: int
    body: bytes
    _document: Document

    @property
    def document(self) -> Document:
        """The document; the same object each time, which no other record shares."""
        try:
            return self._document
        except AttributeError:
            self._document = orjson.loads(self.body)
            return self._document


class Row(Stored):
    """The head of a template."""

    __slots__ = ("updated_at", "updated_by", "user_updated_at")

    def __init__(
        self,
        template_id: str,
        version: str,
        revision: int,
        body: bytes,
        updated_at: float,
        updated_by: str,
        user_updated_at: float | None,
    ) -> None:
        self.template_id = template_id
        self.version = version
        self.revision = revision
        self.body = body
        self.updated_at = updated_at
        self.updated_by = updated_by
        self.user_updated_at = user_updated_at

    def __repr__(self) -> str:
        return f"Row({self.template_id!r}, {self.version!r}, by {self.updated_by!r})"


class Revision(Stored):
    """One committed version in the history of a template; `parent` is None for the first.

    `detail` is the JSON the writer left with it: kind, base, conflicts.
    """

    __slots__ = ("at", "by", "detail", "parent", "update_id")

    def __init__(
        self,
        template_id: str,
        version: str,
        revision: int,
        parent: str | None,
        by: str,
        at: float,
        body: bytes,
        update_id: str | None,
        detail: JSON,
    ) -> None:
        self.template_id = template_id
        self.version = version
        self.revision = revision
        self.body = body
        self.parent = parent
        self.by = by
        self.at = at
        self.update_id = update_id
        self.detail = detail

    def __repr__(self) -> str:
        return f"Revision({self.template_id!r}, {self.version!r}, by {self.by!r})"


@dataclass(frozen=True, slots=True)
class Head:
    """Which version is the newest; cheap to ask for and always the truth.

    `user_updated_at` is None while only the background job has written.
    """

    version: str
    revision: int
    user_updated_at: float | None


@dataclass(frozen=True, slots=True)
class Write:
    """What a `change` callback wants written: the document, and `detail` kept with the revision."""

    document: Document
    detail: JSON = None


@dataclass(frozen=True, slots=True)
class QueuedWrite:
    """One of several writes that `SupportsBatches.update_many` commits in one transaction."""

    change: Callable[[Row], Document | Write | None]
    by: str
    update_id: str | None = None


# -- what a solution implements --------------------------------------------------------------------


class TemplateSync(Protocol):
    """The four verbs. Each ends in an `Outcome` or a `Snapshot`, or raises a `SyncError`."""

    def get_template(self, template_id: str, *, user: str) -> Snapshot:
        """Read; never older than an update acknowledged before the call, never going backwards."""

    def update_template(
        self, template_id: str, changes: Document, *, user: str, base: Snapshot | None = None
    ) -> Outcome:
        """Merge `changes`, made against `base`, into the head; retry by policy."""

    def update_with_version(
        self, template_id: str, changes: Document, version: str, *, user: str
    ) -> Outcome:
        """Commit only if `version` is still the head; never retry, never merge."""

    def run_background_job(self, template_id: str) -> Outcome:
        """Write derived data, unless a user wrote less than the cooldown ago."""


# -- what a solution may touch ---------------------------------------------------------------------


class Clock(Protocol):
    """Time as an object: the wall clock for real, virtual time in simulation.

    One whose `now` may step, as wall clocks do, also has `monotonic() -> float`, seconds since some
    moment, which never does.
    """

    def now(self) -> float:
        """Seconds since the epoch."""

    def sleep(self, seconds: float) -> None:
        """Wait that long on this clock."""


class Cache(Protocol):
    """One user's cache. Values are JSON; no caller can change a value after it was set.

    Any call may raise `CacheError`, perhaps after it took effect.
    """

    def get(self, key: str) -> JSON:
        """The value, or None where there is none."""

    def set(self, key: str, value: JSON) -> None:
        """Store a value under the key."""

    def delete(self, key: str) -> None:
        """Forget the key; no error where it is unknown."""

    def add(self, key: str, value: JSON) -> bool:
        """Store only if the key is unknown; True if stored."""

    def transact(self) -> AbstractContextManager[None]:
        """Exclude every other call on this cache, those of other processes too; re-entrant."""

    def clear(self) -> None:
        """Forget every key."""


class Store(Protocol):
    """Versioned templates. Every write refuses an invalid document with `InvalidTemplateError`."""

    def create(
        self, template_id: str, document: Document, *, by: str, timeout_s: float | None = None
    ) -> Row:
        """Write the first version; raises `TemplateExistsError` where there is one."""

    def templates(self) -> Sequence[str]:
        """The ids of all templates, sorted."""

    def read(self, template_id: str) -> Row:
        """The head, with its document; raises `TemplateNotFoundError`."""

    def head(self, template_id: str) -> Head:
        """The head without its document; cheap, always the truth."""

    def compare_and_swap(
        self,
        template_id: str,
        expected_version: str,
        document: Document,
        *,
        by: str,
        update_id: str | None = None,
        detail: JSON = None,
        timeout_s: float | None = None,
    ) -> Row:
        """Write if the head is `expected_version`, else raise `VersionConflictError`.

        Under an `update_id` that has committed before, nothing is written and that commit's row is
        returned, before the version is looked at.
        """

    def update_locked(
        self,
        template_id: str,
        change: Callable[[Row], Document | Write | None],
        *,
        by: str,
        update_id: str | None = None,
        timeout_s: float | None = None,
    ) -> Row:
        """Read, change and write under the write lock; a change of None writes nothing.

        `change` may run more than once, may raise, and must not write.
        """

    def history(self, template_id: str, *, limit: int | None = None) -> Sequence[Revision]:
        """Every committed version, newest first."""


class CandidateStore(Store, Protocol):
    """The store as a candidate gets it: with the tempting blind write."""

    def put(self, template_id: str, document: Document, *, by: str) -> Row:
        """Write over whatever is there."""


class SupportsBatches(Protocol):
    """A store that can commit several queued writes in one transaction, a version each."""

    def update_many(
        self,
        template_id: str,
        writes: Sequence[QueuedWrite],
        *,
        timeout_s: float | None = None,
    ) -> list[Row | Exception]:
        """Commit in order; a write whose change raises or is invalid fails alone."""


class SupportsLookup(Protocol):
    """A store that can say what became of an update."""

    def find_update(self, update_id: str) -> Revision | None:
        """The revision that this update committed, or None."""

    def revision(self, template_id: str, version: str) -> Revision | None:
        """One version of a template, or None where it never existed."""


def supports_batches(store: object) -> TypeGuard[SupportsBatches]:
    """Whether the store has `update_many`; without it, queued writes are committed one by one."""
    return _has(store, "update_many")


def supports_lookup(store: object) -> TypeGuard[SupportsLookup]:
    """Whether the store has `find_update` and `revision`; without them, its history is searched."""
    return _has(store, "find_update", "revision")


def _has(store: object, *methods: str) -> bool:
    """Whether the store has all of these methods, looked up as attributes.

    A wrapper's `__getattr__` answers such a look-up; `isinstance` with a Protocol has not seen
    those since Python 3.12, and a wrapped store lost what it can do.
    """
    return all(callable(getattr(store, method, None)) for method in methods)


class EventLog(Protocol):
    """Where a solution says what happened."""

    def emit(self, kind: str, /, **facts: JSON) -> None:
        """Record an event; time, user and operation id are stamped unless given."""


class Environment(Protocol):
    """Everything a solution may touch; handed to its `build`, once per process."""

    @property
    def store(self) -> Store:
        """The one store of the run."""

    @property
    def users(self) -> tuple[str, ...]:
        """Every user name of this run, without `background`."""

    @property
    def clock(self) -> Clock:
        """The only source of time."""

    @property
    def random(self) -> random.Random:
        """The only source of chance."""

    @property
    def events(self) -> EventLog:
        """Where to say what happened."""

    def cache(self, user: str) -> Cache:
        """The cache of this user; `background` has one too."""

    def lock(self, name: str, *, timeout_s: float | None = None) -> AbstractContextManager[None]:
        """Exclude all users and processes of the run; FIFO within a process, re-entrant."""

    def new_id(self) -> str:
        """An id that no other call, process or run gets."""


Build: TypeAlias = Callable[[Any], TemplateSync]
"""The one function a candidate module must define: `build(env: Environment) -> TemplateSync`."""
