"""Locks: first come first served, nobody forgotten, freed by death."""

from __future__ import annotations

import os
import signal
import stat
import sys
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from syncsim import connect, sample
from syncsim.errors import LockTimeoutError, StoreUnavailableError
from syncsim.system import locks as locks_module
from syncsim.system.locks import COHORT, FairLock, NamedLocks, ProcessLock, pauses
from tests.test_forks import in_a_fork

LONG_S = 30.0
"""Longer than any wait that ends; a test that hangs fails at this."""


def wait_until(condition: Callable[[], bool]) -> None:
    """Until another thread has come to where the test wants it."""
    for _ in pauses(LONG_S):
        if condition():
            return
    raise AssertionError("it never came to that")


class Waiter(threading.Thread):
    """A thread that asks for a lock, notes that it got it, and gives it back."""

    def __init__(self, lock: FairLock, notes: list[object], note: object) -> None:
        super().__init__(daemon=True)
        self._lock = lock
        self._notes = notes
        self._note = note

    def run(self) -> None:
        assert self._lock.acquire(LONG_S)
        self._notes.append(self._note)
        self._lock.release()


# -- FairLock --------------------------------------------------------------------------------------


def test_waiters_get_the_lock_in_the_order_in_which_they_asked() -> None:
    lock, notes = FairLock(), list[object]()
    lock.acquire()
    waiters = []
    for number in range(20):
        waiter = Waiter(lock, notes, number)
        waiters.append(waiter)
        waiter.start()
        wait_until(lambda: len(lock._line) == number + 1)  # noqa: B023
    lock.release()
    for waiter in waiters:
        waiter.join()
    assert notes == list(range(20))


def test_who_releases_cannot_overtake_who_waits() -> None:
    """A plain lock may be won again and again by the thread that has just let it go."""
    lock, notes = FairLock(), list[object]()
    lock.acquire()
    waiter = Waiter(lock, notes, "waiter")
    waiter.start()
    wait_until(lambda: len(lock._line) == 1)
    lock.release()
    with lock:
        notes.append("again")
    waiter.join()
    assert notes == ["waiter", "again"]


def test_the_holder_may_take_it_again_and_must_give_it_back_as_often() -> None:
    lock = FairLock()
    with lock, lock:
        assert lock.depth == 2
        with ThreadPoolExecutor(1) as other:
            assert other.submit(lambda: (lock.depth, lock.acquire(0.0))).result() == (0, False)
    assert lock.depth == 0
    with ThreadPoolExecutor(1) as other:
        assert other.submit(lock.acquire, 0.0).result()


def test_only_the_holder_may_release() -> None:
    lock = FairLock()
    with pytest.raises(RuntimeError):
        lock.release()
    lock.acquire()
    with ThreadPoolExecutor(1) as other, pytest.raises(RuntimeError):
        other.submit(lock.release).result()
    lock.release()


def test_an_exception_in_the_block_frees_the_lock() -> None:
    lock = FairLock()
    with pytest.raises(ZeroDivisionError), lock:
        raise ZeroDivisionError
    with ThreadPoolExecutor(1) as other:
        assert other.submit(lock.acquire, 0.0).result()


@pytest.mark.parametrize("timeout_s", [-1.0, 0.0, 0.001, 0.02])
def test_a_waiter_that_gives_up_leaves_the_line(timeout_s: float) -> None:
    lock, notes = FairLock(), list[object]()
    lock.acquire()
    with ThreadPoolExecutor(1) as other:
        assert not other.submit(lock.acquire, timeout_s).result()
    assert not lock._line
    waiter = Waiter(lock, notes, "next")
    waiter.start()
    lock.release()
    waiter.join()
    assert notes == ["next"]


def test_a_waiter_that_is_served_just_as_it_gives_up_keeps_the_lock() -> None:
    """If it did not, nobody who could ever release the lock would own it."""
    giving_up, served = threading.Event(), threading.Event()

    class ServedLate(FairLock):
        def _leave(self, place: tuple[int, threading.Lock]) -> bool:
            giving_up.set()
            served.wait(LONG_S)
            return super()._leave(place)

    lock = ServedLate()
    lock.acquire()
    with ThreadPoolExecutor(1) as other:
        answer = other.submit(lambda: (lock.acquire(0.0), lock.depth, lock.release()))
        giving_up.wait(LONG_S)
        lock.release()
        served.set()
        assert answer.result() == (True, 1, None)
    assert lock.acquire(0.0)


@pytest.mark.real
def test_waiters_that_give_up_all_the_time_break_nothing() -> None:
    """Waits about as long as the lock is held: turns come just as the waiter gives up."""
    lock, inside, most = FairLock(), 0, 0
    given_up: list[int] = []
    released = threading.Event()

    def use(seed: int) -> int:
        nonlocal inside, most
        served = 0
        for number in range(300):
            if lock.acquire(timeout_s=(seed * 7 + number) % 5 * 0.00005):
                inside += 1
                most = max(most, inside)
                for _ in range(200):
                    pass
                inside -= 1
                served += 1
                lock.release()
            else:
                given_up.append(seed)
                assert released.wait(LONG_S)
        return served

    before = sys.getswitchinterval()
    sys.setswitchinterval(0.00001)  # so that threads meet inside
    try:
        lock.acquire()  # until the first has given up: on an idle machine none might
        with ThreadPoolExecutor(8) as pool:
            counts = pool.map(use, range(8))
            wait_until(lambda: bool(given_up))
            lock.release()
            released.set()
            served = sum(counts)
    finally:
        sys.setswitchinterval(before)
    assert most == 1
    assert served > 0
    assert served + len(given_up) == 8 * 300
    assert lock.acquire(0.0)
    assert not lock._line


class Interrupted:
    """A guard that is interrupted once, before it is taken or after it was let go."""

    def __init__(self, guard: Any, *, before: bool) -> None:
        self.guard, self.before, self.done = guard, before, False

    def __enter__(self) -> None:
        self._interrupt(self.before)
        self.guard.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()
        self._interrupt(not self.before)

    def release(self) -> None:
        self.guard.release()

    def _interrupt(self, here: bool) -> None:
        if here and not self.done:
            self.done = True
            raise KeyboardInterrupt


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("depth", [1, 2])
def test_an_interrupted_release_releases(before: bool, depth: int) -> None:
    lock = FairLock()
    for _ in range(depth):
        lock.acquire()
    for _ in range(depth - 1):
        lock.release()
    lock._guard = Interrupted(lock._guard, before=before)  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt):
        lock.release()
    assert (lock.depth, lock.is_taken) == (0, False)


@pytest.mark.parametrize("before", [True, False])
def test_an_interrupted_acquire_leaves_the_lock_to_others(before: bool) -> None:
    lock = FairLock()
    lock._guard = Interrupted(lock._guard, before=before)  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt):
        lock.acquire()
    assert (lock.depth, lock.is_taken) == (0, False)
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(lock.acquire, 0.0).result()


def test_whoever_is_interrupted_on_the_way_into_the_line_is_not_handed_the_lock() -> None:
    lock = FairLock()
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(lock.acquire).result()
        lock._guard = Interrupted(lock._guard, before=False)  # type: ignore[assignment]
        with pytest.raises(KeyboardInterrupt):
            lock.acquire(LONG_S)
        pool.submit(lock.release).result()
    assert not lock._line
    assert not lock.is_taken


def test_an_interrupted_release_of_a_file_frees_it(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    lock = ProcessLock(path)
    assert lock.acquire()
    lock._guard = Interrupted(lock._guard, before=True)  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt):
        lock.release()
    assert not lock.is_taken
    assert is_free(path)


@pytest.mark.real
def test_an_interrupted_waiter_leaves_the_line() -> None:
    class Interrupt(Exception):
        pass

    def interrupt(*_: object) -> None:
        raise Interrupt

    lock = FairLock()
    held, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            held.set()
            go_on.wait(LONG_S)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(LONG_S)
    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.02)
        with pytest.raises(Interrupt):
            lock.acquire(LONG_S)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert not lock._line
    go_on.set()
    holder.join()
    assert lock.acquire(0.0)


@pytest.mark.real
def test_under_contention_every_thread_gets_its_share() -> None:
    """While all want it all the time, nobody is served twice before everybody was served once."""
    lock, start, order = FairLock(), threading.Barrier(6), list[int]()

    def use(name: int) -> None:
        start.wait()
        for _ in range(200):
            with lock:
                order.append(name)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(use, range(6)))
    counts = [order.count(name) for name in range(6)]
    assert counts == [200] * 6
    crowded = [
        order[place : place + 6]
        for place in range(len(order) - 6)
        if all(name in order[place + 6 :] and name in order[:place] for name in range(6))
    ]
    fair = sum(len(set(six)) == 6 for six in crowded)
    assert fair >= 0.9 * len(crowded)


# -- ProcessLock: the file goes on from thread to thread -------------------------------------------


def is_free(path: Path) -> bool:
    """Whether another process could take the file: a lock of its own finds nobody in its way."""
    other = ProcessLock(path)
    if not other.acquire(0.0):
        return False
    other.release()
    return True


def test_threads_in_line_are_handed_the_file_and_another_process_gets_it_in_between(
    tmp_path: Path,
) -> None:
    """Of 2 x COHORT turns the file is freed after each COHORT, and when nobody is left."""
    path = tmp_path / "a.lock"
    lock = ProcessLock(path)
    files: list[object] = []
    turns = 2 * COHORT

    def take(number: int) -> None:
        assert lock.acquire(LONG_S)
        files.append(lock._file)
        assert not is_free(path)
        if number == 0:
            wait_until(lambda: len(lock._line) == turns - 1)
        lock.release()

    closed: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        close = locks_module._unlock
        patch.setattr(locks_module, "_unlock", lambda d: (closed.append(len(files)), close(d)))
        first = threading.Thread(target=take, args=(0,))
        first.start()
        wait_until(lambda: lock._file is not None)
        rest = [threading.Thread(target=take, args=(n,)) for n in range(1, turns)]
        for thread in rest:
            thread.start()
        for thread in (first, *rest):
            thread.join(LONG_S)
        # closed by the lock under test only: `is_free` never got the file
        assert closed == [COHORT, 2 * COHORT]
    assert None not in files
    assert is_free(path)


@pytest.mark.parametrize("timeout_s", [0.0, 0.001, 0.02])
def test_a_file_is_not_kept_for_a_waiter_that_has_gone(tmp_path: Path, timeout_s: float) -> None:
    path = tmp_path / "a.lock"
    lock = ProcessLock(path)
    assert lock.acquire()
    with ThreadPoolExecutor(1) as pool:
        assert not pool.submit(lock.acquire, timeout_s).result()
    lock.release()
    assert is_free(path)


def test_waiters_that_are_interrupted_as_they_are_handed_the_file_free_it(tmp_path: Path) -> None:
    """The handing over and the interrupt meet; whatever came first, the file ends up free."""
    path = tmp_path / "a.lock"
    lock = ProcessLock(path)
    lock_type = threading.Lock

    class Turn:
        """What a waiter sleeps on; an interrupt hits it just after it was handed the lock."""

        def __init__(self) -> None:
            self._inner = lock_type()

        def acquire(self, timeout: float | None = None) -> bool:
            taken = self._inner.acquire(timeout=-1.0 if timeout is None else timeout)
            if timeout is not None:
                raise KeyboardInterrupt
            return bool(taken)

        def release(self) -> None:
            self._inner.release()

    assert lock.acquire()
    interrupted = []

    def wait() -> None:
        try:
            lock.acquire(LONG_S)
        except KeyboardInterrupt:
            interrupted.append(True)

    waiter = threading.Thread(target=wait)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(locks_module.threading, "Lock", Turn)
        waiter.start()
        wait_until(lambda: len(lock._line) == 1)
    lock.release()
    waiter.join(LONG_S)
    assert interrupted == [True]
    assert not lock.is_taken
    assert is_free(path)


# -- NamedLocks ------------------------------------------------------------------------------------


@pytest.fixture(params=["threads", "processes"])
def locks(request: pytest.FixtureRequest, tmp_path: Path) -> NamedLocks:
    return NamedLocks(None if request.param == "threads" else tmp_path / "locks")


def test_one_name_excludes_and_another_does_not(locks: NamedLocks) -> None:
    def try_lock(name: str) -> None:
        with locks.lock(name, timeout_s=0.01):
            pass

    with locks.lock("a"), ThreadPoolExecutor(1) as other:
        other.submit(try_lock, "b").result()
        with pytest.raises(LockTimeoutError) as failure:
            other.submit(try_lock, "a").result()
    assert (failure.value.name, failure.value.timeout_s) == ("a", 0.01)
    assert failure.value.retryable
    try_lock("a")


def test_the_holder_of_a_name_may_lock_it_again(locks: NamedLocks) -> None:
    with locks.lock("a"):
        with locks.lock("a", timeout_s=0.0), locks.lock("b"):
            pass
        with ThreadPoolExecutor(1) as other, pytest.raises(LockTimeoutError):
            other.submit(locks.lock("a", timeout_s=0.0).__enter__).result()
    with locks.lock("a", timeout_s=0.0):
        pass


def test_an_exception_frees_the_name(locks: NamedLocks) -> None:
    with pytest.raises(ZeroDivisionError), locks.lock("a"):
        raise ZeroDivisionError
    with ThreadPoolExecutor(1) as other:
        other.submit(lambda: enter_and_leave(locks.lock("a", timeout_s=0.0))).result()


def enter_and_leave(hold: AbstractContextManager[None]) -> None:
    with hold:
        pass


def test_names_that_nobody_uses_take_no_memory_and_no_descriptor(locks: NamedLocks) -> None:
    for number in range(300):
        name = f"name {number}"
        with ThreadPoolExecutor(1) as other, locks.lock(name), pytest.raises(LockTimeoutError):
            other.submit(locks.lock(name, timeout_s=0.0).__enter__).result()
    assert dict(locks._in_use) == {}
    assert descriptors_of_locks() == 0


def test_a_wait_for_another_process_that_ends_in_vain_leaves_no_descriptor(tmp_path: Path) -> None:
    """Two objects on one folder compete as two processes do: by the file alone."""
    mine, theirs = NamedLocks(tmp_path), NamedLocks(tmp_path)
    with theirs.lock("a"):
        for _ in range(20):
            with pytest.raises(LockTimeoutError), mine.lock("a", timeout_s=0.0):
                raise AssertionError
    assert descriptors_of_locks() == 0
    with mine.lock("a", timeout_s=0.0):
        pass


def descriptors_of_locks() -> int:
    """How many lock files this process has open; 0 where that cannot be looked up."""
    folder = Path("/proc/self/fd")
    if not folder.is_dir():
        return 0
    return sum(os.path.realpath(entry).endswith(".lock") for entry in folder.iterdir())


@pytest.mark.parametrize(
    "name", ["", "../../etc/passwd", "a/b", "x" * 5000, "ü😀", "a\0b", "\ud800"]
)
def test_any_text_is_a_name(tmp_path: Path, name: str) -> None:
    with NamedLocks(tmp_path / "locks").lock(name):
        (file,) = (tmp_path / "locks").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert file.stat().st_size == 0


def test_a_folder_that_cannot_be_made_is_said_to_be_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    locks = NamedLocks(tmp_path / "file" / "locks")
    with pytest.raises(StoreUnavailableError, match="lock file") as failure, locks.lock("a"):
        raise AssertionError
    assert failure.value.definite
    del failure  # whose traceback has the lock
    assert dict(locks._in_use) == {}


# -- processes -------------------------------------------------------------------------------------

processes = get_context("forkserver")
processes.set_forkserver_preload([__name__])


def hold(folder: Path, told: Connection) -> None:
    with NamedLocks(folder).lock("a"):
        told.send("held")
        told.recv()


def count_up(folder: Path, file: Path, times: int) -> None:
    """Read, add one, write: loses counts unless somebody excludes the others."""
    locks = NamedLocks(folder)
    for _ in range(times):
        with locks.lock("counter", timeout_s=LONG_S):
            file.write_text(str(int(file.read_text()) + 1))


@pytest.mark.real
def test_a_name_excludes_other_processes_and_is_freed_when_its_holder_is_killed(
    tmp_path: Path,
) -> None:
    here, there = processes.Pipe()
    holder = processes.Process(target=hold, args=(tmp_path, there), daemon=True)
    holder.start()
    assert here.recv() == "held"
    locks = NamedLocks(tmp_path)
    with pytest.raises(LockTimeoutError), locks.lock("a", timeout_s=0.02):
        raise AssertionError
    with locks.lock("b", timeout_s=0.0):
        pass
    os.kill(holder.pid or 0, signal.SIGKILL)
    holder.join()
    with locks.lock("a", timeout_s=LONG_S):
        pass


@pytest.mark.real
def test_threads_of_several_processes_lose_no_count(tmp_path: Path) -> None:
    file = tmp_path / "counter"
    file.write_text("0")
    workers = [
        processes.Process(target=count_up, args=(tmp_path / "locks", file, 200), daemon=True)
        for _ in range(2)
    ]
    for worker in workers:
        worker.start()
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: count_up(tmp_path / "locks", file, 100), range(3)))
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert int(file.read_text()) == 2 * 200 + 3 * 100


@pytest.mark.real
@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
def test_a_lock_given_back_is_free_though_a_forked_child_lives_on(tmp_path: Path) -> None:
    """The child has a copy of the descriptor; closing the original would not be enough."""
    locks = NamedLocks(tmp_path)
    reading, writing = os.pipe()
    with locks.lock("a"):
        child = os.fork()
        if child == 0:
            os.close(writing)
            os.read(reading, 1)
            os._exit(0)
    other = NamedLocks(tmp_path)  # as another process would see it
    with other.lock("a", timeout_s=0.0):
        pass
    os.close(writing)
    os.close(reading)
    os.waitpid(child, 0)


# -- two users of one computer ---------------------------------------------------------------------


def modes(path: Path) -> list[int]:
    """Of the folder and of the files in it."""
    return [stat.S_IMODE(one.stat().st_mode) & 0o777 for one in (path, *path.iterdir())]


def test_lock_files_take_the_mode_of_the_database_also_when_that_changes(tmp_path: Path) -> None:
    database, folder = tmp_path / "t.db", tmp_path / "t.db-locks"
    database.touch(0o600)
    for mode, of_folder in ((0o600, 0o700), (0o660, 0o770), (0o664, 0o775), (0o640, 0o750)):
        database.chmod(mode)
        with NamedLocks(folder, model=database).lock("a"):
            assert modes(folder) == [of_folder, mode]


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become two other users"
)
def test_two_users_of_one_group_share_a_store_and_its_locks_and_no_cache() -> None:
    """In a folder of the group, the database writable by it, whoever of them comes first."""
    group = 65_534
    with tempfile.TemporaryDirectory() as name:
        shared = Path(name) / "shared"
        shared.mkdir()
        Path(name).chmod(0o755)
        os.chown(shared, 0, group)
        shared.chmod(0o2770)

        with connect(f"sqlite:///{name}/warm.db", cache=Path(name) / "warm") as warm:
            warm.create_template("t", sample("contact_card"), user="ann")
            warm.update_template("t", {"name": "Imported"}, user="ann")

        def use(user: int) -> str:
            os.setgroups([group])
            os.setgid(user)
            os.setuid(user)
            private = shared / str(user)
            with connect(f"sqlite:///{shared}/t.db", cache=private) as sync:
                if not sync.list_templates():
                    (shared / "t.db").chmod(0o660)
                    sync.create_template("t", sample("contact_card"), user="ann")
                sync.get_template("t", user="ann")
                for number in range(3):
                    with sync._env.lock("commit:t"):
                        sync.update_template("t", {"name": f"{user} {number}"}, user="ann")
                versions = len(sync.history("t"))
            assert stat.S_IMODE(private.stat().st_mode) & 0o777 == 0o700
            return str(versions)

        answers = [in_a_fork(lambda user=user: use(user)) for user in (4_001, 4_002, 4_001)]  # type: ignore[misc]
        assert answers == ["4", "7", "10"]
