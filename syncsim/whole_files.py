"""Files that are put in place whole, or not at all; what was there is replaced and nothing else.

The text is written beside the target, under a name that nobody can foretell or has taken, and then
renamed. A link stays a link, as with an editor: the file that it leads to is replaced. A file keeps
its mode, and its owner where that is allowed; a new one gets what the umask gives.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path


def write_whole(file: Path, body: bytes) -> None:
    """Put a file of this content in place; a pipe or a device is written to as it is.

    Raises `OSError`, which names the file, where that is not possible; then the file is as it was.
    """
    try:
        real = Path(os.path.realpath(file))
        before = _status(real)
        if before is not None and not stat.S_ISREG(before.st_mode):
            real.write_bytes(body)  # to replace /dev/null would be the end of it
        else:
            _replace(real, body, before)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(file)) from None


def _status(real: Path) -> os.stat_result | None:
    try:
        status = real.lstat()
    except FileNotFoundError:
        return None
    if stat.S_ISLNK(status.st_mode):  # what is left of a chain of links that has no end
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    return status


def _replace(real: Path, body: bytes, before: os.stat_result | None) -> None:
    """Write and rename. Until it is whole, nobody but the owner reads what replaces a file."""
    draft = real.with_name(f".{real.name[:40]}.{secrets.token_hex(8)}")
    mode = 0o666 if before is None else 0o600
    with open(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode), "wb") as written:
        try:
            written.write(body)
            written.flush()
            if before is not None:
                _keep(before, written.fileno())
            os.fsync(written.fileno())
            draft.replace(real)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
    with suppress(OSError):  # a folder that cannot be opened: the file is in place all the same
        flush_folder(real.parent)


def _keep(before: os.stat_result, descriptor: int) -> None:
    with suppress(PermissionError):  # only root may give a file away
        os.fchown(descriptor, before.st_uid, before.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(before.st_mode))


def flush_folder(folder: Path) -> None:
    """Press to disk what was renamed in a folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
