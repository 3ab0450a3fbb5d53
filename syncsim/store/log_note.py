"""A note beside the lock files: which log belongs to which database, for the next who opens them.

A process that is killed leaves its log behind. Put beside another file, that log would be read into
it, and nothing in either says that they do not belong together.
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from syncsim.system.forks import guard
from syncsim.system.interrupts import under
from syncsim.system.locks import share_like

NAME: Final = "log"

CHARACTERS: Final = 240
"""More than any note needs."""


class Note(NamedTuple):
    """Database and log by their numbers, and in which state they were when somebody looked last."""

    database: tuple[int, ...]
    log: tuple[int, ...]
    first_page: bytes
    salts: bytes


@under(guard)
def leave_note(note: Note, folder: Path, database: Path) -> None:
    """Write the note over the one before; where that fails, the next process trusts the files.

    In place, in one size: a torn note is none, and a rename costs 1.5 ms at every checkpoint.
    """
    told = {
        "database": note.database,
        "log": note.log,
        "first_page": note.first_page.hex(),
        "salts": note.salts.hex(),
    }
    with suppress(OSError):
        file = folder / NAME
        if not file.exists():
            folder.mkdir(mode=0o700, exist_ok=True)
            file.touch()
            share_like(database, folder, file)
        with file.open("r+") as written:
            written.write(json.dumps(told).ljust(CHARACTERS))


@under(guard)
def read_note(folder: Path) -> Note | None:
    """The note in this folder; None where there is none that can be read."""
    try:
        told = json.loads((folder / NAME).read_bytes())
        return Note(
            tuple(told["database"]),
            tuple(told["log"]),
            bytes.fromhex(told["first_page"]),
            bytes.fromhex(told["salts"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
