"""The store in memory: for simulation and tests, where nothing has to outlive the process.

It keeps the same contract as `sqlite.SQLiteStore`, copies included: what is kept are bytes, so no
caller can change a stored document through one that was handed out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self

from syncsim.contract import Clock, Head, Revision, Row
from syncsim.errors import StoreUnavailableError
from syncsim.store.records import AuditEntry, CommitRow, Tip
from syncsim.store.writes import (
    CLOSED,
    WRITE_TIMEOUT_S,
    VersionedWrites,
    busy,
    check_limit,
    is_text,
    unknown,
)
from syncsim.system.locks import FairLock


class _Staged:
    """A transaction: what it has appended so far, on top of what was committed before it."""

    def __init__(self, store: MemoryStore, template_id: str, timeout_s: float | None) -> None:
        self._store = store
        self._template_id = template_id
        self._wait_s = WRITE_TIMEOUT_S if timeout_s is None else timeout_s
        self.records: list[CommitRow] = []

    def __enter__(self) -> Self:
        self._store._check_open()
        if not self._store._lock.acquire(self._wait_s):
            raise busy(self._template_id, self._wait_s)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self._store._check_open()
            self._store._committed = self.records
            self._store._publish_committed()
        self._store._lock.release()

    def find(self, update_id: str | None) -> CommitRow | None:
        if update_id is None:
            return None
        staged = (record for record in self.records if record.update_id == update_id)
        return next(staged, None) or self._store._by_update_id.get(update_id)

    def used(self, update_ids: Iterable[str | None]) -> set[str]:
        return {one for one in update_ids if one is not None and one in self._store._by_update_id}

    def tip(self, template_id: str) -> Tip | None:
        last = self.last(template_id)
        return None if last is None else last.tip

    def last(self, template_id: str) -> CommitRow | None:
        staged = (r for r in reversed(self.records) if r.template_id == template_id)
        return next(staged, None) or self._store._last(template_id)

    def append(self, record: CommitRow) -> bool:
        if self.find(record.update_id) is not None:
            return False
        self.records.append(record)
        return True


class MemoryStore(VersionedWrites):
    """Versioned templates in this process; every method may be called from any thread.

    Writers take turns; readers take no lock, so a `change` may wait for a thread that reads. Each
    record becomes readable in one step, when it is appended to its template's history.
    """

    def __init__(self, *, clock: Clock) -> None:
        super().__init__(clock)
        self._lock = FairLock()
        self._histories: dict[str, list[CommitRow]] = {}
        self._by_version: dict[tuple[str, str], CommitRow] = {}
        self._by_update_id: dict[str, CommitRow] = {}
        self._committed: list[CommitRow] = []  # and not readable yet
        self._closed = False

    def templates(self) -> Sequence[str]:
        """The ids of all templates, sorted."""
        self._check_open()
        return sorted(self._histories)

    def read(self, template_id: str) -> Row:
        """The head, with its document; raises `TemplateNotFoundError`."""
        return self._head(template_id).row()

    def head(self, template_id: str) -> Head:
        """The head without its document."""
        return self._head(template_id).head()

    def history(self, template_id: str, *, limit: int | None = None) -> Sequence[Revision]:
        """Every committed version, or the newest `limit`; newest first."""
        return [record.as_revision() for record in self._newest(template_id, limit)]

    def audit(self, template_id: str, limit: int | None = None) -> list[AuditEntry]:
        """Who changed the template when and why, newest first."""
        return [record.audit_entry() for record in self._newest(template_id, limit)]

    def revision(self, template_id: str, version: str) -> Revision | None:
        """One version of a template, or None where it never existed."""
        self._check_open()
        if not (is_text(template_id) and is_text(version)):
            return None
        record = self._by_version.get((template_id, version))
        return None if record is None else record.as_revision()

    def find_update(self, update_id: str) -> Revision | None:
        """The revision that this update committed, or None."""
        self._check_open()
        record = self._by_update_id.get(update_id) if is_text(update_id) else None
        return None if record is None else record.as_revision()

    def close(self) -> None:
        """Refuse every later call; idempotent."""
        self._closed = True

    def _transaction(self, template_id: str, timeout_s: float | None) -> _Staged:
        return _Staged(self, template_id, timeout_s)

    def _is_writing(self) -> bool:
        return self._lock.depth > 0

    def _heal(self) -> None:
        if self._lock.depth:
            self._publish_committed()
        self._lock.heal()

    def _publish_committed(self) -> None:
        """Make readable what was committed; go on with it where it was interrupted."""
        while self._committed:
            record = self._committed[0]
            if self._last(record.template_id) is not record:
                self._publish(record)
            del self._committed[0]

    def _publish(self, record: CommitRow) -> None:
        self._by_version[record.template_id, record.version] = record
        if record.update_id is not None:
            self._by_update_id[record.update_id] = record
        self._histories.setdefault(record.template_id, []).append(record)

    def _last(self, template_id: str) -> CommitRow | None:
        try:
            history = self._histories.get(template_id)
        except TypeError:  # unhashable: no id at all
            raise unknown(template_id) from None
        return history[-1] if history else None

    def _head(self, template_id: str) -> CommitRow:
        self._check_open()
        last = self._last(template_id)
        if last is None:
            raise unknown(template_id)
        return last

    def _newest(self, template_id: str, limit: int | None) -> list[CommitRow]:
        check_limit(limit)
        self._head(template_id)
        return self._histories[template_id][: None if limit is None else -limit - 1 : -1]

    def _check_open(self) -> None:
        if self._closed:
            raise StoreUnavailableError(None, CLOSED, retryable=False)
