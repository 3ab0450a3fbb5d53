"""The store as a whole: a copy of it, a copy put back, every row checked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from syncsim.cli import command_io
from syncsim.cli.application import app
from syncsim.cli.options import AsJson, BackupFile, Force, StoreUrl, Verbose
from syncsim.contract import JSON
from syncsim.errors import StoreUnavailableError, UsageError
from syncsim.paths import settled_path

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
    from syncsim.wiring import connect

    if path.exists() and not force:
        raise UsageError("PATH", str(path), "a file that does not exist yet, or --force")
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
    from syncsim.store.copies import is_gone, restore_damaged
    from syncsim.wiring import connect

    with terminal.progress_bar() as progress:
        try:
            with connect(store) as sync:
                done = sync.restore(path, progress=progress)
        except StoreUnavailableError as error:
            place = _file_of(store)
            is_damaged = error.damaged and place.exists() and str(place) in error.reason
            if not is_damaged and not is_gone(place):
                raise
            done = restore_damaged(place, settled_path(str(path), "PATH"), progress)
    if as_json:
        facts = {"templates": done.templates, "versions": done.versions, "gone": done.gone}
        command_io.print_json({"restored": str(path), **facts, "kept": str(done.kept)})
    else:
        size = _size(done.templates, done.versions)
        gone = _counted(done.gone, "version")
        command_io.tell(f"the store holds {size} now; {gone} that it held before went")
        command_io.tell(f"what was there is in {done.kept}; to undo: syncsim restore {done.kept}")
    return 0


@app.command("verify-store", short_help="Check every row of the store.")
def verify_store(store: StoreUrl = None, as_json: AsJson = False, verbose: Verbose = False) -> int:
    """Read every page and row, and check that each version is what was committed.

    Exit code 1 if anything is wrong.
    """
    from syncsim.cli import terminal
    from syncsim.store.copies import verify_file

    with terminal.progress_bar() as progress:
        found = verify_file(_file_of(store), progress)
    if as_json:
        problems = list(found.problems)
        command_io.print_json({"passed": found.passed, **_counts(found), "problems": problems})
    else:
        console = terminal.open_console()
        console.print(terminal.verdict(found.passed), _size(found.templates, found.versions))
        for problem in found.problems:
            command_io.tell(f"- {problem}")
        if not found.passed:
            command_io.tell("keep a copy of the file, then: syncsim restore BACKUP")
    return 0 if found.passed else command_io.FAILED


def _file_of(store: str | None) -> Path:
    """The database file of a store; `UsageError` for one that is in no file."""
    from syncsim.store.engines import locate
    from syncsim.wiring import default_url

    url = default_url() if store is None else store
    path = locate(url).path
    if path is None:
        expected = "a store in a file; what memory:// holds ends with the process"
        raise UsageError("store URL", url, expected)
    return path


def _counts(found: Verification) -> dict[str, JSON]:
    return {"templates": found.templates, "versions": found.versions}


def _size(templates: int, versions: int) -> str:
    return f"{_counted(versions, 'version')} of {_counted(templates, 'template')}"


def _counted(count: int, thing: str) -> str:
    return f"{count:,} {thing}" + ("" if count == 1 else "s")
