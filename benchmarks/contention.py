"""Many writers on one template: how many commit, in how many tries, how late the last one."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.measuring import together
from benchmarks.peers import RawSqlite, redo_on_conflict
from benchmarks.table import Row
from syncsim import connect, run, sample

TID = "event_registration"


def storms(seeds: int) -> Iterator[Row]:
    """200 writers released by one barrier; the fixed policy beside ours, to show that it bites."""
    for on, label in (("threads", "200 threads"), ("processes", "4 processes x 50")):
        for synchronous in ("NORMAL", "FULL"):
            yield _storm(f"storm of 200, {label}, {synchronous}", on, 200, synchronous, seeds, 1.0)
    yield _storm("storm of 1,000, 4 processes x 250, NORMAL", "processes", 1000, "NORMAL", 1, 3.0)
    yield _fixed(seeds=min(seeds, 3))


def _storm(what: str, on: str, users: int, synchronous: str, seeds: int, p99_s: float) -> Row:
    shares, retries, p99s, lost = [], [], [], 0
    for seed in range(seeds):
        summary = run(
            "perfect-storm", on=on, users=users, seed=seed, work_ms=0, synchronous=synchronous
        ).summary()
        shares.append(summary["updates"]["success_rate"])
        retries.append(summary["retries"]["max"])
        p99s.append(summary["latency_ms"]["p99"] / 1000)
        lost += summary["lost_updates"]
    floor = 1.0 if users <= 200 else 0.999
    reached = min(shares) >= floor and max(retries) <= 3 and max(p99s) < p99_s and lost == 0
    return Row(
        what,
        f"{seeds} seeds",
        f"{min(shares):.1%} committed, <= {max(retries)} retries, "
        f"p99 {statistics.median(p99s):.2f} s (worst {max(p99s):.2f}), {lost} lost",
        f"{floor:.1%}, <= 3 retries, p99 < {p99_s:.0f} s, 0 lost",
        reached,
        statistics.median(p99s) * 1e6,
    )


def _fixed(seeds: int) -> Row:
    shares: dict[str, list[float]] = {"third": [], "fixed": []}
    for seed in range(seeds):
        for policy, found in shares.items():
            summary = run(
                "perfect-storm", on="threads", users=200, seed=seed, work_ms=5, retry=policy
            ).summary()
            found.append(summary["updates"]["success_rate"])
    return Row(
        "storm of 200 threads, --work-ms 5, --retry fixed",
        f"the default policy: {min(shares['third']):.1%}",
        f"{max(shares['fixed']):.1%} committed",
        "< 90 % (the storm must bite)",
        max(shares["fixed"]) < 0.9 and min(shares["third"]) == 1.0,
    )


def working(
    rounds: int, writers: int = 8, updates: int = 25, work_s: float = 0.002
) -> Iterator[Row]:
    """8 writers, different fields, 2 ms of work in each attempt: merging against doing it again."""
    raw, ours = [], {"none/queue=1": [], "third": []}  # type: ignore[var-annotated]
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as name:
            peer = RawSqlite(Path(name) / "raw.db", "NORMAL", sample(TID))
            raw.append(redo_on_conflict(Path(name) / "raw.db", "NORMAL", writers, updates, work_s))
            peer.connection.close()
        for policy, taken in ours.items():
            taken.append(_merging(policy, writers, updates, work_s))
    for policy, taken in ours.items():
        faster = statistics.median(r / t for r, t in zip(raw, taken, strict=True))
        wanted = 3.0 if policy == "none/queue=1" else None
        yield Row(
            f"8 writers, 2 ms of work, --retry {policy}",
            "raw sqlite3 that does its work again on conflict, NORMAL",
            f"{faster:.2f} x",
            "-" if wanted is None else f">= {wanted:.0f} x",
            None if wanted is None else faster >= wanted,
            statistics.median(taken) * 1e6 / (writers * updates),
        )


def _merging(policy: str, writers: int, updates: int, work_s: float) -> float:
    with (
        tempfile.TemporaryDirectory() as name,
        connect(
            f"sqlite:///{name}/ours.db?synchronous=NORMAL", cache=f"{name}/cache", retry=policy
        ) as sync,
    ):
        sync.create_template(TID, sample(TID), user="ann")

        def write(n: int, ready: Callable[[], object]) -> None:
            user = f"user{n}"
            sync.get_template(TID, user=user)  # opens the user's cache, as the peer a connection
            ready()
            for k in range(updates):
                base = sync.get_template(TID, user=user)
                time.sleep(work_s)
                base.document["fields"][n]["label"] = f"label {n} {k}"
                changes = {"fields": base.document["fields"]}
                sync.update_template(TID, changes, user=user, base=base)

        taken = together(write, writers)
        assert len(sync.history(TID)) == writers * updates + 1
    return taken
