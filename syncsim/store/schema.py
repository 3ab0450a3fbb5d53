"""Create or migrate the schema; refuse files of other programs and of newer versions."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from secrets import token_hex
from typing import Final

from syncsim.store.records import CommitRow
from syncsim.store.sqlite_errors import damaged, refused
from syncsim.store.statements import APPEND, BEGIN, OLD_ROWS

SCHEMA_VERSION: Final = 3
"""Kept as `PRAGMA user_version`; a newer one is refused, an older one is brought up to this."""

MAX_CHECKED_BYTES: Final = 32 * 2**20
"""Files up to this size are checked whole when they are opened, which takes 0.6 ms per MiB."""

APPLICATION_ID: Final = int.from_bytes(b"sync", "big")
"""Kept as `PRAGMA application_id`; tells our files from everybody else's."""


def prepare(connection: sqlite3.Connection, path: Path, may_make: bool = True) -> None:
    """Make the schema where the database is empty, or bring it up to this version; turn WAL on.

    An empty one is refused unless `may_make`. Raises `StoreUnavailableError` for the database of
    another program or of a newer version, and for a damaged one of at most `MAX_CHECKED_BYTES`; a
    `sqlite3.Error`, busy included, is left to the caller. All or nothing, so that it may be
    repeated and that any number of processes may open a new file at once.
    """
    version = _version(connection, path)
    if version == 0 and not may_make:
        raise refused(path, "is empty, and should hold a store; put the file back, or a backup")
    _check_structure(connection, path)
    if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
        connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if version == SCHEMA_VERSION:
        return
    connection.execute(BEGIN)
    try:
        version = _version(connection, path)  # somebody may have been faster
        if version == 0:
            _make_tables(connection)
        elif version < SCHEMA_VERSION:
            _upgrade(connection)
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _version(connection: sqlite3.Connection, path: Path) -> int:
    """The version of our tables, 0 if the database is empty."""
    application_id, version, tables = _look(connection)
    if application_id == APPLICATION_ID:
        if version > SCHEMA_VERSION:
            raise refused(
                path,
                f"has schema version {version}, and this syncsim knows versions up to "
                f"{SCHEMA_VERSION}; upgrade syncsim",
            )
        return version
    if tables or version:
        raise refused(path, "is the database of another program; choose another file")
    return 0


def _check_structure(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a file whose pages do not fit together.

    A row proves itself by its digest, but a bit that turns round in an inner page of the tree hides
    the newest rows, and one in an index hides that an update id was used.
    """
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    if pages * page_bytes > MAX_CHECKED_BYTES:
        return
    (finding,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if finding != "ok":
        raise damaged(path, finding.splitlines()[-1])


def _look(connection: sqlite3.Connection) -> tuple[int, int, int]:
    """Application id, version and number of tables, all of one moment.

    Somebody else may be making the tables: their mark missed and they seen is a foreign database.
    """
    alone = not connection.in_transaction
    if alone:
        connection.execute("BEGIN")
    try:
        (application_id,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    finally:
        if alone and connection.in_transaction:
            connection.execute("ROLLBACK")
    return application_id, version, tables


def store_id_statement() -> str:
    """The CREATE VIEW statement that gives a store an id which no other has.

    The id stands in the schema rather than in a row, because the schema lies on the first page:
    two stores that grew alike would have the same one otherwise (see `file_watch`).
    """
    return f"CREATE VIEW store AS SELECT '{token_hex(8)}' AS store_id"


def _make_tables(connection: sqlite3.Connection) -> None:
    from sqlalchemy.dialects import sqlite

    from syncsim.store.tables import create_statements

    for statement in create_statements(sqlite.dialect()):
        connection.execute(statement)
    connection.execute(store_id_statement())
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _upgrade(connection: sqlite3.Connection) -> None:
    """Write every commit anew into the tables of this version.

    Version 1 kept commits under a number of their own, with an index over their revisions; version
    2 had no digest. Their columns are the same for the rest.
    """
    for table in ("template", "revision"):
        connection.execute(f"ALTER TABLE {table} RENAME TO {table}_old")
    _make_tables(connection)
    connection.execute(
        "INSERT INTO template (template_id) "
        "SELECT template_id FROM template_old ORDER BY template_id"
    )
    for *columns, version in connection.execute(OLD_ROWS):
        # Under the version it had: a body that is not what was committed stays damaged.
        record = CommitRow.sealed(*columns)._replace(version=version)
        connection.execute(APPEND, (*record, record.template_id, record.revision))
    for table in ("revision", "template"):
        connection.execute(f"DROP TABLE {table}_old")
