"""One client, no contention: what an update, a swap, a read and a merge cost."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import diskcache

from benchmarks.measuring import Timing, interleaved, ratio
from benchmarks.peers import PlainSqlModel, RawSqlite
from benchmarks.table import Row
from syncsim import Snapshot, connect, merge, sample
from syncsim.runtime.connection import Connection
from syncsim.runtime.environment import SystemClock
from syncsim.store.sqlite import SQLiteStore

TID = "event_registration"
USERS = ("ann", "ben", "cem")


@contextmanager
def connected(folder: Path, synchronous: str) -> Iterator[Connection]:
    url = f"sqlite:///{folder / 'ours.db'}?synchronous={synchronous}"
    with connect(url, cache=folder / "cache") as sync:
        sync.create_template(TID, sample(TID), user="ann")
        for user in USERS:
            sync.get_template(TID, user=user)
        yield sync


def renaming(document: dict[str, Any], commit: Callable[[dict[str, Any]], object]) -> Any:
    numbers = itertools.count()

    def rename() -> None:
        commit({**document, "name": f"Name {next(numbers)}"})

    return rename


def updates(synchronous: str, rounds: int) -> Iterator[Row]:
    """`update_template` and `store.compare_and_swap` beside raw sqlite3 and SQLModel."""
    document = sample(TID)
    with tempfile.TemporaryDirectory() as name, connected(Path(name), synchronous) as sync:
        folder = Path(name)
        raw = RawSqlite(folder / "raw.db", synchronous, document)
        store = SQLiteStore(
            f"sqlite:///{folder / 'store.db'}?synchronous={synchronous}", clock=SystemClock()
        )
        head = store.create(TID, document, by="ann").version
        numbers = itertools.count()

        def swap(changed: dict[str, Any]) -> None:
            nonlocal head
            head = store.compare_and_swap(
                TID, head, changed, by="ann", update_id=f"u{next(numbers)}"
            ).version

        ways = {
            "raw": renaming(document, raw.commit),
            "swap": renaming(document, swap),
            "update": UpdateOnly(sync),
        }
        if synchronous == "FULL":
            plain = PlainSqlModel(folder / "plain.db", document)
            ways["sqlmodel"] = renaming(document, plain.commit)
        timing = interleaved(ways, calls=200, rounds=rounds)
        store.close()
    wanted = {"NORMAL": (0.30, 0.50), "FULL": (0.75, None)}[synchronous]
    peer = f"raw sqlite3 CAS + history insert, {synchronous}"
    yield _row("update_template, three warm caches", timing, "raw", "update", peer, wanted[0])
    yield _row("store.compare_and_swap", timing, "raw", "swap", peer, wanted[1])
    if "sqlmodel" in timing:
        peer = "SQLModel as documented (rollback journal, FULL)"
        yield _row("update_template, FULL", timing, "sqlmodel", "update", peer, None)


class UpdateOnly:
    """`update_template` with the base that the last call committed; reading it back is not timed.

    The base's document is not looked at when its version is in the history, so the snapshot needs
    only its version.
    """

    def __init__(self, sync: Connection, template: str = TID, user: str = "ann") -> None:
        self.sync, self.template, self.user = sync, template, user
        self.base = sync.get_template(template, user=user, view=True)
        self.numbers = itertools.count()

    def __call__(self) -> None:
        outcome = self.sync.update_template(
            self.template,
            {"name": f"Name {next(self.numbers)}"},
            user=self.user,
            base=self.base,
        )
        self.base = Snapshot(
            self.template, str(outcome.version), self.base.document, 0.0, self.user
        )


def hits(rounds: int) -> Iterator[Row]:
    """A cache hit, proven fresh, beside a plain diskcache get that proves nothing."""
    with tempfile.TemporaryDirectory() as name, connected(Path(name), "NORMAL") as sync:
        plain = diskcache.Cache(str(Path(name) / "plain"))
        plain.set("t", sample(TID))
        timing = interleaved(
            {
                "diskcache": lambda: plain.get("t"),
                "private": lambda: sync.get_template(TID, user="ann"),
                "view": lambda: sync.get_template(TID, user="ann", view=True),
            },
            calls=2000,
            rounds=rounds,
        )
        plain.close()
    peer = "diskcache.Cache.get, defaults"
    yield _row("get_template hit, private copy", timing, "diskcache", "private", peer, 1.2)
    yield _row("get_template hit, view=True", timing, "diskcache", "view", peer, 3.0)


def long_history(rounds: int, versions: int) -> Iterator[Row]:
    """Reading the head when the template has many versions and when it has ten."""
    with tempfile.TemporaryDirectory() as name:
        stores = {}
        for count in (10, versions):
            store = SQLiteStore(
                f"sqlite:///{Path(name) / f'{count}.db'}?synchronous=NORMAL", clock=SystemClock()
            )
            document = sample("contact_card")
            head = store.create("t", document, by="ann").version
            for n in range(count - 1):
                changed = {**document, "name": f"n{n}"}
                head = store.compare_and_swap("t", head, changed, by="ann").version
            stores[count] = store
        few, many = stores[10], stores[versions]
        timing = interleaved(
            {"few": lambda: few.read("t"), "many": lambda: many.read("t")},
            calls=2000,
            rounds=rounds,
        )
        for store in stores.values():
            store.close()
    slower = 1 / ratio(timing["few"], timing["many"])
    yield Row(
        f"store.read at {versions:,} versions",
        "store.read at 10 versions",
        f"{slower:.2f} x the time",
        "<= 1.1 x",
        slower <= 1.1,
        timing["many"].p50_us,
    )


def merges(rounds: int) -> Iterator[Row]:
    """The three-way merge of a 3 KB template, both sides having changed a few leaves."""
    base = sample(TID)
    earlier, later = sample(TID), sample(TID)
    earlier["fields"][1]["label"] = "Theirs"
    earlier["name"] = "Theirs"
    later["fields"][3]["help"] = "Ours"
    later["fields"].insert(2, {**base["fields"][0], "id": "brand_new"})
    timing = interleaved({"merge": lambda: merge(base, earlier, later)}, calls=500, rounds=rounds)[
        "merge"
    ]
    reached = timing.p50_us < 500 and timing.p99_us < 10_000
    yield Row(
        "merge of a 3 KB template",
        "-",
        f"p50 {timing.p50_us / 1000:.3f} ms, p99 {timing.p99_us / 1000:.3f} ms",
        "p50 < 0.5 ms, p99 < 10 ms",
        reached,
        timing.p50_us,
    )


def _row(
    what: str, timing: dict[str, Timing], peer: str, ours: str, beside: str, wanted: float | None
) -> Row:
    reached = ratio(timing[peer], timing[ours])
    return Row(
        what,
        beside,
        f"{reached:.2f} x",
        "-" if wanted is None else f">= {wanted:.2f} x",
        None if wanted is None else reached >= wanted,
        timing[ours].p50_us,
    )
