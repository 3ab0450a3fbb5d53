"""diskcache made safe and economical: no pickles, no files, one connection for all threads.

What lies in a user's cache folder, as the library diskcache sees it; `user_cache` alone uses it.
"""

from __future__ import annotations

import sqlite3
import threading
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NoReturn

import diskcache  # type: ignore[import-untyped]
import orjson
from diskcache.core import DEFAULT_SETTINGS, METADATA, MODE_RAW  # type: ignore[import-untyped]

from syncsim.contract import JSON
from syncsim.errors import CacheError, UsageError, excerpt

_SETTINGS: Final = DEFAULT_SETTINGS.keys() | METADATA.keys()


class UnsafeRowError(CacheError):
    """A row that this library did not write: a pickle, a file's name, a wrong checksum."""


class SafeDisk(diskcache.Disk):  # type: ignore[misc]
    """How keys and values lie in the database: text keys, JSON behind a checksum, all inline.

    diskcache's own Disk unpickles a row that says it is a pickle (CVE-2025-69872), and reads, then
    deletes whatever file a row names, ``../../`` included; its JSONDisk inherits all of that. Here
    a row that claims to be either is refused unread.
    """

    def put(self, key: object) -> tuple[str, bool]:
        """The key as it is stored. `UsageError` for anything but text."""
        if type(key) is not str:
            raise UsageError("key", key, "text")
        try:
            key.encode()
        except UnicodeEncodeError:
            raise UsageError("key", key, "text that can be encoded") from None
        return key, True

    def get(self, key: object, raw: object) -> str:
        """The inverse of `put`; the base class would unpickle a key that is not raw."""
        if type(key) is not str or not raw:
            raise UnsafeRowError("it holds a key that is not text")
        return key

    def store(self, value: JSON, read: bool, key: object = None) -> tuple[int, int, None, bytes]:
        """The columns size, mode, filename and value. `UsageError` for what is not JSON.

        The key is stored with the value, since a damaged index leads to another key's row.
        """
        try:
            body = orjson.dumps([key, value])
        except TypeError as error:
            raise UsageError("value", value, f"JSON ({error})") from None
        return 0, MODE_RAW, None, _checksum(body) + body

    def fetch(self, mode: object, filename: object, value: object, read: object) -> JSON:
        """Key and value, as a list; `UnsafeRowError` for a row that `store` cannot have made."""
        if mode != MODE_RAW or type(value) is not bytes:
            raise UnsafeRowError(f"it holds a row of mode {excerpt(mode)}, which is never written")
        if value[:4] != _checksum(value[4:]):
            raise UnsafeRowError("it holds a row that does not match its checksum")
        return orjson.loads(value[4:])

    def filename(self, key: object = None, value: object = None) -> NoReturn:
        """Refused: no value lies in a file of its own."""
        raise UnsafeRowError("no value of it lies in a file")

    def remove(self, file_path: object) -> None:
        """Do nothing: a row that names a file is not ours, and neither is the file."""


def _checksum(body: bytes) -> bytes:
    return zlib.crc32(body).to_bytes(4, "big")


class SafeDiskCache(diskcache.Cache):  # type: ignore[misc]
    """A diskcache with one connection for all threads; its owner lets in one at a time.

    diskcache opens a connection per thread and leaves closing to the garbage collector: 100 threads
    with one `get` each hold 212 open files. Errors leave as they come, those of sqlite3 included.
    """

    def __init__(self, database: Path, timeout_s: float, size_limit_bytes: int) -> None:
        self._txn_id: int | None = None
        self._connection = sqlite3.connect(
            database, timeout=timeout_s, isolation_level=None, check_same_thread=False
        )
        settings = DEFAULT_SETTINGS | {
            "size_limit": size_limit_bytes,
            "eviction_policy": "least-recently-stored",
            "statistics": 0,  # 1 would make a write of every get
            "sqlite_mmap_size": 0,  # a mapped file that somebody truncates kills the process
        }
        try:
            self._refuse_foreign()
            super().__init__(str(database.parent), disk=SafeDisk, **settings)
            self._sql("PRAGMA busy_timeout = 0")  # from here on the owner waits, and fairly
        except BaseException:
            self.shut()
            raise

    def _refuse_foreign(self) -> None:
        # Before diskcache looks: it sets every key of a Settings table as an attribute of itself.
        sql = self._sql
        tables = {name for (name,) in sql("SELECT name FROM sqlite_master WHERE type = 'table'")}
        keys = sql("SELECT key FROM Settings").fetchall() if "Settings" in tables else []
        if not (tables <= {"Settings", "Cache"} and {key for (key,) in keys} <= _SETTINGS):
            raise ValueError("the database was made by another program")

    @property
    def _con(self) -> sqlite3.Connection:
        return self._connection

    @property
    def _sql_retry(self) -> Any:
        return self._sql  # the connection waits for its own time-out; diskcache would for 60 s

    def get(self, key: str) -> JSON:
        """The value of the key, or None; `UnsafeRowError` for a row that is not safe or not its."""
        stored = super().get(key)
        if stored is None:
            return None
        if stored[0] != key:
            raise UnsafeRowError("its index is damaged")
        return stored[1]

    def undo(self) -> None:
        """Roll back what is uncommitted, if anything is and the files still bear it."""
        with suppress(sqlite3.Error):
            self._txn_id = None
            if self._con.in_transaction:
                self._sql("ROLLBACK")

    def begin(self) -> bool:
        """Begin a write transaction, which the calls of this thread join; False if it must wait."""
        if self._con.in_transaction:  # an interrupt came between a statement and our note of it
            self._sql("ROLLBACK")
        try:
            self._sql("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
                return False
            raise
        self._txn_id = threading.get_ident()
        return True

    def end(self, statement: str) -> None:
        """End it by COMMIT or ROLLBACK."""
        self._txn_id = None
        self._sql(statement)

    @property
    def is_in_transaction(self) -> bool:
        """Whether `begin` was called and `end` was not."""
        return self._txn_id is not None

    def close(self) -> None:
        """Do nothing: diskcache calls this to connect anew with another time-out."""

    def shut(self) -> None:
        """Close the connection; what is uncommitted is undone."""
        self._connection.close()
