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

from syncsim.store.sqlite_errors import refused
from syncsim.system.forks import guard
from syncsim.system.interrupts import under

HEADER_BYTES: Final = 32
FRAME_HEADER_BYTES: Final = 24
FIRST_PAGE: Final = (1).to_bytes(4, "big")
SALTS: Final = slice(16, 24)
"""Where the header keeps the two salts, which are others each time the log begins anew."""

INDEX_HEADER_BYTES: Final = 96
INDEX_SALTS: Final = slice(32, 40)
"""The index begins with a header in the machine's own byte order, twice, for torn reads."""

MOST_ROUNDS: Final = 2**16
"""How often a log begins anew between two looks, at the very most: after 1,000 pages as a rule."""


@under(guard)
def salts_of(log: Path) -> bytes | None:
    """The salts of a log; None where there is no log, or nothing was written to it yet."""
    try:
        with log.open("rb") as file:
            header = file.read(HEADER_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise refused(log, f"cannot be read ({error.strerror})") from error
    return header[SALTS] if len(header) == HEADER_BYTES else None


def goes_on(before: bytes | None, now: bytes | None) -> bool:
    """Whether a log that had these salts may have those now: one that begins anew counts up.

    A log that had none was empty, and may have been written since by anybody.
    """
    if before is None:
        return True
    if now is None:
        return False
    rounds = (int.from_bytes(now[:4], "big") - int.from_bytes(before[:4], "big")) % 2**32
    return now == before if rounds == 0 else rounds <= MOST_ROUNDS


def is_log_of(index: bytes, header: bytes, log_bytes: int) -> bool:
    """Whether a log that begins with this header and is so long has all that its index counts.

    `index` is the header of the index, which stands there twice; while the two differ, somebody
    writes, and nothing can be told.
    """
    first, second = index[: INDEX_HEADER_BYTES // 2], index[INDEX_HEADER_BYTES // 2 :]
    if len(index) < INDEX_HEADER_BYTES or first != second:
        return True
    (page_field,) = unpack("=H", index[14:16])
    (frames,) = unpack("=I", index[16:20])
    if frames == 0:
        return True
    page_bytes = 65_536 if page_field == 1 else page_field
    needed = HEADER_BYTES + frames * (FRAME_HEADER_BYTES + page_bytes)
    return log_bytes >= needed and header[SALTS] == index[INDEX_SALTS]


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
