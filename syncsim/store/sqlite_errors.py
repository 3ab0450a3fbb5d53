"""What a failing SQLite call means, in words a person can act on."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from syncsim.errors import StoreUnavailableError
from syncsim.store.records import CommitRow
from syncsim.system.locks import pauses

BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL})
"""Somebody else has the lock: try again."""

NOT_COMMITTED: Final = frozenset(
    {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE}
)
"""Failures of COMMIT after which its mark is surely not in the log, because it is written last.

After any other failure it may be. Take an fsync that failed: this process rolls back and no reader
sees the commit, but its frames stand in the log until the next commit overwrites them, and a crash
before that brings them to life.
"""

MAY_HAVE_COMMITTED: Final = frozenset({sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM})
"""Primary codes with which a statement that commits by itself can fail after its mark was written;
the other failures come before."""

_MEANINGS: Final = {
    sqlite3.SQLITE_NOTADB: ("is not a SQLite database; choose another file", False),
    sqlite3.SQLITE_CORRUPT: (
        "is damaged; keep a copy, then restore a backup (syncsim restore PATH) or try "
        "`sqlite3 FILE .recover`",
        False,
    ),
    sqlite3.SQLITE_READONLY: ("cannot be written; make the file and its folder writable", False),
    sqlite3.SQLITE_PERM: ("cannot be opened; allow this user to read and write it", False),
    sqlite3.SQLITE_AUTH: ("cannot be opened; allow this user to read and write it", False),
    sqlite3.SQLITE_CANTOPEN: (
        "cannot be opened; make the file and its folder readable and writable for this user, "
        "and see that the limit of open files is not reached",
        True,
    ),
    sqlite3.SQLITE_FULL: ("could not grow: the disk is full; free some space", True),
    sqlite3.SQLITE_IOERR: (
        "could not be read or written: the disk reports an error, or a size limit is reached",
        True,
    ),
    sqlite3.SQLITE_NOMEM: ("could not be used: no memory is left", True),
}


def code(error: BaseException) -> int:
    """SQLite's extended result code; 0 for an error that the driver raised by itself."""
    return getattr(error, "sqlite_errorcode", 0)


def is_busy(error: BaseException) -> bool:
    """Whether another connection holds the lock that was needed."""
    return code(error) & 0xFF in BUSY


def until_free(action: Callable[[], object], timeout_s: float) -> None:
    """Repeat `action` while another connection holds the lock that it needs.

    After `timeout_s` the error is let out; any other error at once.
    """
    pausing = None
    while True:
        try:
            action()
        except sqlite3.OperationalError as error:
            pausing = pausing or pauses(timeout_s)
            if not is_busy(error) or next(pausing, None) is None:
                raise
        else:
            return


def unavailable(
    error: BaseException, path: Path, template_id: str | None = None
) -> StoreUnavailableError:
    """The one error of the contract for a driver's error: what happened, where, what to do."""
    if is_busy(error):
        return StoreUnavailableError(
            template_id, f"busy: another process keeps {path} locked; try again, or allow more time"
        )
    primary = code(error) & 0xFF
    meaning, retryable = _MEANINGS.get(primary, ("cannot be used", False))
    return StoreUnavailableError(
        template_id,
        f"{path} {meaning} (SQLite says: {error})",
        retryable=retryable,
        damaged=primary == sqlite3.SQLITE_CORRUPT,
    )


def check_place(path: Path) -> None:
    """Raise `StoreUnavailableError` where no database file can be, in plainer words than SQLite."""
    try:
        if path.is_dir():
            raise refused(path, "is a folder; name a file in it")
        if not path.parent.is_dir():
            folder = path.parent
            raise refused(path, f"cannot be made: the folder {folder} does not exist; create it")
        if path.exists() and not os.access(path, os.R_OK):
            raise refused(path, "may not be read by this user; change its permissions")
    except StoreUnavailableError:
        raise
    except OSError as error:  # a name too long, a folder that may not be entered
        raise refused(path, f"cannot be reached ({error.strerror}); choose another") from error


def intact(row: tuple[Any, ...], path: Path, *, has_body: bool = True) -> CommitRow:
    """The commit that a row of table `revision` holds; `StoreUnavailableError` if it is damaged."""
    record = CommitRow._make(row)
    if record.is_intact(has_body=has_body):
        return record
    what = f"what it holds as version {record.version!r} is not what was committed"
    raise damaged(path, what, record.template_id)


def check_chain(records: Sequence[CommitRow], path: Path, *, to_first: bool) -> None:
    """Refuse a history, newest first, in which a commit does not stand on the one before it.

    `to_first`: it must also end with the first version.
    """
    for record, before in pairwise(records):
        if (record.parent, record.revision) != (before.version, before.revision + 1):
            what = f"what comes before version {record.version!r} is missing"
            raise damaged(path, what, record.template_id)
    if to_first and records and records[-1].parent is not None:
        what = f"what comes before version {records[-1].version!r} is missing"
        raise damaged(path, what, records[-1].template_id)


def damaged(path: Path, what: str, template_id: str | None = None) -> StoreUnavailableError:
    """The error for a file that does not hold what was committed."""
    return StoreUnavailableError(
        template_id,
        f"{path} is damaged: {what}; keep a copy, then restore a backup (syncsim restore PATH)",
        retryable=False,
        damaged=True,
    )


def refused(path: Path, why: str) -> StoreUnavailableError:
    """A file that cannot serve as it is; trying again will not help."""
    return StoreUnavailableError(None, f"{path} {why}", retryable=False)
