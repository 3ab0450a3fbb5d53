"""An open database file: a few readers and one writer, and what befalls them from outside.

The connections are taken from a SQLAlchemy engine and then kept, since the engine's own pool costs
more than the calls that are made here. Two things can pull the file away from under them: somebody
moves, replaces or restores it (`_look`), and somebody forks (`_suspend`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path
from threading import get_ident
from time import monotonic
from typing import Any, Final, TypeVar, cast

from sqlalchemy import Engine, NullPool, create_engine, event

from syncsim.contract import Head
from syncsim.errors import StoreUnavailableError, SyncError
from syncsim.store.address import Address, Synchronous
from syncsim.store.bounded_pool import BoundedPool
from syncsim.store.file_watch import Happened
from syncsim.store.freshness_marks import Reader, Writer
from syncsim.store.open_files import make_private, shared_file
from syncsim.store.records import ROOT, CommitRow, Tip
from syncsim.store.schema import prepare
from syncsim.store.sqlite_errors import check_place, refused, unavailable, until_free
from syncsim.store.statements import REVISION
from syncsim.store.writes import CLOSED, WRITE_TIMEOUT_S, busy
from syncsim.system.forks import ProcessBound, seconds_to
from syncsim.system.interrupts import give_up
from syncsim.template import check_template_id

MAX_READERS: Final = 8
"""Two open files each; more of them gain nothing under one interpreter lock."""

LOOK_EVERY_S: Final = 0.25
"""How long it may take a reader to notice that the file was deleted or replaced by another, and
anybody that the log was written over. A writer asks before each write whether a file was exchanged.
"""

Answer = TypeVar("Answer")


class SQLiteFile(ProcessBound):
    """The connections to one database file; made when first needed, reopened if it is replaced."""

    def __init__(self, address: Address) -> None:
        self.path = self._database = address.path
        self._check_forked_at_rest()
        check_place(self.path)
        self._shared = shared_file(self.path)
        self.lock = self._shared.lock
        self._engine = _engine(self._shared.watch.path, address.synchronous)
        self._is_link = self.path != self._shared.watch.path
        self._name = str(self.path)
        self.readers = self._new_readers()
        self._writer: Writer | None = None
        self.own_commits = 0  # counted by transactions, under the lock
        self._asked_after = 0  # how many of them there were when the writer was last asked
        self._writer_generation = 0  # which of the shared file's it was opened in
        self._refusal: str | None = None
        self._is_at_rest = False  # no connection is open, and a fork is under way
        self._bind()
        make_private(self.path)
        self._shared.members.add(self)
        try:
            self._look()
        except BaseException:
            self._shared.members.discard(self)
            raise

    def ask(
        self, template_id: str | None, question: Callable[..., Answer], *parameters: Any
    ) -> Answer:
        """`question(reader, *parameters)` on a free reader; `StoreUnavailableError` if it fails."""
        readers = self.readers
        try:
            if monotonic() >= self._shared.look_at and not self.lock.depth:
                self._look()
                readers = self.readers
            reader = readers.take(WRITE_TIMEOUT_S)
            if reader is None:
                self.check_usable()
                raise busy(template_id, WRITE_TIMEOUT_S)
            answer = question(reader, *parameters)
            readers.give(reader)
            return answer
        except BaseException as error:
            readers.heal()
            if template_id is not None:
                check_template_id(template_id)  # what is no text breaks the driver, not the file
            if isinstance(error, sqlite3.Error):
                raise unavailable(error, self.path, template_id) from error
            raise

    def own_head(self, template_id: str) -> Head | None:
        """The head, if this process wrote it and no other writer has written since; else None.

        The first question after a commit of our own is put to the connection that made it: for the
        readers it is one more commit by another, after which they have to read. Never waits.
        """
        writer, lock = self._writer, self.lock
        if self._asked_after == self.own_commits or writer is None or lock.is_taken:
            return None
        self._asked_after = self.own_commits
        if type(template_id) is not str or monotonic() >= self._shared.look_at:
            return None
        tip = None
        try:
            if not lock.acquire(0.0):
                return None
            if writer is self._writer and self._writer_generation == self._shared.generation:
                tip = writer.own_tips().get(template_id)
            lock.release()
            return None if tip is None else tip.head()
        except BaseException as error:
            self.heal()
            if isinstance(error, sqlite3.Error):
                return None
            raise

    def writer(self, wait_s: float = WRITE_TIMEOUT_S) -> Writer:
        """The one writing connection, to the file that bears the name now; for `lock`'s holder.

        Where the file has to be opened anew, that waits for those who read, at most `wait_s`.

        It never waits by itself (`PRAGMA busy_timeout = 0`): SQLite's busy handler sleeps up to
        100 ms between tries, and hardly ever meets a neighbour that writes without pause.

        Raises `StoreUnavailableError` once where the file does not have what this process has
        acknowledged, because somebody put another in its place.
        """
        shared = self._shared
        watch = shared.watch
        if (
            monotonic() >= shared.look_at
            or not watch.is_as_seen()
            or (self._is_link and not watch.is_reached_by(self._name))
        ):
            self._look(wait_s)
        if shared.lost_commit is not None:
            raise self._lost()
        if self._writer is None or self._writer_generation != shared.generation:
            self.drop_writer()
            self._writer = Writer(self._connect())
            self._writer_generation = shared.generation
            self._writer.execute("PRAGMA busy_timeout = 0")
        return self._writer

    def committed(self, template_id: str, tip: Tip) -> None:
        """Take note of a commit by the writer, with the last thing in it; for `lock`'s holder."""
        shared = self._shared
        self.own_commits += 1
        shared.last_commit = template_id, tip
        if not shared.watch.is_settled:
            shared.watch.settle()

    def wrote(self, template_id: str, version: str) -> bool:
        """Whether this version is the newest of its template that was committed here."""
        writer = self._writer
        tip = writer.tips.get(template_id) if writer and type(template_id) is str else None
        return tip is not None and tip.version == version

    def drop_writer(self) -> None:
        """Close the writing connection, which rolls back; the next write opens another."""
        writer, self._writer = self._writer, None  # an interrupted close has closed it half
        if writer is not None:
            writer.close()

    def heal(self) -> None:
        """After a fault or an interrupt of a write: roll back and let the next writer in."""
        give_up(self._shared.looking)
        if self.lock.depth:
            self.drop_writer()
        self.lock.heal()

    def retire_writer(self) -> None:
        """Have the next write open a connection of its own, that knows nothing of earlier commits.

        This transaction may go on.
        """
        self._shared.last_commit = None
        self._writer_generation = -1

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
        shared = self._shared
        try:
            alone = is_outermost and self.lock.acquire(WRITE_TIMEOUT_S)
            self._refusal = self._refusal or CLOSED
            shared.look_at = 0.0
            with shared.looking:
                shared.members.discard(self)
                if not shared.members:
                    shared.watch.let_last_fold()
                is_idle = self.readers.close()
                if alone:
                    self.drop_writer()
                if not is_idle:  # to close the file would drop the locks of the one that reads
                    shared.members.add(self)
                if not shared.members:
                    shared.watch.end()
                    shared.is_ours = False
            if alone:
                self.lock.release()
        except BaseException:
            if is_outermost:
                self.heal()
            raise

    # -- replaced ----------------------------------------------------------------------------------

    def _look(self, wait_s: float = WRITE_TIMEOUT_S) -> None:
        """See that the files are the ones that were opened; open what is there if they are not."""
        depth = self.lock.depth
        try:
            self._look_or_open(wait_s)
        except BaseException as error:
            self._shared.heal()
            self.readers.heal()
            self.lock.heal(depth)
            if isinstance(error, OSError) and not isinstance(error, SyncError):
                raise refused(self.path, f"cannot be opened anew ({error.strerror})") from error
            raise

    def _look_or_open(self, wait_s: float) -> None:
        shared = self._shared
        with shared.looking:
            self.check_usable()
            if self._is_link and self.path.resolve() != shared.watch.path:
                raise refused(self.path, "is a link that leads to another file now; connect again")
            if shared.watch.has_begun and shared.watch.look() is Happened.NOTHING:
                shared.look_at = monotonic() + LOOK_EVERY_S
                return
        deadline = monotonic() + wait_s
        if not self.lock.acquire(wait_s):
            raise busy(None, wait_s)
        with shared.looking:
            self._open_anew(seconds_to(deadline))
            shared.look_at = monotonic() + LOOK_EVERY_S
        self.lock.release()

    def _open_anew(self, wait_s: float) -> None:
        """Close every connection of this process to the file, and open what lies there now.

        Every one, because SQLite keeps one state for a file and a process: a new connection would
        find the log of the old ones.
        """
        shared, deadline = self._shared, monotonic() + wait_s
        with shared.watch.alone():
            happened = shared.watch.look()
            if happened is Happened.NOTHING:
                return  # another thread has seen to it
            shared.opener = get_ident()
            with ExitStack() as paused:
                members = list(shared.members)
                for member in members:
                    paused.callback(member.readers.resume)
                    if not member.readers.pause(seconds_to(deadline)):
                        raise busy(None, wait_s)
                for member in members:
                    member.drop_writer()
                shared.watch.clear_log(happened)
                self._prepare(seconds_to(deadline))
                shared.generation += 1
                shared.is_ours = True
            shared.opener = None
            reader = self.readers.take(WRITE_TIMEOUT_S)
            if reader is None:
                raise busy(None, WRITE_TIMEOUT_S)
            self._look_for_last_commit(reader, happened)
            shared.watch.begin()  # while a connection is open, and the log with it
            self.readers.give(reader)

    def _look_for_last_commit(self, reader: Reader, happened: Happened) -> None:
        """Notice if the file does not have what this process has acknowledged last."""
        shared = self._shared
        last, shared.last_commit = shared.last_commit, None
        template_id, tip = last or ("", ROOT)
        rows = reader.rows(REVISION, (template_id, tip.version) * 2)
        found = [CommitRow._make(row).tip for row in rows]
        if last is not None and found != [tip]:
            shared.lost_commit, shared.lost_by = last, happened

    def _lost(self) -> StoreUnavailableError:
        shared = self._shared
        lost, shared.lost_commit = shared.lost_commit, None
        assert lost is not None
        template_id, tip = lost
        return StoreUnavailableError(
            template_id,
            f"{self.path} {shared.lost_by.value} while it was open: version {tip.version} of "
            f"{template_id!r}, which was acknowledged here, is not in it; look at what is there, "
            "then write again",
            retryable=False,
        )

    def _prepare(self, wait_s: float) -> None:
        try:
            with closing(self._connect()) as connection:
                may_make = not self._shared.is_ours  # one that was emptied does not begin anew
                until_free(lambda: prepare(connection, self.path, may_make), wait_s)
        except sqlite3.Error as error:
            raise unavailable(error, self.path) from error

    def _connect(self) -> sqlite3.Connection:
        pooled = self._engine.raw_connection()
        connection = cast(sqlite3.Connection, pooled.driver_connection)
        pooled.detach()  # ours to keep and to close
        return connection

    def _new_readers(self) -> BoundedPool[Reader]:
        return BoundedPool(lambda: Reader(self._connect(), self.path), Reader.close, MAX_READERS)

    # -- forked ------------------------------------------------------------------------------------

    def _suspend(self, deadline: float) -> bool:
        taken = self._taken_over_fork
        taken.append(partial(self.lock.heal, self.lock.depth))
        if not self.lock.acquire(seconds_to(deadline)):
            return False
        if self._writer is not None and self._writer.connection.in_transaction:
            return False  # forked by a `change`, which is inside of this thread's own transaction
        self.drop_writer()
        looking = self._shared.looking
        taken.append(partial(give_up, looking))
        if not looking.acquire(timeout=seconds_to(deadline)):
            return False
        taken.append(self.readers.resume)
        if not self.readers.pause(seconds_to(deadline)):
            return False
        taken.append(partial(setattr, self, "_is_at_rest", False))
        self._is_at_rest = True
        if all(member._is_at_rest for member in self._shared.members):
            self._shared.watch.end()  # and begin anew, in the parent as in the child
            self._shared.look_at = 0.0
        return True


def _engine(path: Path, synchronous: Synchronous) -> Engine:
    """Connections as all parts of the store want them; no transaction is begun behind our back."""
    engine = create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(
            f"{path.as_uri()}?mode=rw",  # and never make an empty file in its place
            uri=True,
            isolation_level=None,
            check_same_thread=False,
            timeout=WRITE_TIMEOUT_S,
        ),
        poolclass=NullPool,
    )

    @event.listens_for(engine, "connect")
    def set_up(connection: sqlite3.Connection, _: object) -> None:
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute("PRAGMA foreign_keys = ON")

    return engine
