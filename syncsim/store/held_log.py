"""The log of an open database, held open too: its content survives whatever befalls its name.

SQLite keeps no lock on a log, so opening and closing it harms nothing. On the log's index it does:
closing that drops every lock that this process has on it, so it is let go of only when every
connection of the process is closed.
"""

from __future__ import annotations

import os
from contextlib import suppress
from io import FileIO
from pathlib import Path
from typing import Final

from syncsim.store.log_format import (
    HEADER_BYTES,
    INDEX_HEADER_BYTES,
    SALTS,
    is_log_of,
    salts_of,
)
from syncsim.store.sqlite_errors import refused
from syncsim.system.forks import close_lock_file, open_lock_file
from syncsim.system.interrupts import within
from syncsim.system.whole_files import Draft

SET_ASIDE: Final = ".replaced"
"""What is appended to the name of a log that belongs to no file any more."""


class HeldLog:
    """The log and its index, under their names or without any; nothing where they are unreadable.

    `salts` given to a method are the last ones seen, which is the answer where nothing is held.
    """

    def __init__(self, log: Path, index: Path) -> None:
        self._log = log
        self._index = index
        self._file: FileIO | None = None
        self._index_file: FileIO | None = None
        self._descriptor: int | None = None

    def hold(self, number: tuple[int, int] | None) -> None:
        """Open what lies there, if it is the log with this number."""
        self.let_go()
        with suppress(OSError):
            self._file = open_lock_file(self._log, "r")
            status = os.fstat(self._file.fileno())
            if (status.st_dev, status.st_ino) == number:
                self._descriptor = self._file.fileno()
                self._index_file = open_lock_file(self._index, "r")

    def let_go(self) -> None:
        """Close both."""
        self._descriptor = None
        for file in (self._file, self._index_file):
            if file is not None:
                close_lock_file(file)
        self._file = self._index_file = None

    def salts(self, salts: bytes | None) -> bytes | None:
        """Its salts now; None where nothing was written to it yet."""
        if self._descriptor is None:
            return salts
        return os.pread(self._descriptor, HEADER_BYTES, 0)[SALTS] or None

    def is_whole(self) -> bool:
        """Whether it is what its index says was written to it."""
        if self._descriptor is None or self._index_file is None:
            return True
        while True:
            index = os.pread(self._index_file.fileno(), INDEX_HEADER_BYTES, 0)
            header = os.pread(self._descriptor, HEADER_BYTES, 0)
            log_bytes = os.lseek(self._descriptor, 0, os.SEEK_END)
            if os.pread(self._index_file.fileno(), INDEX_HEADER_BYTES, 0) == index:
                return is_log_of(index, header, log_bytes)

    def put_back(self, database: Path, salts: bytes | None) -> None:
        """Give it its name again, by a copy: a file without any name can be given none.

        What lies there is set aside. `StoreUnavailableError` where there is no room for the copy.
        """
        if self._descriptor is None or self.salts(salts) is None:
            set_aside(self._log, self._index)
            return
        descriptor = self._descriptor

        def copy_back(draft: Draft) -> None:
            at = 0
            while chunk := os.pread(descriptor, 2**20, at):
                at += draft.file.write(chunk)
            set_aside(self._log, self._index)
            draft.put_in_place()

        try:
            within(Draft(self._log, os.stat(database)), copy_back)
        except OSError as error:
            raise refused(
                database,
                f"has lost its log {self._log.name}, which cannot be put back ({error.strerror}); "
                "make room in its folder, and try again",
            ) from error


def set_aside(log: Path, index: Path) -> None:
    """Take the log that lies there away, and its index; what is in the log is kept beside it."""
    if salts_of(log) is not None:
        aside = log.with_name(log.name + SET_ASIDE)
        while aside.exists():
            aside = aside.with_name(aside.name + "-")
        log.replace(aside)
    log.unlink(missing_ok=True)
    index.unlink(missing_ok=True)
