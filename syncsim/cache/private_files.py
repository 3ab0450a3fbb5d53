"""Files and folders that only this user of the computer can write, so that reading them is safe."""

from __future__ import annotations

import os
from pathlib import Path

from syncsim.errors import CacheError


def make_private_folder(path: Path) -> None:
    """Make the folder, for its owner alone, or see that no other user can write to it.

    `CacheError` where one could: files that others can plant or replace are not to be read.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not hasattr(os, "geteuid"):
        return
    status = path.stat()
    if status.st_uid != os.geteuid():
        raise CacheError(
            f"the folder {path} belongs to another user (uid {status.st_uid}, not {os.geteuid()}); "
            "name one of your own"
        )
    if status.st_mode & 0o022:
        raise CacheError(
            f"others may write to the folder {path} (mode {status.st_mode & 0o777:o}); "
            f"take that away with: chmod go-w {path}"
        )


def make_private_file(path: Path, content: bytes = b"") -> None:
    """Make the file, whole or not at all, unless it is there.

    One that is there is not even opened: closing it again would end every lock that this process
    has on it, SQLite's included (a rule of POSIX).
    """
    if path.exists():
        return
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    with open(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        file.write(content)
    draft.replace(path)
