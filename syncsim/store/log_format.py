"""What a write-ahead log tells about the database that it belongs to.

Source: SQLite, "WAL-mode File Format". A log has the name of a database and nothing else of it, so
what fits together must be found out: a checkpoint writes pages of the log into the database, and
only those. SQLite keeps no lock on a log, so opening and closing it here harms nothing; closing the
*database* would drop every lock that this process has on it. No fork happens while a log is open.
"""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from struct import unpack
from typing import Final

from syncsim.forks import guard
from syncsim.interrupts import under

HEADER_BYTES: Final = 32
FRAME_HEADER_BYTES: Final = 24
FIRST_PAGE: Final = (1).to_bytes(4, "big")
SALTS: Final = slice(16, 24)
"""Where the header keeps the two salts, which are others each time the log begins anew."""


@under(guard)
def salts_of(log: Path) -> bytes | None:
    """The salts of a log; None where there is no log, or nothing was written to it yet."""
    try:
        with log.open("rb") as file:
            header = file.read(HEADER_BYTES)
    except FileNotFoundError:
        return None
    return header[SALTS] if len(header) == HEADER_BYTES else None


def first_page(descriptor: int) -> bytes:
    """A digest of the database's first page, which changes whenever the file grows."""
    header = os.pread(descriptor, 100, 0)
    return page_digest(os.pread(descriptor, _page_bytes(header[16:18]), 0))


def page_digest(page: bytes) -> bytes:
    """Sixteen bytes that tell pages apart."""
    return sha256(page).digest()[:16]


@under(guard)
def has_first_page(log: Path, digest: bytes) -> bool:
    """Whether the log holds the first page with this content, so that a checkpoint may write it.

    From the end: what a checkpoint has just written is what was committed last. Frames with other
    salts are what an earlier round left behind.
    """
    try:
        descriptor = os.open(log, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        header = os.pread(descriptor, HEADER_BYTES, 0)
        if len(header) < HEADER_BYTES:
            return False
        (page_bytes,) = unpack(">I", header[8:12])
        frame_bytes = FRAME_HEADER_BYTES + page_bytes
        frames = (os.fstat(descriptor).st_size - HEADER_BYTES) // frame_bytes
        for number in reversed(range(frames)):
            at = HEADER_BYTES + number * frame_bytes
            frame = os.pread(descriptor, FRAME_HEADER_BYTES, at)
            if frame[8:16] == header[SALTS] and frame[:4] == FIRST_PAGE:
                page = os.pread(descriptor, page_bytes, at + FRAME_HEADER_BYTES)
                if page_digest(page) == digest:
                    return True
        return False
    finally:
        os.close(descriptor)


def _page_bytes(field: bytes) -> int:
    """The page size from the database's header, where 1 stands for 65,536."""
    (size,) = unpack(">H", field) if len(field) == 2 else (0,)
    return 65_536 if size == 1 else size
