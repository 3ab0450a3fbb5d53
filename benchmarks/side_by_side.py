"""Many writers, each on a template of its own: they meet at the file's write lock and nowhere else.

The peer is raw sqlite3 at its best: one lock, a connection a thread, nobody asleep in SQLite's busy
handler.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from benchmarks.measuring import together
from benchmarks.one_client import UpdateOnly
from benchmarks.peers import one_lock
from benchmarks.table import Row
from syncsim import connect, sample
from syncsim.runtime.environment import SystemClock
from syncsim.store.sqlite import SQLiteStore

TID = "event_registration"
WANTED = 1.0


def side_by_side(
    synchronous: str, rounds: int, writers: int = 8, updates: int = 100
) -> Iterator[Row]:
    """`store.compare_and_swap` and `update_template`; the store should be as fast as the peer."""
    raw, swaps, verbs = [], [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as name:
            raw.append(one_lock(Path(name) / "raw.db", synchronous, sample(TID), writers, updates))
        swaps.append(_swapping(synchronous, writers, updates))
        verbs.append(_updating(synchronous, writers, updates))
    for what, taken, wanted in (
        ("store.compare_and_swap", swaps, WANTED),
        ("update_template", verbs, None),
    ):
        reached = statistics.median(r / t for r, t in zip(raw, taken, strict=True))
        yield Row(
            f"{writers} writers on {writers} templates, {what}",
            f"raw sqlite3 CAS + history insert, one lock, a connection a thread, {synchronous}",
            f"{reached:.2f} x",
            "-" if wanted is None else f">= {wanted:.2f} x",
            None if wanted is None else reached >= wanted,
            statistics.median(taken) * 1e6 / (writers * updates),
        )


def _swapping(synchronous: str, writers: int, updates: int) -> float:
    document = sample(TID)
    with tempfile.TemporaryDirectory() as name:
        url = f"sqlite:///{name}/ours.db?synchronous={synchronous}"
        with closing(SQLiteStore(url, clock=SystemClock())) as store:

            def write(n: int, ready: Callable[[], object]) -> None:
                template, user = f"t{n}", f"user{n}"
                head = store.create(template, document, by=user).version
                ready()
                for k in range(updates):
                    changed = {**document, "name": f"Name {k}"}
                    head = store.compare_and_swap(
                        template, head, changed, by=user, update_id=f"{template}-{k}"
                    ).version

            return together(write, writers)


def _updating(synchronous: str, writers: int, updates: int) -> float:
    with tempfile.TemporaryDirectory() as name:
        url = f"sqlite:///{name}/ours.db?synchronous={synchronous}"
        with connect(url, cache=f"{name}/cache") as sync:

            def write(n: int, ready: Callable[[], object]) -> None:
                template, user = f"t{n}", f"user{n}"
                sync.create_template(template, sample(TID), user=user)
                update = UpdateOnly(sync, template, user)
                ready()
                for _ in range(updates):
                    update()

            return together(write, writers)
