"""Whose database a file is, and making it ours where it is nobody's yet."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from syncsim.store.sqlite_errors import refused
from syncsim.store.statements import APPEND, BEGIN, HISTORY_OF_1

SCHEMA_VERSION: Final = 2
"""Kept as `PRAGMA user_version`; a newer one is refused, an older one is brought up to this."""

APPLICATION_ID: Final = int.from_bytes(b"sync", "big")
"""Kept as `PRAGMA application_id`; tells our files from everybody else's."""


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Make the schema where the database is empty, or bring it up to this version; turn WAL on.

    Raises `StoreUnavailableError` for the database of another program or of a newer version; a
    `sqlite3.Error`, busy included, is left to the caller. All or nothing, so that it may be
    repeated and that any number of processes may open a new file at once.
    """
    version = _version(connection, path)
    if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
        connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if version == SCHEMA_VERSION:
        return
    connection.execute(BEGIN)
    try:
        version = _version(connection, path)  # somebody may have been faster
        if version == 0:
            _make_tables(connection)
        elif version == 1:
            _upgrade_from_1(connection)
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


def _make_tables(connection: sqlite3.Connection) -> None:
    from sqlalchemy.dialects import sqlite

    from syncsim.store.tables import create_statements

    for statement in create_statements(sqlite.dialect()):
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _upgrade_from_1(connection: sqlite3.Connection) -> None:
    """Version 1 kept commits under a number of their own, with an index over their revisions."""
    for table in ("template", "revision"):
        connection.execute(f"ALTER TABLE {table} RENAME TO {table}_1")
    _make_tables(connection)
    connection.execute(
        "INSERT INTO template (template_id) SELECT template_id FROM template_1 ORDER BY template_id"
    )
    for row in connection.execute(HISTORY_OF_1):
        connection.execute(APPEND, (*row, *row[:2]))
    for table in ("revision", "template"):
        connection.execute(f"DROP TABLE {table}_1")
