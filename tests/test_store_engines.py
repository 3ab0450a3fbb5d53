"""Where a store is, and what its engine can do, is known before it is opened."""

from __future__ import annotations

import multiprocessing
import os
from pathlib import Path

import pytest

from syncsim import connect, run, sample
from syncsim.errors import UsageError
from syncsim.runtime.environment import SystemClock
from syncsim.store.engines import ENGINES, Engine, locate, locate_by_name


@pytest.fixture(params=ENGINES.values(), ids=ENGINES)
def engine(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: object) -> Engine:
    """Each engine, in a folder where its example is free."""
    os.chdir(tmp_path)
    found: Engine = request.param
    return found


@pytest.fixture(autouse=True)
def back() -> object:
    """Each test ends in the folder in which it began."""
    folder = Path.cwd()
    yield
    os.chdir(folder)


def templates_of(url: str) -> list[str]:
    store, _ = locate(url).open(SystemClock())
    try:
        return list(store.templates())
    finally:
        store.close()


def test_an_engine_is_found_by_its_example(engine: Engine) -> None:
    location = locate(engine.example)
    assert location.engine is engine
    assert locate(location.url) == location


def test_an_engine_keeps_what_it_says_it_keeps(engine: Engine) -> None:
    """`outlives_process`: the templates are there when the store is opened again."""
    url = locate(engine.example).url
    store, _ = locate(url).open(SystemClock())
    store.create("card", sample("contact_card"), by="ann")
    store.close()
    assert templates_of(url) == (["card"] if engine.outlives_process else [])


@pytest.mark.real
def test_an_engine_is_shared_where_it_says_so(engine: Engine) -> None:
    """`is_shared`: another process sees what this one has committed, while both are open."""
    url = locate(engine.example).url
    store, _ = locate(url).open(SystemClock())
    store.create("card", sample("contact_card"), by="ann")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        seen = pool.apply(templates_of, (url,))
    store.close()
    assert seen == (["card"] if engine.is_shared else [])


def test_a_location_means_the_same_from_any_folder(engine: Engine, tmp_path: Path) -> None:
    location = locate(engine.example)
    (tmp_path / "elsewhere").mkdir()
    os.chdir(tmp_path / "elsewhere")
    assert locate(location.url) == location


@pytest.mark.parametrize("name", ["a?b.db", "a b.db", "ä.db", "x?synchronous=NORMAL"])
def test_the_url_of_a_path_leads_to_that_path(tmp_path: Path, name: str) -> None:
    location = locate(tmp_path / name)
    assert location.path == tmp_path / name
    assert locate(location.url).path == location.path


def test_a_store_in_memory_may_go_by_its_name() -> None:
    assert locate_by_name("memory") == locate("memory://")
    assert locate("memory").engine is ENGINES["sqlite"]  # a file of that name


@pytest.mark.parametrize(
    "url", ["memory:///a", "memory://x", "mysql://h/d", "postgresql://u:secret@h/d", "", 3]
)
def test_a_url_of_no_engine_is_refused(url: object) -> None:
    with pytest.raises(UsageError) as caught:
        locate(url)  # type: ignore[arg-type]
    assert "secret" not in str(caught.value)


def test_a_run_names_the_engine_of_a_path(tmp_path: Path) -> None:
    """A path names no scheme, and its store is one of SQLite all the same."""
    played = run("perfect-storm", on="threads", users=2, store=str(tmp_path / "t.db"))
    assert played.setting.store == "sqlite"


def test_connect_refuses_what_no_engine_can_open() -> None:
    with pytest.raises(UsageError, match="memory:// alone"):
        connect("memory://somewhere")
