"""Many runs share a store and a cache; each run sees its own part, which is empty at first.

Opening a SQLite store costs more than a run, so runs reuse one and each gets names no other has.
The solution and the history see the plain names: one run's history is like another's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, TypeVar

from syncsim.contract import JSON, Cache, QueuedWrite, Revision, Row
from syncsim.errors import SyncError
from syncsim.lab.recording.intercepted_store import InterceptedStore, StoreCall
from syncsim.store.engines import FullStore
from syncsim.store.records import AuditEntry
from syncsim.store.writes import Change

T = TypeVar("T")


class NamespacedStore(InterceptedStore):
    """The shared store under template and update ids that begin with the number of the run."""

    def __init__(self, store: FullStore, number: int) -> None:
        super().__init__(store)
        self._mark = f"{number}~"

    def templates(self) -> Sequence[str]:
        """The ids of this run's templates, sorted."""
        mark = self._mark
        return [name[len(mark) :] for name in super().templates() if name.startswith(mark)]

    def around(self, call: StoreCall, do: Callable[[], T]) -> T:
        """Pass marked names in and plain names out, also in errors and to callbacks."""
        call.template_id = self._marked(call.template_id)
        call.update_id = self._marked(call.update_id)
        if call.change is not None:
            call.change = self._seeing_plain_rows(call.change)
        call.batch = [
            QueuedWrite(
                self._seeing_plain_rows(write.change), write.by, self._marked(write.update_id)
            )
            for write in call.batch
        ]
        try:
            answer: T = self._plain(do())
        except SyncError as error:
            plain = self._plain_error(error)
            if plain is error:
                raise
            raise plain from error.__cause__
        return answer

    # -- names -------------------------------------------------------------------------------------

    def _marked(self, name: Any) -> Any:
        """The name with the run's mark; what is no text stays as it is, for the store to refuse."""
        return self._mark + name if isinstance(name, str) and name else name

    def _unmarked(self, name: Any) -> Any:
        return name.removeprefix(self._mark) if isinstance(name, str) else name

    def _seeing_plain_rows(self, change: Change) -> Change:
        return lambda row: change(self._plain(row))

    def _plain(self, answer: Any) -> Any:
        """What the store answers, without the mark; a row or revision is the caller's own."""
        if isinstance(answer, list):
            return list(map(self._plain, answer))
        if isinstance(answer, Exception):
            return self._plain_error(answer)
        if isinstance(answer, AuditEntry):
            return replace(
                answer,
                template_id=self._unmarked(answer.template_id),
                update_id=self._unmarked(answer.update_id),
            )
        if isinstance(answer, Row | Revision):
            answer.template_id = self._unmarked(answer.template_id)
        if isinstance(answer, Revision):
            answer.update_id = self._unmarked(answer.update_id)
        return answer

    def _plain_error(self, error: Exception) -> Exception:
        if not isinstance(error, SyncError):
            return error
        plain = {
            name: self._unmarked(fact) if name in ("template_id", "update_id") else fact
            for name, fact in error.facts.items()
        }
        return error if plain == error.facts else type(error)(**plain)


class NamespacedCache:
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
