"""A process that forks: its child is refused what is the parent's, connects anew, holds nothing."""

from __future__ import annotations

import gc
import itertools
import os
import random
import signal
import subprocess
import sys
import threading
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from syncsim import connect, sample
from syncsim.cache import CacheFolder
from syncsim.contract import Row, Write
from syncsim.errors import CacheError, StoreUnavailableError, SyncError
from syncsim.runtime.connection import Connection
from syncsim.runtime.environment import SystemClock
from syncsim.runtime.wiring import open_environment
from syncsim.service.service import build
from syncsim.store.memory import MemoryStore
from syncsim.store.sqlite import SQLiteStore
from syncsim.system import forks
from syncsim.system.locks import FairLock, NamedLocks
from tests.interrupting import interrupted
from tests.store_parts import ID, check_history, count, count_up, document, in_a_child, opened

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")

AT_ONCE_S = 0.1
"""How soon the parent's objects must refuse."""


def in_a_fork(do: Callable[[], object]) -> str:
    """What `do` answers in a forked child, as text; the traceback where it fails."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 advises against it, too
        child = os.fork()
    if child == 0:
        signal.alarm(20)
        try:
            said = str(do())
        except BaseException:
            said = traceback.format_exc()
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as answers:
        said = answers.read().decode()
    assert os.waitpid(child, 0)[1] == 0, "the child hung"
    return said


def refusals(*uses: Callable[[], object]) -> str:
    """ "refused" if each use is, with the advice and at once; else what was wrong."""
    for use in uses:
        began = time.monotonic()
        try:
            use()
        except (StoreUnavailableError, CacheError) as error:
            if "forked" not in str(error) or "spawn" not in str(error):
                return f"{use}: {error}"
        else:
            return f"{use} was allowed"
        if time.monotonic() - began >= AT_ONCE_S:
            return f"{use} took {time.monotonic() - began} s"
    return "refused"


@pytest.fixture
def sync(tmp_path: Path) -> Iterator[Connection]:
    with connected(tmp_path) as sync:
        sync.create_template(ID, document(), user="ann")
        yield sync


def connected(folder: Path) -> Connection:
    return connect(f"sqlite:///{folder}/t.db?synchronous=NORMAL", cache=folder / "cache")


def store_files(folder: Path) -> list[str]:
    """What this process has open below the folder."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):
            found.append(os.readlink(f"/proc/self/fd/{name}"))
    return [file for file in found if file.startswith(str(folder))]


def held_by_a_thread(stack: ExitStack, *locks: Any) -> None:
    """Have another thread hold the locks until the stack is closed, as it may at any fork."""
    held, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with ExitStack() as mine:
            for lock in locks:
                mine.enter_context(lock)
            held.set()
            leave.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(60)
    stack.callback(thread.join, 60)
    stack.callback(leave.set)


# -- refused ---------------------------------------------------------------------------------------


def test_every_verb_is_refused_at_once_whatever_lock_a_thread_of_the_parent_holds(
    sync: Connection,
) -> None:
    base = sync.get_template(ID, user="ann")
    change: dict[str, Any] = {"name": "Forked"}
    verbs: list[Callable[[], object]] = [
        lambda: sync.get_template(ID, user="ann"),
        lambda: sync.get_template(ID, user="new", view=True),
        lambda: sync.update_template(ID, change, user="ann", base=base),
        lambda: sync.update_template(ID, change, user="ann", update_id="mine"),
        lambda: sync.update_with_version(ID, change, base.version, user="ann"),
        lambda: sync.run_background_job(ID),
        lambda: sync.create_template("other", document(), user="ann"),
        lambda: sync.rollback(ID, base.version, user="ann"),
        lambda: sync.history(ID),
        lambda: sync.diff(ID, base.version, base.version),
        lambda: sync.list_templates(),
        lambda: sync.cache_states(ID),
        lambda: sync.pending(ID),
        lambda: sync.trace("mine"),
        lambda: sync.metrics(),
        lambda: sync.events.read(),
    ]
    log = sync.events
    verbs += [log.read, log.counts, lambda: log.emit("read.sampled")]
    with ExitStack() as stack:
        held_by_a_thread(stack, log._lock, sync.reads._memory._lock)
        assert in_a_fork(lambda: refusals(*verbs)) == "refused"
        assert in_a_fork(lambda: sync.close()) == "None", "closing what is the parent's is no error"
    assert sync.update_template(ID, change, user="ann").status == "committed"


def test_the_parts_refuse_as_well_and_a_solution_cannot_be_built_on_them(tmp_path: Path) -> None:
    env = open_environment(f"sqlite:///{tmp_path}/t.db", cache=tmp_path / "cache")
    env.store.create(ID, document(), by="ann")
    solution, memory = build(env), MemoryStore(clock=SystemClock())
    cache, locks = env.cache("ann"), NamedLocks(tmp_path)
    cache.set("k", 1)

    def lock() -> None:
        with locks.lock("a", timeout_s=5):
            raise AssertionError

    uses: tuple[Callable[[], object], ...] = (
        lambda: env.store.head(ID),
        lambda: env.store.update_locked(ID, lambda row: row.document, by="ann"),
        lambda: memory.templates(),
        lambda: memory.create(ID, document(), by="ann"),
        lambda: cache.get("k"),
        lambda: env.cache("ben"),
        lambda: solution.get_template(ID, user="ann"),
        lambda: build(env),
        lock,
    )
    with ExitStack() as stack:
        held_by_a_thread(stack, locks._lock, memory._lock)
        assert in_a_fork(lambda: refusals(*uses)) == "refused"
    assert (cache.get("k"), env.store.head(ID).revision) == (1, 1)
    env.close()


def update_in_a_worker(sync: Connection, answers: Any) -> None:
    answers.send(refusals(lambda: sync.update_template(ID, {"name": "Worker"}, user="ann")))


def test_a_worker_of_multiprocessing_that_was_given_a_connection_is_told(sync: Connection) -> None:
    fork = get_context("fork")
    here, there = fork.Pipe()
    worker = fork.Process(target=update_in_a_worker, args=(sync, there))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        worker.start()
    assert here.recv() == "refused"
    worker.join()
    assert worker.exitcode == 0


# -- connected anew --------------------------------------------------------------------------------


def test_a_child_connects_anew_and_so_does_its_child(sync: Connection, tmp_path: Path) -> None:
    def grandchild(theirs: Connection) -> str:
        assert refusals(lambda: theirs.history(ID), lambda: sync.history(ID)) == "refused"
        with connected(tmp_path) as mine:
            return mine.update_template(ID, {"name": "Grandchild"}, user="ann").status

    def child() -> str:
        with connected(tmp_path) as mine:
            mine.get_template(ID, user="ann")
            mine.update_template(ID, {"name": "Child"}, user="ann")
            return in_a_fork(lambda: grandchild(mine))

    sync.get_template(ID, user="ann")
    assert in_a_fork(child) == "committed"
    assert sync.get_template(ID, user="ann").document["name"] == "Grandchild"


def test_two_connections_to_one_store_are_both_at_rest_over_a_fork(
    sync: Connection, tmp_path: Path
) -> None:
    with connected(tmp_path) as other:
        other.update_template(ID, {"name": "Other"}, user="ann")
        sync.update_template(ID, {"name": "One"}, user="ann")
        assert in_a_fork(lambda: connected(tmp_path).list_templates()) == f"['{ID}']"
        other.update_template(ID, {"name": "Other again"}, user="ann")


@pytest.mark.real
def test_forks_among_eight_writing_threads_refuse_connect_anew_and_lose_nothing(
    sync: Connection, tmp_path: Path
) -> None:
    done = threading.Event()
    acknowledged: list[str] = []

    def write(user: str) -> None:
        for number in range(100_000):
            if done.is_set():
                return
            update_id = f"{user}-{number}"
            sync.get_template(ID, user=user)
            sync.update_template(ID, {"name": update_id}, user=user, update_id=update_id)
            acknowledged.append(update_id)

    def child(update_id: str) -> str:
        refused = refusals(
            lambda: sync.update_template(ID, {"name": "Child"}, user="kid"),
            lambda: sync.get_template(ID, user="kid"),
        )
        with connected(tmp_path) as mine:
            mine.update_template(ID, {"name": update_id}, user="kid", update_id=update_id)
            return refused

    chance = random.Random(5)
    threads = [threading.Thread(target=write, args=(f"w{n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for number in range(12):
        seen = len(acknowledged) + chance.randrange(1, 30)
        while len(acknowledged) < seen:
            chance.random()
        assert in_a_fork(lambda n=number: child(f"kid-{n}")) == "refused"  # type: ignore[misc]
        acknowledged.append(f"kid-{number}")
    done.set()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    committed = Counter(r.update_id for r in sync.history(ID) if r.update_id is not None)
    assert set(committed.values()) == {1}, "doubled"
    assert set(committed) == set(acknowledged)


@pytest.mark.real
def test_what_a_forked_child_commits_outlives_the_parents_close(tmp_path: Path) -> None:
    """Nobody else has the file open, so the parent, last to close, would delete the log."""
    url = f"sqlite:///{tmp_path}/t.db"
    out = in_a_child(
        url,
        """
store = opened(url)
store.create(ID, document(), by="ann")
count_up(store, "parent"); store.head(ID)
ready_r, ready_w = os.pipe(); go_r, go_w = os.pipe()
child = os.fork()
if child == 0:
    mine = opened(url)
    count_up(mine, "child")
    os.write(ready_w, b"."); os.read(go_r, 1)
    for _ in range(5):
        count_up(mine, "child")
    os._exit(0)
os.read(ready_r, 1)
assert store.head(ID).revision == 3
count_up(store, "parent")
store.close()
os.write(go_w, b".")
print(os.waitpid(child, 0)[1])
""",
    )
    assert out == "0\n"
    store = opened(url)
    final = store.read(ID)
    assert (count(final.document, "parent"), count(final.document, "child")) == (2, 6)
    check_history(store)
    store.close()


# -- in the middle of a call -----------------------------------------------------------------------


def test_a_fork_inside_a_write_refuses_its_child_everything_and_the_parent_goes_on(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path}/t.db"
    store = opened(url)
    store.create(ID, document(), by="ann")
    said = []

    def child() -> str:
        files = store_files(tmp_path)
        return refusals(lambda: store.head(ID), lambda: opened(url)) if not files else str(files)

    def fork(row: Row) -> Write:
        said.append(in_a_fork(child))
        return Write({**row.document, "name": "Parent"})

    assert store.update_locked(ID, fork, by="ann").document["name"] == "Parent"
    assert said == ["refused"]
    assert count_up(store).revision == 3
    check_history(store)
    store.close()


def test_a_child_that_goes_on_inside_the_parents_write_ends_it_by_the_refusal(
    tmp_path: Path,
) -> None:
    """Also where the interpreter ends in the child, which closes what is left open."""
    url = f"sqlite:///{tmp_path}/t.db"
    out = in_a_child(
        url,
        """
store = opened(url)
store.create(ID, document(), by="ann")
def fork(row):
    global child
    child = os.fork()
    if child:
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    return counted(row.document, "n")
try:
    row = store.update_locked(ID, fork, by="ann")
except StoreUnavailableError as error:
    assert child == 0 and "spawn" in str(error), error
    sys.exit(7)
assert child > 0 and row.revision == 2
count_up(store)
""",
    )
    assert out == "7\n"
    store = opened(url)
    assert count(store.read(ID).document, "n") == 2
    check_history(store)
    store.close()


def test_a_cache_that_another_thread_keeps_in_a_transaction_is_left_to_the_parent(
    tmp_path: Path,
) -> None:
    cache = CacheFolder(tmp_path / "cache").of("ann")
    cache.set("k", 1)

    def child() -> str:
        files = store_files(tmp_path)
        anew = CacheFolder(tmp_path / "cache").of("ann")
        return refusals(lambda: cache.get("k"), lambda: anew.get("k")) if not files else str(files)

    with ExitStack() as stack:
        held_by_a_thread(stack, cache.transact())
        assert in_a_fork(child) == "refused"
    assert cache.get("k") == 1


# -- what a child keeps ----------------------------------------------------------------------------

KEEPS = """
from pathlib import Path
from syncsim import connect
folder = Path(url)
sync = connect(f"sqlite:///{folder}/t.db", cache=folder / "cache")
sync.create_template(ID, document(), user="ann")
sync.get_template(ID, user="ann")
with sync._env.lock("a"):
    child = os.fork()
    if child == 0:
        sys.stdin.read()
        os._exit(0)
    print(child, flush=True)
    signal.pause()
"""


@pytest.mark.real
@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="looks at descriptors in /proc")
def test_a_child_that_outlives_its_killed_parent_holds_no_lock_and_no_file(tmp_path: Path) -> None:
    code = "from tests.store_parts import *\nimport signal\nurl = sys.argv[1]\n" + KEEPS
    parent = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdin is not None
    assert parent.stdout is not None
    with parent:
        child = int(parent.stdout.readline())
        parent.kill()
        parent.wait(60)
        files = [os.readlink(entry) for entry in Path(f"/proc/{child}/fd").iterdir()]
        assert [file for file in files if file.startswith(str(tmp_path))] == []
        with NamedLocks(tmp_path / "t.db-locks").lock("a", timeout_s=1.0):
            pass
        with connected(tmp_path) as sync:
            assert sync.update_template(ID, sample("contact_card"), user="ann").version


def test_a_fork_among_opening_connections_leaves_their_child_none(tmp_path: Path) -> None:
    """Threads that connect and close all the time: each is met at rest, or waited for."""
    done = threading.Event()
    failures: list[SyncError] = []
    SQLiteStore(tmp_path / "t.db", clock=SystemClock()).close()

    def reconnect() -> None:
        while not done.is_set():
            try:
                with connected(tmp_path) as sync:
                    sync.list_templates()
            except SyncError as error:
                failures.append(error)

    threads = [threading.Thread(target=reconnect) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(20):
            assert in_a_fork(lambda: store_files(tmp_path)) == "[]"
            assert in_a_fork(lambda: connected(tmp_path).list_templates()) == "[]"
    finally:
        done.set()
        for thread in threads:
            thread.join(60)
    assert failures == []


# -- interrupted -----------------------------------------------------------------------------------


@pytest.fixture
def bound(tmp_path: Path) -> Iterator[tuple[SQLiteStore, Any]]:
    """A store and a cache, whose files are open."""
    store = opened(f"sqlite:///{tmp_path}/t.db?synchronous=NORMAL")
    store.create(ID, document(), by="ann")
    cache = CacheFolder(tmp_path / "cache").of("ann")
    cache.set("k", 1)
    yield store, cache
    store.close()
    cache.close()


def check_another_thread_goes_on(store: SQLiteStore, cache: Any, place: object) -> None:
    """Nothing of what a fork takes is held any more by the thread that forked."""
    said: list[object] = []

    def go_on() -> None:
        said.append(forks.guard.acquire(timeout=10) and forks.guard.release() is None)
        said.append(forks._binding.acquire(timeout=10) and forks._binding.release() is None)
        if said == [True, True]:
            said.extend([cache.get("k"), count_up(store).updated_by])

    thread = threading.Thread(target=go_on)
    thread.start()
    thread.join(60)
    assert said == [True, True, 1, "ann"], place
    assert not forks._suspended, place


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_interrupt_while_a_fork_waits_for_a_cache_leaves_nothing_held(
    bound: tuple[SQLiteStore, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by Ctrl+C in the wait; at a first fork, and at one that follows upon a fork without."""
    store, cache = bound

    def interrupt(*_: object) -> bool:
        raise KeyboardInterrupt

    for _ in range(2):
        with ExitStack() as stack:
            held_by_a_thread(stack, cache.transact())
            with monkeypatch.context() as patched:
                patched.setattr(FairLock, "_wait", interrupt)
                assert in_a_fork(lambda: refusals(lambda: cache.get("k"))) == "refused"
        check_another_thread_goes_on(store, cache, "the wait")
        assert in_a_fork(lambda: refusals(lambda: cache.get("k"))) == "refused"
        check_another_thread_goes_on(store, cache, "a fork without")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_one_raises_after_a_fork_keeps_no_other_from_going_on(
    bound: tuple[SQLiteStore, Any],
) -> None:
    class Failing(forks.ProcessBound):
        def _suspend(self, deadline: float) -> bool:
            raise ValueError

        def _resume(self) -> None:
            raise ValueError

    failing = [Failing() for _ in range(3)]
    for one in failing:
        one._bind()
    assert in_a_fork(lambda: "child") == "child"
    for one in failing:
        forks._bound.discard(one)
    check_another_thread_goes_on(*bound, "a fork")


@pytest.mark.real
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("stride", [pytest.param(1, marks=pytest.mark.slow), 11])
def test_an_interrupt_at_any_line_around_a_fork_leaves_nothing_held(
    bound: tuple[SQLiteStore, Any], stride: int
) -> None:
    """In the parent; the child, which is traced as well, ends at once."""

    def fork() -> None:
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)

    gc.collect()  # what other tests have closed takes part in each fork until it is gone
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        for at in itertools.count(1, stride):
            place, _ = interrupted(fork, at)
            if place is None:
                break
            if "file_watch" not in place:  # which has rules of its own
                check_another_thread_goes_on(*bound, place)
    assert at > 30
