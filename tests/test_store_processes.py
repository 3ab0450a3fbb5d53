"""The SQLite store among processes: who may write, and what a kill leaves."""

from __future__ import annotations

import os
import random
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from syncsim.errors import StoreUnavailableError
from syncsim.store import sqlite_file
from syncsim.store.sqlite import SQLiteStore
from tests.store_parts import (
    ID,
    check_history,
    commit_and_tell,
    commit_many,
    commit_until_killed,
    count,
    count_up,
    counted,
    document,
    hold_write_lock,
    opened,
    processes,
)

# -- freshness -------------------------------------------------------------------------------------


@pytest.mark.real
def test_a_head_is_never_older_than_what_another_process_acknowledged(
    store: SQLiteStore, url: str
) -> None:
    here, there = processes().Pipe()
    writer = processes().Process(target=commit_and_tell, args=(url, there), daemon=True)
    writer.start()
    there.close()
    acknowledged, asked, seen = 1, 0, set()
    while asked < 2000 or len(seen) < 20:  # until the writer was met at work often enough
        if here.poll():
            acknowledged = here.recv()
        revision = store.head(ID).revision
        assert revision >= acknowledged
        seen.add(revision)
        asked += 1
    here.send("stop")
    while (told := here.recv()) is not None:
        acknowledged = told
    writer.join()
    assert store.head(ID).revision == acknowledged
    assert asked > len(seen), "no answer came from the mark alone"


# -- who may write ---------------------------------------------------------------------------------


@pytest.mark.real
def test_a_lock_held_by_another_process_ends_in_busy_and_not_in_driver_words(
    store: SQLiteStore, url: str
) -> None:
    here, there = processes().Pipe()
    holder = processes().Process(target=hold_write_lock, args=(url, there), daemon=True)
    holder.start()
    assert here.recv() == "held"
    for timeout_s in (0.0, 0.05):
        with pytest.raises(StoreUnavailableError, match="busy") as failure:
            store.update_locked(ID, pytest.fail, by="ann", timeout_s=timeout_s)
        assert failure.value.retryable
        assert failure.value.definite
        assert failure.value.template_id == ID
        assert "database is locked" not in str(failure.value)
    assert store.read(ID).revision == store.head(ID).revision == 1
    here.send("go on")
    assert count_up(store).revision == 2
    holder.join()


@pytest.mark.real
def test_four_processes_at_one_file_meet_no_error_and_lose_nothing(
    store: SQLiteStore, url: str
) -> None:
    times, workers = 150, []
    for number in range(4):
        here, there = processes().Pipe(duplex=False)
        worker = processes().Process(
            target=commit_many, args=(url, f"p{number}", times, there), daemon=True
        )
        worker.start()
        there.close()
        workers.append((worker, here))
    for worker, here in workers:
        assert here.recv() == []
        worker.join()
    final = store.read(ID)
    assert [count(final.document, f"p{number}") for number in range(4)] == [times] * 4
    assert final.revision == 1 + 4 * times
    check_history(store)


def open_files_of(path: Path) -> int:
    """How many descriptors of this process lead to the database or its log."""
    found = 0
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found += os.readlink(entry).startswith(str(path))
        except FileNotFoundError:  # the descriptor of the listing itself
            continue
    return found


@pytest.mark.real
@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="counts descriptors in /proc")
def test_two_hundred_threads_share_a_few_open_files(store: SQLiteStore, path: Path) -> None:
    start = threading.Barrier(200)

    def use(number: int) -> int:
        start.wait()
        for _ in range(5):
            store.head(ID)
            store.read(ID)
        store.update_locked(
            ID, lambda row: counted(row.document, "n"), by=f"user{number % 4}", timeout_s=30.0
        )
        return open_files_of(path)

    with ThreadPoolExecutor(200) as pool:
        most = max(pool.map(use, range(200)))
    assert store.head(ID).revision == 201
    # Beside the connections: the index of the log, and the three files that are watched.
    assert most <= 2 * (sqlite_file.MAX_READERS + 1) + 4


# -- kills -----------------------------------------------------------------------------------------


def kill_writers(store: SQLiteStore, url: str, kills: int, seed: int) -> None:
    """Kill writing processes again and again, each in the middle of an update, and take stock.

    Whatever was acknowledged is there, whatever was begun is there exactly once in the end, because
    each successor repeats the update that its predecessor was killed in.
    """
    chance = random.Random(seed)
    started: set[str] = set()
    acknowledged: set[str] = set()

    class Writer:
        def __init__(self, name: str, unfinished: str | None) -> None:
            self.name = name
            self.unfinished = unfinished
            self.inside = False
            here, there = processes().Pipe(duplex=False)
            self.process = processes().Process(
                target=commit_until_killed, args=(url, name, unfinished, there), daemon=True
            )
            self.process.start()
            there.close()
            self.told = here
            self.rest = b""

        def read(self) -> bool:
            """Note what it says; False once it is dead and all was read."""
            data = os.read(self.told.fileno(), 65536)
            *lines, self.rest = (self.rest + data).split(b"\n")
            for line in lines:
                update_id = line[1:].decode()
                (started if line[:1] == b"?" else acknowledged).add(update_id)
                self.inside = line[:1] == b"?"
                self.unfinished = update_id if self.inside else None
            return bool(data)

        def kill(self) -> None:
            for _ in range(chance.randrange(1, 40)):
                self.read()
            while not self.inside:
                self.read()
            for _ in range(chance.randrange(8000)):  # somewhere within the update
                pass
            os.kill(self.process.pid or 0, signal.SIGKILL)
            while self.read():
                pass
            self.process.join()
            self.told.close()

    writers = [Writer(f"w{number}", None) for number in range(3)]
    for number in range(kills):
        place = chance.randrange(3)
        writers[place].kill()
        writers[place] = Writer(f"k{number}", writers[place].unfinished)
    for writer in writers:
        writer.kill()
        if writer.unfinished is not None:
            count_up(store, "done", writer.unfinished)

    assert len(started) > kills
    committed = [r.update_id for r in store.history(ID) if r.update_id is not None]
    assert acknowledged - set(committed) == set(), "acknowledged and lost"
    assert len(committed) == len(set(committed)), "applied twice"
    assert set(committed) == started
    assert count(store.read(ID).document, "done") == len(started)
    check_history(store)


@pytest.mark.real
def test_twenty_kills_lose_nothing_and_double_nothing(store: SQLiteStore, url: str) -> None:
    kill_writers(store, url, kills=20, seed=7)


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.timeout(600)
@pytest.mark.parametrize("mode", ["FULL", "NORMAL"])
def test_three_hundred_kills_lose_nothing_and_double_nothing(tmp_path: Path, mode: str) -> None:
    url = f"sqlite:///{tmp_path}/killed.db?synchronous={mode}"
    store = opened(url)
    store.create(ID, document(), by="ann")
    kill_writers(store, url, kills=300, seed=11)
    store.close()
