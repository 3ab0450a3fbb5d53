"""The store in a SQLite file: shared by threads and processes of one host, kept over crashes.

Not for network file systems, where SQLite's log does not work.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from syncsim.contract import Clock, Head, Revision, Row
from syncsim.errors import VersionConflictError
from syncsim.store.address import Synchronous, parse_address
from syncsim.store.appending import append
from syncsim.store.copies import Restored, backup, restore
from syncsim.store.freshness_marks import Reader
from syncsim.store.records import AuditEntry, CasRequest, CommitRow
from syncsim.store.sqlite_errors import check_chain, intact
from syncsim.store.sqlite_file import SQLiteFile
from syncsim.store.statements import AUDIT, FIND, HISTORY, REVISION, TEMPLATES
from syncsim.store.swap_line import SwapLine
from syncsim.store.verifying import Progress, Verification, verify
from syncsim.store.write_transaction import WriteTransaction
from syncsim.store.writes import (
    WRITE_TIMEOUT_S,
    VersionedWrites,
    alone,
    check_limit,
    is_text,
    unknown,
)


class SQLiteStore(VersionedWrites):
    """Versioned templates in a database file; every method may be called from any thread.

    `url_or_path`: ``sqlite:///relative.db``, ``sqlite:////absolute.db``, either with
    ``?synchronous=NORMAL``, or a path. The file is made if need be (0600), its folder is not.
    `clock` stamps the commits. `StoreUnavailableError` says what is wrong with the file, here and
    in every method; a write that raises it has surely not been committed.
    """

    def __init__(self, url_or_path: str | os.PathLike[str], *, clock: Clock) -> None:
        super().__init__(clock)
        address = parse_address(url_or_path)
        self.synchronous: Final[Synchronous] = address.synchronous
        self.path: Final = address.path
        self._file = SQLiteFile(address)
        self._line = SwapLine(self._transaction)

    def templates(self) -> Sequence[str]:
        """The ids of all templates, sorted."""
        return [template_id for (template_id,) in self._file.ask(None, Reader.rows, TEMPLATES, ())]

    def read(self, template_id: str) -> Row:
        """The head, with its document; raises `TemplateNotFoundError`."""
        rows = self._file.ask(template_id, Reader.rows, HISTORY, (template_id, 1))
        if not rows:
            raise unknown(template_id)
        return intact(rows[0], self.path).row()

    def head(self, template_id: str) -> Head:
        """The head without its document, as of this call, for little more than a PRAGMA.

        Sees every commit of every process. Only if the file itself is replaced by another, it may
        answer from the old one for a quarter of a second.
        """
        head = self._file.own_head(template_id)
        if head is None:
            head = self._file.ask(template_id, Reader.head, template_id)
        if head is None:
            raise unknown(template_id)
        return head

    def history(self, template_id: str, *, limit: int | None = None) -> Sequence[Revision]:
        """Every committed version, or the newest `limit`; newest first."""
        rows = self._newest(HISTORY, template_id, limit)
        records = [intact(row, self.path) for row in rows]
        check_chain(records, self.path, to_first=limit is None)
        return [record.as_revision() for record in records]

    def audit(self, template_id: str, limit: int | None = None) -> list[AuditEntry]:
        """Who changed the template when and why, newest first."""
        rows = self._newest(AUDIT, template_id, limit)
        records = [intact(row, self.path, has_body=False) for row in rows]
        check_chain(records, self.path, to_first=limit is None)
        return [record.audit_entry() for record in records]

    def revision(self, template_id: str, version: str) -> Revision | None:
        """One version of a template, or None where it never existed."""
        return self._revision(REVISION, template_id, version, template_id, version)

    def find_update(self, update_id: str) -> Revision | None:
        """The revision that this update committed, or None."""
        return self._revision(FIND, update_id)

    def backup(self, path: Path, *, force: bool = False, progress: Progress = None) -> Verification:
        """Write a whole, verified copy of the file to `path`, also while others write."""
        return backup(self._file, path, force, progress)

    @alone
    def restore(self, path: Path, *, progress: Progress = None) -> Restored:
        """Put the content of a backup in the place of all there is; what goes is kept beside."""
        return restore(self._file, path, WRITE_TIMEOUT_S, progress)

    def verify(self, *, progress: Progress = None) -> Verification:
        """Read every page and row, and say what is wrong with them."""
        return self._file.ask(None, lambda reader: verify(reader.connection, progress))

    def close(self) -> None:
        """Close every connection; idempotent. Calls under way end, later ones are refused."""
        self._file.close()

    def _transaction(self, template_id: str, timeout_s: float | None) -> WriteTransaction:
        return WriteTransaction(self._file, template_id, timeout_s)

    def _is_writing(self) -> bool:
        return self._file.lock.depth > 0

    def _heal(self) -> None:
        self._line.heal()
        self._file.heal()

    def _swap(self, swap: CasRequest, timeout_s: float | None) -> CommitRow:
        """Commit in one statement where no thread is writing; else together with all that wait.

        A swap that can only lose does not wait: versions never come back, so one older than the
        head has lost already. Of 200 writers released at once 199 lose, and each of them would
        have held up the winner of the next round.
        """
        file = self._file
        wait_s = WRITE_TIMEOUT_S if timeout_s is None else timeout_s
        if not file.lock.is_taken:
            at_once = append(file, swap, wait_s)
            if at_once is not None:
                return at_once
        elif not file.wrote(swap.template_id, swap.expected_version):
            actual = self.head(swap.template_id).version
            if actual != swap.expected_version and not self._has_committed(swap.update_id):
                raise VersionConflictError(swap.template_id, swap.expected_version, actual)
        if swap.update_id is None:
            return super()._swap(swap, timeout_s)
        file.check_usable()  # after a fork the threads of the line are the parent's
        return self._line.commit(swap, wait_s)

    def _has_committed(self, update_id: str | None) -> bool:
        return update_id is not None and self.find_update(update_id) is not None

    def _newest(self, query: str, template_id: str, limit: int | None) -> list[tuple[Any, ...]]:
        check_limit(limit)
        rows = self._file.ask(
            template_id, Reader.rows, query, (template_id, -1 if limit is None else limit)
        )
        if not rows:
            raise unknown(template_id)
        return rows

    def _revision(self, query: str, *key: str) -> Revision | None:
        if not all(map(is_text, key)):
            return None
        rows = self._file.ask(None, Reader.rows, query, key)
        return intact(rows[0], self.path).as_revision() if rows else None
