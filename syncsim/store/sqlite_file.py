"""An open database file: a few readers and one writer, and what befalls them from outside.

The connections are taken from a SQLAlchemy engine and then kept, since the engine's own pool costs
more than the calls that are made here. Two things can pull the file away from under them: somebody
replaces it (`_look`), and somebody forks (`suspend`).
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from time import monotonic
from typing import Any, Final, NamedTuple, TypeVar, cast

from sqlalchemy import URL, Engine, NullPool, create_engine, event

from syncsim.contract import Head
from syncsim.errors import StoreUnavailableError
from syncsim.store.address import Address
from syncsim.store.bounded_pool import BoundedPool
from syncsim.store.freshness_marks import Reader, Writer
from syncsim.store.open_files import make_private, register, unregister, write_lock
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

FORK_PATIENCE_S: Final = 2.0
"""How long a fork waits for each kind of call under way in other threads."""

Answer = TypeVar("Answer")

_inherited: Final[list[object]] = []
"""Connections of a parent process, kept for ever: even closing them here would be wrong."""


class SQLiteFile:
    """The connections to one database file; made when first needed, reopened if it is replaced."""

    def __init__(self, address: Address) -> None:
        self.path = address.path
        check_place(self.path)
        make_private(self.path)
        self.lock = write_lock(self.path)
        self._engine = _engine(address)
        self._looking = threading.Lock()  # taken after `lock`, never before
        self._identity: tuple[int, int] | None = None
        self._look_at = 0.0
        self._readers = self._new_readers()
        self._writer: Writer | None = None
        self.own_commits = 0  # counted by transactions, under the lock
        self._asked_after = 0  # how many of them there were when the writer was last asked
        self._writer_identity: tuple[int, int] | None = None
        self._refusal: str | None = None
        self._suspension: _Suspension | None = None
        self._look()
        register(self)

    def ask(
        self, template_id: str | None, question: Callable[..., Answer], *parameters: Any
    ) -> Answer:
        """`question(reader, *parameters)` on a free reader; `StoreUnavailableError` if it fails."""
        if monotonic() >= self._look_at:
            self._look()
        readers = self._readers
        reader: Reader | None = None
        try:
            reader = readers.take(WRITE_TIMEOUT_S)
            if reader is None:
                self.check_usable()
                raise busy(template_id, WRITE_TIMEOUT_S)
            answer = question(reader, *parameters)
        except BaseException as error:
            if reader is not None:
                readers.discard(reader)
            if template_id is not None:
                check_template_id(template_id)  # what is no text breaks the driver, not the file
            if isinstance(error, sqlite3.Error):
                raise unavailable(error, self.path, template_id) from error
            raise
        readers.give(reader)
        return answer

    def own_head(self, template_id: str) -> Head | None:
        """The head, where this process wrote it and nobody has written since; else None.

        The first question after a commit of our own is put to the connection that made it: for the
        readers it is one more commit by another, after which they have to read. Never waits.
        """
        writer, lock = self._writer, self.lock
        if self._asked_after == self.own_commits or writer is None or lock.is_taken:
            return None
        self._asked_after = self.own_commits
        if type(template_id) is not str or monotonic() >= self._look_at or not lock.acquire(0.0):
            return None
        try:
            if writer is not self._writer or self._writer_identity != self._identity:
                return None
            tip = writer.own_tips().get(template_id)
        except sqlite3.Error:
            self.drop_writer()
            return None
        finally:
            try:
                lock.release()
            except BaseException:  # an interrupt, on the first line of `release` perhaps
                if lock.depth:
                    lock.release()
                raise
        return None if tip is None else tip.head()

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

    def wrote(self, template_id: str, version: str) -> bool:
        """Whether this version is the newest of its template that was committed here."""
        writer = self._writer
        tip = writer.tips.get(template_id) if writer and type(template_id) is str else None
        return tip is not None and tip.version == version

    def drop_writer(self) -> None:
        """Close the writing connection, which rolls back; the next write opens another."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()

    def check_usable(self) -> None:
        """Raise where the store was closed, or this process was forked in the middle of a call."""
        if self._refusal is not None:
            raise StoreUnavailableError(None, self._refusal, retryable=False)

    def close(self) -> None:
        """Close every connection, the ones in use as soon as their call ends; idempotent.

        A write that does not end in time is refused its COMMIT, and so is one that closes the store
        from within.
        """
        alone = self.lock.depth == 0 and self.lock.acquire(WRITE_TIMEOUT_S)
        self._refusal = self._refusal or CLOSED
        self._look_at = 0.0
        self._readers.close()
        if alone:
            self.drop_writer()
            self.lock.release()
        unregister(self)

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

    def suspend(self) -> None:
        """Before a fork: close every connection and let nobody open one."""
        held = self.lock.acquire(FORK_PATIENCE_S)
        writing = self._writer is not None and self._writer.connection.in_transaction
        if held and not writing:
            self.drop_writer()
        looking = self._looking.acquire(timeout=FORK_PATIENCE_S)
        paused = self._readers.pause(FORK_PATIENCE_S)
        quiet = held and not writing and looking and paused
        self._suspension = _Suspension(self._readers, held, looking, quiet)

    def resume(self) -> None:
        """After a fork, in the parent: go on."""
        suspension, self._suspension = self._suspension, None
        assert suspension is not None
        suspension.readers.resume()
        if suspension.looking:
            self._looking.release()
        if suspension.held:
            self.lock.release()

    def restart(self) -> None:
        """After a fork, in the child: begin anew; refuse if a call was under way in the parent."""
        suspension, self._suspension = self._suspension, None
        assert suspension is not None
        if not suspension.quiet:
            _inherited.append((self._readers, self._writer))
            self._refusal = (
                "this process was forked while a call was under way in its parent; "
                "start processes with the spawn method"
            )
        self.lock = write_lock(self.path)
        self._looking = threading.Lock()
        self._look_at = 0.0
        self._readers = self._new_readers()
        self._writer = None


class _Suspension(NamedTuple):
    """What `suspend` got hold of, and whether every call under way had ended."""

    readers: BoundedPool[Reader]
    held: bool
    looking: bool
    quiet: bool


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
