"""No file is written in the place of a database, or of one of the files beside it."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from syncsim import connect, sample
from syncsim.errors import UsageError
from syncsim.store.beside import (
    check_is_beside_no_database,
    check_is_no_database,
    check_is_no_part_of,
    is_of_another_program,
)

PARTS = ["", "-wal", "-shm", "-journal", "-locks", "-locks/new", "-locks/a/b"]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "s.db"
    with connect(f"sqlite:///{path}", cache=tmp_path / "cache") as sync:
        sync.create_template("t", sample("contact_card"), user="ann")
    return path


@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_a_store_is_known_by_its_name(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether store or target are there or not, and however the path is spelled."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").symlink_to(tmp_path)
    database = tmp_path / "s.db"
    for spelled in (
        f"{tmp_path}/s.db",
        "s.db",
        "./s.db",
        "folder/s.db",
        f"folder/../{tmp_path.name}/s.db",
    ):
        with pytest.raises(UsageError, match="than the store itself"):
            check_is_no_part_of(database, Path(f"{spelled}{part}"))


@pytest.mark.parametrize("part", ["", "-wal", "-shm", "-journal"])
@pytest.mark.parametrize("link", [os.symlink, os.link])
def test_a_part_of_a_store_is_known_behind_a_link(
    part: str, link: Callable[[Path, Path], None], database: Path, tmp_path: Path
) -> None:
    file = Path(f"{database}{part}")
    file.touch()
    link(file, tmp_path / "link")
    with pytest.raises(UsageError, match=r"'.*link': expected another file than the store itself"):
        check_is_no_part_of(database, tmp_path / "link")


def test_a_store_behind_a_link_has_its_files_at_both_ends(database: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    link = tmp_path / "other" / "l.db"
    link.symlink_to(database)
    for part in PARTS:
        for name in (f"{database}{part}", f"{link}{part}"):
            with pytest.raises(UsageError):
                check_is_no_part_of(link, Path(name), "the backup")


@pytest.mark.parametrize("name", ["s.json", "s.db-wal.json", "s.db.bak", "t.db", "S-wal", "x/s.db"])
def test_what_is_no_part_of_it_may_be_written(name: str, database: Path, tmp_path: Path) -> None:
    check_is_no_part_of(database, tmp_path / name)
    check_is_no_database(tmp_path / name)


@pytest.mark.parametrize("part", PARTS[1:])
def test_what_is_beside_any_database_is_refused(part: str, database: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="than the store itself"):
        check_is_beside_no_database(Path(f"{database}{part}"))
    check_is_beside_no_database(tmp_path / f"nothing{part}")
    check_is_beside_no_database(database)


def test_any_database_is_known_by_its_beginning(database: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    for begins in (
        database.read_bytes(),
        b"\x37\x7f\x06\x82 and so on",
        b"\x37\x7f\x06\x83 and so on",
        b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7",
    ):
        moved.write_bytes(begins)
        with pytest.raises(UsageError, match="no SQLite database"):
            check_is_no_database(moved)
    for harmless in (b"", b"{}", b"SQLite format"):
        moved.write_bytes(harmless)
        check_is_no_database(moved)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes by name")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    check_is_no_database(tmp_path / "pipe")
    check_is_no_database(Path("/dev/null"))


def test_the_database_of_another_program_differs_from_a_damaged_store(
    database: Path, tmp_path: Path
) -> None:
    assert not is_of_another_program(database)
    assert not is_of_another_program(tmp_path / "nowhere.db")
    foreign = tmp_path / "foreign.db"
    with closing(sqlite3.connect(foreign)) as raw:
        raw.execute("PRAGMA user_version = 0")
        raw.commit()
        assert not is_of_another_program(foreign)
        raw.execute("CREATE TABLE mine (x)")
        raw.commit()
        assert is_of_another_program(foreign)
        raw.execute("PRAGMA application_id = 7")
        raw.commit()
    for damage in ((0, b"\xff"), (100, b"\xff\xff\xff\xff")):
        for path, expected in ((database, False), (foreign, damage[0] == 100)):
            whole = path.read_bytes()
            with path.open("r+b") as file:
                file.seek(damage[0])
                file.write(damage[1])
            assert is_of_another_program(path) is expected
            path.write_bytes(whole)
