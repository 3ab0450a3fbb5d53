"""`syncsim backup`, `restore` and `verify-store`: what they print, and their exit codes."""

from __future__ import annotations

import json
import os
import shlex
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from syncsim import connect
from syncsim.cli import main
from tests.store_parts import ID, document


class Ended(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of two versions, which is the default one."""
    path = tmp_path / "templates.db"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("SYNCSIM_STORE_URL", f"sqlite:///{path}")
    update("one")
    update("two")
    return path


def update(name: str) -> None:
    with connect() as sync:
        if ID in sync.list_templates():
            sync.update_template(ID, {"name": name}, user="ann")
        else:
            sync.create_template(ID, document(name), user="ann")


def name_now() -> str:
    with connect() as sync:
        name: str = sync.get_template(ID, user="reader").document["name"]
        return name


def call(capsys: pytest.CaptureFixture[str], *arguments: str) -> Ended:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    code = ended.value.code
    assert isinstance(code, int)
    return Ended(code, *capsys.readouterr())


def test_a_backup_is_restored_and_the_restore_undone(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    backed = call(capsys, "backup", "copy.db")
    assert backed == (0, "copy.db holds 2 versions of 1 template, checked\n", "")
    update("three")

    restored = call(capsys, "restore", "copy.db")
    assert restored.code == 0
    assert "holds 2 versions of 1 template now; 1 version that it held before went" in restored.out
    assert name_now() == "two"

    undo = shlex.split(restored.out.rpartition("to undo: syncsim ")[2])
    assert call(capsys, *undo).code == 0
    assert name_now() == "three"


def test_json_says_the_same(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    backed = json.loads(call(capsys, "backup", "copy.db", "--json").out)
    assert backed == {"path": "copy.db", "templates": 1, "versions": 2}
    restored = json.loads(call(capsys, "restore", "copy.db", "--json").out)
    kept = restored.pop("kept")
    assert restored == {"restored": "copy.db", "templates": 1, "versions": 2, "gone": 0}
    assert Path(kept).exists()
    found = json.loads(call(capsys, "verify-store", "--json").out)
    assert found == {"passed": True, "templates": 1, "versions": 2, "problems": []}


def test_a_file_is_written_over_only_when_forced(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("copy.db").write_text("precious")
    refused = call(capsys, "backup", "copy.db")
    assert (refused.code, refused.out) == (2, "")
    assert "a file that does not exist yet, or --force" in refused.err
    assert Path("copy.db").read_text() == "precious"
    assert call(capsys, "backup", "copy.db", "--force").code == 0
    assert call(capsys, "verify-store", "--store", f"sqlite:///{tmp_path}/copy.db").code == 0


def test_what_is_wrong_is_listed_and_is_a_failure(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(capsys, "verify-store").code == 0
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("UPDATE revision SET by = 'eve' WHERE revision = 1")
        raw.commit()
    found = call(capsys, "verify-store")
    assert found.code == 1
    assert "FAILED" in found.out
    assert "- version '1-" in found.out
    assert "then: syncsim restore BACKUP" in found.out
    assert call(capsys, "backup", "copy.db").code == 3
    assert not Path("copy.db").exists()


def test_a_store_too_damaged_to_be_opened_can_be_restored(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call(capsys, "backup", "copy.db")
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 4096)
    assert call(capsys, "list").code == 3
    assert call(capsys, "verify-store").code == 1
    restored = call(capsys, "restore", "copy.db")
    assert restored.code == 0
    assert name_now() == "two"


@pytest.mark.parametrize("has_log", [False, True])
def test_a_store_whose_file_is_gone_can_be_restored(
    path: Path, capsys: pytest.CaptureFixture[str], has_log: bool
) -> None:
    call(capsys, "backup", "copy.db")
    path.unlink()
    if has_log:
        path.with_name(f"{path.name}-wal").write_text("a log")
        assert call(capsys, "list").code == 3
    assert call(capsys, "restore", "copy.db").code == 0
    assert name_now() == "two"


@pytest.mark.parametrize("command", ["backup", "restore", "verify-store --store sqlite:///"])
def test_a_name_that_is_too_long_is_one_sentence(
    path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    name = "n" * 300
    words = f"{command}{name}" if command.endswith("/") else f"{command} {name}"
    ended = call(capsys, *words.split())
    assert ended.code in (2, 3)
    assert "File name too long" in ended.err
    assert len(ended.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ("backup copy.db --store memory://", 2, "what memory:// holds ends with the process"),
        ("restore copy.db --store memory://", 2, "what memory:// holds ends with the process"),
        ("verify-store --store memory://", 2, "what memory:// holds ends with the process"),
        ("verify-store --store sqlite:///nowhere.db", 3, "is no file; name the database of a"),
        ("restore nowhere.db", 2, "a file that exists"),
        ("restore templates.db", 2, "another file than the store itself"),
        ("backup templates.db --force", 2, "another file than the store itself"),
        ("backup nowhere/copy.db", 2, "a file in a folder that exists"),
        ("restore text.json", 3, "is not a SQLite database"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    path: Path, capsys: pytest.CaptureFixture[str], arguments: str, code: int, says: str
) -> None:
    Path("text.json").write_text("no database, but long enough to be looked at " * 100)
    before = path.read_bytes()
    ended = call(capsys, *arguments.split())
    assert (ended.code, ended.out) == (code, "")
    assert says in ended.err
    assert len(ended.err.splitlines()) == 1
    assert path.read_bytes() == before
    assert [name for name in os.listdir() if "replaced" in name] == []


def other_store(folder: Path) -> str:
    """The URL of a store that is not the default one, whose name a shell would not leave whole."""
    url = f"sqlite:///{folder}/my other.db"
    with connect(url) as sync:
        sync.create_template("other", document("other"), user="ben")
    return url


def templates(url: str | None = None) -> list[str]:
    with connect(url) as sync:
        return list(sync.list_templates())


def test_the_undo_of_a_restore_is_for_the_store_that_was_restored(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Word for word: it used to put what was there into the default store."""
    url = other_store(tmp_path)
    call(capsys, "backup", "copy.db")
    restored = call(capsys, "restore", "copy.db", "--store", url)
    assert templates(url) == [ID]
    undo = shlex.split(restored.out.rpartition("to undo: syncsim ")[2])
    assert undo[-2:] == ["--store", url]
    assert call(capsys, *undo).code == 0
    assert templates(url) == ["other"]
    assert templates() == [ID]


def test_the_advice_of_verify_store_and_of_list_is_for_their_store(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = other_store(tmp_path)
    file = tmp_path / "my other.db"
    file.write_bytes(file.read_bytes().replace(b'"other"', b'"0ther"'))
    found = call(capsys, "verify-store", "--store", url)
    assert found.code == 1
    advice = f"keep a copy of the file, then: syncsim restore BACKUP --store {shlex.quote(url)}"
    assert advice in found.out.splitlines()
    empty = f"{url}.empty"
    adding = f"syncsim import FILE.json --user U --store {shlex.quote(empty)}"
    assert call(capsys, "list", "--store", empty).out.endswith(f"; to add one: {adding}\n")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ("backup copy.db --force", 3, "typo.db is no file; name the database of a store"),
        ("backup new.db", 3, "typo.db is no file; name the database of a store"),
        ("verify-store", 3, "typo.db is no file; name the database of a store"),
        ("list", 0, ""),
        ("history t", 1, "there is no file"),
        ("diff t 1-x 2-x", 1, "there is no file"),
        ("export t", 1, "there is no file"),
        ("export t out.json", 1, "there is no file"),
        ("rollback t 1-x --user ann", 1, "there is no file"),
        ("restore nowhere.db", 2, "a file that exists"),
    ],
)
def test_reading_makes_no_store(
    path: Path, capsys: pytest.CaptureFixture[str], arguments: str, code: int, says: str
) -> None:
    call(capsys, "backup", "copy.db")
    before = sorted(os.listdir()), Path("copy.db").read_bytes()
    ended = call(capsys, *arguments.split(), "--store", "sqlite:///typo.db")
    assert ended.code == code
    assert says in ended.err
    assert len(ended.err.splitlines()) == (0 if code == 0 else 1)
    assert (sorted(os.listdir()), Path("copy.db").read_bytes()) == before


def test_a_store_whose_log_was_left_behind_is_said_to_be_gone(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path.rename("moved.db")
    Path("templates.db-wal").write_text("a log")
    assert "is gone, and its log" in call(capsys, "backup", "copy.db").err
    assert not path.exists()


PARTS = ["", "-wal", "-shm", "-journal", "-locks/x"]
WRITERS = [
    "export t {} --force",
    "export t {} --force --store sqlite:///templates.db",
    "backup {} --force",
    "run single-update --save {}",
    "run single-update --on simulation --save {}",
    "explore single-update --schedules 2 --html {}",
    "herd --users 2 --retry third --released --html {}",
    "report run.json --html {}",
    "backup {} --force --store sqlite:///other.db",
]


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("part", PARTS)
def test_nothing_is_written_in_the_place_of_a_store(
    path: Path, capsys: pytest.CaptureFixture[str], writer: str, part: str
) -> None:
    """Nor over the files beside it, whether they are there or not, and whatever --force says."""
    with connect("sqlite:///other.db") as sync:
        sync.create_template("t", document("t"), user="ann")
    if writer.startswith("backup") and "other" in writer and not part:
        return  # a backup may replace a backup
    Path("templates.db-locks").mkdir(exist_ok=True)
    before = sorted(os.listdir()), path.read_bytes()
    ended = call(capsys, *writer.format(f"templates.db{part}").split())
    assert (ended.code, ended.out) == (2, "")
    assert "store itself" in ended.err or "no SQLite database" in ended.err
    assert len(ended.err.splitlines()) == 1
    assert (sorted(os.listdir()), path.read_bytes()) == before
    assert not Path("templates.db-locks/x").exists()


@pytest.mark.parametrize("part", ["", "-wal"])
def test_a_run_is_not_saved_in_the_place_of_its_store(
    path: Path, capsys: pytest.CaptureFixture[str], part: str
) -> None:
    """The store need not be there yet."""
    url = "sqlite:///of-the-run.db"
    saving = ("run", "single-update", "--store", url, "--save", f"of-the-run.db{part}")
    ended = call(capsys, *saving)
    assert ended.code == 2
    assert "than the store itself" in ended.err
    assert not Path("of-the-run.db").exists()


@pytest.mark.parametrize("damage", [b"\xff", b"\0" * 100, os.urandom(4096)], ids=len)
def test_a_store_whose_header_is_damaged_can_be_restored(
    path: Path, capsys: pytest.CaptureFixture[str], damage: bytes
) -> None:
    call(capsys, "backup", "copy.db")
    with path.open("r+b") as file:
        file.write(damage)
    damaged = path.read_bytes()
    assert "syncsim restore BACKUP" in call(capsys, "verify-store").out
    restored = call(capsys, "restore", "copy.db")
    assert restored.code == 0
    assert name_now() == "two"
    kept = restored.out.splitlines()[-1].removeprefix("the damaged file is in ")
    assert Path(kept).read_bytes() == damaged


@pytest.mark.parametrize("broken", [False, True])
def test_the_database_of_another_program_is_left_alone(
    path: Path, capsys: pytest.CaptureFixture[str], broken: bool
) -> None:
    call(capsys, "backup", "copy.db")
    with closing(sqlite3.connect("foreign.db")) as raw:
        raw.execute("PRAGMA application_id = 7")
        raw.execute("CREATE TABLE mine (x)")
        raw.commit()
    if broken:
        with Path("foreign.db").open("r+b") as file:
            file.seek(100)
            file.write(b"\xff" * 4)
    before = Path("foreign.db").read_bytes()
    found = call(capsys, "verify-store", "--store", "sqlite:///foreign.db")
    assert found.code == 1
    assert "is the database of another program" in found.out
    assert "syncsim restore" not in found.out
    assert call(capsys, "restore", "copy.db", "--store", "sqlite:///foreign.db").code == 3
    assert Path("foreign.db").read_bytes() == before


def test_a_backup_that_is_no_database_moves_no_store(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where the name of the backup begins with that of the store."""
    before = path.read_bytes()
    Path("templates.db.bak").write_text("no database, but long enough to be looked at " * 100)
    ended = call(capsys, "restore", "templates.db.bak")
    assert (ended.code, ended.out) == (3, "")
    assert "templates.db.bak is not a SQLite database" in ended.err
    assert path.read_bytes() == before


def test_no_command_speaks_of_the_arguments_of_python(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call(capsys, "backup", "copy.db")
    refused = call(capsys, "backup", "copy.db", "--json")
    assert refused.code == 2
    assert "force=True" not in refused.out + refused.err
    error = json.loads(refused.out)["error"]
    assert error["facts"]["expected"] == "a file that does not exist yet, or --force"
    assert error["message"].endswith("or --force")
