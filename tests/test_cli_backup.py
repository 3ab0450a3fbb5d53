"""`syncsim backup`, `restore` and `verify-store`: what they print, and their exit codes."""

from __future__ import annotations

import json
import os
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

    undo = restored.out.rpartition("to undo: syncsim ")[2].split()
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
