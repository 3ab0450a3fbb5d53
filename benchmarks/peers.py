"""What syncsim is compared with: the same work on bare sqlite3 and on SQLModel as documented.

None of the peers validates, merges, audits or proves freshness. They are limits, not rivals.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
from sqlmodel import Field, Session, SQLModel, create_engine, select

from benchmarks.measuring import together


class RawSqlite:
    """Stdlib sqlite3: one conditional UPDATE and one history INSERT in a BEGIN IMMEDIATE."""

    def __init__(self, path: Path, synchronous: str, document: dict[str, Any]) -> None:
        self.connection = self.open(path, synchronous)
        self.connection.execute("CREATE TABLE t (id TEXT PRIMARY KEY, revision INT, body BLOB)")
        self.connection.execute(
            "CREATE TABLE h (id TEXT, revision INT, at REAL, body BLOB, PRIMARY KEY (id, revision))"
        )
        self.connection.execute("INSERT INTO t VALUES ('t', 1, ?)", (orjson.dumps(document),))
        self.revision = 1

    @staticmethod
    def open(path: Path, synchronous: str) -> sqlite3.Connection:
        connection = sqlite3.connect(
            path, isolation_level=None, check_same_thread=False, timeout=30
        )
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA synchronous={synchronous}")
        return connection

    @staticmethod
    def swap(
        connection: sqlite3.Connection, expected: int, body: bytes, template: str = "t"
    ) -> bool:
        connection.execute("BEGIN IMMEDIATE")
        cursor = connection.execute(
            "UPDATE t SET revision = revision + 1, body = ? WHERE id = ? AND revision = ?",
            (body, template, expected),
        )
        if cursor.rowcount != 1:
            connection.execute("ROLLBACK")
            return False
        row = (template, expected + 1, time.time(), body)
        connection.execute("INSERT INTO h VALUES (?, ?, ?, ?)", row)
        connection.execute("COMMIT")
        return True

    def commit(self, document: dict[str, Any]) -> None:
        assert self.swap(self.connection, self.revision, orjson.dumps(document))
        self.revision += 1

    @staticmethod
    def read(connection: sqlite3.Connection) -> tuple[int, dict[str, Any]]:
        revision, body = connection.execute(
            "SELECT revision, body FROM t WHERE id = 't'"
        ).fetchone()
        return revision, orjson.loads(body)


class Template(SQLModel, table=True):
    id: str = Field(primary_key=True)
    revision: int
    body: bytes


class History(SQLModel, table=True):
    id: str = Field(primary_key=True)
    revision: int = Field(primary_key=True)
    body: bytes


class PlainSqlModel:
    """SQLModel as its documentation shows it: a session, select, change the object, commit."""

    def __init__(self, path: Path, document: dict[str, Any]) -> None:
        self.engine = create_engine(f"sqlite:///{path}")
        SQLModel.metadata.create_all(
            self.engine,
            tables=[Template.__table__, History.__table__],  # type: ignore[attr-defined]
        )
        with Session(self.engine) as session:
            session.add(Template(id="t", revision=1, body=orjson.dumps(document)))
            session.commit()

    def commit(self, document: dict[str, Any]) -> None:
        with Session(self.engine) as session:
            template = session.exec(select(Template).where(Template.id == "t")).one()
            template.revision += 1
            template.body = orjson.dumps(document)
            session.add(template)
            session.add(History(id="t", revision=template.revision, body=template.body))
            session.commit()


def redo_on_conflict(
    path: Path, synchronous: str, writers: int, updates: int, work_s: float
) -> float:
    """Seconds for `writers` threads to make `updates` changes each: read, work, swap or again."""

    def write(n: int, ready: Callable[[], object]) -> None:
        connection = RawSqlite.open(path, synchronous)
        ready()
        for k in range(updates):
            while True:
                revision, document = RawSqlite.read(connection)
                time.sleep(work_s)
                document["fields"][n]["label"] = f"label {n} {k}"
                if RawSqlite.swap(connection, revision, orjson.dumps(document)):
                    break
        connection.close()

    return together(write, writers)


def one_lock(
    path: Path, synchronous: str, document: dict[str, Any], writers: int, updates: int
) -> float:
    """Seconds for `writers` threads to swap `updates` times each, every one on its own template.

    Each has a connection and they take turns at one lock, so that none is kept asleep by SQLite's
    busy handler.
    """
    peer = RawSqlite(path, synchronous, document)
    names = [f"t{n}" for n in range(writers)]
    rows = [(name, 1, orjson.dumps(document)) for name in names]
    peer.connection.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
    lock = threading.Lock()

    def write(n: int, ready: Callable[[], object]) -> None:
        connection = RawSqlite.open(path, synchronous)
        ready()
        for k in range(updates):
            body = orjson.dumps({**document, "name": f"Name {k}"})
            with lock:
                assert RawSqlite.swap(connection, k + 1, body, names[n])
        connection.close()

    try:
        return together(write, writers)
    finally:
        peer.connection.close()
