"""One write transaction on SQLite: its turn, its rows, its COMMIT; what a failed COMMIT means."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import suppress
from time import monotonic
from types import TracebackType
from typing import Any, Self

import orjson

from syncsim.errors import OutcomeUnknownError, StoreUnavailableError
from syncsim.store.freshness_marks import Reader
from syncsim.store.records import CommitRow, Tip
from syncsim.store.sqlite_errors import NOT_COMMITTED, code, intact, unavailable, until_free
from syncsim.store.sqlite_file import SQLiteFile
from syncsim.store.statements import APPEND, BEGIN, FIND, FIRST, HISTORY, TIP, USED
from syncsim.store.writes import WRITE_TIMEOUT_S, busy
from syncsim.template import check_template_id


class WriteTransaction:
    """Alone among the writers of all processes from `with` to the end of the block.

    Losing the swap, a callback that raises and a failing statement all leave the block by an
    exception, and an exception rolls back. What a fault or an interrupt leaves of it, the write
    around it heals (`VersionedWrites`).
    """

    __slots__ = (
        "_cursor",
        "_file",
        "_known",
        "_new_ids",
        "_template_id",
        "_wait_s",
        "_wrote",
    )

    def __init__(self, file: SQLiteFile, template_id: str | None, timeout_s: float | None) -> None:
        self._file = file
        self._template_id = template_id
        self._wait_s = WRITE_TIMEOUT_S if timeout_s is None else timeout_s
        self._new_ids: list[str | None] = []
        self._wrote: dict[str, Tip] = {}
        self._known: dict[str, Tip] | None = None  # asked once: no other writer commits meanwhile

    def __enter__(self) -> Self:
        deadline = monotonic() + self._wait_s
        if not self._file.lock.acquire(self._wait_s):
            raise busy(self._template_id, self._wait_s)
        try:
            self._cursor = self._file.writer(max(deadline - monotonic(), 0.0))
            until_free(self._begin, deadline - monotonic())
        except sqlite3.Error as error:
            raise self._failure(error) from error
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self._commit()
        else:
            self._roll_back()
        self._file.lock.release()

    def find(self, update_id: str | None) -> CommitRow | None:
        """The commit under this id, one of this transaction included; None for no id."""
        if update_id is None:
            return None
        row = self.run(FIND, (update_id,)).fetchone()
        return None if row is None else intact(row, self._file.path)

    def used(self, update_ids: Iterable[str | None]) -> set[str]:
        """Those of the ids under which something was committed before; None is no id."""
        asked = [update_id for update_id in update_ids if update_id is not None]
        rows = self.run(USED, (orjson.dumps(asked).decode(),)).fetchall() if asked else []
        return {update_id for (update_id,) in rows}

    def tip(self, template_id: str) -> Tip | None:
        """What the next commit stands on; None where there is no such template."""
        if type(template_id) is str:  # what can be no id, the driver will refuse
            if self._known is None:
                self._known = self._own_tips()
            known = self._wrote.get(template_id) or self._known.get(template_id)
            if known is not None:
                return known
        row = self.run(TIP, (template_id,)).fetchone()
        return None if row is None else Tip._make(row)

    def last(self, template_id: str) -> CommitRow | None:
        """The newest commit; None where there is no such template."""
        row = self.run(HISTORY, (template_id, 1)).fetchone()
        return None if row is None else intact(row, self._file.path)

    def append(self, record: CommitRow) -> bool:
        """Make this the newest commit of its template; False if its update id was used before.

        That it stands on the head was decided on a row read in this transaction, where no other
        writer can write; its place, the primary key, would be taken otherwise.
        """
        if record.parent is None:
            self.run(FIRST, (record.template_id,))
        values = (*record, record.template_id, record.revision)
        if self.run(APPEND, values).rowcount == 0:
            return False
        self._new_ids.append(record.update_id)
        self._wrote[record.template_id] = record.tip
        return True

    def _begin(self) -> None:
        self._cursor.execute(BEGIN)

    def _own_tips(self) -> dict[str, Tip]:
        try:
            return self._cursor.own_tips()
        except sqlite3.Error as error:
            self._file.drop_writer()
            raise self._failure(error) from error

    def run(self, statement: str, parameters: Sequence[Any]) -> sqlite3.Cursor:
        """Execute one statement of this transaction."""
        try:
            return self._cursor.execute(statement, parameters)
        except (sqlite3.Error, UnicodeEncodeError, OverflowError) as error:
            self._file.drop_writer()
            raise self._failure(error) from error

    def _commit(self) -> None:
        self._file.check_usable()
        try:
            self._cursor.execute("COMMIT")
            if self._wrote:
                self._cursor.wrote(self._wrote)
                self._file.committed(*next(reversed(self._wrote.items())))
        except sqlite3.Error as error:
            self._file.drop_writer()
            if not took_effect(error, self._file, self._template_id, self._new_ids):
                raise self._failure(error) from error

    def _roll_back(self) -> None:
        try:
            self._file.check_usable()  # in a forked child the connection is the parent's
            if self._cursor.connection.in_transaction:
                self._cursor.execute("ROLLBACK")
        except (sqlite3.Error, StoreUnavailableError):
            self._file.drop_writer()

    def _failure(self, error: Exception) -> StoreUnavailableError:
        if self._template_id is not None:
            check_template_id(self._template_id)
        return unavailable(error, self._file.path, self._template_id)


def took_effect(
    error: sqlite3.Error,
    file: SQLiteFile,
    template_id: str | None,
    update_ids: Sequence[str | None],
) -> bool:
    """Whether a COMMIT of these updates that failed has committed; False where there are none.

    `OutcomeUnknownError` if the store cannot tell.
    """
    if code(error) in NOT_COMMITTED or not update_ids:
        return False
    update_id = next((known for known in update_ids if known is not None), None)
    if update_id is not None:
        with suppress(StoreUnavailableError):
            if file.ask(None, Reader.rows, FIND, (update_id,)):
                return True
    raise OutcomeUnknownError(template_id or "(none)", update_id or "(none)") from error
