"""The store as a whole: a copy of it, a copy put back, every row checked."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from syncsim.cli import command_io, named_store
from syncsim.cli.application import app
from syncsim.cli.options import AsJson, BackupFile, Force, StoreUrl, Verbose
from syncsim.contract import JSON
from syncsim.errors import StoreUnavailableError, UsageError
from syncsim.system.paths import settled_path

if TYPE_CHECKING:
    from syncsim.store.verifying import Verification


@app.command(short_help="Write a whole copy of the store to a file.")
def backup(
    path: BackupFile,
    force: Force = False,
    store: StoreUrl = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> int:
    """Write a whole, checked copy of the store to one file, also while others write.

    The copy holds every version up to the moment at which the command began to read.
    """
    from syncsim.cli import terminal
    from syncsim.runtime.wiring import connect
    from syncsim.store.beside import check_is_beside_no_database

    named_store.check_is_there(store)
    target = settled_path(str(path), "PATH")
    check_is_beside_no_database(target, "the backup")
    with connect(store) as sync, terminal.progress_bar() as progress:
        copied = sync.backup(path, force=force, progress=progress)
    if as_json:
        command_io.print_json({"path": str(path), **_counts(copied)})
    else:
        command_io.tell(f"{path} holds {_size(copied.templates, copied.versions)}, checked")
    return 0


@app.command(short_help="Put a backup in the place of what the store holds.")
def restore(
    path: BackupFile,
    store: StoreUrl = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> int:
    """Put the content of a backup in the place of all that the store holds.

    What was there is kept in a file beside the store. Other programs that have the store open go
    on with what was restored. A store that is too damaged to be opened is moved aside, and so is
    the log of one whose file is gone.
    """
    from syncsim.cli import terminal
    from syncsim.runtime.wiring import connect
    from syncsim.store.copies import is_gone, restore_damaged

    source = settled_path(str(path), "PATH")
    if named_store.is_missing(store) and not source.is_file():
        raise UsageError("the backup", str(source), "a file that exists")  # and no store is made
    is_damaged = False
    with terminal.progress_bar() as progress:
        try:
            with connect(store) as sync:
                done = sync.restore(path, progress=progress)
        except StoreUnavailableError as error:
            place = named_store.its_file(store)
            if not _is_too_damaged(place, error) and not is_gone(place):
                raise
            is_damaged = True
            done = restore_damaged(place, source, progress)
    if as_json:
        facts = {"templates": done.templates, "versions": done.versions, "gone": done.gone}
        command_io.print_json({"restored": str(path), **facts, "kept": str(done.kept)})
    else:
        size = _size(done.templates, done.versions)
        gone = _counted(done.gone, "version")
        command_io.tell(f"the store holds {size} now; {gone} that it held before went")
        if is_damaged:
            command_io.tell(f"the damaged file is in {done.kept}")
        else:
            undo = named_store.command("restore", str(done.kept), store=store)
            command_io.tell(f"what was there is in {done.kept}; to undo: {undo}")
    return 0


@app.command("verify-store", short_help="Check every row of the store.")
def verify_store(store: StoreUrl = None, as_json: AsJson = False, verbose: Verbose = False) -> int:
    """Read every page and row, and check that each version is what was committed.

    Exit code 1 if anything is wrong.
    """
    from syncsim.cli import terminal
    from syncsim.store.beside import is_of_another_program
    from syncsim.store.copies import verify_file

    path = named_store.its_file(store)
    named_store.check_is_there(store)
    with terminal.progress_bar() as progress:
        found = verify_file(path, progress)
    if as_json:
        problems = list(found.problems)
        command_io.print_json({"passed": found.passed, **_counts(found), "problems": problems})
    else:
        console = terminal.open_console()
        console.print(terminal.verdict(found.passed), _size(found.templates, found.versions))
        for problem in found.problems:
            command_io.tell(f"- {problem}")
        if not found.passed and is_of_another_program(path):
            command_io.tell(f"{path} is the database of another program; name that of a store")
        elif not found.passed:
            restoring = named_store.command("restore", "BACKUP", store=store)
            command_io.tell(f"keep a copy of the file, then: {restoring}")
    return 0 if found.passed else command_io.FAILED


def _is_too_damaged(place: Path, error: StoreUnavailableError) -> bool:
    """Whether a store was not opened because the file at its place is no sound database any more.

    A header that is damaged looks to SQLite like that of no database. The database of another
    program is not moved, whatever is wrong with it.
    """
    from syncsim.store.beside import is_of_another_program
    from syncsim.store.sqlite_errors import code

    is_about_it = error.reason.startswith(f"{place} ") and place.is_file()
    cause = error.__cause__
    unreadable = cause is not None and code(cause) & 0xFF == sqlite3.SQLITE_NOTADB
    return is_about_it and (error.damaged or unreadable) and not is_of_another_program(place)


def _counts(found: Verification) -> dict[str, JSON]:
    return {"templates": found.templates, "versions": found.versions}


def _size(templates: int, versions: int) -> str:
    return f"{_counted(versions, 'version')} of {_counted(templates, 'template')}"


def _counted(count: int, thing: str) -> str:
    return f"{count:,} {thing}" + ("" if count == 1 else "s")
