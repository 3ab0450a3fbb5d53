"""A store whose calls take virtual time, so that writers are in each other's way as in a real one.

Elsewhere in the simulation a call takes no time and any actor may be slow at any step: that finds
what can go wrong. Here the question is how often it does, for which time has to pass as it would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, TypeVar

from syncsim.contract import Document, QueuedWrite, Row, Write
from syncsim.lab.recording.intercepted_store import StoreCall
from syncsim.lab.simulation.environment import SimulatedStore
from syncsim.lab.simulation.faults import FaultInjector, Faults
from syncsim.lab.simulation.scheduler import Scheduler
from syncsim.store.engines import FullStore
from syncsim.store.writes import Change

T = TypeVar("T")

STEPS: Final = 601
"""Into how many equal parts the range of a service time is divided by a draw."""

_TRANSACTIONS: Final = frozenset({"put", "compare_and_swap", "update_locked", "update_many"})


@dataclass(frozen=True, slots=True)
class ServiceTimes:
    """How long calls take, in virtual milliseconds; each call draws 70 to 130 % of its value.

    The profile "sqlite" of the notes on retry, section 4: a read of a body 0.3, a merge 0.2, a
    commit 1.0 with the write lock held, a swap that loses 0.3 of a commit, each further version in
    a batch 0.05. Who waits for the write lock waits first come, first served, as the threads of one
    process do. Asking for the head's version takes no time, nor does a cache: both are inside the
    process.
    """

    read_ms: float = 0.3
    merge_ms: float = 0.2
    commit_ms: float = 1.0
    lost: float = 0.3
    version_ms: float = 0.05
    spread: float = 0.3


@dataclass(slots=True)
class Effort:
    """What the store did: bodies read, write transactions, and seconds the write lock was held."""

    reads: int = 0
    transactions: int = 0
    locked_s: float = 0.0


class TimedStore(SimulatedStore):
    """A `SimulatedStore` whose calls take time; `tried` gets each write attempt's update id."""

    def __init__(
        self,
        scheduler: Scheduler,
        store: FullStore,
        times: ServiceTimes,
        tried: Callable[[str | None], object],
    ) -> None:
        super().__init__(scheduler, store, FaultInjector(Faults(), scheduler))
        self.effort = Effort()
        self._times = times
        self._tried = tried

    def around(self, call: StoreCall, do: Callable[[], T]) -> T:
        """Make the call take time; the caller merges before a swap, without the write lock."""
        times = self._times
        if call.name in ("read", "revision"):
            self._look()
            return do()
        if call.name not in _TRANSACTIONS:
            return super().around(call, do)
        if call.name == "compare_and_swap":
            self._spend(times.merge_ms)
        with self._transaction(call):
            if call.name == "put":
                self._spend(times.commit_ms)
            elif call.name == "compare_and_swap":
                wins = self._inner.head(call.template_id).version == call.version
                self._spend(times.commit_ms if wins else times.commit_ms * times.lost)
            elif call.change is not None:
                self._look()
                call.change = self._timed(call.change, times.merge_ms + times.commit_ms)
            else:  # one read and one commit for all of the batch
                self._look()
                self._spend(times.commit_ms)
                each_ms = times.merge_ms + times.version_ms
                call.batch = [
                    QueuedWrite(self._timed(write.change, each_ms), write.by, write.update_id)
                    for write in call.batch
                ]
            return do()

    @contextmanager
    def _transaction(self, call: StoreCall) -> Iterator[None]:
        with self._holding_write_lock(call):
            for attempt in call.attempts:
                self._tried(attempt.update_id)
            began = self._scheduler.now
            try:
                yield
            finally:
                self.effort.transactions += 1
                self.effort.locked_s += self._scheduler.now - began

    def _look(self) -> None:
        self.effort.reads += 1
        self._spend(self._times.read_ms)

    def _timed(self, change: Change, takes_ms: float) -> Change:
        def timed(row: Row) -> Document | Write | None:
            write = change(row)
            if write is not None:
                self._spend(takes_ms)
            return write

        return timed

    def _spend(self, mean_ms: float) -> None:
        spread = self._times.spread
        part = self._scheduler.draw("service time", STEPS) / (STEPS - 1)
        self._scheduler.sleep(mean_ms * (1 - spread + 2 * spread * part) / 1000)
