"""The companion files of a database (log, index, locks), so that no export overwrites one.

A SQLite store is its database, the log and the other files that SQLite keeps beside it, and the
folder of its lock files. A file that is written over one of them damages the store, or leaves the
processes that have it open with two different files.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from syncsim.errors import UsageError
from syncsim.store.schema import APPLICATION_ID

BESIDE: Final = ("-wal", "-shm", "-journal")
"""What SQLite appends to the name of a database."""

LOCKS: Final = "-locks"
"""What a store appends to it, for the folder of its lock files."""

_HEADER: Final = b"SQLite format 3\0"
_BEGINNINGS: Final = (
    _HEADER,
    b"\x37\x7f\x06\x82",  # a log, in either order of bytes
    b"\x37\x7f\x06\x83",
    b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7",  # a rollback journal
)
_APPLICATION_ID: Final = slice(68, 72)
"""Where the header of a database has it."""


def check_is_no_part_of(database: Path, target: Path, argument: str = "the file") -> None:
    """Raise `UsageError` where `target` is a database, or one of the files beside it.

    By its name, whether it is there or not, and by what it leads to; `argument` is what the error
    calls it. Opens no file, so that it may be asked while the store is open.
    """
    if _is_part_of(database, target):
        expected = f"another file than the store itself, {database}, and those beside it"
        raise UsageError(argument, str(target), expected)


def check_is_beside_no_database(target: Path, argument: str = "the file") -> None:
    """Raise `UsageError` where `target` is a log, a journal or a lock file of any database.

    It opens what may be that database, which drops the locks that this process has on it: not for a
    process that has the store open.
    """
    for place in _places(target):
        owners = [str(place).removesuffix(end) for end in BESIDE if place.name.endswith(end)]
        folders = (place, *place.parents)
        owners += [str(f).removesuffix(LOCKS) for f in folders if f.name.endswith(LOCKS)]
        for owner in owners:
            if _is_database(Path(owner)):
                check_is_no_part_of(Path(owner), target, argument)


def check_is_no_database(target: Path, argument: str = "the file") -> None:
    """Raise `UsageError` where `target` is any SQLite database, ours or not, or beside one.

    It opens files, as `check_is_beside_no_database` does.
    """
    check_is_beside_no_database(target, argument)
    if _is_database(target):
        expected = "a file that is no SQLite database; choose another, or move the database away"
        raise UsageError(argument, str(target), expected)


def is_of_another_program(path: Path) -> bool:
    """Whether a file is the database of another program, as far as it can be read."""
    try:
        uri = f"{path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            (application_id,) = connection.execute("PRAGMA application_id").fetchone()
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except sqlite3.Error:
        beginning = _beginning(path)
        application_id = int.from_bytes(beginning[_APPLICATION_ID], "big")
        return beginning.startswith(_HEADER) and application_id not in (0, APPLICATION_ID)
    return application_id != APPLICATION_ID and bool(application_id or version or tables)


def _is_part_of(database: Path, target: Path) -> bool:
    targets = _places(target)
    folders = {folder for place in targets for folder in (place, *place.parents)}
    for place in _places(database):
        files = [Path(f"{place}{end}") for end in ("", *BESIDE)]
        if any(_is_same(file, other) for file in files for other in targets):
            return True
        if any(_is_same(Path(f"{place}{LOCKS}"), folder) for folder in folders):
            return True
    return False


def _places(path: Path) -> set[Path]:
    """What a path leads to, and the place of its own name, links in its folder followed."""
    path = path.absolute()
    return {Path(os.path.realpath(path)), Path(os.path.realpath(path.parent), path.name)}


def _is_same(a: Path, b: Path) -> bool:
    try:
        return a == b or a.samefile(b)
    except OSError:  # one of them is not there
        return False


def _is_database(path: Path) -> bool:
    return _beginning(path).startswith(_BEGINNINGS)


def _beginning(path: Path) -> bytes:
    """The first bytes of a regular file; none of one that cannot be read."""
    try:
        if not path.is_file():  # a pipe would wait for somebody to write
            return b""
        with path.open("rb") as file:
            return file.read(_APPLICATION_ID.stop)
    except OSError:
        return b""
