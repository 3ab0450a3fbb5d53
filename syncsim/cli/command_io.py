"""What every command does with files, standard streams and errors; knows neither typer nor rich.

A file is written whole or left as it was. Standard output carries the result and nothing else;
whatever goes wrong is one line on standard error and an exit code.
"""

from __future__ import annotations

import codecs
import errno
import io
import json
import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import Final

from syncsim.contract import JSON
from syncsim.errors import (
    CacheError,
    LockTimeoutError,
    MissingExtraError,
    StoreUnavailableError,
    SyncError,
    TemplateNotFoundError,
    UsageError,
    VersionNotFoundError,
)
from syncsim.masking import masked_within
from syncsim.system.whole_files import write_whole

FAILED: Final = 1
USAGE: Final = 2
ENVIRONMENT: Final = 3
INTERRUPTED: Final = 130
"""As shells count: 128 and the number of the signal."""

_OF_THE_ENVIRONMENT: Final = (
    StoreUnavailableError,
    MissingExtraError,
    CacheError,
    LockTimeoutError,
    OSError,
)
_LISTED_BY: Final[dict[type[Exception], str]] = {
    TemplateNotFoundError: "syncsim list",
    VersionNotFoundError: "syncsim history TEMPLATE",
}
"""Which command shows what there is, where something was not there."""

_IN_PYTHON_AND_HERE: Final = (" or force=True", " or --force")

_SPELLED: Final = {"✓": "ok", "✗": "x", "→": "->", "≤": "<="}
_logger = logging.getLogger(__name__)


# -- files -----------------------------------------------------------------------------------------


def read_file(file: str, most: int | None = None) -> bytes:
    """The bytes of a file, `-` for standard input; of a huge file only enough to show its size.

    `most` is how many it may have, unless told as many as a template's text. Raises `UsageError`
    for what cannot be read.
    """
    from syncsim.template.strict_json import MAX_TEXT_BYTES

    wanted = (MAX_TEXT_BYTES if most is None else most) + 1
    if file == "-":
        return sys.stdin.buffer.read(wanted)
    try:
        with open(file, "rb") as source:
            return source.read(wanted)
    except OSError as error:
        raise UsageError("the file", file, f"one that can be read ({error.strerror})") from None


def check_target(file: Path) -> None:
    """Raise `UsageError` or `OSError`, before the work, for a path that no file can be written to.

    A database, or a file beside one, is refused too: what is written here is no database.
    """
    from syncsim.store.beside import check_is_no_database

    if file.is_dir():
        raise UsageError("the file", str(file), "one to write to, and this is a folder")
    if not file.absolute().parent.is_dir():
        raise UsageError("the file", str(file), "one in a folder that exists")
    check_is_no_database(file)
    real = file.resolve()
    is_device = real.exists() and not real.is_file()
    if not os.access(real if is_device else real.parent, os.W_OK):  # a file is put in place whole
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(file))


def write_file(file: Path, body: bytes) -> None:
    """Write a file as `write_whole` does; raises `UsageError` as `check_target` does, `OSError`."""
    check_target(file)
    write_whole(file, body)


# -- standard streams ------------------------------------------------------------------------------


def print_json(document: JSON) -> None:
    """One JSON document, in ASCII, which every terminal and pipe takes."""
    print(json.dumps(document, indent=2, allow_nan=False))


def tell(text: str) -> None:
    """One line on standard output, URLs masked."""
    print(one_line(masked_within(text)))


def say(text: str) -> None:
    """One line on standard error, URLs masked."""
    print(one_line(masked_within(text)), file=sys.stderr)


def one_line(text: str) -> str:
    """The whole text on one line: line ends and what moves the cursor are escaped."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def configure_logging(verbose: bool) -> None:
    """Warnings on standard error, with `verbose` also this package's debug messages."""
    handler = logging.StreamHandler()
    if not verbose:
        handler.addFilter(_is_not_said_by_the_command)
    handler.setFormatter(_Masking("%(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(handlers=[handler])
    logging.getLogger("syncsim").setLevel(logging.DEBUG if verbose else logging.WARNING)


class _Masking(logging.Formatter):
    """Writes no password of a URL into the log, tracebacks included."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text, URLs masked."""
        return masked_within(super().format(record))


def _is_not_said_by_the_command(record: logging.LogRecord) -> bool:
    """False for a failed verb: the command reports it as its error or finding, not as a warning."""
    return getattr(record, "syncsim_kind", None) not in ("update.failed", "job.failed")


def stand_in_for_closed_streams() -> None:
    """Replace each stream that the caller closed by the null device; no file gets its number."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115


def spell_out_what_cannot_be_shown() -> None:
    """Have standard output and error write `ok` for ✓, or an escape, where they lack a character.

    A terminal that knows ASCII only must not turn a verdict into a crash.
    """
    codecs.register_error("syncsim.spelled", _spell)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="syncsim.spelled")


def _spell(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    missing = error.object[error.start : error.end]
    return "".join(_SPELLED.get(c, ascii(c)[1:-1]) for c in missing), error.end


@contextmanager
def standard_output_kept_apart() -> Iterator[None]:
    """Whatever a solution prints goes to standard error, even past Python's `sys.stdout`.

    Standard output is the report's, which may be one JSON document.
    """
    sys.stdout.flush()
    with redirect_stdout(sys.stderr):
        try:
            ours = os.dup(1)
        except OSError:  # closed: nothing to keep apart
            yield
            return
        os.dup2(2, 1)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(ours, 1)
            os.close(ours)


def end_process(code: int) -> None:
    """End this process at once if a solution has left threads behind.

    Python would wait for them, for those of an executor too, and there may be no end to wait for.
    """
    if threading.active_count() > 1:
        logging.shutdown()
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)


def close_broken_pipe() -> None:
    """No process can read the output any more: send the rest, written at exit, to nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())


# -- errors ----------------------------------------------------------------------------------------


def complain(error: Exception, *, as_json: bool) -> int:
    """Say in one line what went wrong, in JSON too if `as_json`; return the exit code."""
    if isinstance(error, SyncError):
        message, facts = _as_typed(str(error)), error.facts
        facts = {k: _as_typed(v) if isinstance(v, str) else v for k, v in facts.items()}
    elif isinstance(error, OSError):
        message, facts = _reason(error), {}
    else:
        message = masked_within(f"unexpected {type(error).__name__}: {error}")
        message += "; --verbose shows where"
        facts = {}
    say(f"error: {message}{_hint(error)}")
    _logger.debug("where it happened", exc_info=error)
    try:
        if as_json:
            print_error(type(error).__name__, message, facts)
        sys.stdout.flush()
    except OSError:  # standard output itself is what cannot be written to
        close_broken_pipe()
    return exit_code(error)


def _hint(error: Exception) -> str:
    """Why something is missing, if the command line knows, or which command lists it."""
    command = _LISTED_BY.get(type(error))
    if command is None:
        return ""
    missing = getattr(error, "missing_file", None)
    return f" (here: {command})" if missing is None else f" (there is no file {missing})"


def _as_typed(text: str) -> str:
    """The text; an argument's name in Python at its end becomes the option's name."""
    python, option = _IN_PYTHON_AND_HERE
    return text.removesuffix(python) + option if text.endswith(python) else text


def print_error(kind: str, message: str, facts: dict[str, JSON]) -> None:
    """``{"error": {"type": "...", "message": "...", "facts": {...}}}``, URLs masked."""
    error = {"type": kind, "message": message, "facts": facts}
    print(json.dumps({"error": _masked_each(json.loads(json.dumps(error, default=repr)))}))


def _masked_each(value: JSON) -> JSON:
    """The same JSON with the URLs in its texts masked."""
    if isinstance(value, str):
        return masked_within(value)
    if isinstance(value, dict):
        return {masked_within(key): _masked_each(item) for key, item in value.items()}
    return [_masked_each(item) for item in value] if isinstance(value, list) else value


def exit_code(error: Exception) -> int:
    """2 for what the caller should have typed otherwise, 3 for what the machine lacks, else 1."""
    if isinstance(error, UsageError):
        return USAGE
    if isinstance(error, SyncError) and not isinstance(error, _OF_THE_ENVIRONMENT):
        return FAILED
    return ENVIRONMENT


def _reason(error: Exception) -> str:
    """What is wrong with which file, and what to do; without the number."""
    if isinstance(error, OSError) and error.strerror:
        if error.filename is None:
            return f"the output cannot be written: {error.strerror}; choose another place for it"
        return f"cannot use {error.filename!r}: {error.strerror}; choose another place for it"
    return str(error)
