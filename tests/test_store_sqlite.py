"""The SQLite store and its file: addresses, odd files, replaced files, marks of freshness."""

from __future__ import annotations

import shutil
import sqlite3
import stat
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from struct import unpack
from typing import Any

import pytest

from syncsim import connect
from syncsim.contract import Document, Head, Row
from syncsim.errors import StoreUnavailableError, UsageError, VersionConflictError
from syncsim.masking import masked
from syncsim.store import schema as store_schema
from syncsim.store import sqlite_file
from syncsim.store.address import parse_address
from syncsim.store.freshness_marks import MAX_HEADS, Reader
from syncsim.store.schema import SCHEMA_VERSION, prepare
from syncsim.store.sqlite import SQLiteStore
from syncsim.store.statements import AUDIT, FIND, HEAD, HISTORY, REVISION, TIP
from tests.store_parts import (
    ID,
    check_history,
    count_up,
    counted,
    document,
    opened,
)


@pytest.fixture
def always_looking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look at the file before every call instead of four times a second."""
    monkeypatch.setattr(sqlite_file, "LOOK_EVERY_S", 0.0)


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


SECRET = "s3cr3t"
WITH_SECRET = [
    "postgresql+psycopg://ann:s3cr3t@host:5432/db",
    "postgresql://ann:s3cr3t@host/db?sslmode=require",
    "postgresql://ann:p@s3cr3t@host/db",
    "postgresql://ann:p/s3cr3t@host/db",
    "postgresql://:s3cr3t@host/db",
    "postgresql://ann:s3cr3t@[::1",
    "postgresql://host/db?user=ann&password=s3cr3t&sslmode=require",
    "postgresql://host/db?sslpassword=s3cr3t",
    "postgresql://host:notaport/db?PGPASSWORD=s3cr3t",
    "postgresql:/ann:s3cr3t@host/db",
    "postgresql:ann:s3cr3t@host/db",
    "postgresql+psycopg:ann:s3cr3t@host/db",
    "mysql://ann:s3cr3t@host/db",
    "sqlite://ann:s3cr3t@host/a.db",
    "sqlite:///a.db?key=s3cr3t",
    "ann\0://ann:s3cr3t@host",
    "\ud800://ann:s3cr3t@host",
    b"postgresql://ann:s3cr3t@host/db",
    ["postgresql://ann:s3cr3t@host/db"],
]


@pytest.mark.parametrize("url", WITH_SECRET, ids=ascii)
def test_a_refused_address_is_shown_without_its_password(url: Any) -> None:
    with pytest.raises(UsageError) as failure:
        parse_address(url)
    shown = f"{failure.value} {failure.value!r} {failure.value.facts}"
    assert SECRET not in shown
    assert "***" in shown


def test_what_is_no_secret_stays_readable() -> None:
    assert masked("postgresql://ann:x@host/db?sslmode=on") == (
        "postgresql://ann:***@host/db?sslmode=on"
    )
    for plain in ("postgresql://ann@host:5432/db", "sqlite:////tmp/a.db?synchronous=FULL", "a.db"):
        assert masked(plain) == plain


# -- the file --------------------------------------------------------------------------------------


def test_a_new_file_is_private_and_in_wal_mode(store: SQLiteStore, path: Path) -> None:
    files = sorted(path.parent.iterdir())
    assert [f.name for f in files] == ["store.db", "store.db-locks", "store.db-shm", "store.db-wal"]
    assert {stat.S_IMODE(f.stat().st_mode) for f in files} == {0o600, 0o700}
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


def test_tables_made_between_two_looks_are_not_those_of_another_program(tmp_path: Path) -> None:
    """Whoever looked for the mark before it was there, and for tables after, refused the file."""
    path = tmp_path / "new.db"
    connection, other = (sqlite3.connect(path, isolation_level=None) for _ in range(2))
    connection.execute("PRAGMA journal_mode = WAL")
    made: list[str] = []

    def meanwhile(statement: str) -> None:
        if "sqlite_schema" in statement and not made:
            made.append(statement)
            prepare(other, path)

    connection.set_trace_callback(meanwhile)
    prepare(connection, path)
    assert made
    connection.close()
    other.close()


# -- what cannot be a store ------------------------------------------------------------------------


def make_folder(path: Path) -> None:
    path.mkdir()


def make_text(path: Path) -> None:
    path.write_text("no database, but long enough to be looked at " * 100)


def make_foreign(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE template (id)")
    connection.close()


FILES = Path(__file__).parent / "files"

COMMITTED = {
    ("card", "1-ccb5deec", None, "ann", 1764000001.5, None),
    ("card", "2-75d48ce0", "1-ccb5deec", "background", 1764000006.0, "card-0"),
    ("card", "3-94b5a6ef", "2-75d48ce0", "ben", 1764000009.0, "card-1"),
    ("card", "4-1a6e5ac7", "3-94b5a6ef", "ben", 1764000012.0, "card-2"),
    ("rsvp", "1-ccb5deec", None, "ann", 1764000003.0, None),
    ("rsvp", "2-97bf149e", "1-ccb5deec", "background", 1764000004.5, "rsvp-0"),
    ("rsvp", "3-fdfdab0f", "2-97bf149e", "ben", 1764000007.5, "rsvp-1"),
    ("rsvp", "4-486edd2b", "3-fdfdab0f", "ben", 1764000010.5, "rsvp-2"),
}
"""What the first and the second version of the store have committed in their files."""


@pytest.mark.parametrize("openers", [1, 4])
@pytest.mark.parametrize("schema", [1, 2])
def test_a_file_of_an_older_schema_is_brought_up_with_all_that_is_in_it(
    tmp_path: Path, schema: int, openers: int
) -> None:
    """The file was written by the store of that time; now ids are known and swaps go on."""
    old = shutil.copy(FILES / f"store-of-schema-{schema}.db", tmp_path / "old.db")

    with ThreadPoolExecutor(openers) as pool:
        stores = list(pool.map(opened, [str(old)] * openers))

    for store in stores:
        audit = [entry for name in ("card", "rsvp") for entry in store.audit(name)]
        found = {(a.template_id, a.version, a.parent, a.by, a.at, a.update_id) for a in audit}
        assert found == COMMITTED
        names = [one.document["name"] for one in store.history("rsvp")[:3]]
        assert names == ["rsvp 2", "rsvp 1", "rsvp 0"]
        assert store.head("rsvp").user_updated_at == 1764000010.5
        assert store.find_update("card-1").version == "3-94b5a6ef"
        assert store.revision("card", "2-75d48ce0").by == "background"
    changed = {**stores[0].read("card").document, "name": "on"}
    again = stores[0].compare_and_swap("card", "4-1a6e5ac7", changed, by="ann", update_id="a9")
    assert again.revision == 5
    assert stores[-1].head("card").version == again.version
    for store in stores:
        store.close()
    with closing(sqlite3.connect(old)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_what_was_damaged_in_an_older_file_is_still_damaged_in_the_new_one(tmp_path: Path) -> None:
    old = shutil.copy(FILES / "store-of-schema-2.db", tmp_path / "old.db")
    with closing(sqlite3.connect(old)) as raw:
        raw.execute("UPDATE revision SET body = CAST(replace(body, 'card 1', 'bard 1') AS BLOB)")
        raw.commit()
    with closing(opened(str(old))) as store:
        assert store.read("card").document["name"] == "card 2"
        with pytest.raises(StoreUnavailableError, match=r"damaged: what it holds as .*3-94b5a6ef"):
            store.history("card")


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
        (make_newer, "has schema version 99, and this syncsim knows versions up to 3; upgrade"),
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


def test_a_damaged_page_is_reported_and_spoils_nothing_else(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small file is refused whole; one too large for that serves what is sound."""
    store = opened(str(path))
    store.create(ID, document(), by="ann")
    for _ in range(50):
        count_up(store)
    store.close()
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(b"\xff" * (path.stat().st_size // 4))
    with pytest.raises(StoreUnavailableError, match="is damaged"):
        opened(str(path))
    monkeypatch.setattr(store_schema, "MAX_CHECKED_BYTES", 0)
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
    """As when a backup is restored under a running program. What it lost is told to one writer."""
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
    with pytest.raises(StoreUnavailableError, match=r"version 4-.*acknowledged here, is not in it"):
        count_up(store)
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
    reader = Reader(connection, path)
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
    reader = Reader(connection, path)
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
    reader = Reader(sqlite3.connect(path, isolation_level=None), path)
    for name in names:
        assert reader.head(name) is not None
    assert len(reader._heads) <= MAX_HEADS
    assert reader.head(names[0]) == store.head(names[0])
    reader.close()


def test_a_reader_cannot_write(path: Path, store: SQLiteStore) -> None:
    """It would not notice its own commits."""
    reader = Reader(sqlite3.connect(path, isolation_level=None), path)
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


# -- what the writer knows -------------------------------------------------------------------------


@pytest.fixture
def asked(store: SQLiteStore, monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What is asked of the readers from here on."""
    questions: list[object] = []
    ask = store._file.ask

    def noted(template_id: str | None, question: Any, *parameters: Any) -> Any:
        questions.append(question)
        return ask(template_id, question, *parameters)

    monkeypatch.setattr(store._file, "ask", noted)
    monkeypatch.setattr(sqlite_file, "LOOK_EVERY_S", 1e9)
    store._file._look()
    return questions


def test_the_head_after_a_commit_of_our_own_is_asked_of_no_reader(
    store: SQLiteStore, asked: list[object]
) -> None:
    row = count_up(store)
    assert store.head(ID) == Head(row.version, row.revision, row.user_updated_at)
    assert asked == []
    assert store.head(ID).version == row.version
    assert asked == [Reader.head], "the second time, so that the readers come to know it"


def test_what_the_writer_knows_ends_with_the_commit_of_another(
    store: SQLiteStore, url: str, asked: list[object]
) -> None:
    other = opened(url)
    for _ in range(3):
        count_up(store)
        row = count_up(other)
        assert store.head(ID).version == row.version
        assert asked.pop() is Reader.head
        row = count_up(other)
        done = store.compare_and_swap(ID, row.version, document("swapped"), by="ann")
        assert done.revision == row.revision + 1
    other.close()
    check_history(store)


def test_a_write_that_failed_taught_the_writer_nothing(
    store: SQLiteStore, asked: list[object]
) -> None:
    before = count_up(store)

    def fails(row: Row) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.update_locked(ID, fails, by="ann")
    with pytest.raises(VersionConflictError):
        store.compare_and_swap(ID, "1-nonsense", document("lost"), by="ann")
    assert store.head(ID).version == before.version
    assert store.compare_and_swap(ID, before.version, document("won"), by="ann").revision == 3


def test_the_writer_is_not_waited_for(store: SQLiteStore, asked: list[object]) -> None:
    """A change that reads the head, and a reader beside it, see what was committed before it."""
    before = count_up(store)
    seen: list[str] = []

    def change(row: Row) -> Document:
        seen.append(store.head(ID).version)
        with ThreadPoolExecutor(1) as pool:
            seen.append(pool.submit(store.head, ID).result().version)
        return counted(row.document, "n")

    store.update_locked(ID, change, by="ann")
    assert seen == [before.version] * 2
    assert asked == [Reader.head] * 2


def test_the_writer_keeps_a_bounded_number_of_heads(store: SQLiteStore) -> None:
    for number in range(MAX_HEADS + 10):
        store.create(f"t{number}", document(), by="ann")
    assert len(store._file.writer().tips) <= MAX_HEADS + 1
    assert store.head("t0") == store.head("t0")


@pytest.mark.parametrize(
    ("query", "parameters"),
    [
        *((query, ("t",)) for query in (HEAD, TIP, FIND)),
        *((query, ("t", 1)) for query in (HISTORY, AUDIT)),
        (REVISION, ("t", "1-00000000") * 2),
    ],
)
def test_no_query_walks_through_the_history_or_sorts_it(
    path: Path, query: str, parameters: tuple[Any, ...]
) -> None:
    opened(str(path)).close()
    with closing(sqlite3.connect(path)) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {query}", parameters).fetchall()
    steps = [step for *_, step in plan]
    assert any(step.startswith("SEARCH revision") for step in steps)
    assert not [step for step in steps if "SCAN" in step or "TEMP B-TREE" in step]


# -- damage inside a sound file --------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"{bad", b"", b"\xff\xfe", b"null", b"[]", b'{"name":"x"}', "{}"])
def test_a_body_that_is_not_what_was_committed_is_an_error_of_the_store(
    tmp_path: Path, body: bytes | str
) -> None:
    path = tmp_path / "store.db"
    with connect(f"sqlite:///{path}", cache=tmp_path / "writer") as sync:
        first = sync.create_template(ID, document(), user="ann").version
        sync.update_template(ID, {"name": "two"}, user="ann")
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("UPDATE revision SET body = ?", (body,))
        raw.commit()
    with connect(f"sqlite:///{path}", cache=tmp_path / "reader") as sync:
        calls: tuple[Callable[[], object], ...] = (
            lambda: sync.get_template(ID, user="ann"),
            lambda: sync.update_template(ID, {"name": "three"}, user="ann"),
            lambda: sync.rollback(ID, first, user="ann"),
            lambda: sync.history(ID),
        )
        for call in calls:
            with pytest.raises(StoreUnavailableError, match=f"{path} is damaged: .* '[12]-") as why:
                call()
            assert (why.value.template_id, why.value.retryable) == (ID, False)
    with (
        closing(opened(str(path))) as store,
        pytest.raises(StoreUnavailableError, match="is damaged: what it holds as version '2-"),
    ):
        store.head(ID)


@pytest.mark.parametrize(
    "change",
    [
        "by = 'eve'",
        "at = at + 1",
        "user_updated_at = NULL",
        "parent = NULL",
        "update_id = 'another'",
        "update_id = NULL",
        "detail = '{}'",
        "detail = NULL",
        "version = replace(version, '2-', '2-0')",
        "digest = zeroblob(32)",
        "template_id = 'other'",
        "revision = 7",
        "by = CAST(by AS BLOB)",
    ],
)
def test_a_column_that_is_not_what_was_committed_is_damage(tmp_path: Path, change: str) -> None:
    """An author, a time, an update id and a reason are as much a part of a commit as its body."""
    path = tmp_path / "store.db"
    with closing(opened(str(path))) as store:
        row = store.create(ID, document(), by="ann")
        detail = {"kind": "update"}
        store.compare_and_swap(
            ID, row.version, document("two"), by="ann", update_id="u", detail=detail
        )
    with closing(sqlite3.connect(path)) as raw:
        raw.execute(f"UPDATE revision SET {change} WHERE revision = 2")  # noqa: S608
        raw.commit()
    with closing(opened(str(path))) as store:
        for read in (store.head, store.read, store.history, store.audit):
            with pytest.raises(StoreUnavailableError, match="is damaged"):
                read(ID)


def test_a_head_older_than_the_newest_row_is_noticed(tmp_path: Path) -> None:
    """A bit in an inner page hides the newest rows from whoever looks for them from there."""
    path = tmp_path / "store.db"
    with closing(opened(str(path))) as store:
        store.create(ID, document(), by="ann")
        for n in range(40):
            count_up(store, update_id=f"u{n}")
    with closing(sqlite3.connect(path)) as raw:
        (root,) = raw.execute(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'revision'"
        ).fetchone()
        (page_bytes,) = raw.execute("PRAGMA page_size").fetchone()
    with path.open("r+b") as file:
        file.seek((root - 1) * page_bytes)
        assert file.read(1) == b"\x05"  # an inner page of a table; its last child stands at byte 8
        file.seek((root - 1) * page_bytes + 12)
        (cell,) = unpack(">H", file.read(2))
        file.seek((root - 1) * page_bytes + cell)
        first_child = file.read(4)
        file.seek((root - 1) * page_bytes + 8)
        file.write(first_child)
    with pytest.raises(StoreUnavailableError, match=f"{path} is damaged: .*restore a backup"):
        opened(str(path))


def test_a_history_with_a_gap_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with closing(opened(str(path))) as store:
        store.create(ID, document(), by="ann")
        for n in range(3):
            count_up(store, update_id=f"u{n}")
    for gone, says in ((2, "before version '3-.*' is missing"), (1, "before version '3-.*missing")):
        with closing(sqlite3.connect(path)) as raw:
            raw.execute("DELETE FROM revision WHERE revision = ?", (gone,))
            raw.commit()
        with closing(opened(str(path))) as store:
            for read in (store.history, store.audit):
                with pytest.raises(StoreUnavailableError, match=says):
                    read(ID)
            assert len(store.history(ID, limit=2)) == 2


def test_a_detail_that_is_no_json_is_damage_too(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with closing(opened(f"sqlite:///{path}")) as store:
        store.create(ID, document(), by="ann")
        with closing(sqlite3.connect(path)) as raw:
            raw.execute("UPDATE revision SET detail = '{bad'")
            raw.commit()
        for read in (store.read, store.history, store.audit):
            with pytest.raises(StoreUnavailableError, match="is damaged"):
                read(ID)
