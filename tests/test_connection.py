"""The connected object on real files: what a script does with it, and what is left when it ends."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import pytest

from syncsim import TemplateExistsError, connect, sample
from syncsim.cli import main
from syncsim.errors import (
    LockTimeoutError,
    StoreUnavailableError,
    SyncError,
    TemplateNotFoundError,
    UsageError,
    VersionConflictError,
    VersionNotFoundError,
)

TID = "event_registration"


@pytest.fixture(params=["memory://", "sqlite"])
def sync(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    url = f"sqlite:///{tmp_path / 't.db'}" if request.param == "sqlite" else request.param
    with connect(url, cache=tmp_path / "cache") as connected:
        connected.create_template(TID, sample(TID), user="ann")
        yield connected


def test_what_was_created_can_be_read_and_not_created_again(sync: Any) -> None:
    with pytest.raises(TemplateExistsError) as caught:
        sync.create_template(TID, sample(TID), user="ben")
    snapshot = sync.get_template(TID, user="ben")
    assert caught.value.version == snapshot.version
    assert snapshot.document == sample(TID)
    assert snapshot.updated_by == "ann"
    assert list(sync.list_templates()) == [TID]


def test_diff_names_what_changed_between_two_versions(sync: Any) -> None:
    first = sync.get_template(TID, user="ann").version
    second = sync.update_template(TID, {"name": "Spring"}, user="ann").version
    (change,) = sync.diff(TID, first, second)
    assert (change.path, change.before, change.after) == ("/name", sample(TID)["name"], "Spring")
    with pytest.raises(VersionNotFoundError):
        sync.diff(TID, first, "9-nothing")
    with pytest.raises(TemplateNotFoundError):
        sync.diff("nope", first, second)


def test_cache_states_are_fresh_stale_and_empty(sync: Any) -> None:
    for user in ("ann", "ben"):
        sync.get_template(TID, user=user)
    version = sync.update_template(TID, {"name": "Spring"}, user="ann").version
    states = sync.cache_states(TID)
    assert (states["ann"].state, states["ann"].version) == ("Fresh", version)
    assert states["ben"].state == "Stale"
    assert states["ben"].version != version
    assert states["background"].state == "Empty"
    assert states["background"].version is None
    assert states["ben"].age_s >= 0


def test_metrics_count_what_happened(sync: Any) -> None:
    base = sync.get_template(TID, user="ann")
    sync.get_template(TID, user="ann")
    sync.update_template(TID, {"name": "A"}, user="ann", base=base)
    sync.update_template(TID, {"name": "B"}, user="ben", base=base)
    with pytest.raises(SyncError):
        sync.update_template(TID, {"name": ""}, user="ben")
    text = json.dumps(sync.metrics())
    metrics = json.loads(text)
    assert metrics["updates"]["committed"] == 2
    assert metrics["updates"]["failed"] == 1
    assert metrics["cache"]["hits"] >= 1


def test_a_trace_tells_what_became_of_an_update(sync: Any) -> None:
    sync.update_template(TID, {"name": "A"}, user="ann", update_id="u-1")
    trace = sync.trace("u-1")
    assert trace is not None
    assert json.dumps(trace.to_json())
    assert sync.trace("never") is None


def test_a_trace_of_an_earlier_process_still_shows_the_commit(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 't.db'}"
    with connect(url, cache=tmp_path / "c") as sync:
        sync.create_template(TID, sample(TID), user="ann")
        sync.update_template(TID, {"name": "A"}, user="ann", update_id="u-1")
    with connect(url, cache=tmp_path / "c") as sync:
        assert sync.trace("u-1") is not None


def test_what_memory_held_is_in_the_disk_cache_after_a_restart(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 't.db'}"
    with connect(url, cache=tmp_path / "c") as sync:
        sync.create_template(TID, sample(TID), user="ann")
        version = sync.update_template(TID, {"name": "A"}, user="ann").version
    with connect(url, cache=tmp_path / "c") as sync:
        assert sync.get_template(TID, user="ann").version == version
        assert sync.cache_states(TID)["ann"].hits == 1


def test_closing_twice_is_fine_and_a_closed_connection_says_so(tmp_path: Path) -> None:
    sync = connect(f"sqlite:///{tmp_path / 't.db'}", cache=tmp_path / "c")
    sync.create_template(TID, sample(TID), user="ann")
    sync.close()
    sync.close()
    for verb in (
        lambda: sync.get_template(TID, user="ann"),
        lambda: sync.update_template(TID, {"name": "A"}, user="ann"),
        lambda: sync.list_templates(),
    ):
        with pytest.raises(StoreUnavailableError):
            verb()


@pytest.mark.parametrize(
    "url",
    [
        "mysql://host/db",
        "postgresql+psycopg://localhost/db",
        "sqlite:///t.db?journal=off",
        "sqlite:///t.db?synchronous=OFF",
        "sqlite://",
        "nonsense://",
    ],
)
def test_a_url_that_cannot_be_honoured_is_refused_with_what_can(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"expected .*(sqlite:///|synchronous|file|memory://)"):
        connect(url, cache=tmp_path / "c")


@pytest.mark.parametrize("where", ["url", "cache", "environment", "command line"])
def test_a_password_in_a_refused_url_is_shown_nowhere(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    url = "postgresql+psycopg://ann:s3cr3t@host/db"
    monkeypatch.chdir(tmp_path)
    if where == "environment":
        monkeypatch.setenv("SYNCSIM_STORE_URL", url)
    if where == "command line":
        for arguments in (["history", "t"], ["run", "stress-test", "--json"]):
            with pytest.raises(SystemExit) as ended:
                main([*arguments, "--store", url])
            assert ended.value.code
        shown = "".join(capsys.readouterr())
    else:
        settings: dict[str, Any] = {"cache": tmp_path / "c", where: url}
        settings.pop("environment", None)
        with pytest.raises(UsageError) as caught:
            connect(**settings)
        shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value.facts)
    assert "s3cr3t" not in shown
    assert "ann:***@host" in shown


@pytest.mark.parametrize(
    ("name", "value"),
    [("cooldown_s", -1), ("deadline_s", "soon"), ("cooldown_s", float("nan")), ("retry", "often")],
)
def test_settings_that_cannot_be_honoured_are_refused(
    tmp_path: Path, name: str, value: Any
) -> None:
    with pytest.raises(UsageError):
        connect("memory://", cache=tmp_path / "c", **{name: value})


def test_without_a_url_the_environment_decides_and_else_the_users_data_folder(
    tmp_path: Path,
) -> None:
    """Two fresh processes: one with SYNCSIM_STORE_URL, one with nothing but a home folder."""
    code = (
        "from syncsim import connect, sample\n"
        "with connect() as sync: sync.create_template('t', sample('contact_card'), user='ann')"
    )
    home = tmp_path / "home"
    env = {**os.environ, "HOME": str(home)}
    env = {k: v for k, v in env.items() if not k.startswith(("XDG_", "SYNCSIM_"))}
    named = {**env, "SYNCSIM_STORE_URL": f"sqlite:///{tmp_path / 'named.db'}"}
    subprocess.run([sys.executable, "-c", code], env=named, check=True)
    assert (tmp_path / "named.db").is_file()
    subprocess.run([sys.executable, "-c", code], env=env, check=True)
    (database,) = home.rglob("templates.db")
    assert stat.S_IMODE(database.stat().st_mode) == 0o600
    folders = [p for p in home.rglob("*") if p.is_dir() and "cache" in str(p).lower()]
    private = [p for p in folders if p.name == "syncsim"]
    assert private
    assert all(stat.S_IMODE(p.stat().st_mode) == 0o700 for p in private)


def test_an_unusable_cache_folder_costs_speed_and_nothing_else(tmp_path: Path) -> None:
    blocked = tmp_path / "a file"
    blocked.write_text("in the way")
    with connect(f"sqlite:///{tmp_path / 't.db'}", cache=blocked / "cache") as sync:
        sync.create_template(TID, sample(TID), user="ann")
        base = sync.get_template(TID, user="ann")
        version = sync.update_template(TID, {"name": "A"}, user="ann", base=base).version
        assert sync.get_template(TID, user="ben").version == version


def test_two_connections_on_one_file_never_show_each_other_an_old_version(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 't.db'}"
    with connect(url, cache=tmp_path / "a") as one, connect(url, cache=tmp_path / "b") as two:
        one.create_template(TID, sample(TID), user="ann")
        for n in range(20):
            writer, reader = (one, two) if n % 2 else (two, one)
            version = writer.update_template(TID, {"name": f"n{n}"}, user="ann").version
            assert reader.get_template(TID, user="ann").version == version
            assert reader.get_template(TID, user="ben", view=True).version == version


def test_an_unusable_cache_folder_does_not_fail_a_retry_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The retry waits in the commit queue, whose lock file must not depend on the caches."""
    blocked = tmp_path / "a file"
    blocked.write_text("in the way")
    with connect(f"sqlite:///{tmp_path / 't.db'}", cache=blocked / "cache") as sync:
        first = sync.create_template(TID, sample(TID), user="ann")

        def lose(*_: Any, **__: Any) -> Any:
            raise VersionConflictError(TID, first.version, "2-rival")

        monkeypatch.setattr(sync._store, "compare_and_swap", lose)
        outcome = sync.update_template(TID, {"name": "A"}, user="ann", base=first)
        assert (outcome.status, outcome.attempts) == ("committed", 2)


def test_connections_with_caches_of_their_own_share_the_locks_of_their_store(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path / 't.db'}"
    with connect(url, cache=tmp_path / "a") as one, connect(url, cache=tmp_path / "b") as two:
        with (
            one._env.lock("commit:t"),
            pytest.raises(LockTimeoutError),
            two._env.lock("commit:t", timeout_s=0.01),
        ):
            pass
        with two._env.lock("commit:t", timeout_s=0.01):
            pass
