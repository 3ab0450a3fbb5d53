"""Files that are put in place whole, or not at all; what was there is replaced and nothing else.

The content is written beside the target, under a name that cannot be foretold or taken, and then
renamed. A link stays a link, as with an editor: the file that it leads to is replaced. A file keeps
its mode, and its group and owner where that is allowed; a new one gets what the umask gives.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from contextlib import suppress
from functools import partial
from io import BufferedWriter, FileIO
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from syncsim.system.interrupts import within

_private: Final = partial(os.open, mode=0o600)


def write_whole(file: Path, body: bytes) -> None:
    """Put a file of this content in place; a pipe or a device is written to as it is.

    Raises `OSError`, which names the file, where that is not possible; then the file is as it was.
    """

    def write(draft: Draft) -> None:
        draft.file.write(body)
        draft.put_in_place()

    try:
        real, before = led_to(file)
        if before is not None and not stat.S_ISREG(before.st_mode):
            real.write_bytes(body)  # to replace /dev/null would be the end of it
        else:
            within(Draft(real, before), write)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(file)) from None


def led_to(file: Path) -> tuple[Path, os.stat_result | None]:
    """The path at the end of all links, and the status of the file there; None for no file."""
    real = Path(os.path.realpath(file))
    try:
        status = real.lstat()
    except FileNotFoundError:
        return real, None
    if stat.S_ISLNK(status.st_mode):  # what is left of a chain of links that has no end
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(file))
    return real, status


def new_private_file(path: Path) -> FileIO:
    """An empty file that only its owner may read; `FileExistsError` where the name is taken."""
    return FileIO(path, "x", opener=_private)  # of C: an interrupt cannot lose the descriptor


def make_like(original: os.stat_result, file: int | Path) -> None:
    """Give a file the mode, and where that is allowed the group and the owner, of another.

    Some file systems have none of them, and refuse.
    """
    for user, group in ((-1, original.st_gid), (original.st_uid, -1)):
        with suppress(OSError):
            os.chown(file, user, group)
    with suppress(OSError):
        os.chmod(file, stat.S_IMODE(original.st_mode))


class Draft:
    """A file beside `target`, to be written and put in its place; removed at the end if it is not.

    It becomes like `like`, and until it is whole only its owner reads it; None: a new file like any
    other. To be entered by `within`, so that an interrupt leaves nothing of it. `OSError` where it
    cannot be made.
    """

    file: BufferedWriter

    def __init__(self, target: Path, like: os.stat_result | None) -> None:
        self.target = target
        self.path = target.with_name(f".{target.name[:40]}.{secrets.token_hex(8)}")
        self._like = like
        self._is_ours = False
        self._reservation: FileIO | None = None

    def __enter__(self) -> Self:
        if os.path.lexists(self.path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(self.path))
        self._is_ours = True
        opener = partial(os.open, mode=0o666) if self._like is None else _private
        self.file = open(self.path, "xb", opener=opener)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.heal()

    def put_in_place(self, *, exclusive: bool = False) -> None:
        """Give it the name; `FileExistsError` where `exclusive` and the name is taken.

        An exclusive name is reserved by an empty file and that one replaced: a hard link would do
        in one step what not every file system can, and leaves two names where the process dies.
        """
        self.file.flush()
        if self._like is not None:
            make_like(self._like, self.file.fileno())
        os.fsync(self.file.fileno())
        self.file.close()  # here: closing what others have open as a database frees their locks
        if exclusive:
            self._reservation = new_private_file(self.target)
        self.path.replace(self.target)
        _flush_folder(self.target.parent)

    def heal(self) -> None:
        """Remove what is not in place; nothing where that was done before."""
        if self._reservation is not None:
            with suppress(OSError):
                if os.path.samestat(os.fstat(self._reservation.fileno()), self.target.lstat()):
                    self.target.unlink()
            self._reservation.close()
            self._reservation = None
        with suppress(OSError):
            if self._is_ours:
                self.path.unlink(missing_ok=True)
        with suppress(AttributeError, OSError):  # not made, or full: what is lost is removed
            self.file.close()


def _flush_folder(folder: Path) -> None:
    """Press to disk what was renamed in a folder, where it may be opened; it is in place anyway."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
