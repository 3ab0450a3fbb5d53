"""An open database file: a few readers and one writer, and what befalls them from outside.

The connections are taken from a SQLAlchemy engine and then kept, since the engine's own pool costs
more than the calls that are made here. Two things can pull the file away from under them: somebody
replaces it (`_look`), and somebody forks (`_suspend`).
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from time import monotonic
from typing import Any, Final, TypeVar, cast

from sqlalchemy import URL, Engine, NullPool, create_engine, event

from syncsim.contract import Head
from syncsim.errors import StoreUnavailableError
from syncsim.forks import ProcessBound, seconds_to
from syncsim.interrupts import give_up
from syncsim.store.address import Address
from syncsim.store.bounded_pool import BoundedPool
from syncsim.store.freshness_marks import Reader, Writer
from syncsim.store.open_files import make_private, write_lock
from syncsim.store.schema import prepare
from syncsim.store.sqlite_errors import check_place, refused, unavailable, until_free
from syncsim.store.writes import CLOSED, WRITE_TIMEOUT_S, busy
from syncsim.template import check_template_id

MAX_READERS: Final = 8
"""Two open files each; more of them gain nothing under one interpreter lock."""

LOOK_EVERY_S: Final = 0.25
"""How long it may take to notice that the file was deleted or replaced by another.

What is committed to the old file meanwhile goes the way of all that was committed to it before.
"""

Answer = TypeVar("Answer")


class SQLiteFile(ProcessBound):
    """The connections to one database file; made when first needed, reopened if it is replaced."""

    def __init__(self, address: Address) -> None:
        self.path = self._database = address.path
        self._check_forked_at_rest()
        check_place(self.path)
        make_private(self.path)
        self.lock = write_lock(self.path)
        self._engine = _engine(address)
        self._looking = threading.RLock()  # taken after `lock`, never before
        self._identity: tuple[int, int] | None = None
        self._look_at = 0.0
        self._readers = self._new_readers()
        self._writer: Writer | None = None
        self.own_commits = 0  # counted by transactions, under the lock
        self._asked_after = 0  # how many of them there were when the writer was last asked
        self._writer_identity: tuple[int, int] | None = None
        self._refusal: str | None = None
        self._taken_over_fork = ExitStack()
        self._bind()
        self._look()

    def ask(
        self, template_id: str | None, question: Callable[..., Answer], *parameters: Any
    ) -> Answer:
        """`question(reader, *parameters)` on a free reader; `StoreUnavailableError` if it fails."""
        readers = self._readers
        try:
            if monotonic() >= self._look_at:
                self._look()
                readers = self._readers
            reader = readers.take(WRITE_TIMEOUT_S)
            if reader is None:
                self.check_usable()
                raise busy(template_id, WRITE_TIMEOUT_S)
            answer = question(reader, *parameters)
            readers.give(reader)
            return answer
        except BaseException as error:
            give_up(self._looking)
            readers.heal()
            if template_id is not None:
                check_template_id(template_id)  # what is no text breaks the driver, not the file
            if isinstance(error, sqlite3.Error):
                raise unavailable(error, self.path, template_id) from error
            raise

    def own_head(self, template_id: str) -> Head | None:
        """The head, where this process wrote it and nobody has written since; else None.

        The first question after a commit of our own is put to the connection that made it: for the
        readers it is one more commit by another, after which they have to read. Never waits.
        """
        writer, lock = self._writer, self.lock
        if self._asked_after == self.own_commits or writer is None or lock.is_taken:
            return None
        self._asked_after = self.own_commits
        if type(template_id) is not str or monotonic() >= self._look_at:
            return None
        tip = None
        try:
            if not lock.acquire(0.0):
                return None
            if writer is self._writer and self._writer_identity == self._identity:
                tip = writer.own_tips().get(template_id)
            lock.release()
            return None if tip is None else tip.head()
        except BaseException as error:
            self.heal()
            if isinstance(error, sqlite3.Error):
                return None
            raise

    def writer(self) -> Writer:
        """The one writing connection, to the file that bears the name now; for `lock`'s holder.

        It never waits by itself (`PRAGMA busy_timeout = 0`): SQLite's busy handler sleeps up to
        100 ms between tries, and hardly ever meets a neighbour that writes without pause.
        """
        if monotonic() >= self._look_at:
            self._look()
        if self._writer is None or self._writer_identity != self._identity:
            self.drop_writer()
            self._writer = Writer(self._connect())
            self._writer_identity = self._identity
            self._writer.execute("PRAGMA busy_timeout = 0")
        return self._writer

    def drop_writer(self) -> None:
        """Close the writing connection, which rolls back; the next write opens another."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def heal(self) -> None:
        """After a fault or an interrupt of a write: roll back and let the next writer in."""
        give_up(self._looking)
        if self.lock.depth:
            self.drop_writer()
        self.lock.heal()

    def check_usable(self) -> None:
        """Raise where the store was closed."""
        if self._refusal is not None:
            raise StoreUnavailableError(None, self._refusal, retryable=False)

    def close(self) -> None:
        """Close every connection, the ones in use as soon as their call ends; idempotent.

        A write that does not end in time is refused its COMMIT, and so is one that closes the store
        from within.
        """
        is_outermost = self.lock.depth == 0
        try:
            alone = is_outermost and self.lock.acquire(WRITE_TIMEOUT_S)
            self._refusal = self._refusal or CLOSED
            self._look_at = 0.0
            self._readers.close()
            if alone:
                self.drop_writer()
                self.lock.release()
        except BaseException:
            if is_outermost:
                self.heal()
            raise

    # -- replaced ----------------------------------------------------------------------------------

    def _look(self) -> None:
        """See that the file is the one that was opened; turn to the new one if it was replaced."""
        with self._looking:
            self.check_usable()
            identity = _identity(self.path)
            if identity != self._identity:
                self._prepare()
                self._readers.close()
                self._readers = self._new_readers()
                self._identity = identity
            self._look_at = monotonic() + LOOK_EVERY_S

    def _prepare(self) -> None:
        try:
            with closing(self._connect()) as connection:
                until_free(lambda: prepare(connection, self.path), WRITE_TIMEOUT_S)
        except sqlite3.Error as error:
            raise unavailable(error, self.path) from error

    def _connect(self) -> sqlite3.Connection:
        pooled = self._engine.raw_connection()
        connection = cast(sqlite3.Connection, pooled.driver_connection)
        pooled.detach()  # ours to keep and to close
        return connection

    def _new_readers(self) -> BoundedPool[Reader]:
        return BoundedPool(lambda: Reader(self._connect()), Reader.close, MAX_READERS)

    # -- forked ------------------------------------------------------------------------------------

    def _suspend(self, deadline: float) -> bool:
        taken = self._taken_over_fork
        if not self.lock.acquire(seconds_to(deadline)):
            return False
        taken.callback(self.lock.release)
        if self._writer is not None and self._writer.connection.in_transaction:
            return False  # forked by a `change`, which is inside of this thread's own transaction
        self.drop_writer()
        if not self._looking.acquire(timeout=seconds_to(deadline)):
            return False
        taken.callback(self._looking.release)
        taken.callback(self._readers.resume)
        return self._readers.pause(seconds_to(deadline))

    def _resume(self) -> None:
        self._taken_over_fork.close()


def _engine(address: Address) -> Engine:
    """Connections as all parts of the store want them; no transaction is begun behind our back."""
    engine = create_engine(
        URL.create("sqlite", database=str(address.path)),
        poolclass=NullPool,
        connect_args={
            "isolation_level": None,
            "check_same_thread": False,
            "timeout": WRITE_TIMEOUT_S,
        },
    )

    @event.listens_for(engine, "connect")
    def set_up(connection: sqlite3.Connection, _: object) -> None:
        connection.execute(f"PRAGMA synchronous = {address.synchronous}")
        connection.execute("PRAGMA foreign_keys = ON")

    return engine


def _identity(path: Path) -> tuple[int, int]:
    """Which file bears this name now. Its number is not given again while we hold the file open."""
    try:
        status = os.stat(path)
    except FileNotFoundError as error:
        raise refused(
            path, "was deleted or moved away while it was open; put it back, or choose another file"
        ) from error
    except OSError as error:
        raise refused(path, f"cannot be reached ({error.strerror})") from error
    return status.st_dev, status.st_ino
