"""The SQLite store when the disk fails, and when the answer to a commit is lost."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from syncsim.contract import QueuedWrite
from syncsim.errors import OutcomeUnknownError, StoreUnavailableError, SyncError
from syncsim.store.sqlite import SQLiteStore
from tests.store_parts import (
    ID,
    check_history,
    count,
    count_up,
    counted,
    document,
    in_a_child,
    opened,
)

# -- faults of the disk, and answers that get lost -------------------------------------------------


def test_a_full_disk_is_reported_and_the_store_goes_on_once_there_is_room(
    store: SQLiteStore,
) -> None:
    """SQLite reports a reached page limit just as it reports a full disk."""
    writer = store._file.writer()
    (pages,) = writer.execute("PRAGMA page_count").fetchone()
    writer.execute(f"PRAGMA max_page_count = {pages + 1}")
    count_up(store)
    with pytest.raises(StoreUnavailableError, match="the disk is full; free some space") as failure:
        store.update_many(
            ID, [QueuedWrite(lambda row: counted(row.document, "n"), "ann") for _ in range(50)]
        )
    assert failure.value.definite
    assert store.head(ID).revision == 2
    assert count_up(store).revision == 3
    check_history(store)


@pytest.mark.real
def test_a_write_cut_off_at_a_size_limit_loses_nothing_that_was_acknowledged(
    store: SQLiteStore, url: str
) -> None:
    """The kernel refuses to let the log grow: real write errors, in the middle of a commit."""
    out = in_a_child(
        url,
        """
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = opened(url)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
done = 0
try:
    for number in range(1000):
        count_up(store, "n", f"u{number}")
        done += 1
except StoreUnavailableError as error:
    assert error.definite and "size limit" in str(error), error
    assert store.find_update(f"u{number}") is None
    assert store.head(ID).revision == 1 + done
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    count_up(store, "n", f"u{number}")
    print(done)
""",
    )
    done = int(out)
    assert done > 0
    assert count(store.read(ID).document, "n") == done + 1
    check_history(store)


@pytest.mark.real
@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_may_not_be_written_is_reported(public_folder: Path, what: str) -> None:
    """As somebody who owns nothing, because root may write everywhere."""
    path = public_folder / "store.db"
    store = opened(str(path))
    store.create(ID, document(), by="ann")
    if what == "file":
        for file in public_folder.iterdir():
            file.chmod(0o444)
    else:
        store.close()
        path.unlink()
    out = in_a_child(
        str(path),
        """
opened(url + "-imports-everything").close()
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    store = opened(url)
    assert store.read(ID).revision == 1
    count_up(store)
except StoreUnavailableError as error:
    assert error.definite and not error.retryable
    print(error)
""",
    )
    assert "writable" in out
    assert str(path) in out
    store.close()


class Unanswered:
    """A cursor whose COMMIT ends in an error: after it took effect, or instead."""

    def __init__(self, cursor: sqlite3.Cursor, takes_effect: bool, code: int) -> None:
        self._cursor = cursor
        self._takes_effect = takes_effect
        self._code = code

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def execute(self, statement: str, *parameters: Any) -> sqlite3.Cursor:
        if statement != "COMMIT":
            return self._cursor.execute(statement, *parameters)
        self._cursor.execute("COMMIT" if self._takes_effect else "ROLLBACK")
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = self._code
        raise error


def lose_the_answer(store: SQLiteStore, takes_effect: bool, code: int) -> None:
    writer: Any = Unanswered(store._file.writer(), takes_effect, code)
    store._file._writer = writer


def test_a_commit_whose_answer_was_lost_is_found_by_its_id(store: SQLiteStore) -> None:
    lose_the_answer(store, takes_effect=True, code=sqlite3.SQLITE_IOERR_FSYNC)
    assert count_up(store, update_id="u").revision == 2
    assert count_up(store, update_id="u").revision == 2
    assert count(store.read(ID).document, "n") == 1


def test_a_commit_that_may_still_appear_is_said_to_be_unknown(store: SQLiteStore) -> None:
    lose_the_answer(store, takes_effect=False, code=sqlite3.SQLITE_IOERR_FSYNC)
    with pytest.raises(OutcomeUnknownError) as failure:
        count_up(store, update_id="u")
    assert (failure.value.template_id, failure.value.update_id) == (ID, "u")
    assert not failure.value.definite
    assert count_up(store, update_id="u").revision == 2


def test_a_commit_without_an_id_cannot_be_asked_after(store: SQLiteStore) -> None:
    lose_the_answer(store, takes_effect=True, code=sqlite3.SQLITE_IOERR_FSYNC)
    with pytest.raises(OutcomeUnknownError):
        count_up(store)


def test_a_commit_that_surely_failed_is_said_to_have_failed(store: SQLiteStore) -> None:
    lose_the_answer(store, takes_effect=False, code=sqlite3.SQLITE_FULL)
    with pytest.raises(StoreUnavailableError, match="disk is full") as failure:
        count_up(store, update_id="u")
    assert failure.value.definite
    assert store.find_update("u") is None


def test_a_batch_of_unknown_outcome_says_so_to_each_that_would_have_been_committed(
    store: SQLiteStore,
) -> None:
    lose_the_answer(store, takes_effect=False, code=sqlite3.SQLITE_IOERR_FSYNC)
    one, bad, two = store.update_many(
        ID,
        [
            QueuedWrite(lambda row: counted(row.document, "n"), "ann", "a"),
            QueuedWrite(lambda row: {}, "ben", "b"),
            QueuedWrite(lambda row: counted(row.document, "n"), "cem", "c"),
        ],
    )
    assert isinstance(one, OutcomeUnknownError)
    assert isinstance(two, OutcomeUnknownError)
    assert (one.update_id, two.update_id) == ("a", "c")
    assert isinstance(bad, SyncError)
    assert not isinstance(bad, OutcomeUnknownError)


def test_an_interrupt_between_begin_and_the_first_row_leaves_no_transaction(
    store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from syncsim.store import write_transaction

    def begin_and_interrupt(action: Callable[[], object], timeout_s: float) -> None:
        action()
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(write_transaction, "until_free", begin_and_interrupt)
        with pytest.raises(KeyboardInterrupt):
            count_up(store)
    assert store.update_locked(ID, lambda row: row.document, by="a", timeout_s=0.0).revision == 2


def test_an_error_that_somebody_keeps_does_not_keep_the_write_lock(store: SQLiteStore) -> None:
    """A notebook keeps the last traceback, and with it the statement that had failed."""
    head = store.head(ID)
    with pytest.raises(SyncError) as kept:
        store.update_locked(["no", "id"], lambda row: None, by="ann")  # type: ignore[arg-type]
    changed = document("two")
    row = store.compare_and_swap(ID, head.version, changed, by="ann", timeout_s=0.05)
    assert row.revision == head.revision + 1
    assert kept.value is not None
