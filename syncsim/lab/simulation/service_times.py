"""A store whose calls take virtual time, so that writers are in each other's way as in a real one.

Elsewhere in the simulation a call takes no time and any actor may be slow at any step: that finds
what can go wrong. Here the question is how often it does, for which time has to pass as it would.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from syncsim.contract import JSON, Document, QueuedWrite, Revision, Row, Write
from syncsim.lab.simulation.environment import FullStore, SimulatedStore
from syncsim.lab.simulation.faults import Faults, Mishaps
from syncsim.lab.simulation.scheduler import Scheduler
from syncsim.store.writes import Change

STEPS: Final = 601
"""Into how many equal parts the range of a service time is divided by a draw."""


@dataclass(frozen=True, slots=True)
class ServiceTimes:
    """What a call takes, in virtual milliseconds; each time a draw from 70 to 130 % of it.

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
    """As `SimulatedStore`, in time; `tried` is told the update id of each write attempt."""

    def __init__(
        self,
        gate: Scheduler,
        store: FullStore,
        times: ServiceTimes,
        tried: Callable[[str | None], object],
    ) -> None:
        super().__init__(gate, store, Mishaps(Faults(), gate))
        self.effort = Effort()
        self._times = times
        self._tried = tried

    # -- reads -------------------------------------------------------------------------------------

    def read(self, template_id: str) -> Row:
        """The head with its document, as of the end of the call."""
        self._look()
        return self._store.read(template_id)

    def revision(self, template_id: str, version: str) -> Revision | None:
        """One version of a template, or None."""
        self._look()
        return self._store.revision(template_id, version)

    # -- writes ------------------------------------------------------------------------------------

    def put(self, template_id: str, document: Document, *, by: str) -> Row:
        """Write over whatever is there."""
        with self._transaction("put", template_id, None, [None]):
            self._spend(self._times.commit_ms)
            return self._store.put(template_id, document, by=by)

    def compare_and_swap(
        self,
        template_id: str,
        expected_version: str,
        document: Document,
        *,
        by: str,
        update_id: str | None = None,
        detail: JSON = None,
        timeout_s: float | None = None,
    ) -> Row:
        """Write if the head is `expected_version`; the merge before it is the caller's time."""
        times = self._times
        self._spend(times.merge_ms)
        with self._transaction("compare_and_swap", template_id, timeout_s, [update_id]):
            wins = self._store.head(template_id).version == expected_version
            self._spend(times.commit_ms if wins else times.commit_ms * times.lost)
            return self._store.compare_and_swap(
                template_id, expected_version, document, by=by, update_id=update_id, detail=detail
            )

    def update_locked(
        self,
        template_id: str,
        change: Change,
        *,
        by: str,
        update_id: str | None = None,
        timeout_s: float | None = None,
    ) -> Row:
        """Read, merge and write under the write lock."""
        with self._transaction("update_locked", template_id, timeout_s, [update_id]):
            self._look()
            timed = self._timed(change, self._times.merge_ms + self._times.commit_ms)
            return self._store.update_locked(template_id, timed, by=by, update_id=update_id)

    def update_many(
        self, template_id: str, writes: Sequence[QueuedWrite], *, timeout_s: float | None = None
    ) -> list[Row | Exception]:
        """Several such changes in one transaction, which pays for one read and one commit."""
        each_ms = self._times.merge_ms + self._times.version_ms
        batch = [
            QueuedWrite(self._timed(write.change, each_ms), write.by, write.update_id)
            for write in writes
        ]
        ids = [write.update_id for write in batch]
        with self._transaction("update_many", template_id, timeout_s, ids):
            self._look()
            self._spend(self._times.commit_ms)
            return self._store.update_many(template_id, batch)

    # -- time --------------------------------------------------------------------------------------

    @contextmanager
    def _transaction(
        self,
        call: str,
        template_id: str,
        timeout_s: float | None,
        update_ids: Sequence[str | None],
    ) -> Iterator[None]:
        with self._holding_write_lock(call, template_id, timeout_s):
            for update_id in update_ids:
                self._tried(update_id)
            began = self._gate.now
            try:
                yield
            finally:
                self.effort.transactions += 1
                self.effort.locked_s += self._gate.now - began

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
        part = self._gate.draw("service time", STEPS) / (STEPS - 1)
        self._gate.sleep(mean_ms * (1 - spread + 2 * spread * part) / 1000)
