"""Whole copies of a store: one made while others write, and one put back while others read.

SQLite's backup API reads as of one moment, whatever is committed meanwhile. A copy is one file in
rollback mode, without a log beside it: it can be moved, mailed and burnt, which the open database
cannot. A copy is put back *into* the open file, by one write transaction, so that other processes
meet it as they meet any commit; moving a file over an open one is what SQLite's "How To Corrupt An
SQLite Database File" warns of (sections 1.4 and 2.5).
"""

from __future__ import annotations

import os
import sqlite3
import stat
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Final

from syncsim.errors import StoreUnavailableError, SyncError, UsageError
from syncsim.store.beside import check_is_no_part_of
from syncsim.store.freshness_marks import Reader
from syncsim.store.open_files import is_open_here
from syncsim.store.schema import prepare, store_id_statement
from syncsim.store.sqlite_errors import NOT_COMMITTED, code, damaged, refused, unavailable
from syncsim.store.sqlite_file import SQLiteFile
from syncsim.store.statements import ATTACH, GONE, MARKED, PUT_BACK
from syncsim.store.verifying import Progress, Verification, verify
from syncsim.store.write_transaction import WriteTransaction
from syncsim.system.interrupts import within
from syncsim.system.whole_files import Draft, led_to, make_like, new_private_file

PAGES: Final = 1024
"""Pages copied between two reports of progress."""

ONE_FILE: Final = "PRAGMA journal_mode = DELETE"
"""Leaves a copy without a log beside it."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What `restore` did: `templates` and `versions` are what the store holds now.

    `gone` counts the versions that it held before and holds no more; `kept` is the file beside it
    that has them all.
    """

    templates: int
    versions: int
    gone: int
    kept: Path


def backup(file: SQLiteFile, target: Path, force: bool, progress: Progress) -> Verification:
    """Write a whole, verified copy to `target`; any number of others may write meanwhile.

    Raises `UsageError` where `target` is there already and `force` is not given, or is a database
    that somebody has open; `StoreUnavailableError` where the copy cannot be written or the store is
    damaged. `target` is then as it was.
    """

    def copy_out(draft: Draft) -> Verification:
        with closing(_connect(draft.path)) as copy:
            file.ask(None, _copy, copy, target, progress)
            found = verify(copy)
        if not found.passed:
            raise damaged(file.path, found.problems[0])
        draft.put_in_place(exclusive=not force)
        return found

    _, store = _open_file(file)
    try:
        check_is_no_part_of(file.path, target, "the backup")
        real = _checked_target(target, force)
        return within(Draft(real, store), copy_out)
    except SyncError:
        raise
    except FileExistsError as error:
        expected = "a file that does not exist yet, or force=True"
        raise UsageError("the backup", str(target), expected) from error
    except OSError as error:
        raise refused(target, f"cannot be written ({error.strerror}); choose another") from error


def restore(file: SQLiteFile, source: Path, timeout_s: float, progress: Progress) -> Restored:
    """Put the content of a backup in the place of the store's, in one transaction.

    What was there is kept in a file beside the store, and counted. The store gets another id. A
    token may come again only with the content that it had. `source` may have an older schema
    version. Raises `StoreUnavailableError` where it is damaged or no store, or the write lock does
    not come within `timeout_s` seconds; then nothing has changed. What a fault or an interrupt
    leaves of the transaction, the caller heals.
    """
    real, store = _open_file(file)

    def put_back(draft: Draft) -> Restored:
        found = _sound_copy(source, draft.path, progress)
        kept, gone = _swapped_content(file, draft.path, _Kept(real, store), timeout_s)
        return Restored(found.templates, found.versions, gone, kept)

    try:
        _check_source(source, store)
        return within(Draft(real, store), put_back)
    except SyncError:
        raise
    except OSError as error:
        raise _unusable(error, source, file.path) from error


def restore_damaged(path: Path, source: Path, progress: Progress) -> Restored:
    """Put a backup in the place of a file that is gone, or too damaged to be opened as a store.

    What is there and its log are moved aside, not changed; `gone` is unknown and 0. Raises as
    `restore` does; then nothing has changed.
    """

    def put_back(draft: Draft) -> Restored:
        found = _sound_copy(source, draft.path, progress)
        kept = _moved_aside(draft, _Kept(real, like))
        return Restored(found.templates, found.versions, 0, kept)

    try:
        real, store = led_to(path)
        _check_source(source, store)
        like = store or source.stat()
        return within(Draft(real, like), put_back)
    except SyncError:
        raise
    except OSError as error:
        raise _unusable(error, source, path) from error


def is_gone(path: Path) -> bool:
    """Whether the database is gone while its log is still there."""
    real = Path(os.path.realpath(path))
    return not os.path.lexists(real) and _beside(real, "-wal").exists()


def verify_file(path: Path, progress: Progress) -> Verification:
    """What `verify` finds in a file, however damaged it is; nothing is written to it."""
    try:
        if not path.is_file():
            raise refused(path, "is no file; name the database of a store")
        with closing(_connect(path, read_only=True)) as connection:
            return verify(connection, progress)
    except sqlite3.Error as error:
        return Verification(0, 0, (f"the file cannot be read ({error})",))
    except SyncError:
        raise
    except OSError as error:  # a name too long, a folder that may not be entered
        raise refused(path, f"cannot be reached ({error.strerror}); choose another") from error


def _open_file(file: SQLiteFile) -> tuple[Path, os.stat_result]:
    """The file behind the name of a store that is open, and what is said of it."""
    try:
        real, status = led_to(file.path)
    except OSError as error:
        raise refused(file.path, f"cannot be reached ({error.strerror})") from error
    if status is None:
        raise refused(
            file.path,
            "was deleted or moved away while it was open; put it back, or close the store and "
            "restore a backup (syncsim restore PATH)",
        )
    return real, status


def _check_source(source: Path, store: os.stat_result | None) -> None:
    if not source.is_file():
        raise UsageError("the backup", str(source), "a file that exists")
    status = source.stat()
    if store is not None and os.path.samestat(status, store):
        raise UsageError("the backup", str(source), "another file than the store itself")
    if status.st_size == 0:
        raise refused(source, "is empty, so it is no backup; choose another")
    log = _beside(source, "-wal")
    if log.exists() and log.stat().st_size and not _has_log(source):
        there = f"is a copy without a log, and {log.name} lies beside it; move that away"
        raise refused(source, there)


def _has_log(database: Path) -> bool:
    """Whether the header of a database says that it is read with a log."""
    if is_open_here(database):  # to close the file would drop the locks on it
        return True
    with database.open("rb") as file:
        return file.read(19)[18:] == b"\x02"


def _unusable(error: OSError, source: Path, store: Path) -> StoreUnavailableError:
    if error.filename in (source, str(source)):
        return refused(source, f"cannot be read ({error.strerror}); choose another backup")
    return refused(
        store,
        f"cannot be restored: no file can be made beside it ({error.strerror}); make its folder "
        "writable, and see that there is room",
    )


def _sound_copy(source: Path, copy_at: Path, progress: Progress) -> Verification:
    """Copy a backup, bring the copy up to this schema and verify it."""
    with closing(_connect(copy_at)) as copy:
        try:
            with closing(_connect(source, read_only=True)) as connection:
                connection.backup(copy, pages=PAGES, progress=_reported(progress))
            prepare(copy, source, may_make=False)
            copy.execute(ONE_FILE).fetchone()
        except sqlite3.Error as error:
            raise unavailable(error, source) from error
        found = verify(copy)
    if not found.passed:
        raise damaged(source, found.problems[0])
    return found


class _Kept:
    """A new file beside the store for what a restore replaces, under a name that was free."""

    def __init__(self, store: Path, like: os.stat_result) -> None:
        self.path = store.with_name(f"{store.name}.replaced-{time.strftime('%Y%m%d-%H%M%S')}")
        self._like = like
        self._made: FileIO | None = None

    def make(self) -> Path:
        """Make it, empty; `OSError`."""
        while self._made is None:
            try:
                self._made = new_private_file(self.path)
            except FileExistsError:
                self.path = self.path.with_name(f"{self.path.name}-")
        self._made.close()
        make_like(self._like, self.path)
        return self.path

    def remove(self) -> None:
        """Remove it if it was made: nothing was replaced."""
        if self._made is not None:
            self._made.close()
            with suppress(OSError):
                self.path.unlink(missing_ok=True)


def _swapped_content(
    file: SQLiteFile, restored: Path, kept: _Kept, timeout_s: float
) -> tuple[Path, int]:
    """Replace all rows by those of another file; how many versions are gone, and where they are."""
    mark = store_id_statement()
    is_all_done = False
    try:
        with WriteTransaction(file, None, timeout_s) as transaction:
            file.retire_writer()  # what it knows of heads, and the attached file, end with it
            kept_at = kept.make()
            with closing(_connect(kept_at)) as copy:
                file.ask(None, _copy, copy, kept_at, None)
            transaction.run(ATTACH, (_uri(restored, read_only=True),))
            (gone,) = transaction.run(GONE, ()).fetchone()
            for statement in (*PUT_BACK, mark):
                transaction.run(statement, ())
            is_all_done = True
        return kept_at, gone
    except BaseException as error:
        file.heal()
        if not is_all_done or not _may_have_committed(error, file, mark):
            kept.remove()
        raise


def _may_have_committed(error: BaseException, file: SQLiteFile, mark: str) -> bool:
    """Whether a COMMIT of `mark`, the statement of its id, may have committed despite the error."""
    if isinstance(error, StoreUnavailableError):
        cause = error.__cause__
        return isinstance(cause, sqlite3.Error) and code(cause) not in NOT_COMMITTED
    try:
        return file.ask(None, Reader.rows, MARKED, ()) == [(mark,)]
    except StoreUnavailableError:
        return True


def _moved_aside(draft: Draft, kept: _Kept) -> Path:
    """Move what is there to where it is kept, and put the draft in its place."""
    moved: list[tuple[Path, Path, os.stat_result]] = []
    try:
        kept_at = kept.make()
        for suffix in ("-wal", "-shm", ""):
            there = _beside(draft.target, suffix)
            if os.path.lexists(there):
                moved.append((there, _beside(kept_at, suffix), there.lstat()))
                there.replace(moved[-1][1])
        draft.put_in_place()
        return kept_at
    except BaseException:
        for there, aside, status in reversed(moved):
            if os.path.lexists(aside) and os.path.samestat(aside.lstat(), status):
                aside.replace(there)
        kept.remove()
        raise


def _beside(database: Path, suffix: str) -> Path:
    return database.with_name(f"{database.name}{suffix}")


def _copy(reader: Reader, copy: sqlite3.Connection, target: Path, progress: Progress) -> None:
    source = reader.connection
    source.execute("BEGIN")  # one moment for all pages: a commit between two steps would begin anew
    try:
        source.execute("SELECT count(*) FROM template").fetchone()
        source.backup(copy, pages=PAGES, progress=_reported(progress), sleep=0.01)
        copy.execute(ONE_FILE).fetchone()
    except sqlite3.OperationalError as error:
        raise unavailable(error, target) from error
    finally:
        source.execute("ROLLBACK")


def _reported(progress: Progress) -> Callable[[int, int, int], object] | None:
    """The callback for SQLite that reports pages done, not pages remaining, to `progress`."""
    if progress is None:
        return None
    return lambda status, remaining, total: progress(total - remaining, total)


def _checked_target(target: Path, force: bool) -> Path:
    """The file to write, at the end of all links; `FileExistsError` for one not to be replaced."""
    real, there = led_to(target)
    if there is not None and not stat.S_ISREG(there.st_mode):
        raise UsageError("the backup", str(target), "a file, not a folder or a device")
    if not real.parent.is_dir():
        raise UsageError("the backup", str(target), "a file in a folder that exists")
    if os.path.lexists(target) and not force:
        raise FileExistsError
    for suffix in ("-wal", "-journal"):  # SQLite would apply to the copy what belongs to another
        log = _beside(real, suffix)
        if os.path.lexists(log):
            expected = f"a file that is no open database, and there is its log {log.name}"
            raise UsageError("the backup", str(target), expected)
    return real


def _uri(path: Path, *, read_only: bool) -> str:
    return f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rw'}"


def _connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    return sqlite3.connect(_uri(path, read_only=read_only), uri=True, isolation_level=None)
