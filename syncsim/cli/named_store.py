"""The store that a command names: its file, whether that is there, what must not be written to it.

None stands for the default store, as everywhere on the command line.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from syncsim.cli import command_io
from syncsim.errors import TemplateNotFoundError, UsageError
from syncsim.template import check_template_id


def url_of(store: str | None) -> str:
    """The URL of the store, as it was typed, or that of the default store."""
    from syncsim.runtime.wiring import default_url

    return default_url() if store is None else store


def file_of(store: str | None) -> Path | None:
    """The database file of a store; None for one that is in no file."""
    from syncsim.store.engines import locate

    return locate(url_of(store)).path


def its_file(store: str | None) -> Path:
    """The database file of a store; `UsageError` for a store that is in no file."""
    path = file_of(store)
    if path is None:
        expected = "a store in a file; what memory:// holds ends with the process"
        raise UsageError("store URL", url_of(store), expected)
    return path


def is_missing(store: str | None) -> bool:
    """Whether this store has no file; `StoreUnavailableError` where no file can be.

    A file that left its log behind is not missing: what opens it says what to do.
    """
    from syncsim.store.sqlite_errors import check_place

    path = file_of(store)
    if path is None:
        return False
    check_place(path)
    log = path.with_name(f"{path.name}-wal")
    return not path.exists() and not (log.exists() and log.stat().st_size)


def check_is_there(store: str | None) -> None:
    """Raise `StoreUnavailableError` where a store has no file; never create the file."""
    from syncsim.store.sqlite_errors import refused

    if is_missing(store):
        raise refused(
            its_file(store),
            "is no file; name the database of a store with --store, or make one: "
            + command("import", "FILE.json", "--user", "U"),
        )


def check_holds_any(store: str | None, template_id: str) -> None:
    """Raise `TemplateNotFoundError` where a store has no file: it holds no template of any id."""
    if is_missing(store):
        missing = str(its_file(store))
        raise TemplateNotFoundError(check_template_id(template_id), missing_file=missing)


def check_output(file: Path, database: Path | None) -> None:
    """Raise `UsageError` where writing a file would damage this database, or any other.

    Only while this process has no store open (see `store.beside`). None: a store in no file.
    """
    from syncsim.store.beside import check_is_no_part_of

    if database is not None:
        check_is_no_part_of(database, file)
    command_io.check_target(file)


def command(*words: str, store: str | None = None) -> str:
    """The command line for a command on this store, quoted for a shell."""
    return shlex.join(["syncsim", *words, *([] if store is None else ["--store", store])])
