"""What befalls the files under an open store: copied, moved, removed, linked, restored by hand.

The ways are those of SQLite's "How To Corrupt An SQLite Database File". Wanted is always the same:
nothing that was acknowledged is lost without an error to the next who writes, what is served is
what lies there or an error, and a file that was put there stays whole.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from syncsim.errors import StoreUnavailableError
from syncsim.store import sqlite_file
from syncsim.store.copies import verify_file
from syncsim.store.held_log import SET_ASIDE
from syncsim.store.sqlite import SQLiteStore
from tests.store_parts import ID, count_up, document, in_a_child, opened

ACKNOWLEDGED = r"replaced by another file while it was open: version \d+-.*acknowledged here"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data" / "store.db"


@pytest.fixture
def store(path: Path) -> Iterator[SQLiteStore]:
    """Four versions, folded into the file, so that the log begins anew."""
    with closing(opened(str(path))) as store:
        store.create(ID, document(), by="ann")
        for n in range(3):
            count_up(store, update_id=f"early-{n}")
        fold(path)
        yield store


@pytest.fixture(autouse=True)
def _always_looking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers look at each call, as writers do, instead of four times a second."""
    monkeypatch.setattr(sqlite_file, "LOOK_EVERY_S", 0.0)


def beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)


def elsewhere(code: str, *arguments: object) -> None:
    """Run a line of Python as another process does, so that no lock of this one is touched."""
    texts = [str(argument) for argument in arguments]
    subprocess.run([sys.executable, "-c", f"import sqlite3, sys; {code}", *texts], check=True)


def fold(path: Path) -> None:
    """What happens by itself every 1,000 pages, done by another program."""
    elsewhere(
        "c = sqlite3.connect(sys.argv[1]); c.execute('PRAGMA wal_checkpoint(TRUNCATE)'); c.close()",
        path,
    )


def copy_of(path: Path) -> Path:
    """A backup, as `VACUUM INTO` makes it: the same content in other pages."""
    copy = beside(path, ".copy")
    elsewhere("sqlite3.connect(sys.argv[1]).execute('VACUUM INTO ?', (sys.argv[2],))", path, copy)
    return copy


def moved_over(copy: Path, path: Path) -> None:
    copy.replace(path)


def copied_over(copy: Path, path: Path) -> None:
    subprocess.run(["cp", str(copy), str(path)], check=True)


def is_sound(path: Path, versions: int) -> bool:
    found = verify_file(path, None)
    return found.passed and found.versions == versions


@contextmanager
def another_process(path: Path) -> Iterator[Callable[[str], None]]:
    """A process with the store open, which runs a line of Python at a time."""
    program = (
        "import sys; from syncsim.store import sqlite_file; sqlite_file.LOOK_EVERY_S = 0.0\n"
        "from tests.store_parts import ID, count_up, opened\n"
        "store = opened(sys.argv[1])\n"
        "for line in sys.stdin:\n"
        "    exec(line); print('done', flush=True)\n"
        "store.close()"
    )
    command = [sys.executable, "-c", program, str(path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None

    def run(line: str) -> None:
        print(line, file=process.stdin, flush=True)
        assert process.stdout.readline() == "done\n"  # type: ignore[union-attr]

    with process:
        try:
            yield run
        finally:
            process.stdin.close()


# -- another file in its place ---------------------------------------------------------------------


@pytest.mark.parametrize("put", [moved_over, copied_over])
@pytest.mark.parametrize("commits", [0, 1, 3, 60])
def test_a_backup_put_in_its_place_is_what_is_served_and_stays_whole(
    store: SQLiteStore, path: Path, put: Callable[[Path, Path], None], commits: int
) -> None:
    """The log of the old file is not read into the new one, but kept beside it."""
    copy = copy_of(path)
    for n in range(commits):
        count_up(store, update_id=f"later-{n}")
    put(copy, path)
    assert [one.revision for one in store.history(ID)] == [4, 3, 2, 1]
    assert store.head(ID).revision == store.read(ID).revision == 4
    if commits:
        with pytest.raises(StoreUnavailableError, match=ACKNOWLEDGED) as why:
            count_up(store, update_id="mine")
        assert (why.value.template_id, why.value.retryable) == (ID, False)
        assert beside(path, f"-wal{SET_ASIDE}").stat().st_size > 0
    assert count_up(store, update_id="mine").revision == 5
    assert is_sound(path, 5)
    store.close()
    assert is_sound(path, 5)


@pytest.mark.parametrize("put", [moved_over, copied_over])
def test_another_store_put_in_its_place_is_served_as_it_is(
    store: SQLiteStore, path: Path, tmp_path: Path, put: Callable[[Path, Path], None]
) -> None:
    with closing(opened(str(tmp_path / "other.db"))) as other:
        other.create("other", document("Other"), by="ben")
    for n in range(3):
        count_up(store, update_id=f"later-{n}")
    put(tmp_path / "other.db", path)
    assert store.templates() == ["other"]
    assert store.read("other").document["name"] == "Other"
    store.close()
    assert is_sound(path, 1)


def test_every_store_of_a_process_turns_to_the_new_file(store: SQLiteStore, path: Path) -> None:
    """SQLite has one state for a file and a process: none may stay behind with the old log."""
    link = beside(path, ".link")
    link.symlink_to(path.name)
    with closing(opened(str(path))) as second, closing(opened(str(link))) as third:
        copy = copy_of(path)
        for each in (store, second, third):
            count_up(each, update_id=f"later-{id(each)}")
        copied_over(copy, path)
        assert second.head(ID).revision == 4
        with pytest.raises(StoreUnavailableError, match=ACKNOWLEDGED):
            count_up(third)
        for n, each in enumerate((store, second, third)):
            assert count_up(each, update_id=f"on-{n}").revision == 5 + n
            assert store.head(ID) == second.head(ID) == third.head(ID)
    store.close()
    assert is_sound(path, 7)


def test_another_process_turns_to_the_new_file_too(store: SQLiteStore, path: Path) -> None:
    """The one that looks second must not take the new log of the first for the old one."""
    code = """
store = opened(url)
count_up(store, update_id="theirs")
print("ready", flush=True)
for line in sys.stdin:
    try:
        print(count_up(store, update_id=line.strip()).revision, flush=True)
    except StoreUnavailableError as error:
        print("acknowledged here" in str(error), flush=True)
"""
    copy = copy_of(path)
    other = subprocess.Popen(
        [sys.executable, "-c", f"import sys\n{CHILD}\nurl = sys.argv[1]\n{code}", str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert other.stdin is not None
    assert other.stdout is not None

    def ask(update_id: str) -> str:
        assert other.stdin is not None
        assert other.stdout is not None
        other.stdin.write(f"{update_id}\n")
        other.stdin.flush()
        return other.stdout.readline().strip()

    with other:
        assert other.stdout.readline() == "ready\n"
        count_up(store, update_id="mine")
        moved_over(copy, path)
        assert store.head(ID).revision == 4
        with pytest.raises(StoreUnavailableError, match=ACKNOWLEDGED):
            count_up(store)
        assert count_up(store, update_id="a").revision == 5
        assert ask("b") == "True"
        assert ask("b") == "6"
        assert count_up(store, update_id="c").revision == 7
        assert ask("d") == "8"
        other.stdin.close()
    assert [one.update_id for one in store.history(ID, limit=4)] == ["d", "c", "b", "a"]
    store.close()
    assert is_sound(path, 8)


CHILD = "from tests.store_parts import *\nfrom syncsim.errors import StoreUnavailableError"


def test_a_checkpoint_is_not_taken_for_another_file(store: SQLiteStore, path: Path) -> None:
    """It changes the file's time and size, as a copy over it does."""
    generation = store._file._shared.generation
    with closing(opened(str(path))) as other:
        for n in range(40):
            count_up(store, update_id=f"mine-{n}")
            if n % 3 == 0:
                fold(path)
            count_up(other, update_id=f"theirs-{n}")
            assert store.head(ID) == other.head(ID)
    assert store._file._shared.generation == generation
    assert store.head(ID).revision == 84


# -- copied in the process -------------------------------------------------------------------------


def read_bytes(path: Path) -> None:
    path.read_bytes()


def copy_file(path: Path) -> None:
    shutil.copy(path, beside(path, ".copied"))


@pytest.mark.parametrize("touch", [read_bytes, copy_file])
def test_a_copy_in_the_process_costs_no_commit(
    store: SQLiteStore, path: Path, touch: Callable[[Path], None]
) -> None:
    """It drops SQLite's locks; a process that then closes must not take itself for the last one."""
    count_up(store, update_id="mine-0")
    touch(path)
    for n in range(1, 4):
        in_a_child(
            str(path), f"store = opened(url); count_up(store, update_id='t{n}'); store.close()"
        )
        count_up(store, update_id=f"mine-{n}")
        touch(path)
    ids = [one.update_id for one in store.history(ID, limit=7)]
    assert ids == ["mine-3", "t3", "mine-2", "t2", "mine-1", "t1", "mine-0"]
    store.close()
    assert is_sound(path, 11)


def test_the_last_to_close_still_folds_the_log_in(store: SQLiteStore, path: Path) -> None:
    with closing(opened(str(path))) as other:
        count_up(other)
        store.close()
        assert beside(path, "-wal").exists()
    assert not beside(path, "-wal").exists()
    assert is_sound(path, 5)


# -- removed, renamed, linked ----------------------------------------------------------------------


@pytest.mark.parametrize("suffixes", [("-wal",), ("-wal", "-shm")])
def test_a_log_that_is_removed_costs_no_commit(
    store: SQLiteStore, path: Path, suffixes: tuple[str, ...]
) -> None:
    """Who still has it open writes it into the database."""
    for n in range(3):
        count_up(store, update_id=f"later-{n}")
    for suffix in suffixes:
        beside(path, suffix).unlink()
    assert count_up(store, update_id="on").revision == 8
    in_a_child(str(path), "store = opened(url); count_up(store, update_id='theirs'); store.close()")
    assert store.head(ID).revision == 9
    store.close()
    assert is_sound(path, 9)


def test_a_log_that_is_removed_is_missed_by_a_process_that_opens_the_store(
    store: SQLiteStore, path: Path
) -> None:
    """It would go on without what the log holds; the one that has the log open puts it back."""
    for n in range(3):
        count_up(store, update_id=f"later-{n}")
    for suffix in ("-wal", "-shm"):
        beside(path, suffix).unlink()
    refused = "try: opened(url)\nexcept Exception as error: print(error)"
    assert "has lost its log store.db-wal while another process" in in_a_child(str(path), refused)
    count_up(store, update_id="on")
    in_a_child(str(path), "store = opened(url); count_up(store, update_id='theirs'); store.close()")
    assert [one.update_id for one in store.history(ID, limit=2)] == ["theirs", "on"]
    store.close()
    assert is_sound(path, 9)


@pytest.mark.parametrize("acts", ["store.head(ID)", "count_up(store, update_id='theirs')"])
def test_a_log_that_is_removed_is_put_back_by_the_process_that_notices_first(
    store: SQLiteStore, path: Path, acts: str
) -> None:
    """One that has only read, so far, loses nothing of what the others have committed."""
    with another_process(path) as other:
        other("store.head(ID)")
        for n in range(3):
            count_up(store, update_id=f"later-{n}")
        beside(path, "-wal").unlink()
        other(acts)
        count_up(store, update_id="on")
        ids = [one.update_id for one in store.history(ID)]
    expected = ["on", "later-2", "later-1", "later-0"]
    assert [one for one in ids if one in expected] == expected
    store.close()
    assert is_sound(path, len(ids))


def test_an_index_that_is_removed_costs_no_commit(store: SQLiteStore, path: Path) -> None:
    """Two processes with an index each would write over each other's commits."""
    with another_process(path) as other:
        other("store.head(ID)")
        beside(path, "-shm").unlink()
        for n in range(3):
            other(f"count_up(store, update_id='theirs-{n}')")
            count_up(store, update_id=f"mine-{n}")
    ids = [one.update_id for one in store.history(ID, limit=6)]
    assert sorted(ids) == sorted(f"{who}-{n}" for who in ("mine", "theirs") for n in range(3))
    store.close()
    assert is_sound(path, 10)


@pytest.mark.parametrize("foreign", [b"no log at all" * 100, None])
@pytest.mark.parametrize("commits", [0, 3])
def test_another_log_moved_over_costs_no_commit(
    store: SQLiteStore, path: Path, foreign: bytes | None, commits: int
) -> None:
    """The log is put back from the file that is held open; the foreign one is kept beside it."""
    content = foreign
    if content is None:
        with closing(opened(str(beside(path, ".other")))) as other:
            other.create(ID, document(), by="bob")
            content = beside(path, ".other-wal").read_bytes()
    for n in range(commits):
        count_up(store, update_id=f"later-{n}")
    beside(path, ".new").write_bytes(content)
    beside(path, ".new").replace(beside(path, "-wal"))
    assert store.head(ID).revision == 4 + commits
    assert count_up(store, update_id="on").revision == 5 + commits
    assert beside(path, f"-wal{SET_ASIDE}").read_bytes() == content
    store.close()
    assert is_sound(path, 5 + commits)


@pytest.mark.parametrize("bytes_left", [0, 20, 5_000])
def test_a_log_that_is_cut_is_told_to_the_next_writer(
    store: SQLiteStore, path: Path, bytes_left: int
) -> None:
    """What it held is nowhere any more; what was folded into the file is served."""
    for n in range(3):
        count_up(store, update_id=f"later-{n}")
    os.truncate(beside(path, "-wal"), bytes_left)
    assert store.head(ID).revision == 4
    with pytest.raises(StoreUnavailableError, match=r"log was cut .* version 7-.* acknowledged"):
        count_up(store, update_id="mine")
    assert count_up(store, update_id="on").revision == 5
    store.close()
    assert is_sound(path, 5)


def test_another_log_copied_over_is_told_to_the_next_writer(store: SQLiteStore, path: Path) -> None:
    with closing(opened(str(beside(path, ".other")))) as other:
        other.create(ID, document(), by="bob")
        for n in range(9):
            count_up(other, update_id=f"theirs-{n}")
        count_up(store, update_id="later")
        subprocess.run(["cp", beside(path, ".other-wal"), beside(path, "-wal")], check=True)
    with pytest.raises(StoreUnavailableError, match=r"written over.* version 5-.* acknowledged"):
        count_up(store, update_id="mine")
    assert count_up(store, update_id="on").revision == 5
    store.close()
    assert is_sound(path, 5)


@pytest.mark.parametrize("emptied", [lambda path: os.truncate(path, 0), lambda path: replace(path)])
def test_a_file_that_was_emptied_is_refused_and_stays_so(
    store: SQLiteStore, path: Path, emptied: Callable[[Path], object]
) -> None:
    copy = copy_of(path)
    emptied(path)
    for call in (lambda: count_up(store), lambda: store.head(ID), lambda: store.templates()):
        with pytest.raises(StoreUnavailableError, match="is empty, and should hold a store"):
            call()
    moved_over(copy, path)
    assert store.head(ID).revision == 4


def replace(path: Path) -> None:
    """Move an empty file over it."""
    beside(path, ".empty").touch()
    beside(path, ".empty").replace(path)


def test_a_file_that_is_gone_never_comes_back_empty(store: SQLiteStore, path: Path) -> None:
    count_up(store)
    away = beside(path, ".away")
    path.rename(away)
    for call in (lambda: count_up(store), lambda: store.head(ID), lambda: store.templates()):
        with pytest.raises(StoreUnavailableError, match="was deleted or moved away while it was"):
            call()
    with pytest.raises(StoreUnavailableError, match=r"is gone, and its log store.db-wal is"):
        opened(str(path))
    assert not path.exists()
    away.rename(path)
    assert count_up(store).revision == 6


def test_between_the_look_and_the_opening_no_empty_file_is_made(
    store: SQLiteStore, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_file, "LOOK_EVERY_S", 60.0)
    store.head(ID)
    store._file.drop_writer()
    store._file.readers.pause(1)
    store._file.readers.resume()
    path.unlink()
    with pytest.raises(StoreUnavailableError, match="cannot be opened"):
        store.read(ID)
    assert not path.exists()


def test_a_file_with_two_names_is_refused_until_it_has_one(store: SQLiteStore, path: Path) -> None:
    """Each name would have a log of its own."""
    second = beside(path, ".second")
    os.link(path, second)
    for call in (lambda: count_up(store), lambda: store.head(ID), lambda: opened(str(second))):
        with pytest.raises(StoreUnavailableError, match=r"has 2 names \(hard links\)"):
            call()
    second.unlink()
    assert count_up(store).revision == 5


def test_a_link_that_is_turned_to_another_file_is_refused(
    store: SQLiteStore, path: Path, tmp_path: Path
) -> None:
    """Updates would go on in the old file, and reads through the name see none of them."""
    link = tmp_path / "link.db"
    link.symlink_to(path)
    with closing(opened(str(tmp_path / "other.db"))) as other:
        other.create(ID, document("Other"), by="ben")
    with closing(opened(str(link))) as linked:
        assert count_up(linked).revision == 5
        link.unlink()
        link.symlink_to(tmp_path / "other.db")
        for call in (lambda: count_up(linked), lambda: linked.head(ID)):
            with pytest.raises(StoreUnavailableError, match="leads to another file now; connect"):
                call()
    assert count_up(store).revision == 6


# -- left behind by a process that was killed ------------------------------------------------------


def kill_after(path: Path, commits: int) -> None:
    """Four versions folded in, a copy made, some more in the log; and the process is gone."""
    folded = "sqlite3.connect(url, isolation_level=None).execute"
    in_a_child(
        str(path),
        "store = opened(url); store.create(ID, document(), by='ann')\n"
        "for n in range(3): count_up(store, update_id=f'early-{n}')\n"
        f"{folded}('PRAGMA wal_checkpoint(TRUNCATE)')\n"
        f"{folded}('VACUUM INTO ?', (url + '.copy',))\n"
        f"for n in range({commits}): count_up(store, update_id=f'later-{{n}}')\n"
        "sys.stdout.flush(); os._exit(0)",
    )


@pytest.mark.parametrize("put", [moved_over, copied_over])
@pytest.mark.parametrize("commits", [2, 3, 60])
def test_a_log_that_was_left_behind_is_not_read_into_a_restored_file(
    path: Path, put: Callable[[Path, Path], None], commits: int
) -> None:
    kill_after(path, commits)
    assert beside(path, "-wal").stat().st_size > 0
    put(beside(path, ".copy"), path)
    with closing(opened(str(path))) as store:
        assert store.head(ID).revision == 4
        assert count_up(store).revision == 5
    assert is_sound(path, 5)
    assert beside(path, f"-wal{SET_ASIDE}").exists()


def test_its_own_log_is_read_after_a_crash(path: Path) -> None:
    kill_after(path, 3)
    with closing(opened(str(path))) as store:
        assert store.head(ID).revision == 7


def test_a_folder_that_was_copied_whole_is_read_with_its_log(path: Path, tmp_path: Path) -> None:
    """The numbers of both files are others there, which is no sign of a log gone astray."""
    kill_after(path, 3)
    shutil.copytree(path.parent, tmp_path / "copied")
    with closing(opened(str(tmp_path / "copied" / path.name))) as store:
        assert store.head(ID).revision == 7


def test_without_a_note_a_log_is_believed_as_sqlite_believes_it(path: Path) -> None:
    kill_after(path, 3)
    shutil.rmtree(beside(path, "-locks"))
    with closing(opened(str(path))) as store:
        assert store.head(ID).revision == 7


@pytest.mark.parametrize("note", ["", "{", "[]", '{"database": 3}', "\0"])
def test_a_torn_note_is_none(path: Path, note: str) -> None:
    kill_after(path, 3)
    (beside(path, "-locks") / "log").write_text(note)
    with closing(opened(str(path))) as store:
        assert store.head(ID).revision == 7


def test_a_log_that_cannot_be_told_apart_is_refused_with_what_to_do(path: Path) -> None:
    """The file is another one than the log was noted for, and the log has begun anew since."""
    kill_after(path, 3)
    note = beside(path, "-locks") / "log"
    note.write_text(json.dumps({**json.loads(note.read_text()), "salts": "00" * 8}))
    moved_over(beside(path, ".copy"), path)
    with pytest.raises(StoreUnavailableError, match=r"move store.db-wal away, else put"):
        opened(str(path))
    beside(path, "-wal").rename(beside(path, "-wal.away"))
    with closing(opened(str(path))) as store:
        assert store.head(ID).revision == 4


def test_a_log_without_its_file_is_not_taken_for_that_of_a_new_one(path: Path) -> None:
    kill_after(path, 3)
    before = beside(path, "-wal").read_bytes()
    path.unlink()
    with pytest.raises(StoreUnavailableError, match="put the file back beside it, or move the log"):
        opened(str(path))
    assert beside(path, "-wal").read_bytes() == before
    assert not path.exists()
