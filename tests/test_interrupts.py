"""An interrupt, wherever it comes in a verb, leaves nothing that another thread could wait for."""

from __future__ import annotations

import ctypes
import gc
import itertools
import random
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from syncsim import connect, sample
from syncsim.errors import SyncError
from syncsim.events.metrics import Metrics
from syncsim.runtime.connection import Connection
from syncsim.runtime.environment import SystemClock
from syncsim.store.memory import MemoryStore
from syncsim.system.interrupts import under, within
from syncsim.system.locks import NamedLocks
from tests.interrupting import interrupted
from tests.store_parts import check_history

# A file that an interrupt drops is closed by its finalizer, which warns.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def finalized_here() -> Iterator[None]:
    """Dropped files are finalized where their warnings are expected, not in a later test."""
    yield
    gc.collect()


ID = "card"
MOST_LINES = 2_500
Verb = Callable[[Connection, str, str], object]


def connected(folder: Path, **settings: Any) -> Connection:
    """With a template of two versions, the first of which Ben has read."""
    url = f"sqlite:///{folder}/t.db?synchronous=NORMAL"
    sync = connect(url, cache=folder / "cache", cooldown_s=0, deadline_s=5.0, **settings)
    if ID not in sync.list_templates():
        sync.create_template(ID, sample("contact_card"), user="ann")
        sync.get_template(ID, user="ben", view=True)
        sync.update_template(ID, {"name": "Two"}, user="ann")
    return sync


@cache
def first_version() -> str:
    """Of the template in any store: a version follows from the content and its place."""
    store = MemoryStore(clock=SystemClock())
    return store.create(ID, sample("contact_card"), by="ann").version


def merge(sync: Connection, update_id: str, word: str) -> object:
    base = sync.get_template(ID, user="ann")
    sync.update_template(ID, {"description": f"of another {word}"}, user="ben")
    return sync.update_template(ID, {"name": word}, user="ann", base=base, update_id=update_id)


def queue(sync: Connection, update_id: str, word: str) -> object:
    return sync._queue.commit(
        ID,
        lambda row: {**row.document, "name": word},
        by="ann",
        update_id=update_id,
        deadline=sync._env.clock.now() + 5,
    )


def strict(sync: Connection, update_id: str, word: str) -> object:
    version = sync._store.head(ID).version
    return sync.update_with_version(ID, {"name": word}, version, user="ann")


VERBS: dict[str, Verb] = {
    "get": lambda sync, u, word: sync.get_template(ID, user="ann"),
    "get, new user": lambda sync, u, word: sync.get_template(ID, user=word),
    "view": lambda sync, u, word: sync.get_template(ID, user="ben", view=True),
    "update": lambda sync, u, word: sync.update_template(ID, {"name": word}, user="ann"),
    "update, id": lambda sync, u, word: sync.update_template(
        ID, {"name": word}, user="ann", update_id=u
    ),
    "merge": merge,
    "queue": queue,
    "strict": strict,
    "job": lambda sync, u, word: sync.run_background_job(ID),
    "rollback": lambda sync, u, word: sync.rollback(ID, first_version(), user="ann"),
    "create": lambda sync, u, word: sync.create_template(word, sample("contact_card"), user="ann"),
    "list": lambda sync, u, word: sync.list_templates(),
    "history": lambda sync, u, word: sync.history(ID, limit=3),
    "diff": lambda sync, u, word: sync.diff(ID, first_version(), first_version()),
    "cache states": lambda sync, u, word: sync.cache_states(ID),
    "pending": lambda sync, u, word: sync.pending(ID),
    "trace": lambda sync, u, word: sync.trace("none"),
    "metrics": lambda sync, u, word: sync.metrics(),
}


def check_nothing_is_left(sync: Connection, pool: ThreadPoolExecutor, place: str) -> None:
    """Another thread reads and writes, alone and through the queue; nothing is out or pending."""

    def use() -> None:
        word = sync._env.new_id()
        sync.get_template(ID, user="hal", view=True)
        sync.update_template(ID, {"name": word}, user="hal")
        queue(sync, word, word)
        sync.metrics()
        assert sync.pending(ID) == [], place

    try:
        pool.submit(use).result(30)
    except (SyncError, TimeoutError) as error:
        raise AssertionError(f"interrupted at {place}: {error!r}") from error
    file = sync._store._file  # type: ignore[attr-defined]
    assert not file.lock.is_taken, place
    assert not any(slot.is_out for slot in file.readers._slots), place
    assert not sync._queue.has_line(ID), place


def interrupt_lines(folder: Path, verb: Verb, stride: int) -> None:
    """Interrupt the verb at each `stride`-th line that it executes, in turn.

    Up to `MOST_LINES`: what walks through the log has always more of them, as the log grows.
    """
    with connected(folder) as sync, ThreadPoolExecutor(1) as pool:
        verb(sync, "warm", "warm")
        places = 0
        for at in range(1, MOST_LINES, stride):
            update_id, word = f"id-{at}", f"word-{at}"
            place, left = interrupted(lambda: verb(sync, update_id, word), at)  # noqa: B023
            if place is None:
                break
            places += 1
            assert isinstance(left, KeyboardInterrupt), f"{place}: {left!r}"
            check_nothing_is_left(sync, pool, place)
            check_what_is_told(sync, left, place)
        assert places > 10 // stride
        check_history(sync._store)  # type: ignore[arg-type]


def check_what_is_told(sync: Connection, left: KeyboardInterrupt, place: str) -> None:
    """Log and history agree on the update."""
    update_id = getattr(left, "update_id", None)
    if update_id is None:
        return
    found = sync._store.find_update(update_id)
    kinds = sync.events.kinds_of(update_id)
    ends = [kind for kind in kinds if kind.split(".")[1] in ("committed", "failed", "unchanged")]
    if kinds:
        assert len(ends) == 1, f"{place}: {kinds}"
        assert (found is not None) == ends[0].endswith("committed"), f"{place}: {kinds}"


EVERY = [pytest.param(1, marks=pytest.mark.slow), 13]


@pytest.mark.real
@pytest.mark.timeout(900)
@pytest.mark.parametrize("stride", EVERY)
@pytest.mark.parametrize("verb", VERBS)
def test_an_interrupt_at_any_line_leaves_nothing(tmp_path: Path, verb: str, stride: int) -> None:
    interrupt_lines(tmp_path, VERBS[verb], stride)


@pytest.mark.real
@pytest.mark.timeout(900)
@pytest.mark.parametrize("stride", [pytest.param(1, marks=pytest.mark.slow), 37])
def test_an_interrupted_connect_or_close_leaves_the_file_to_others(
    tmp_path: Path, stride: int
) -> None:
    def connect_and_close() -> None:
        connected(tmp_path).close()

    connect_and_close()
    for at in itertools.count(1, stride):
        place, left = interrupted(connect_and_close, at)
        if place is None:
            break
        assert isinstance(left, KeyboardInterrupt), f"{place}: {left!r}"
        with connected(tmp_path) as sync, ThreadPoolExecutor(1) as pool:
            check_nothing_is_left(sync, pool, place)


def test_repeating_an_interrupted_update_commits_it_exactly_once(tmp_path: Path) -> None:
    with connected(tmp_path) as sync:
        for at in itertools.count(1, 40):
            update_id = f"id-{at}"

            def update(update_id: str = update_id) -> None:
                sync.update_template(ID, {"name": update_id}, user="ann", update_id=update_id)

            place, _ = interrupted(update, at)
            begun = sync.events.kinds_of(update_id) != []
            assert (sync.trace(update_id) is not None) == begun, place
            update()
            committed = [revision.update_id for revision in sync.history(ID)]
            assert committed.count(update_id) == 1, place
            if place is None:
                return


# -- at random moments -----------------------------------------------------------------------------


class Alarm:
    """A real signal that interrupts the main thread at some moment of a block, as Ctrl+C does."""

    def __init__(self) -> None:
        self._is_armed = False
        self.hits = 0
        self._before = signal.signal(signal.SIGALRM, self._interrupt)

    def _interrupt(self, *_: object) -> None:
        if self._is_armed:
            self._is_armed = False
            self.hits += 1
            raise KeyboardInterrupt

    def during(self, call: Callable[[], object], after_s: float) -> None:
        try:
            self._is_armed = True
            signal.setitimer(signal.ITIMER_REAL, after_s)
            call()
            self._is_armed = False
        except KeyboardInterrupt:
            pass
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def end(self) -> None:
        signal.signal(signal.SIGALRM, self._before)


@pytest.fixture
def alarm() -> Iterator[Alarm]:
    alarm = Alarm()
    yield alarm
    alarm.end()


@pytest.mark.real
@pytest.mark.timeout(1800)
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timers that interrupt here")
@pytest.mark.parametrize("times", [300, pytest.param(10_000, marks=pytest.mark.slow)])
def test_signals_at_random_moments_beside_four_writers_leave_nothing(
    tmp_path: Path, alarm: Alarm, times: int
) -> None:
    chance, done = random.Random(times), threading.Event()
    acknowledged: list[str] = []
    failures: list[SyncError] = []
    verbs = [name for name in VERBS if name not in ("strict", "list", "trace", "metrics")]

    def write(user: str) -> None:
        for number in itertools.count():
            if done.is_set():
                return
            update_id = f"{user}-{number}"
            try:
                sync.get_template(ID, user=user)
                sync.update_template(ID, {"name": update_id}, user=user, update_id=update_id)
            except SyncError as error:
                failures.append(error)
            else:
                acknowledged.append(update_id)

    with connected(tmp_path) as sync, ThreadPoolExecutor(5) as pool:
        writers = [pool.submit(write, f"w{n}") for n in range(4)]
        try:
            number = 0
            while alarm.hits < times:
                number += 1
                verb, word = VERBS[chance.choice(verbs)], f"main-{number}"
                alarm.during(lambda: verb(sync, word, word), chance.uniform(2e-6, 4e-3))  # noqa: B023
        finally:
            done.set()
        for writer in writers:
            writer.result(60)
        assert failures == []
        check_nothing_is_left(sync, pool, "the end")
        committed = [revision.update_id for revision in sync.history(ID)]
        assert all(committed.count(one) == 1 for one in random.Random(1).sample(acknowledged, 20))
        assert len({one for one in committed if one}) == sum(one is not None for one in committed)


@pytest.mark.real
def test_an_exception_set_in_another_thread_leaves_nothing(tmp_path: Path) -> None:
    """What a notebook's or a server's watchdog does to a thread that works too long."""
    raised = 0
    with connected(tmp_path) as sync, ThreadPoolExecutor(1) as pool:
        for number in range(100):
            begun = threading.Event()
            ends: list[BaseException] = []

            def work(begun: Any = begun, ends: Any = ends, number: int = number) -> None:
                try:
                    for turn in range(50):
                        begun.set()
                        sync.update_template(ID, {"name": f"{number} {turn}"}, user="ann")
                except BaseException as error:
                    ends.append(error)

            thread = threading.Thread(target=work)
            thread.start()
            assert begun.wait(30)
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(thread.ident or 0), ctypes.py_object(KeyboardInterrupt)
            )
            thread.join(30)
            raised += len(ends)
            check_nothing_is_left(sync, pool, f"{ends!r}")
    assert raised > 0


# -- the parts -------------------------------------------------------------------------------------


def test_a_lock_of_c_is_given_up_wherever_its_holder_is_interrupted() -> None:
    lock = threading.RLock()
    ran = 0

    @under(lock)
    def work() -> None:
        nonlocal ran
        ran += 1

    for at in itertools.count(1):
        place, _ = interrupted(work, at)
        with ThreadPoolExecutor(1) as other:
            assert other.submit(lambda: lock.acquire(False) and lock.release() is None).result()
        if place is None:
            break
    assert ran > 0


@pytest.mark.parametrize("folder", [True, False])
def test_a_named_lock_is_free_wherever_its_holder_is_interrupted(
    tmp_path: Path, folder: bool
) -> None:
    locks = NamedLocks(tmp_path / "locks" if folder else None)
    theirs = NamedLocks(tmp_path / "locks") if folder else locks
    for at in itertools.count(1):
        place, _ = interrupted(lambda: within(locks.lock("a", timeout_s=1.0), str), at)
        with ThreadPoolExecutor(1) as other:
            other.submit(within, theirs.lock("a", timeout_s=0.0), str).result()
        if place is None:
            break


def test_an_interrupted_metrics_call_blocks_no_other(tmp_path: Path) -> None:
    with connected(tmp_path) as sync, ThreadPoolExecutor(1) as other:
        metrics = Metrics(sync.events)
        for at in itertools.count(1, 3):
            place, _ = interrupted(metrics.snapshot, at)
            other.submit(metrics.snapshot).result(30)
            if place is None:
                break
