"""A file is put in place whole: through no link of another's, with the mode it had."""

from __future__ import annotations

import os
import resource
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from syncsim import connect, replay, run, sample
from syncsim.cli import main
from syncsim.lab.solutions import broken
from syncsim.system import whole_files
from syncsim.system.whole_files import write_whole
from syncsim.ui import write_page


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "folder"
    folder.mkdir()
    return folder


@pytest.fixture
def umask() -> Iterator[Callable[[int], int]]:
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


def mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


@pytest.mark.parametrize("bits", [0o600, 0o640, 0o664, 0o755, 0o400])
def test_a_file_keeps_its_mode(folder: Path, bits: int, umask: Callable[[int], int]) -> None:
    target = folder / "run.json"
    target.write_text("old")
    target.chmod(bits)
    write_whole(target, b"new")
    assert (target.read_bytes(), mode(target)) == (b"new", bits)
    assert list(folder.iterdir()) == [target]


@pytest.mark.parametrize(("mask", "bits"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_a_new_file_gets_what_the_umask_gives(
    folder: Path, mask: int, bits: int, umask: Callable[[int], int]
) -> None:
    umask(mask)
    write_whole(folder / "run.json", b"new")
    assert mode(folder / "run.json") == bits


def test_a_name_that_was_foretold_is_neither_followed_nor_deleted(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the names that may be tried, one is a link of another's, one is a file of the user's."""
    victim = folder.parent / "victim"
    victim.write_text("precious")
    (folder / f".run.json.{os.getpid()}").symlink_to(victim)
    (folder / ".run.json.foretold").symlink_to(victim)
    write_whole(folder / "run.json", b"new")
    monkeypatch.setattr(whole_files.secrets, "token_hex", lambda _: "foretold")
    with pytest.raises(FileExistsError):
        write_whole(folder / "run.json", b"newer")
    assert victim.read_text() == "precious"
    assert (folder / ".run.json.foretold").is_symlink()
    assert (folder / "run.json").read_bytes() == b"new"


def test_until_it_is_whole_only_its_owner_reads_what_replaces_a_private_file(
    folder: Path, monkeypatch: pytest.MonkeyPatch, umask: Callable[[int], int]
) -> None:
    target = folder / "run.json"
    target.write_text("old")
    target.chmod(0o600)
    seen = []
    real = os.fsync

    def look(descriptor: int) -> None:
        seen.extend((file.name[:10], mode(file)) for file in folder.iterdir())
        real(descriptor)

    monkeypatch.setattr(os, "fsync", look)
    write_whole(target, b"new")
    assert {bits for _, bits in seen} == {0o600}
    assert len(seen) == 3  # two files while it is written, one once it is in place


@pytest.mark.parametrize("kind", [OSError, KeyboardInterrupt])
def test_what_fails_half_way_leaves_the_file_as_it_was(
    folder: Path, kind: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    target = folder / "run.json"
    target.write_text("old")

    def fail(_: int) -> None:
        raise kind(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(kind):
        write_whole(target, b"new")
    assert target.read_text() == "old"
    assert list(folder.iterdir()) == [target]


def test_a_full_disk_is_an_error_that_names_the_file(folder: Path) -> None:
    """A limit on the size of files ends a write in the middle, as a full disk does."""
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, unlimited[1]))
    try:
        with pytest.raises(OSError, match=r"/run\.json'$"):
            write_whole(folder / "run.json", b"x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    assert list(folder.iterdir()) == []


def test_a_link_stays_a_link_and_what_it_leads_to_is_replaced(folder: Path) -> None:
    target, link = folder.parent / "target", folder / "link"
    target.write_text("old")
    target.chmod(0o600)
    link.symlink_to(target)
    write_whole(link, b"new")
    assert link.is_symlink()
    assert (target.read_bytes(), mode(target)) == (b"new", 0o600)
    assert [file.name for file in folder.iterdir()] == ["link"]


def test_links_without_an_end_are_an_error(folder: Path) -> None:
    (folder / "a").symlink_to(folder / "b")
    (folder / "b").symlink_to(folder / "a")
    with pytest.raises(OSError, match="symbolic links"):
        write_whole(folder / "a", b"new")


def test_a_long_name_is_no_hindrance(folder: Path) -> None:
    write_whole(folder / ("ü" * 127), b"new")
    assert len(list(folder.iterdir())) == 1


@pytest.fixture
def writers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Callable[[Path], Any]]:
    """Everything that writes a file for a user, by name."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    url = f"sqlite:///{tmp_path}/t.db"
    with connect(url, cache=tmp_path / "cache") as sync:
        sync.create_template("t", sample("contact_card"), user="ann")
    saved = tmp_path / "saved.json"

    def call(*words: object) -> None:
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        assert ended.value.code in (0, 1)

    call("run", "single-update", "--on", "simulation", "--save", saved)
    token = run("single-update").token
    lost = str(Path(broken.__file__).parent / "last_write_wins.py")
    return {
        "export": lambda file: call("export", "t", file, "--force", "--store", url),
        "save": lambda file: call("run", "single-update", "--on", "simulation", "--save", file),
        "report": lambda file: call("report", saved, "--html", file),
        "replay": lambda file: call("replay", "single-update", token, "--html", file),
        "explore": lambda file: call(
            "explore", "perfect-storm", "--schedules", 30, "--solution", lost, "--html", file
        ),
        "herd": lambda file: call(
            "herd", "--users", 3, "--retry", "third", "--released", "--html", file
        ),
        "write_page": lambda file: write_page(file, replay("single-update", token)),
    }


@pytest.mark.parametrize(
    "name", ["export", "save", "report", "replay", "explore", "herd", "write_page"]
)
def test_every_file_of_a_user_is_put_in_place_so(
    name: str, writers: dict[str, Callable[[Path], Any]], folder: Path, umask: Callable[[int], int]
) -> None:
    target = folder / "out"
    target.write_text("old")
    target.chmod(0o600)
    before = target.stat().st_ino
    writers[name](target)
    assert mode(target) == 0o600
    assert target.stat().st_ino != before
    assert target.stat().st_size > 10
    assert list(folder.iterdir()) == [target]
