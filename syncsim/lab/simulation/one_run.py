"""A store and a cache that many runs share, as one of them sees it: its own, and empty at first.

Opening a SQLite store costs more than a run, so runs reuse one and each gets names nobody else has.
The solution and the history see the plain names: one run's history is like another's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any, TypeVar

from syncsim.contract import JSON, Cache, Document, Head, QueuedWrite, Revision, Row
from syncsim.errors import SyncError
from syncsim.lab.simulation.environment import FullStore
from syncsim.store.writes import Change

Named = TypeVar("Named", Row, Revision)


class StoreOfOneRun:
    """The shared store under template and update ids that begin with the number of the run."""

    def __init__(self, store: FullStore, number: int) -> None:
        self._store = store
        self._mark = f"{number}~"

    # -- reads -------------------------------------------------------------------------------------

    def templates(self) -> Sequence[str]:
        """The ids of this run's templates, sorted."""
        mark = self._mark
        return [name[len(mark) :] for name in self._store.templates() if name.startswith(mark)]

    def read(self, template_id: str) -> Row:
        """The head with its document."""
        with self._plain_errors():
            return self._plain(self._store.read(self._marked(template_id)))

    def head(self, template_id: str) -> Head:
        """The head without its document."""
        with self._plain_errors():
            return self._store.head(self._marked(template_id))

    def history(self, template_id: str, *, limit: int | None = None) -> Sequence[Revision]:
        """Every committed version, newest first."""
        with self._plain_errors():
            found = self._store.history(self._marked(template_id), limit=limit)
            return [self._plain_revision(revision) for revision in found]

    def revision(self, template_id: str, version: str) -> Revision | None:
        """One version of a template, or None."""
        with self._plain_errors():
            found = self._store.revision(self._marked(template_id), version)
            return None if found is None else self._plain_revision(found)

    def find_update(self, update_id: str) -> Revision | None:
        """The revision that this update committed, or None."""
        found = self._store.find_update(self._marked(update_id))
        return None if found is None else self._plain_revision(found)

    def audit(self, template_id: str, limit: int | None = None) -> list[Any]:
        """The audit trail of the template, newest first."""
        with self._plain_errors():
            entries = self._store.audit(self._marked(template_id), limit)  # type: ignore[attr-defined]
            return [
                replace(entry, template_id=template_id, update_id=self._unmarked(entry.update_id))
                for entry in entries
            ]

    # -- writes ------------------------------------------------------------------------------------

    def create(
        self, template_id: str, document: Document, *, by: str, timeout_s: float | None = None
    ) -> Row:
        """Write the first version."""
        with self._plain_errors():
            row = self._store.create(
                self._marked(template_id), document, by=by, timeout_s=timeout_s
            )
            return self._plain(row)

    def put(self, template_id: str, document: Document, *, by: str) -> Row:
        """Write over whatever is there."""
        with self._plain_errors():
            return self._plain(self._store.put(self._marked(template_id), document, by=by))

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
        """Write if the head is `expected_version`."""
        with self._plain_errors():
            row = self._store.compare_and_swap(
                self._marked(template_id),
                expected_version,
                document,
                by=by,
                update_id=self._marked(update_id),
                detail=detail,
                timeout_s=timeout_s,
            )
            return self._plain(row)

    def update_locked(
        self,
        template_id: str,
        change: Change,
        *,
        by: str,
        update_id: str | None = None,
        timeout_s: float | None = None,
    ) -> Row:
        """Read, change and write under the write lock."""
        with self._plain_errors():
            row = self._store.update_locked(
                self._marked(template_id),
                lambda row: change(self._plain(row)),
                by=by,
                update_id=self._marked(update_id),
                timeout_s=timeout_s,
            )
            return self._plain(row)

    def update_many(
        self, template_id: str, writes: Sequence[QueuedWrite], *, timeout_s: float | None = None
    ) -> list[Row | Exception]:
        """Several such changes in one transaction."""

        def marked(write: QueuedWrite) -> QueuedWrite:
            return QueuedWrite(
                lambda row: write.change(self._plain(row)), write.by, self._marked(write.update_id)
            )

        with self._plain_errors():
            answers = self._store.update_many(
                self._marked(template_id), list(map(marked, writes)), timeout_s=timeout_s
            )
        return [
            self._plain(answer) if isinstance(answer, Row) else self._plain_error(answer)
            for answer in answers
        ]

    # -- names -------------------------------------------------------------------------------------

    def _marked(self, name: Any) -> Any:
        """What is no text stays as it is, for the store to refuse."""
        return self._mark + name if isinstance(name, str) and name else name

    def _unmarked(self, name: str | None) -> Any:
        return name.removeprefix(self._mark) if isinstance(name, str) else name

    def _plain(self, named: Named) -> Named:
        named.template_id = self._unmarked(named.template_id)
        return named

    def _plain_revision(self, revision: Revision) -> Revision:
        revision.update_id = self._unmarked(revision.update_id)
        return self._plain(revision)

    def _plain_error(self, error: Exception) -> Exception:
        if not isinstance(error, SyncError):
            return error
        plain = {
            name: self._unmarked(fact) if name in ("template_id", "update_id") else fact
            for name, fact in error.facts.items()
        }
        return error if plain == error.facts else type(error)(**plain)

    @contextmanager
    def _plain_errors(self) -> Iterator[None]:
        try:
            yield
        except SyncError as error:
            plain = self._plain_error(error)
            if plain is error:
                raise
            raise plain from error.__cause__


class CacheOfOneRun:
    """A shared cache under keys that begin with the number of the run."""

    def __init__(self, cache: Cache, number: int) -> None:
        self._cache = cache
        self._mark = f"{number}~"

    def get(self, key: str) -> JSON:
        """The value, or None."""
        return self._cache.get(self._mark + key)

    def set(self, key: str, value: JSON) -> None:
        """Store a value."""
        self._cache.set(self._mark + key, value)

    def delete(self, key: str) -> None:
        """Forget a key."""
        self._cache.delete(self._mark + key)

    def add(self, key: str, value: JSON) -> bool:
        """Store only if the key is unknown."""
        return self._cache.add(self._mark + key, value)

    def transact(self) -> AbstractContextManager[None]:
        """Exclude others."""
        return self._cache.transact()

    def clear(self) -> None:
        """Forget every key, those of runs that are over too."""
        self._cache.clear()
