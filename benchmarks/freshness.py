"""Stale reads beside a writing process, alive and killed; and the hit rate under load."""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
from collections.abc import Iterator
from multiprocessing.sharedctypes import Synchronized
from typing import Any

from benchmarks.table import Row
from syncsim import connect, run, sample

TID = "event_registration"


def _write_for_ever(folder: str, acknowledged: Any) -> None:
    """Commit as fast as it goes; say which revision was acknowledged, and nothing to any cache."""
    with connect(f"sqlite:///{folder}/t.db?synchronous=NORMAL", cache=f"{folder}/writer") as sync:
        for n in range(1_000_000):
            outcome = sync.update_template(TID, {"name": f"n{n}"}, user="ann")
            acknowledged.value = int(str(outcome.version).split("-")[0])


def stale_reads(reads: int) -> Iterator[Row]:
    """A read begun after an acknowledgement that returns an older revision is stale."""
    context = multiprocessing.get_context("spawn")
    acknowledged: Synchronized[int] = context.Value("q", 0, lock=False)  # type: ignore[assignment]
    stale = 0
    with (
        tempfile.TemporaryDirectory() as folder,
        connect(f"sqlite:///{folder}/t.db?synchronous=NORMAL", cache=f"{folder}/reader") as sync,
    ):
        sync.create_template(TID, sample(TID), user="ann")
        writer = context.Process(target=_write_for_ever, args=(folder, acknowledged), daemon=True)
        writer.start()
        while acknowledged.value == 0:
            sync.get_template(TID, user="ben")
        for n in range(reads):
            if n == reads // 2:
                assert writer.pid is not None
                os.kill(writer.pid, signal.SIGKILL)  # as likely as not between commit and reply
                writer.join()
            known = acknowledged.value
            seen = sync.get_template(TID, user=f"user{n % 4}", view=True).version
            stale += int(seen.split("-")[0]) < known
        left = sync.get_template(TID, user="ben").version
        stale += left != sync.history(TID, limit=1)[0].version
    yield Row(
        f"stale reads among {reads:,}",
        "a second process writing all the time, killed half-way",
        f"{stale}",
        "0",
        stale == 0,
    )


def sustained() -> Iterator[Row]:
    """The scenario `sustained`: 20 reads per user and commit, first reads counted as misses."""
    rate = run("sustained", on="threads").summary()["cache"]["hit_rate"]
    yield Row(
        "hit rate in `sustained`",
        "first reads counted as misses",
        f"{rate:.1%}",
        "> 80 %",
        rate > 0.8,
    )
