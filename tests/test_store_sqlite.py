"""The SQLite store on a real machine: processes, kills, forks, full disks, odd files."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from syncsim.contract import QueuedWrite, Row
from syncsim.errors import OutcomeUnknownError, StoreUnavailableError, SyncError, UsageError
from syncsim.store import sqlite_file
from syncsim.store.address import parse_address
from syncsim.store.freshness_marks import MAX_HEADS, Reader
from syncsim.store.sqlite import SQLiteStore
from tests.store_parts import (
    ID,
    commit_and_tell,
    commit_many,
    commit_until_killed,
    count,
    counted,
    document,
    hold_write_lock,
    opened,
    processes,
)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/store.db?synchronous=NORMAL"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def store(url: str) -> Iterator[SQLiteStore]:
    store = opened(url)
    store.create(ID, document(), by="ann")
    yield store
    store.close()


@pytest.fixture
def always_looking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at the file before every call instead of four times a second."""
    monkeypatch.setattr(sqlite_file, "LOOK_EVERY_S", 0.0)


def count_up(store: SQLiteStore, counter: str = "n", update_id: str | None = None) -> Row:
    return store.update_locked(
        ID, lambda row: counted(row.document, counter), by="ann", update_id=update_id
    )


def check_history(store: SQLiteStore) -> None:
    """Revisions without a gap, each on its parent, the newest the head; and a sound file."""
    history = store.history(ID)
    assert [r.revision for r in history] == list(range(len(history), 0, -1))
    assert [r.parent for r in history] == [r.version for r in history[1:]] + [None]
    assert store.head(ID).version == store.read(ID).version == history[0].version
    with sqlite3.connect(store._file.path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()


# -- the address -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "path", "synchronous"),
    [
        ("sqlite:///a.db", "a.db", "FULL"),
        ("sqlite:////tmp/a.db", "/tmp/a.db", "FULL"),
        ("sqlite:///a.db?synchronous=NORMAL", "a.db", "NORMAL"),
        ("sqlite:///a.db?synchronous=full", "a.db", "FULL"),
        ("sqlite:///folder with space/ü.db", "folder with space/ü.db", "FULL"),
        ("a.db", "a.db", "FULL"),
        ("/tmp/a.db?x=1", "/tmp/a.db?x=1", "FULL"),
        (Path("/tmp/a.db"), "/tmp/a.db", "FULL"),
    ],
)
def test_an_address_is_a_url_or_a_path(text: str | Path, path: str, synchronous: str) -> None:
    address = parse_address(text)
    assert address.path == Path(path).absolute()
    assert address.synchronous == synchronous


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "sqlite:///relative.db"),
        ("a\0.db", "sqlite:///relative.db"),
        (b"a.db", "sqlite:///relative.db"),
        ("mysql://host/x", "sqlite:///relative.db"),
        ("http://host/x", "sqlite:///relative.db"),
        ("postgresql+psycopg://host/x", "PostgreSQL is not supported by this version yet"),
        ("sqlite://host/a.db", "sqlite:///relative.db"),
        ("sqlite:///a.db?mode=ro", "synchronous=NORMAL"),
        ("sqlite:///a.db?synchronous=OFF", "synchronous=NORMAL"),
        ("sqlite:///a.db?synchronous=", "synchronous=NORMAL"),
        ("sqlite:///a.db?synchronous=FULL&synchronous=NORMAL", "synchronous=NORMAL"),
        ("sqlite:///a.db?synchronous=FULL&timeout=9", "synchronous=NORMAL"),
        ("file:a.db?mode=ro", "sqlite:///relative.db"),
        ("sqlite://", "memory:// is the store that ends with the process"),
        ("sqlite:///", "memory:// is the store that ends with the process"),
        ("sqlite:///:memory:", "memory:// is the store that ends with the process"),
        (":memory:", "memory:// is the store that ends with the process"),
    ],
)
def test_an_address_that_would_not_be_honoured_is_refused(text: Any, says: str) -> None:
    with pytest.raises(UsageError) as failure:
        parse_address(text)
    assert says in str(failure.value)


# -- the file --------------------------------------------------------------------------------------


def test_a_new_file_is_private_and_in_wal_mode(store: SQLiteStore, path: Path) -> None:
    files = sorted(path.parent.iterdir())
    assert [f.name for f in files] == ["store.db", "store.db-shm", "store.db-wal"]
    assert {stat.S_IMODE(f.stat().st_mode) for f in files} == {0o600}
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


@pytest.mark.parametrize(
    ("query", "mode", "level"),
    [("", "FULL", 2), ("?synchronous=FULL", "FULL", 2), ("?synchronous=NORMAL", "NORMAL", 1)],
)
def test_commits_are_pressed_to_disk_as_asked(
    tmp_path: Path, query: str, mode: str, level: int
) -> None:
    store = opened(f"sqlite:///{tmp_path}/a.db{query}")
    assert store.synchronous == mode
    assert store._file.writer().execute("PRAGMA synchronous").fetchone() == (level,)
    store.close()


def test_what_was_committed_is_there_after_closing_and_opening(url: str) -> None:
    store = opened(url)
    store.create(ID, document(), by="ann")
    row = count_up(store, update_id="u")
    store.close()
    again = opened(url)
    assert again.read(ID).version == row.version
    assert again.read(ID).document == row.document
    assert again.find_update("u") is not None
    again.close()


def test_many_processes_may_make_the_same_file_at_once(url: str) -> None:
    """Threads stand in for them: each store has its own connections, and SQLite does not care."""
    start = threading.Barrier(8)

    def create(number: int) -> SQLiteStore:
        start.wait()
        store = opened(url)
        store.create(f"{ID}-{number}", document(), by="ann")
        return store

    with ThreadPoolExecutor(8) as pool:
        stores = list(pool.map(create, range(8)))
    assert {len(store.templates()) for store in stores} == {8}
    for store in stores:
        store.close()


# -- what cannot be a store ------------------------------------------------------------------------


def make_folder(path: Path) -> None:
    path.mkdir()


def make_text(path: Path) -> None:
    path.write_text("no database, but long enough to be looked at " * 100)


def make_foreign(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE template (id)")
    connection.close()


def make_newer(path: Path) -> None:
    opened(str(path)).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()


def make_damaged(path: Path) -> None:
    opened(str(path)).close()
    with path.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * 3000)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (make_folder, "is a folder; name a file in it"),
        (make_text, "is not a SQLite database; choose another file"),
        (make_foreign, "is the database of another program; choose another file"),
        (make_newer, "has schema version 99, and this syncsim knows versions up to 1; upgrade"),
        (make_damaged, "is damaged; keep a copy, then restore a backup"),
    ],
)
def test_a_file_that_cannot_serve_is_refused_and_left_alone(
    path: Path, make: Callable[[Path], None], says: str
) -> None:
    make(path)
    before = path.read_bytes() if path.is_file() else b""
    with pytest.raises(StoreUnavailableError) as failure:
        opened(str(path))
    assert says in str(failure.value)
    assert str(path) in str(failure.value)
    assert not failure.value.retryable
    assert (path.read_bytes() if path.is_file() else b"") == before


def test_a_missing_folder_is_named_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailableError, match="does not exist; create it"):
        opened(f"sqlite:///{tmp_path}/no/such/a.db")
    assert not (tmp_path / "no").exists()


def test_an_empty_file_becomes_a_store(path: Path) -> None:
    path.touch()
    store = opened(str(path))
    assert store.templates() == []
    store.close()


def test_a_damaged_page_is_reported_and_spoils_nothing_else(path: Path) -> None:
    store = opened(str(path))
    store.create(ID, document(), by="ann")
    for _ in range(50):
        count_up(store)
    store.close()
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(b"\xff" * (path.stat().st_size // 4))
    store = opened(str(path))
    with pytest.raises(StoreUnavailableError, match="is damaged"):
        store.history(ID)
    assert store.templates() == [ID]
    store.close()


# -- deleted, replaced -----------------------------------------------------------------------------


@pytest.mark.usefixtures("always_looking")
def test_a_deleted_file_is_noticed_and_may_be_put_back(store: SQLiteStore, path: Path) -> None:
    """Nothing is made in its place: an empty store would look like the loss of everything."""
    row = store.read(ID)
    path.rename(path.with_suffix(".away"))
    calls: list[Callable[[], object]] = [
        lambda: store.head(ID),
        lambda: store.read(ID),
        lambda: store.compare_and_swap(ID, row.version, document(), by="ann"),
    ]
    for call in calls:
        with pytest.raises(StoreUnavailableError, match="was deleted or moved away"):
            call()
    assert not path.exists()
    path.with_suffix(".away").rename(path)
    assert count_up(store).revision == 2


@pytest.mark.usefixtures("always_looking")
def test_a_replaced_file_is_read_and_written_from_then_on(store: SQLiteStore, path: Path) -> None:
    """As when a backup is restored under a running program."""
    backup = path.with_name("backup.db")
    with sqlite3.connect(path) as connection:
        connection.execute("VACUUM INTO ?", (str(backup),))
    connection.close()
    for _ in range(3):
        count_up(store)
    assert store.head(ID).revision == 4
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink()
    backup.rename(path)
    assert store.head(ID).revision == store.read(ID).revision == 1
    assert count_up(store).revision == 2
    store.close()
    again = opened(str(path))
    assert again.head(ID).revision == 2
    check_history(again)
    again.close()


@pytest.mark.usefixtures("always_looking")
def test_a_file_replaced_by_something_else_is_refused(store: SQLiteStore, path: Path) -> None:
    path.with_name("text").write_text("no database, but long enough to be looked at " * 100)
    path.with_name("text").rename(path)
    with pytest.raises(StoreUnavailableError):
        store.head(ID)
    with pytest.raises(StoreUnavailableError):
        count_up(store)


# -- freshness -------------------------------------------------------------------------------------


def test_a_head_is_seen_by_every_store_on_the_file(store: SQLiteStore, url: str) -> None:
    other = opened(url)
    for _ in range(20):
        for writer in (store, other):
            row = count_up(writer)
            assert store.head(ID).version == other.head(ID).version == row.version
    other.close()


def test_the_mark_is_taken_before_the_row_is_read(store: SQLiteStore, path: Path) -> None:
    """A commit between the two statements must not be covered by the mark.

    SQLite calls back as each statement begins; the second finds a commit that the first did not.
    """
    connection = sqlite3.connect(path, isolation_level=None)
    reader = Reader(connection)
    statements: list[str] = []

    def commit_between(statement: str) -> None:
        statements.append(statement)
        if len(statements) == 2:
            count_up(store)

    connection.set_trace_callback(commit_between)
    reader.head(ID)
    connection.set_trace_callback(None)
    assert len(statements) == 2
    assert reader.head(ID) == store.head(ID)
    reader.close()


def test_a_head_that_did_not_change_is_not_read_again(store: SQLiteStore, path: Path) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    reader = Reader(connection)
    statements: list[str] = []
    reader.head(ID)
    connection.set_trace_callback(statements.append)
    assert reader.head(ID) == reader.head(ID)
    assert statements == ["PRAGMA data_version"] * 2
    connection.set_trace_callback(None)
    reader.close()


def test_a_reader_keeps_a_bounded_number_of_heads(store: SQLiteStore, path: Path) -> None:
    names = [f"t{number}" for number in range(MAX_HEADS + 10)]
    for name in names:
        store.create(name, document(), by="ann")
    reader = Reader(sqlite3.connect(path, isolation_level=None))
    for name in names:
        assert reader.head(name) is not None
    assert len(reader._heads) <= MAX_HEADS
    assert reader.head(names[0]) == store.head(names[0])
    reader.close()


def test_a_reader_cannot_write(path: Path, store: SQLiteStore) -> None:
    """It would not notice its own commits."""
    reader = Reader(sqlite3.connect(path, isolation_level=None))
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.rows("DELETE FROM template", ())
    reader.close()


def test_reading_leaves_nothing_open_that_would_hold_up_the_log(
    store: SQLiteStore, path: Path
) -> None:
    """A read transaction that stayed open would freeze the mark and let the log grow for ever."""
    connection = sqlite3.connect(path)
    reads: list[Callable[[str], object]] = [store.head, store.read, store.history, store.audit]
    for read in reads:
        count_up(store)
        read(ID)
        busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        assert busy == 0
        assert path.with_name("store.db-wal").stat().st_size == 0
    connection.close()


@pytest.mark.real
def test_a_head_is_never_older_than_what_another_process_acknowledged(
    store: SQLiteStore, url: str
) -> None:
    here, there = processes().Pipe(duplex=False)
    writer = processes().Process(target=commit_and_tell, args=(url, 400, there), daemon=True)
    writer.start()
    there.close()
    acknowledged, asked, seen = 1, 0, set()
    while acknowledged is not None:
        if here.poll():
            acknowledged = here.recv()
        revision = store.head(ID).revision
        seen.add(revision)
        asked += 1
        assert revision >= (acknowledged or 0)
    writer.join()
    assert store.head(ID).revision == 401
    assert len(seen) > 20, "the writer was never met at work"
    assert asked > len(seen), "no answer came from the mark alone"


# -- who may write ---------------------------------------------------------------------------------


@pytest.mark.real
def test_a_lock_held_by_another_process_ends_in_busy_and_not_in_driver_words(
    store: SQLiteStore, url: str
) -> None:
    here, there = processes().Pipe()
    holder = processes().Process(target=hold_write_lock, args=(url, there), daemon=True)
    holder.start()
    assert here.recv() == "held"
    for timeout_s in (0.0, 0.05):
        with pytest.raises(StoreUnavailableError, match="busy") as failure:
            store.update_locked(ID, pytest.fail, by="ann", timeout_s=timeout_s)
        assert failure.value.retryable
        assert failure.value.definite
        assert failure.value.template_id == ID
        assert "database is locked" not in str(failure.value)
    assert store.read(ID).revision == store.head(ID).revision == 1
    here.send("go on")
    assert count_up(store).revision == 2
    holder.join()


@pytest.mark.real
def test_four_processes_at_one_file_meet_no_error_and_lose_nothing(
    store: SQLiteStore, url: str
) -> None:
    times, workers = 150, []
    for number in range(4):
        here, there = processes().Pipe(duplex=False)
        worker = processes().Process(
            target=commit_many, args=(url, f"p{number}", times, there), daemon=True
        )
        worker.start()
        there.close()
        workers.append((worker, here))
    for worker, here in workers:
        assert here.recv() == []
        worker.join()
    final = store.read(ID)
    assert [count(final.document, f"p{number}") for number in range(4)] == [times] * 4
    assert final.revision == 1 + 4 * times
    check_history(store)


def open_files_of(path: Path) -> int:
    """How many descriptors of this process lead to the database or its log."""
    found = 0
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found += os.readlink(entry).startswith(str(path))
        except FileNotFoundError:  # the descriptor of the listing itself
            continue
    return found


@pytest.mark.real
@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts descriptors in /proc")
def test_two_hundred_threads_share_a_few_open_files(store: SQLiteStore, path: Path) -> None:
    start = threading.Barrier(200)

    def use(number: int) -> int:
        start.wait()
        for _ in range(5):
            store.head(ID)
            store.read(ID)
        count_up(store, f"user{number % 4}")
        return open_files_of(path)

    with ThreadPoolExecutor(200) as pool:
        most = max(pool.map(use, range(200)))
    assert store.head(ID).revision == 201
    assert most <= 2 * (sqlite_file.MAX_READERS + 1) + 1


# -- kills -----------------------------------------------------------------------------------------


def kill_writers(store: SQLiteStore, url: str, kills: int, seed: int) -> None:
    """Kill writing processes again and again, each in the middle of an update, and take stock.

    Whatever was acknowledged is there, whatever was begun is there exactly once in the end, because
    each successor repeats the update that its predecessor was killed in.
    """
    chance = random.Random(seed)
    started: set[str] = set()
    acknowledged: set[str] = set()

    class Writer:
        def __init__(self, name: str, unfinished: str | None) -> None:
            self.name = name
            self.unfinished = unfinished
            self.inside = False
            here, there = processes().Pipe(duplex=False)
            self.process = processes().Process(
                target=commit_until_killed, args=(url, name, unfinished, there), daemon=True
            )
            self.process.start()
            there.close()
            self.told = here
            self.rest = b""

        def read(self) -> bool:
            """Note what it says; False once it is dead and all was read."""
            data = os.read(self.told.fileno(), 65536)
            *lines, self.rest = (self.rest + data).split(b"\n")
            for line in lines:
                update_id = line[1:].decode()
                (started if line[:1] == b"?" else acknowledged).add(update_id)
                self.inside = line[:1] == b"?"
                self.unfinished = update_id if self.inside else None
            return bool(data)

        def kill(self) -> None:
            for _ in range(chance.randrange(1, 40)):
                self.read()
            while not self.inside:
                self.read()
            for _ in range(chance.randrange(8000)):  # somewhere within the update
                pass
            os.kill(self.process.pid or 0, signal.SIGKILL)
            while self.read():
                pass
            self.process.join()
            self.told.close()

    writers = [Writer(f"w{number}", None) for number in range(3)]
    for number in range(kills):
        place = chance.randrange(3)
        writers[place].kill()
        writers[place] = Writer(f"k{number}", writers[place].unfinished)
    for writer in writers:
        writer.kill()
        if writer.unfinished is not None:
            count_up(store, "done", writer.unfinished)

    assert len(started) > kills
    committed = [r.update_id for r in store.history(ID) if r.update_id is not None]
    assert acknowledged - set(committed) == set(), "acknowledged and lost"
    assert len(committed) == len(set(committed)), "applied twice"
    assert set(committed) == started
    assert count(store.read(ID).document, "done") == len(started)
    check_history(store)


@pytest.mark.real
def test_twenty_kills_lose_nothing_and_double_nothing(store: SQLiteStore, url: str) -> None:
    kill_writers(store, url, kills=20, seed=7)


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.timeout(600)
@pytest.mark.parametrize("mode", ["FULL", "NORMAL"])
def test_three_hundred_kills_lose_nothing_and_double_nothing(tmp_path: Path, mode: str) -> None:
    url = f"sqlite:///{tmp_path}/killed.db?synchronous={mode}"
    store = opened(url)
    store.create(ID, document(), by="ann")
    kill_writers(store, url, kills=300, seed=11)
    store.close()


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


IN_A_CHILD = """
import resource, signal, sys
from tests.store_parts import *
from syncsim.errors import StoreUnavailableError, SyncError
url = sys.argv[1]
"""


def in_a_child(url: str, code: str) -> str:
    """Run code in a fresh process and give back what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", IN_A_CHILD + code, url],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


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
def count_up(n):
    store.update_locked(ID, lambda row: counted(row.document, "n"), by="ann", update_id=f"u{n}")
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
done = 0
try:
    for number in range(1000):
        count_up(number)
        done += 1
except StoreUnavailableError as error:
    assert error.definite and "size limit" in str(error), error
    assert store.find_update(f"u{number}") is None
    assert store.head(ID).revision == 1 + done
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    count_up(number)
    print(done)
""",
    )
    done = int(out)
    assert done > 0
    assert count(store.read(ID).document, "n") == done + 1
    check_history(store)


@pytest.mark.real
@pytest.mark.parametrize("what", ["file", "folder"])
def test_what_may_not_be_written_is_reported(tmp_path: Path, what: str) -> None:
    """As somebody who owns nothing, because root may write everywhere."""
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    url = f"sqlite:///{tmp_path}/store.db"
    store = opened(url)
    store.create(ID, document(), by="ann")
    if what == "file":
        for file in tmp_path.iterdir():
            file.chmod(0o444)
    else:
        store.close()
        (tmp_path / "store.db").unlink()
    out = in_a_child(
        url,
        """
import os, tempfile
opened(tempfile.mkdtemp() + "/imports-everything.db").close()
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
try:
    store = opened(url)
    assert store.read(ID).revision == 1
    store.update_locked(ID, lambda row: counted(row.document, "n"), by="ann")
except StoreUnavailableError as error:
    assert error.definite and not error.retryable
    print(error)
""",
    )
    assert "writable" in out
    assert str(tmp_path / "store.db") in out
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


# -- forks -----------------------------------------------------------------------------------------


@pytest.mark.real
@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
def test_what_a_forked_child_commits_outlives_the_parents_close(
    store: SQLiteStore, url: str
) -> None:
    """With an inherited connection, closed or not, the parent would delete the child's log."""
    out = in_a_child(
        url,
        """
import os
store = opened(url)
count_up = lambda who: store.update_locked(ID, lambda row: counted(row.document, who), by=who)
count_up("parent"); store.head(ID)
ready_r, ready_w = os.pipe(); go_r, go_w = os.pipe()
child = os.fork()
if child == 0:
    count_up("child")
    os.write(ready_w, b"."); os.read(go_r, 1)
    for _ in range(5):
        count_up("child")
    os._exit(0)
os.read(ready_r, 1)
assert store.head(ID).revision == 3
count_up("parent")
store.close()
os.write(go_w, b".")
print(os.waitpid(child, 0)[1])
""",
    )
    assert out == "0\n"
    final = store.read(ID)
    assert (count(final.document, "parent"), count(final.document, "child")) == (2, 6)
    check_history(store)


@pytest.mark.real
@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
def test_a_fork_among_busy_threads_hangs_neither_side(store: SQLiteStore, url: str) -> None:
    out = in_a_child(
        url,
        """
import os, threading
store = opened(url)
stop = threading.Event()
def count_up(who): store.update_locked(ID, lambda row: counted(row.document, who), by=who)
def work(who):
    while not stop.is_set():
        count_up(who); store.head(ID); store.read(ID)
threads = [threading.Thread(target=work, args=(f"t{n}",)) for n in range(4)]
for thread in threads: thread.start()
codes = []
for n in range(10):
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        for _ in range(3): count_up("child"); store.head(ID)
        os._exit(0)
    codes.append(os.waitpid(child, 0)[1])
stop.set()
for thread in threads: thread.join()
store.close()
print(codes)
""",
    )
    assert out == f"{[0] * 10}\n"
    assert count(store.read(ID).document, "child") == 30
    check_history(store)


@pytest.mark.real
@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
def test_a_child_forked_within_a_write_is_refused_and_the_parent_goes_on(
    store: SQLiteStore, url: str
) -> None:
    out = in_a_child(
        url,
        """
import os
store = opened(url)
def fork(row):
    global child
    child = os.fork()
    return counted(row.document, "n")
try:
    row = store.update_locked(ID, fork, by="ann")
except StoreUnavailableError as error:
    assert child == 0 and "spawn" in str(error), error
    try:
        store.head(ID)
    except StoreUnavailableError as error:
        assert "spawn" in str(error)
        os._exit(7)
    os._exit(8)
assert child > 0 and row.revision == 2
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
store.update_locked(ID, lambda row: counted(row.document, "n"), by="ann")
""",
    )
    assert out == "7\n"
    assert count(store.read(ID).document, "n") == 2
    check_history(store)
