"""The swap in one statement: when it is taken, when it is left, and that it never guesses."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from syncsim.contract import Row
from syncsim.errors import OutcomeUnknownError, StoreUnavailableError, VersionConflictError
from syncsim.store.freshness_marks import Writer
from syncsim.store.sqlite import SQLiteStore
from syncsim.store.sqlite_file import SQLiteFile
from tests.store_parts import ID, check_history, count_up, document, in_a_child, opened


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'store.db'}?synchronous=NORMAL"


@pytest.fixture
def store(url: str) -> Iterator[SQLiteStore]:
    with closing(opened(url)) as store:
        store.create(ID, document(), by="ann")
        yield store


def swap(store: SQLiteStore, expected: str, name: str, update_id: str | None) -> Row:
    return store.compare_and_swap(ID, expected, document(name), by="ann", update_id=update_id)


@contextmanager
def watched(store: SQLiteStore) -> Iterator[list[str]]:
    """The first words of what the writing connection is told meanwhile."""
    words: list[str] = []
    connection = store._file.writer().connection
    connection.set_trace_callback(lambda statement: words.append(statement.split()[0]))
    yield words
    connection.set_trace_callback(None)


def test_a_swap_for_a_commit_of_ones_own_is_one_statement(store: SQLiteStore) -> None:
    head = store.head(ID).version
    with watched(store) as words:
        row = swap(store, head, "two", "u2")
    assert words == ["INSERT"]
    assert store.read(ID).version == row.version
    assert (row.revision, row.document["name"]) == (2, "two")
    check_history(store)


def test_without_an_update_id_it_takes_a_transaction(store: SQLiteStore) -> None:
    """A commit whose answer was lost could not be told from somebody else's."""
    head = store.head(ID).version
    with watched(store) as words:
        swap(store, head, "two", None)
    assert words == ["BEGIN", "PRAGMA", "INSERT", "COMMIT"]


def test_a_tip_that_others_have_left_behind_swaps_for_nothing(store: SQLiteStore, url: str) -> None:
    mine = store.head(ID).version
    with closing(opened(url)) as other:
        theirs = swap(other, mine, "theirs", "t")
    with watched(store) as words, pytest.raises(VersionConflictError) as lost:
        swap(store, mine, "mine", "m")
    assert words[0] == "INSERT"
    assert (lost.value.expected, lost.value.actual) == (mine, theirs.version)
    assert swap(store, theirs.version, "mine", "m").revision == 3
    check_history(store)


def test_a_tip_that_a_restored_backup_has_taken_away_swaps_for_nothing(
    store: SQLiteStore, tmp_path: Path
) -> None:
    """SQLite's backup writes into the open file, page by page; the place after the tip is free."""
    kept = store.head(ID).version
    with (
        closing(sqlite3.connect(tmp_path / "backup.db")) as backup,
        closing(sqlite3.connect(tmp_path / "store.db")) as live,
    ):
        live.backup(backup)
        gone = count_up(store).version
        backup.backup(live)
    with pytest.raises(VersionConflictError) as lost:
        swap(store, gone, "mine", "m")
    assert (lost.value.expected, lost.value.actual) == (gone, kept)
    assert swap(store, kept, "mine", "m").revision == 2
    check_history(store)


def test_so_it_is_with_a_commit_of_another_process(store: SQLiteStore, url: str) -> None:
    mine = store.head(ID).version
    theirs = in_a_child(url, "print(count_up(opened(url)).version)").strip()
    with pytest.raises(VersionConflictError) as lost:
        swap(store, mine, "mine", "m")
    assert lost.value.actual == theirs


def test_a_used_update_id_is_answered_whatever_the_version(store: SQLiteStore) -> None:
    first = store.head(ID).version
    two = swap(store, first, "two", "u")
    three = swap(store, two.version, "three", "v")
    for expected in (first, two.version, three.version):
        again = swap(store, expected, "other", "u")
        assert (again.version, again.document["name"]) == (two.version, "two")
    assert store.head(ID).version == three.version


@contextmanager
def written(store: SQLiteStore) -> Iterator[None]:
    """Another thread has the write lock, and commits when the block ends."""
    inside, go_on = threading.Event(), threading.Event()

    def change(row: Row) -> Any:
        inside.set()
        assert go_on.wait(10)
        return document("locked")

    writing = threading.Thread(target=lambda: store.update_locked(ID, change, by="ben"))
    writing.start()
    assert inside.wait(10)
    try:
        yield
    finally:
        go_on.set()
        writing.join()


def test_a_line_of_writers_is_not_jumped(store: SQLiteStore) -> None:
    """While another thread writes, the swap waits, and loses as any other does."""
    head = store.head(ID).version
    with ThreadPoolExecutor(1) as pool:
        with written(store):
            swapping = pool.submit(swap, store, head, "mine", "m")
        with pytest.raises(VersionConflictError):
            swapping.result(10)
    check_history(store)


@pytest.mark.parametrize("update_id", ["m", None])
def test_a_swap_that_can_only_lose_does_not_wait(store: SQLiteStore, update_id: str | None) -> None:
    old = store.head(ID).version
    count_up(store)
    with written(store), pytest.raises(VersionConflictError):
        swap(store, old, "mine", update_id)


class Breaking:
    """A writing cursor that breaks right after a statement has taken effect."""

    def __init__(
        self, execute: Callable[..., sqlite3.Cursor], word: str, error: BaseException
    ) -> None:
        self.execute = execute
        self.word = word
        self.error = error

    def __call__(self, statement: str, *parameters: Any) -> sqlite3.Cursor:
        cursor = self.execute(statement, *parameters)
        if statement.split()[0] == self.word:
            raise self.error
        return cursor


def test_an_answer_that_was_lost_is_found_by_the_update_id(store: SQLiteStore) -> None:
    """The statement has committed and says it failed: made again, it must not commit twice."""
    head = store.head(ID).version
    writer = store._file.writer()
    lost = Breaking(writer.execute, "INSERT", sqlite3.OperationalError("disk I/O error"))
    writer.execute = lost  # type: ignore[assignment]
    row = swap(store, head, "two", "u")
    assert (row.revision, row.document["name"]) == (2, "two")
    assert [revision.update_id for revision in store.history(ID)] == ["u", None]
    assert swap(store, row.version, "three", "v").revision == 3
    check_history(store)


def failing(store: SQLiteStore, errorcode: int) -> None:
    """The next INSERT of the writing connection fails like this, and does nothing."""

    def execute(statement: str, *parameters: Any) -> sqlite3.Cursor:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = errorcode
        raise error

    store._file.writer().execute = execute  # type: ignore[assignment]


def test_a_sync_that_failed_leaves_the_outcome_unknown(store: SQLiteStore) -> None:
    """The mark of the commit may be in the log, and a crash before the next one revives it."""
    head = store.head(ID).version
    failing(store, sqlite3.SQLITE_IOERR_FSYNC)
    with pytest.raises(OutcomeUnknownError) as unknown:
        swap(store, head, "two", "u")
    assert (unknown.value.update_id, unknown.value.definite) == ("u", False)
    assert swap(store, head, "two", "u").revision == 2
    check_history(store)


def test_a_write_that_failed_is_made_again(store: SQLiteStore) -> None:
    head = store.head(ID).version
    failing(store, sqlite3.SQLITE_IOERR_WRITE)
    assert swap(store, head, "two", "u").revision == 2
    check_history(store)


def test_a_writer_that_cannot_be_opened_is_an_error_of_the_store(
    store: SQLiteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> sqlite3.Connection:
        raise sqlite3.OperationalError("unable to open database file")

    head = store.head(ID).version
    store._file.drop_writer()
    with monkeypatch.context() as patch:
        patch.setattr(store._file, "_connect", refuse)
        with pytest.raises(StoreUnavailableError, match="unable to open"):
            swap(store, head, "two", "u")
    assert swap(store, head, "two", "u").revision == 2


def test_a_file_locked_by_others_is_waited_for_and_no_longer(store: SQLiteStore) -> None:
    head = store.head(ID).version
    with closing(sqlite3.connect(store.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailableError, match="busy"):
            store.compare_and_swap(
                ID, head, document("two"), by="ann", update_id="u", timeout_s=0.05
            )
    assert swap(store, head, "two", "u").revision == 2
    check_history(store)


@pytest.mark.parametrize("word", ["INSERT", "COMMIT"])
def test_an_interrupt_after_the_commit_leaves_no_old_tip(store: SQLiteStore, word: str) -> None:
    """The mark of the writer does not move for its own commits: it would go on in the past."""
    head = store.head(ID).version
    writer = store._file.writer()
    broken = Breaking(writer.execute, word, KeyboardInterrupt())
    writer.execute = broken  # type: ignore[assignment]
    ways = {"INSERT": lambda: swap(store, head, "two", "u"), "COMMIT": lambda: count_up(store)}
    with pytest.raises(KeyboardInterrupt):
        ways[word]()
    assert store.head(ID).revision == 2
    assert store.read(ID).revision == 2
    assert swap(store, store.head(ID).version, "three", "w").revision == 3
    check_history(store)


@pytest.mark.parametrize("by_swap", [True, False])
def test_so_it_does_between_the_commit_and_its_note(
    store: SQLiteStore, monkeypatch: pytest.MonkeyPatch, by_swap: bool
) -> None:
    def interrupted(self: object, *facts: object) -> None:
        raise KeyboardInterrupt

    head = store.head(ID).version
    with monkeypatch.context() as patch:
        patch.setattr(*((SQLiteFile, "committed") if by_swap else (Writer, "wrote")), interrupted)
        with pytest.raises(KeyboardInterrupt):
            _ = swap(store, head, "two", "u") if by_swap else count_up(store)
    store.create("other", document(), by="ann")  # so that the writer is asked for heads
    assert store.head(ID).revision == 2
    check_history(store)


def test_a_batch_teaches_the_tip_without_asking_for_the_mark(store: SQLiteStore, url: str) -> None:
    """What a transaction wrote is known as the head until somebody else commits, not longer."""
    batch = count_up(store)
    with watched(store) as words:
        mine = swap(store, batch.version, "mine", "m")
    assert words == ["INSERT"]
    with closing(opened(url)) as other:
        theirs = swap(other, mine.version, "theirs", "t")
    last = count_up(store, "k")
    assert last.revision == theirs.revision + 1
    assert store.head(ID).version == last.version
    with closing(opened(url)) as other:
        newest = swap(other, last.version, "newest", "n")
    assert store.head(ID).version == newest.version
    check_history(store)
