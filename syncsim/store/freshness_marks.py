"""Connections that notice for the price of a PRAGMA whether something was committed by others."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from syncsim.contract import Head
from syncsim.store.records import Tip
from syncsim.store.sqlite_errors import intact
from syncsim.store.statements import HEAD, MARK, WHOLE_HEAD

MAX_HEADS: Final = 1024
"""Heads that one connection remembers; beyond that it starts afresh."""


class Reader:
    """A connection that never writes and never stays in a transaction.

    `PRAGMA data_version` changes on a connection whenever *another* one has committed, in this
    process or any other; a crash cannot keep it from doing so. It follows that

    - the connection must never write: it would not notice its own commits;
    - a mark means something on the connection it was taken on, and nothing on any other;
    - an open read transaction would freeze it, so every cursor is drained at once;
    - the mark is taken *before* the row is read. Taken after, a commit between the two would be
      covered by the mark, and the old row be served as fresh until the next commit.

    The first head of a template is read with its whole row, which proves it: what lies in the file
    since before may be damaged. Later heads were committed while somebody watched.

    Used by one thread at a time.
    """

    __slots__ = ("_execute", "_fetchone", "_heads", "_mark", "_path", "_proven", "connection")

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.connection = connection
        self._path = path
        cursor = connection.cursor()
        cursor.execute("PRAGMA query_only = ON")
        self._execute = cursor.execute
        self._fetchone = cursor.fetchone
        self._mark: tuple[int] | None = None
        self._heads: dict[str, Head] = {}
        self._proven: set[str] = set()

    def head(self, template_id: str) -> Head | None:
        """The head as of this call; None where there is no such template."""
        self._execute(MARK)
        mark = self._fetchone()
        if mark != self._mark:
            self._heads.clear()
            self._mark = mark
        elif template_id in self._heads:
            return self._heads[template_id]
        statement = HEAD if template_id in self._proven else WHOLE_HEAD
        row = self._execute(statement, (template_id,)).fetchone()
        if row is None:
            return None
        if len(self._heads) >= MAX_HEADS:
            self._heads.clear()
        if statement is HEAD:
            head = Head(*row)
        else:
            head = intact(row, self._path).head()
            if len(self._proven) >= MAX_HEADS:
                self._proven.clear()
            self._proven.add(template_id)
        self._heads[template_id] = head
        return head

    def rows(self, statement: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        """All rows of a query."""
        return self._execute(statement, parameters).fetchall()

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()


class Writer:
    """The connection that writes, and what it knows of heads because it wrote them itself.

    Its mark stays for its own commits and changes for those of all other connections. So while it
    shows the mark that it showed when it was last asked, no other connection has committed since,
    and what it committed since is the head. Used by one thread at a time.

    `tips`: what it committed last, by template. Each was the head then, and may be no more;
    `own_tips` leaves only those that are.
    """

    __slots__ = ("_cursor", "_mark", "connection", "execute", "tips")

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self._cursor = connection.cursor()
        self.execute = self._cursor.execute
        self._mark: tuple[int] | None = None
        self.tips: dict[str, Tip] = {}

    def own_tips(self) -> dict[str, Tip]:
        """The heads that were committed here, by template; none if anybody else has committed."""
        mark = self.execute(MARK).fetchone()
        if mark != self._mark:
            self.tips = {}
            self._mark = mark
        return self.tips

    def wrote(self, tips: dict[str, Tip]) -> None:
        """Take note of what was committed here."""
        if len(self.tips) > MAX_HEADS:
            self.tips = {}
        self.tips.update(tips)

    def close(self) -> None:
        """Roll back and close.

        In this order: a connection with a statement that somebody still holds, as the traceback of
        a kept exception does, would go on in the dark after its close, and with it the transaction
        that keeps all others from writing.
        """
        for end in (self._cursor.close, self.connection.rollback, self.connection.close):
            with suppress(sqlite3.Error):
                end()
