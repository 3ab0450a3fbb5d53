"""Backup, restore and verify: whole copies of a store that others go on using."""

from __future__ import annotations

import errno
import gc
import itertools
import os
import re
import shutil
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from syncsim import connect
from syncsim.contract import Row
from syncsim.errors import StoreUnavailableError, UsageError
from syncsim.store import copies
from syncsim.store import sqlite as sqlite_store
from syncsim.store.copies import is_gone, restore_damaged, verify_file
from syncsim.store.sqlite import SQLiteStore
from syncsim.store.verifying import MAX_PROBLEMS
from syncsim.store.write_transaction import WriteTransaction
from tests.interrupting import interrupted
from tests.store_parts import (
    ID,
    commit_many,
    count_up,
    document,
    in_a_child,
    opened,
    processes,
)

FILES = Path(__file__).parent / "files"
TIMES = 20


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def store(path: Path) -> Iterator[SQLiteStore]:
    with closing(opened(f"sqlite:///{path}?synchronous=NORMAL")) as store:
        store.create(ID, document(), by="ann")
        for n in range(3):
            count_up(store, update_id=f"first-{n}")
        yield store


def versions(path: Path) -> list[str]:
    """The versions in a database file, oldest first."""
    with closing(opened(str(path))) as store:
        return [one.version for one in store.history(ID)][::-1]


def leftovers(folder: Path) -> list[str]:
    return sorted(name for name in os.listdir(folder) if name.startswith("."))


# -- backup ----------------------------------------------------------------------------------------


@pytest.mark.real
def test_a_backup_beside_eight_writers_is_whole_and_a_prefix_of_the_history(
    store: SQLiteStore, tmp_path: Path
) -> None:
    over = threading.Event()

    def write(name: str) -> None:
        number = 0
        while not over.is_set():
            number += 1
            count_up(store, name, update_id=f"{name}-{number}")

    writers = [threading.Thread(target=write, args=(f"w{n}",)) for n in range(8)]
    for writer in writers:
        writer.start()
    sizes = [store.backup(tmp_path / f"copy-{n}.db").versions for n in range(TIMES)]
    over.set()
    for writer in writers:
        writer.join()

    assert sizes == sorted(sizes)
    assert sizes[-1] > sizes[0] > 3
    whole = [one.version for one in store.history(ID)][::-1]
    for n, size in enumerate(sizes):
        copy = tmp_path / f"copy-{n}.db"
        assert verify_file(copy, None).passed
        assert versions(copy) == whole[:size]
    assert leftovers(tmp_path) == []


def test_a_backup_is_one_file_as_private_as_the_store(
    store: SQLiteStore, path: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "copies"
    folder.mkdir()
    path.chmod(0o640)
    store.backup(folder / "copy.db")
    assert os.listdir(folder) == ["copy.db"]
    assert stat.S_IMODE((folder / "copy.db").stat().st_mode) == 0o640
    with closing(sqlite3.connect(folder / "copy.db")) as copy:
        assert copy.execute("PRAGMA journal_mode").fetchone() == ("delete",)


def test_progress_ends_with_all_that_there_is(store: SQLiteStore, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    store.backup(tmp_path / "copy.db", progress=lambda done, of: told.append((done, of)))
    assert told[-1][0] == told[-1][1] > 0
    told.clear()
    store.verify(progress=lambda done, of: told.append((done, of)))
    assert told == [(0, 4), (4, 4)]


def test_a_target_that_is_there_is_replaced_only_on_request(
    store: SQLiteStore, tmp_path: Path
) -> None:
    target = tmp_path / "copy.db"
    target.write_text("precious")
    with pytest.raises(UsageError, match=r"a file that does not exist yet, or force=True"):
        store.backup(target)
    assert target.read_text() == "precious"
    store.backup(target, force=True)
    assert verify_file(target, None).versions == 4
    assert leftovers(tmp_path) == []


def make_folder(target: Path) -> None:
    target.mkdir()


def make_open_database(target: Path) -> None:
    target.write_text("")
    target.with_name(f"{target.name}-wal").write_text("a log")


@pytest.mark.parametrize(
    ("name", "make", "says"),
    [
        ("folder", make_folder, "a file, not a folder"),
        ("nowhere/copy.db", None, "a file in a folder that exists"),
        ("store.db", None, "another file than the store itself"),
        ("link.db", lambda target: target.symlink_to("store.db"), "another file than the store"),
        ("open.db", make_open_database, "a file that is no open database"),
    ],
)
def test_a_file_that_cannot_be_the_copy_is_refused_and_left_alone(
    store: SQLiteStore,
    tmp_path: Path,
    name: str,
    make: Callable[[Path], None] | None,
    says: str,
) -> None:
    if make is not None:
        make(tmp_path / name)
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(UsageError, match=says):
        store.backup(tmp_path / name, force=True)
    assert sorted(os.listdir(tmp_path)) == before
    assert store.verify().versions == 4


def test_a_damaged_store_makes_no_backup_that_looks_sound(
    store: SQLiteStore, path: Path, tmp_path: Path
) -> None:
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("UPDATE revision SET by = 'eve' WHERE revision = 2")
        raw.commit()
    with pytest.raises(StoreUnavailableError, match=r"is damaged: version '2-.* is not what was"):
        store.backup(tmp_path / "copy.db")
    assert not (tmp_path / "copy.db").exists()
    assert leftovers(tmp_path) == []


# -- restore ---------------------------------------------------------------------------------------


def test_a_restore_brings_back_what_the_backup_holds_and_keeps_what_was_there(
    store: SQLiteStore, path: Path, tmp_path: Path
) -> None:
    """Every store on the file goes on from there; tokens and ids that are gone are free again."""
    backed = [one.version for one in store.history(ID)]
    store.backup(tmp_path / "copy.db")
    for n in range(5):
        count_up(store, update_id=f"later-{n}")
    store.create("second", document(), by="ben")
    with closing(opened(str(path))) as other:
        assert other.head(ID).revision == 9

        done = store.restore(tmp_path / "copy.db")

        assert (done.templates, done.versions, done.gone) == (1, 4, 6)
        for each in (store, other):
            assert [one.version for one in each.history(ID)] == backed
            assert each.head(ID).version == backed[0]
            assert each.templates() == [ID]
            assert each.find_update("later-0") is None
        assert count_up(other, update_id="later-0").revision == 5
        assert count_up(store, update_id="later-1").revision == 6
        assert store.verify().passed
    assert len(versions(done.kept)) == 9
    assert leftovers(tmp_path) == []


def test_readers_drop_what_they_hold(tmp_path: Path) -> None:
    """A version that came again, by another and at another time, is served as it is now."""
    url = f"sqlite:///{tmp_path}/store.db"
    with (
        connect(url, cache=tmp_path / "one") as sync,
        connect(url, cache=tmp_path / "two") as other,
    ):
        sync.create_template(ID, document(), user="ann")
        sync.backup(tmp_path / "copy.db")
        sync.update_template(ID, {"name": "again"}, user="ann")
        seen = other.get_template(ID, user="cid")
        sync.restore(tmp_path / "copy.db")
        assert other.get_template(ID, user="cid").version.startswith("1-")
        sync.update_template(ID, {"name": "again"}, user="ben")
        for each in (sync, other):
            for view in (False, True):
                now = each.get_template(ID, user="cid", view=view)
                assert (now.version, now.updated_by) == (seen.version, "ben")
            now = each.get_template(ID, user="ann")
            assert (now.version, now.updated_by) == (seen.version, "ben")


@pytest.mark.real
def test_a_restore_into_a_store_that_others_use_harms_none_of_them(
    store: SQLiteStore, path: Path, tmp_path: Path
) -> None:
    """Two processes and a thread write and read all the while; each call ends as calls may end."""
    store.backup(tmp_path / "copy.db")
    backed = versions(tmp_path / "copy.db")
    context = processes()
    pipes = [context.Pipe() for _ in range(2)]
    url = f"sqlite:///{path}?synchronous=NORMAL"
    others = [
        context.Process(target=commit_many, args=(url, f"p{n}", 400, pipes[n][1])) for n in range(2)
    ]
    for other in others:
        other.start()
    for n in range(TIMES):
        count_up(store, "mine", update_id=f"mine-{n}")
        done = store.restore(tmp_path / "copy.db")
        assert done.versions == len(backed)
        assert [one.version for one in store.history(ID)][::-1][: len(backed)] == backed
    for (ours, _), other in zip(pipes, others, strict=True):
        errors = ours.recv()
        other.join()
        assert [error for error in errors if "StoreUnavailableError" not in error] == []
    assert store.verify().passed
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("schema", [1, 2])
def test_a_backup_of_an_older_schema_is_restored_and_left_as_it_is(
    store: SQLiteStore, tmp_path: Path, schema: int
) -> None:
    old = shutil.copy(FILES / f"store-of-schema-{schema}.db", tmp_path / "old.db")
    before = Path(old).read_bytes()
    done = store.restore(tmp_path / "old.db")
    assert (done.templates, done.versions) == (2, 8)
    assert store.head("card").version == "4-1a6e5ac7"
    assert store.verify().passed
    assert Path(old).read_bytes() == before


def make_text(source: Path) -> None:
    source.write_text("no database, but long enough to be looked at " * 100)


def make_foreign(source: Path) -> None:
    with closing(sqlite3.connect(source)) as raw:
        raw.execute("CREATE TABLE template (id)")


def make_altered(source: Path) -> None:
    shutil.copy(FILES / "store-of-schema-2.db", source)
    opened(str(source)).close()
    with closing(sqlite3.connect(source)) as raw:
        raw.execute("UPDATE revision SET by = 'eve' WHERE revision = 3")
        raw.commit()


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (None, UsageError, "a file that exists"),
        (make_text, StoreUnavailableError, "is not a SQLite database"),
        (make_foreign, StoreUnavailableError, "is the database of another program"),
        (make_altered, StoreUnavailableError, "is damaged: version '3-.* is not what was"),
    ],
)
def test_what_is_no_sound_backup_changes_nothing(
    store: SQLiteStore,
    tmp_path: Path,
    make: Callable[[Path], None] | None,
    error: type[Exception],
    says: str,
) -> None:
    source = tmp_path / "copy.db"
    if make is not None:
        make(source)
    with pytest.raises(error, match=says) as why:
        store.restore(source)
    assert isinstance(why.value, UsageError) or str(source) in str(why.value)
    assert store.verify().versions == 4
    assert [name for name in os.listdir(tmp_path) if "replaced" in name] == []
    assert leftovers(tmp_path) == []


# -- what fails half-way ---------------------------------------------------------------------------


def state(store: SQLiteStore, folder: Path) -> tuple[list[str], list[str]]:
    """What the store holds, and what lies beside it."""
    beside = [name for name in os.listdir(folder) if not name.endswith(("-wal", "-shm"))]
    return [one.version for one in store.history(ID)], sorted(beside)


def check_others_write(store: SQLiteStore) -> None:
    """The lock to write is free for another thread."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(count_up, store).result(60)


def test_a_restore_that_another_process_holds_up_changes_nothing(
    store: SQLiteStore, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.backup(tmp_path / "copy.db")
    before = state(store, tmp_path)
    monkeypatch.setattr(sqlite_store, "WRITE_TIMEOUT_S", 0.01)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailableError, match="busy"):
            store.restore(tmp_path / "copy.db")
    assert state(store, tmp_path) == before
    check_others_write(store)


def test_a_restore_inside_a_change_is_refused(store: SQLiteStore, tmp_path: Path) -> None:
    store.backup(tmp_path / "copy.db")
    before = state(store, tmp_path)

    def change(_: Row) -> None:
        store.restore(tmp_path / "copy.db")

    with pytest.raises(UsageError, match="a write inside a write"):
        store.update_locked(ID, change, by="ann")
    assert state(store, tmp_path) == before
    check_others_write(store)


@pytest.mark.parametrize("statement", range(5))
def test_a_restore_that_fails_at_a_statement_changes_nothing(
    store: SQLiteStore, tmp_path: Path, statement: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.backup(tmp_path / "copy.db")
    count_up(store)
    before = state(store, tmp_path)
    broken = (*copies.PUT_BACK[:statement], "SELECT no_such_function()")
    monkeypatch.setattr(copies, "PUT_BACK", broken)
    with pytest.raises(StoreUnavailableError, match="no such function"):
        store.restore(tmp_path / "copy.db")
    assert state(store, tmp_path) == before
    check_others_write(store)
    assert store.verify().passed


@pytest.mark.parametrize(
    ("code", "is_kept"), [(sqlite3.SQLITE_FULL, False), (sqlite3.SQLITE_IOERR_FSYNC, True)]
)
def test_what_a_restore_replaces_is_kept_where_its_commit_may_come_to_life(
    store: SQLiteStore,
    tmp_path: Path,
    code: int,
    is_kept: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store.backup(tmp_path / "copy.db")
    count_up(store)
    before, files = state(store, tmp_path)

    def fail(transaction: WriteTransaction) -> None:
        cause = sqlite3.OperationalError("of the disk")
        cause.sqlite_errorcode = code
        raise transaction._failure(cause) from cause

    monkeypatch.setattr(WriteTransaction, "_commit", fail)
    with pytest.raises(StoreUnavailableError, match="of the disk"):
        store.restore(tmp_path / "copy.db")
    after, beside = state(store, tmp_path)
    assert after == before
    assert len(beside) == len(files) + is_kept


@pytest.mark.real
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("stride", [pytest.param(1, marks=pytest.mark.slow), 7])
def test_a_restore_interrupted_at_any_line_is_done_or_not_and_no_lock_is_left(
    store: SQLiteStore, tmp_path: Path, stride: int
) -> None:
    """What is replaced is kept in a file, and no file is kept where nothing is."""
    store.backup(tmp_path / "copy.db")
    backed = [one.version for one in store.history(ID)]
    done = 0
    for at in itertools.count(1, stride):
        check_others_write(store)
        before, files = state(store, tmp_path)
        place, _ = interrupted(lambda: store.restore(tmp_path / "copy.db"), at)
        after, beside = state(store, tmp_path)
        assert after in (before, backed), place
        assert len(beside) == len(files) + (after == backed), place
        done += after == backed
        if place is None:
            break
    assert done > 0
    assert at > 100
    gc.collect()


@pytest.mark.real
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("stride", [pytest.param(1, marks=pytest.mark.slow), 5])
def test_a_backup_interrupted_at_any_line_leaves_a_whole_copy_or_none(
    store: SQLiteStore, tmp_path: Path, stride: int
) -> None:
    folder = tmp_path / "copies"
    folder.mkdir()
    for at in itertools.count(1, stride):
        place, _ = interrupted(lambda: store.backup(folder / "copy.db"), at)
        assert set(os.listdir(folder)) <= {"copy.db"}, place
        if (folder / "copy.db").exists():
            assert verify_file(folder / "copy.db", None).versions == 4, place
            (folder / "copy.db").unlink()
        if place is None:
            break
    check_others_write(store)
    gc.collect()


def test_a_name_that_is_taken_meanwhile_is_left_alone(store: SQLiteStore, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"

    def take(done: int, of: int) -> None:
        target.write_text("precious")

    with pytest.raises(UsageError, match="a file that does not exist yet, or force=True"):
        store.backup(target, progress=take)
    assert target.read_text() == "precious"
    assert leftovers(tmp_path) == []


def test_a_copy_needs_neither_hard_links_nor_modes(
    store: SQLiteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on the file systems of memory cards."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    for name in ("link", "chmod", "fchmod", "chown", "fchown"):
        monkeypatch.setattr(os, name, refuse)
    store.backup(tmp_path / "copy.db")
    assert (tmp_path / "copy.db").stat().st_nlink == 1
    assert store.restore(tmp_path / "copy.db").versions == 4
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("force", [False, True])
def test_a_copy_that_cannot_be_put_in_place_leaves_no_name(
    store: SQLiteStore, tmp_path: Path, force: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(Path, "replace", refuse)
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(StoreUnavailableError, match=r"copy\.db cannot be written \(Input/output"):
        store.backup(tmp_path / "copy.db", force=force)
    assert sorted(os.listdir(tmp_path)) == before


# -- what cannot be reached ------------------------------------------------------------------------


def test_a_store_whose_file_was_deleted_says_what_to_do(
    store: SQLiteStore, path: Path, tmp_path: Path
) -> None:
    store.backup(tmp_path / "copy.db")
    path.unlink()
    for call in (store.restore, lambda copy: store.backup(copy, force=True)):
        with pytest.raises(StoreUnavailableError, match=r"deleted .* put it back, or close"):
            call(tmp_path / "copy.db")
    assert leftovers(tmp_path) == []


def test_a_name_that_is_too_long_is_refused(store: SQLiteStore, tmp_path: Path) -> None:
    name = tmp_path / ("n" * 300)
    for call in (store.backup, store.restore, lambda name: verify_file(name, None)):
        with pytest.raises(StoreUnavailableError, match=r"n cannot be .*\(File name too long\)"):
            call(name)


def test_a_folder_that_may_not_be_entered_or_not_listed(
    public_folder: Path,
) -> None:
    """As somebody who owns nothing, because root may enter everywhere.

    A copy in a folder that cannot be opened is in place, and that is a success.
    """
    shut, drop = public_folder / "shut", public_folder / "drop"
    for folder, mode in ((shut, 0o700), (drop, 0o733)):
        folder.mkdir()
        folder.chmod(mode)
    out = in_a_child(
        f"{drop}/store.db",
        """
from pathlib import Path
from syncsim.store.copies import verify_file
import syncsim.system.interrupts, syncsim.system.whole_files
folder = Path(url).parent.parent
opened(url + "-imports-everything").close()
content = document()  # of files of the package, which may lie where only root may read
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
store = opened(url)
store.create(ID, content, by="ann")
for call in (store.backup, store.restore, lambda path: verify_file(path, None)):
    try:
        call(folder / "shut" / "copy.db")
    except StoreUnavailableError as error:
        print(error)
if os.geteuid():
    for force in (False, True):
        print(store.backup(folder / "drop" / "copy.db", force=force).versions)
    print(store.restore(folder / "drop" / "copy.db").versions)
""",
    )
    lines = out.splitlines()
    assert [line.count("copy.db cannot be") for line in lines[:3]] == [1, 1, 1]
    assert [line.count("Permission denied") for line in lines[:3]] == [1, 1, 1]
    assert lines[3:] == ["1", "1", "1"]


@pytest.mark.parametrize("suffix", ["-wal", "-journal"])
@pytest.mark.parametrize("force", [False, True])
def test_a_copy_is_put_beside_no_log_of_another(
    store: SQLiteStore, tmp_path: Path, suffix: str, force: bool
) -> None:
    """SQLite would take it for the log of the copy; also where the name leads there by a link."""
    (tmp_path / f"other.db{suffix}").write_text("a log")
    (tmp_path / "other.db").touch()
    (tmp_path / "link.db").symlink_to("other.db")
    if not force:
        (tmp_path / "other.db").unlink()
        (tmp_path / "link.db").unlink()
    for name in ("other.db", "link.db") if force else ("other.db",):
        with pytest.raises(UsageError, match="a file that is no open database"):
            store.backup(tmp_path / name, force=force)


def test_a_link_stays_a_link_and_a_device_a_device(store: SQLiteStore, tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to("copy.db")
    with pytest.raises(UsageError, match="a file that does not exist yet"):
        store.backup(tmp_path / "link.db")
    store.backup(tmp_path / "link.db", force=True)
    assert (tmp_path / "link.db").is_symlink()
    assert verify_file(tmp_path / "copy.db", None).versions == 4
    os.mkfifo(tmp_path / "pipe")
    for force in (False, True):
        with pytest.raises(UsageError, match="a file, not a folder or a device"):
            store.backup(tmp_path / "pipe", force=force)


def test_an_empty_file_is_no_backup(store: SQLiteStore, tmp_path: Path) -> None:
    """What a process leaves that is killed just before its copy is in place."""
    (tmp_path / "copy.db").touch()
    with pytest.raises(StoreUnavailableError, match="is empty, so it is no backup"):
        store.restore(tmp_path / "copy.db")
    assert store.verify().versions == 4


# -- too damaged to be opened ----------------------------------------------------------------------


def damage(path: Path) -> bytes:
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 4096)
    return path.read_bytes()


@pytest.fixture
def closed(path: Path, tmp_path: Path) -> Path:
    """A store that is closed, of one version, with a backup beside it."""
    with closing(opened(str(path))) as store:
        store.create(ID, document(), by="ann")
        store.backup(tmp_path / "copy.db")
    return path


def test_a_store_too_damaged_to_be_opened_is_moved_aside(closed: Path, tmp_path: Path) -> None:
    damaged = damage(closed)
    with pytest.raises(StoreUnavailableError, match="is damaged") as why:
        opened(str(closed))
    assert why.value.damaged

    done = restore_damaged(closed, tmp_path / "copy.db", None)

    assert done.kept.read_bytes() == damaged
    assert len(versions(closed)) == 1


def test_of_a_damaged_store_that_a_link_leads_to_the_file_is_replaced(
    closed: Path, tmp_path: Path
) -> None:
    damaged = damage(closed)
    link = tmp_path / "links" / "store.db"
    link.parent.mkdir()
    link.symlink_to(closed)
    done = restore_damaged(link, tmp_path / "copy.db", None)
    assert link.is_symlink()
    assert done.kept.parent == tmp_path
    assert done.kept.read_bytes() == damaged
    assert len(versions(closed)) == 1


def test_a_store_that_is_gone_but_for_its_log_is_restored(closed: Path, tmp_path: Path) -> None:
    log = closed.with_name(f"{closed.name}-wal")
    log.write_text("a log")
    closed.unlink()
    assert is_gone(closed)
    done = restore_damaged(closed, tmp_path / "copy.db", None)
    assert done.kept.with_name(f"{done.kept.name}-wal").read_text() == "a log"
    assert len(versions(closed)) == 1
    assert stat.S_IMODE(closed.stat().st_mode) == 0o600


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_damaged_store_is_where_it_was_wherever_its_restore_is_interrupted(
    closed: Path, tmp_path: Path
) -> None:
    damaged = damage(closed)
    log = closed.with_name(f"{closed.name}-wal")
    log.write_bytes(b"a log")
    names = sorted(os.listdir(tmp_path))
    for at in itertools.count(1, 3):
        place, left = interrupted(lambda: restore_damaged(closed, tmp_path / "copy.db", None), at)
        if left is None or len(os.listdir(tmp_path)) != len(names):
            break
        assert sorted(os.listdir(tmp_path)) == names, place
        assert (closed.read_bytes(), log.read_bytes()) == (damaged, b"a log"), place
    assert at > 100
    kept = [name for name in os.listdir(tmp_path) if "replaced" in name and "wal" not in name]
    assert [(tmp_path / name).read_bytes() for name in kept] == [damaged]
    assert len(versions(closed)) == 1
    gc.collect()


# -- verify ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("UPDATE revision SET detail = 1 WHERE revision = 2", "version '2-.*not what was"),
        ("UPDATE revision SET revision = 'x' WHERE revision = 2", "version '2-.*not what was"),
        ("UPDATE revision SET version = 1 WHERE revision = 2", "of template 'card' is not what"),
        ("DELETE FROM revision WHERE revision = 2", "does not follow version '1-"),
        ("DELETE FROM revision WHERE revision = 1", "version '2-.* has no parent"),
        ("DELETE FROM revision", "template 'card' has no version"),
        ("UPDATE revision SET place = place + 7 WHERE revision = 4", "at the place of another"),
        ("DELETE FROM template", "a version belongs to no template"),
        ("UPDATE template SET template_id = 'other'", "at the place of another version"),
    ],
)
def test_what_is_not_as_it_was_committed_is_told(
    store: SQLiteStore, path: Path, change: str, says: str
) -> None:
    with closing(sqlite3.connect(path)) as raw:
        raw.execute(change)
        raw.commit()
    for found in (store.verify(), verify_file(path, None)):
        assert not found.passed
        assert len(found.problems) <= MAX_PROBLEMS
        assert found.templates <= 1
        assert any(re.search(says, problem) for problem in found.problems), found.problems


def test_a_store_in_memory_says_in_one_sentence_that_it_has_no_file(tmp_path: Path) -> None:
    with connect("memory://", cache=tmp_path / "cache") as sync:
        for call in (lambda: sync.backup("x.db"), lambda: sync.restore("x.db"), sync.verify):
            with pytest.raises(UsageError, match="expected a store in a file; what memory://"):
                call()


def test_paths_are_those_of_the_person_who_types_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with connect(f"sqlite:///{tmp_path}/store.db", cache=tmp_path / "cache") as sync:
        sync.create_template(ID, document(), user="ann")
        sync.backup("~/copy.db")
        assert (tmp_path / "copy.db").exists()
        for path in ("", "a\0b", 3, None):
            with pytest.raises(UsageError, match="the path of a file"):
                sync.backup(path)  # type: ignore[arg-type]


# -- what lies beside a copy -----------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["-wal", "-shm", "-journal", "-locks"])
def test_a_backup_takes_no_name_that_belongs_to_the_store(
    store: SQLiteStore, path: Path, suffix: str
) -> None:
    target = path.with_name(path.name + suffix)
    with pytest.raises(UsageError, match=r"a file|than the store itself"):
        store.backup(target, force=True)
    assert count_up(store, update_id="on").revision == 5


def test_a_copy_beside_a_log_that_is_not_its_own_is_not_restored(
    store: SQLiteStore, tmp_path: Path
) -> None:
    """SQLite would read the log of what had the name before into it."""
    copy = tmp_path / "copy.db"
    store.backup(copy)
    with closing(opened(str(tmp_path / "other.db"))) as other:
        other.create(ID, document(), by="bob")
        shutil.copy(tmp_path / "other.db-wal", tmp_path / "copy.db-wal")
    with pytest.raises(StoreUnavailableError, match=r"copy without a log, and copy.db-wal lies"):
        store.restore(copy)
    assert count_up(store, update_id="on").revision == 5


def test_a_database_without_tables_is_no_backup(store: SQLiteStore, tmp_path: Path) -> None:
    bare = tmp_path / "bare.db"
    with closing(sqlite3.connect(bare)) as connection:
        connection.execute("VACUUM")
    with pytest.raises(StoreUnavailableError, match="is empty, "):
        store.restore(bare)
    assert count_up(store, update_id="on").revision == 5
