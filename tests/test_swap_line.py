"""Swaps that wait for the file commit together, and each hears what it would have heard alone."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from syncsim.contract import Row
from syncsim.errors import OutcomeUnknownError, StoreUnavailableError, VersionConflictError
from syncsim.store import swap_line
from syncsim.store.sqlite import SQLiteStore
from syncsim.store.writes import swapped
from tests.store_parts import ID, check_history, document
from tests.test_locks import wait_until

TEMPLATES = ("a", "b", "c", "d")


@pytest.fixture
def heads(store: SQLiteStore) -> dict[str, str]:
    """Four more templates, each at its first version."""
    return {name: store.create(name, document(), by="ann").version for name in TEMPLATES}


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as pool:
        yield pool


def waiting(store: SQLiteStore, count: int) -> None:
    """Until so many swaps wait, one of them as the leader of the others."""
    wait_until(lambda: len(store._line._waiting) == count)


@contextmanager
def held(store: SQLiteStore, pool: ThreadPoolExecutor) -> Iterator[None]:
    """Another writer, of `ID`, is in the middle of its transaction."""
    inside, go_on = threading.Event(), threading.Event()

    def change(row: Row) -> None:
        inside.set()
        assert go_on.wait(60)

    writing = pool.submit(store.update_locked, ID, change, by="ann")
    assert inside.wait(60)
    try:
        yield
    finally:
        go_on.set()
        writing.result(60)


@pytest.fixture
def swapping(
    store: SQLiteStore, heads: dict[str, str], pool: ThreadPoolExecutor
) -> Callable[..., Future[Row]]:
    """Begins a swap of a template's first version in a thread."""

    def begin(name: str, user: str, update_id: str | None = None, timeout_s: float = 60) -> Any:
        return pool.submit(
            store.compare_and_swap,
            name,
            heads[name],
            document(f"by {user}"),
            by=user,
            update_id=update_id or f"{name}-{user}",
            timeout_s=timeout_s,
        )

    return begin


def test_all_that_wait_are_one_transaction(
    store: SQLiteStore, pool: ThreadPoolExecutor, swapping: Callable[..., Future[Row]]
) -> None:
    commits = store._file.own_commits
    with held(store, pool):
        answers = [swapping(name, "ann") for name in TEMPLATES]
        waiting(store, len(TEMPLATES))
    assert [answer.result(60).revision for answer in answers] == [2, 2, 2, 2]
    assert store._file.own_commits == commits + 1
    for name, answer in zip(TEMPLATES, answers, strict=True):
        assert store.read(name).version == answer.result().version
        assert store.read(name).document["name"] == "by ann"


def test_each_hears_what_it_would_have_heard_alone(
    store: SQLiteStore,
    pool: ThreadPoolExecutor,
    heads: dict[str, str],
    swapping: Callable[..., Future[Row]],
) -> None:
    """Of two swaps for one version one is lost; under a used id the first commit is the answer."""
    used = store.compare_and_swap("b", heads["b"], document("x"), by="ann", update_id="used")
    heads["b"] = used.version
    with held(store, pool):
        rivals = [swapping("a", "ann"), swapping("a", "ben")]
        repeated = swapping("b", "ann", "used")
        waiting(store, 3)
    lost = [rival.exception(60) for rival in rivals]
    assert [type(error) for error in lost if error] == [VersionConflictError]
    assert repeated.result(60).version == used.version
    assert len(store.history("a")) == len(store.history("b")) == 2


def test_whose_time_is_over_before_the_turn_comes_has_surely_not_committed(
    store: SQLiteStore, pool: ThreadPoolExecutor, swapping: Callable[..., Future[Row]]
) -> None:
    with held(store, pool):
        patient = swapping("a", "ann")
        waiting(store, 1)
        late = [swapping(name, "ben", timeout_s=0.02) for name in ("a", "b")]
        errors = [one.exception(60) for one in late]
        waiting(store, 1)
    assert [type(error) for error in errors] == [StoreUnavailableError] * 2
    assert patient.result(60).revision == 2
    assert (len(store.history("a")), len(store.history("b"))) == (2, 1)


def test_where_the_commit_may_have_failed_nobody_knows_the_outcome(
    store: SQLiteStore,
    pool: ThreadPoolExecutor,
    swapping: Callable[..., Future[Row]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unknown(*_: object) -> bool:
        raise OutcomeUnknownError("a", "of whoever led")

    with held(store, pool):
        answers = {name: swapping(name, "ann") for name in TEMPLATES}
        waiting(store, len(TEMPLATES))
        monkeypatch.setattr("syncsim.store.write_transaction.took_effect", unknown)
        writer = store._file.writer()
        execute = writer.execute
        told: list[str] = []

        def failing(statement: str, *parameters: Any) -> sqlite3.Cursor:
            told.append(statement.split()[0])
            if told.count("COMMIT") == 2:  # the first is that of who held the file
                raise sqlite3.OperationalError("disk I/O error")
            return execute(statement, *parameters)

        writer.execute = failing  # type: ignore[assignment,method-assign]
    for name, answer in answers.items():
        error = answer.exception(60)
        assert isinstance(error, OutcomeUnknownError)
        assert (error.template_id, error.update_id) == (name, f"{name}-ann")


@pytest.mark.parametrize("error", [StoreUnavailableError("a", "no"), KeyboardInterrupt()])
def test_one_that_breaks_the_transaction_of_all_breaks_its_own_only(
    store: SQLiteStore,
    pool: ThreadPoolExecutor,
    swapping: Callable[..., Future[Row]],
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
) -> None:
    """An error of one swap, or Ctrl-C in the thread that leads."""

    def broken(transaction: Any, swap: Any) -> Any:
        if swap.template_id == "c":
            raise error
        return swapped(transaction, swap)

    monkeypatch.setattr(swap_line, "swapped", broken)
    with held(store, pool):
        answers = {name: swapping(name, "ann") for name in TEMPLATES}
        waiting(store, len(TEMPLATES))
    met = {name: answer.exception(60) for name, answer in answers.items()}
    assert error in met.values()
    assert store.history("c")[0].revision == 1
    if isinstance(error, StoreUnavailableError):
        assert {name for name, one in met.items() if one} == {"c"}
    for name, one in met.items():
        assert len(store.history(name)) == (1 if one else 2)
    check_history(store)
