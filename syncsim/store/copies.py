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
import tempfile
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from syncsim.errors import UsageError
from syncsim.store.freshness_marks import Reader
from syncsim.store.schema import prepare, store_id_statement
from syncsim.store.sqlite_errors import damaged, refused, unavailable
from syncsim.store.sqlite_file import SQLiteFile
from syncsim.store.statements import ATTACH, GONE, PUT_BACK
from syncsim.store.verifying import Progress, Verification, verify
from syncsim.store.write_transaction import WriteTransaction
from syncsim.whole_files import flush_folder

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
    _check_target(file, target, force)
    unfinished = _unfinished(target)
    try:
        with closing(_connect(unfinished)) as copy:
            file.ask(None, _copy, copy, target, progress)
            found = verify(copy)
        if not found.passed:
            raise damaged(file.path, found.problems[0])
        _like(unfinished, file.path)
        _put_in_place(unfinished, target, force)
    finally:
        unfinished.unlink(missing_ok=True)
    return found


def restore(file: SQLiteFile, source: Path, timeout_s: float, progress: Progress) -> Restored:
    """Put the content of a backup in the place of the store's, in one transaction.

    What was there is kept in a file beside the store, and counted. The store gets another id. A
    token may come again only with the content that it had. `source` may have an older schema
    version. Raises `StoreUnavailableError` where it is damaged or no store, or the write lock does
    not come within `timeout_s` seconds; then nothing has changed.
    """
    unfinished = _unfinished(file.path)
    try:
        found = _sound_copy(source, file.path, unfinished, progress)
        with WriteTransaction(file, None, timeout_s) as transaction:
            file.retire_writer()  # what it knows of heads, and the attached file, end with it
            kept = _kept(file.path)
            with closing(_connect(kept)) as copy:
                file.ask(None, _copy, copy, kept, None)
            transaction.run(ATTACH, (_uri(unfinished, read_only=True),))
            (gone,) = transaction.run(GONE, ()).fetchone()
            for statement in (*PUT_BACK, store_id_statement()):
                transaction.run(statement, ())
    finally:
        unfinished.unlink(missing_ok=True)
    return Restored(found.templates, found.versions, gone, kept)


def restore_damaged(path: Path, source: Path, progress: Progress) -> Restored:
    """Put a backup in the place of a file that is too damaged to be opened as a store.

    The damaged file and its log are moved aside, not changed; `gone` is unknown and 0.
    """
    unfinished = _unfinished(path)
    try:
        found = _sound_copy(source, path, unfinished, progress)
        kept = _kept(path)
        for suffix in ("-wal", "-shm", ""):
            with suppress(FileNotFoundError):
                path.with_name(path.name + suffix).replace(kept.with_name(kept.name + suffix))
        _put_in_place(unfinished, path, False)
    finally:
        unfinished.unlink(missing_ok=True)
    return Restored(found.templates, found.versions, 0, kept)


def verify_file(path: Path, progress: Progress) -> Verification:
    """What `verify` finds in a file, however damaged it is; nothing is written to it."""
    if not path.is_file():
        raise refused(path, "is no file; name the database of a store")
    try:
        with closing(_connect(path, read_only=True)) as connection:
            return verify(connection, progress)
    except sqlite3.Error as error:
        return Verification(0, 0, (f"the file cannot be read ({error})",))


def _sound_copy(source: Path, store: Path, copy_at: Path, progress: Progress) -> Verification:
    """Copy a backup, bring the copy up to this schema and verify it."""
    if not source.is_file():
        raise UsageError("the backup", str(source), "a file that exists")
    if source.samefile(store):
        raise UsageError("the backup", str(source), "another file than the store itself")
    with closing(_connect(copy_at)) as copy:
        try:
            with closing(_connect(source, read_only=True)) as connection:
                connection.backup(copy, pages=PAGES, progress=_reported(progress))
            prepare(copy, source)
            copy.execute(ONE_FILE).fetchone()
        except sqlite3.Error as error:
            raise unavailable(error, source) from error
        found = verify(copy)
    if not found.passed:
        raise damaged(source, found.problems[0])
    _like(copy_at, store)
    return found


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
    """What SQLite calls with what remains, as a caller of ours wants to hear it."""
    if progress is None:
        return None
    return lambda status, remaining, total: progress(total - remaining, total)


def _check_target(file: SQLiteFile, target: Path, force: bool) -> None:
    if target.is_dir():
        raise UsageError("the backup", str(target), "a file, not a folder")
    if not target.parent.is_dir():
        raise UsageError("the backup", str(target), "a file in a folder that exists")
    if not os.path.lexists(target):
        return
    if target.exists() and target.samefile(file.path):
        raise UsageError("the backup", str(target), "another file than the store itself")
    if not force:
        raise UsageError("the backup", str(target), "a file that does not exist yet, or force=True")
    if _log_of(target).exists():
        raise UsageError("the backup", str(target), "a file that is no open database")


def _log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


def _kept(path: Path) -> Path:
    """A new, empty file beside the store for what a restore replaces."""
    named = f"{path.name}.replaced-{time.strftime('%Y%m%d-%H%M%S')}"
    while True:
        kept = path.with_name(named)
        try:
            os.close(os.open(kept, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        except FileExistsError:
            named += "-"
        except OSError as error:
            raise refused(kept, f"cannot be made ({error.strerror})") from error
        else:
            _like(kept, path)
            return kept


def _unfinished(target: Path) -> Path:
    """An empty file beside the target, private, under a name that was free."""
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{target.name[:100]}.", dir=target.parent)
    except OSError as error:
        raise refused(target, f"cannot be written ({error.strerror}); choose another") from error
    os.close(descriptor)
    return Path(name)


def _like(unfinished: Path, original: Path) -> None:
    """Give a copy the mode, and where that is allowed the group, of what it is a copy of."""
    status = original.stat()
    with suppress(OSError):
        os.chown(unfinished, -1, status.st_gid)
    unfinished.chmod(stat.S_IMODE(status.st_mode))


def _put_in_place(unfinished: Path, target: Path, force: bool) -> None:
    try:
        if force:
            unfinished.replace(target)
        else:
            os.link(unfinished, target)  # fails where somebody was faster, unlike a rename
    except FileExistsError as error:
        expected = "a file that does not exist yet, or force=True"
        raise UsageError("the backup", str(target), expected) from error
    except OSError as error:
        raise refused(target, f"cannot be written ({error.strerror}); choose another") from error
    flush_folder(target.parent)


def _uri(path: Path, *, read_only: bool) -> str:
    return f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rw'}"


def _connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    return sqlite3.connect(_uri(path, read_only=read_only), uri=True, isolation_level=None)
