"""A path means what it meant when `connect` was called, `~` included, whatever happens later."""

from __future__ import annotations

import json
import os
import pwd
from pathlib import Path
from typing import Any

import pytest

from syncsim import connect, sample
from syncsim.cli import main
from syncsim.errors import SyncError, UsageError
from syncsim.runtime.wiring import default_url
from syncsim.store.address import parse_address


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home, and a present folder beside it."""
    for name in ("home", "here", "elsewhere"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for name in ("XDG_CACHE_HOME", "XDG_DATA_HOME", "SYNCSIM_STORE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "home"


def use(url: str | None, cache: Any, then: Path | None = None) -> None:
    with connect(url, cache=cache) as sync:
        if then is not None:
            os.chdir(then)
        sync.create_template("card", sample("contact_card"), user="ann")
        sync.get_template("card", user="ben")


@pytest.mark.parametrize("cache", ["caches", Path("caches"), "./caches", "../here/caches"])
def test_a_program_that_changes_its_folder_leaves_nothing_there(cache: Any, home: Path) -> None:
    elsewhere = home.parent / "elsewhere"
    use("sqlite:///card.db", cache, then=elsewhere)
    assert list(elsewhere.iterdir()) == []
    assert (home.parent / "here" / "caches").is_dir()
    assert (home.parent / "here" / "card.db").is_file()


@pytest.mark.parametrize("url", ["sqlite:///~/card.db?synchronous=NORMAL", "~/card.db"])
@pytest.mark.parametrize("cache", ["~/caches", Path("~/caches")])
def test_a_tilde_is_the_home_folder(url: str, cache: Any, home: Path) -> None:
    use(url, cache)
    assert (home / "card.db").is_file()
    assert (home / "caches").is_dir()
    assert list((home.parent / "here").iterdir()) == []


def test_a_tilde_is_the_home_folder_on_the_command_line_and_in_the_environment(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "card.json").write_text(json.dumps(sample("contact_card")))
    importing = ["import", str(home / "card.json"), "--user", "ann"]
    with pytest.raises(SystemExit) as ended:
        main([*importing, "--store", "sqlite:///~/typed.db"])
    assert ended.value.code == 0
    monkeypatch.setenv("SYNCSIM_STORE_URL", "sqlite:///~/named.db")
    with pytest.raises(SystemExit):
        main(importing)
    assert {"typed.db", "named.db"} <= {path.name for path in home.iterdir()}


@pytest.mark.parametrize("name", ["./~card.db", "~card.db", "folder/~/card.db", "folder/~card.db"])
def test_a_name_that_begins_with_a_tilde_stays_one(name: str, home: Path) -> None:
    here = home.parent / "here"
    (here / "folder" / "~").mkdir(parents=True)
    for text in (name, f"sqlite:///{name}"):
        assert parse_address(text).path == here / name
    assert parse_address(f"sqlite:///{here}/~/card.db").path == here / "~" / "card.db"


def test_another_user_is_named_as_in_a_shell() -> None:
    root = pwd.getpwuid(0)
    assert parse_address(f"~{root.pw_name}/x.db").path == Path(root.pw_dir) / "x.db"


def test_a_home_that_nobody_knows_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_: int) -> Any:
        raise KeyError

    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for url, cache in (("sqlite:///~/x.db", "c"), ("memory://", "~/c"), ("~", "c"), (None, "c")):
        with pytest.raises(SyncError, match="home"):
            connect(url, cache=cache)
    with pytest.raises(SyncError, match="home"):
        connect("memory://")
    assert not os.listdir()


def test_a_present_folder_that_is_gone_is_said_in_one_sentence(home: Path, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    os.chdir(gone)
    gone.rmdir()
    for url, cache in (("sqlite:///x.db", home / "c"), ("memory://", "c"), ("x.db", home / "c")):
        with pytest.raises(UsageError, match="present folder"):
            connect(url, cache=cache)
    use(f"sqlite:///{home}/x.db", home / "c")


def test_a_data_folder_that_cannot_be_made_is_an_error_of_the_store(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "file").write_text("in the way")
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "file" / "data"))
    with pytest.raises(SyncError, match="Not a directory"):
        default_url()
