"""Actors in several processes that share a store file, a folder of caches and one of locks.

A process that dies or hangs is a finding and does not hang the run: it is waited for until a
deadline and then ended, by its own handle. Processes are spawned, never forked: a fork copies locks
that other threads hold.
"""

from __future__ import annotations

import os
import pickle
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Final

from syncsim.errors import SyncError, UsageError
from syncsim.lab.engines.thread_runner import (
    AT_REST,
    POLL_S,
    Assignment,
    RemoteBarrier,
    Report,
    ThreadRunner,
)
from syncsim.lab.history.findings import Finding
from syncsim.lab.history.recorded_failure import described
from syncsim.lab.recording.call_log import Records
from syncsim.lab.scenarios import parties
from syncsim.system.spawning import not_started, spawn_context

BEGUN: Final = "begun"
"""What a process says before it looks at the solution: what ends it from then on is a finding."""

STARTING_S: Final = 30.0
"""How long a process may take until it begins."""

GRACE_S: Final = 15.0
"""How long after its actors' deadline a process may take to hand over its report."""


@dataclass(frozen=True)
class Place:
    """Where a process finds what it shares with the others; `seed` is its own."""

    url: str
    cache: str
    users: tuple[str, ...]
    seed: str


def perform_in_processes(
    work: Sequence[tuple[Place, Assignment]],
    *,
    progress: Callable[[int], object],
) -> list[Report]:
    """Perform each assignment in a process of its own, all at once; return the reports in order.

    `progress` gets, now and then, the number of verbs called in all. Raises the `SyncError`
    with which a process could not begin: a solution that cannot be loaded, a store out of reach, a
    script that processes cannot import (`UsageError`).
    """
    context = spawn_context()
    barriers: dict[str, Any] = {
        name: context.Barrier(count) for name, count in _shared(work).items()
    }
    # A number per process and no lock: who dies with a lock in hand would hang all others.
    tally = context.Array("L", len(work), lock=False)
    patience_s = max(one.timeout_s for _, one in work) + GRACE_S
    workers: list[_Worker] = []
    try:
        for number, one in enumerate(work):
            workers.append(_Worker(context, number, *one, barriers, tally))
        waiting = list(workers)
        have_begun = False
        deadline_s = time.monotonic() + STARTING_S
        while waiting and time.monotonic() < deadline_s:
            wait([worker.pipe for worker in waiting], POLL_S)
            if not have_begun and all(worker.has_begun for worker in waiting):
                have_begun = True
                deadline_s = time.monotonic() + patience_s
            for worker in [worker for worker in waiting if worker.has_answered()]:
                waiting.remove(worker)
                if worker.failed:
                    # In a thread, since a process may have died inside a barrier, with its lock.
                    threading.Thread(target=_abort, args=(barriers,), daemon=True).start()
            progress(sum(tally))
        return [worker.report(patience_s) for worker in workers]
    finally:
        for worker in workers:
            worker.end()


def _abort(barriers: Mapping[str, RemoteBarrier]) -> None:
    for barrier in barriers.values():
        barrier.abort()


def _shared(work: Sequence[tuple[Place, Assignment]]) -> dict[str, int]:
    """The barriers that actors of several processes come to, with the number of processes."""
    counts: dict[str, int] = {AT_REST: len(work)}
    for _, assignment in work:
        for name in parties(assignment.actors):
            counts[name] = counts.get(name, 0) + 1
    return {name: count for name, count in counts.items() if count > 1}


class _Worker:
    """One process, from its start to its end."""

    def __init__(
        self,
        context: Any,
        number: int,
        place: Place,
        assignment: Assignment,
        barriers: Mapping[str, Any],
        tally: Any,
    ) -> None:
        self.pipe, theirs = context.Pipe(duplex=False)
        names = (*parties(assignment.actors), AT_REST)
        own = {name: barriers[name] for name in names if name in barriers}
        work = pickle.dumps((place, assignment))
        self._process = context.Process(
            target=_work,
            args=(work, own, tally, number, theirs),
            daemon=True,
        )
        try:
            self._process.start()
        except OSError as error:
            raise not_started("on", "processes", f"cannot be made ({error.strerror})") from error
        theirs.close()
        self.has_begun = False
        self._answer: Report | SyncError | None = None
        self._lost = False

    @property
    def failed(self) -> bool:
        """Whether the others must not wait for this one."""
        return self._lost or isinstance(self._answer, SyncError)

    def has_answered(self) -> bool:
        """Take in the answer if it is there; True also if there will be none."""
        try:
            if not self.pipe.poll():
                return False
            answer = self.pipe.recv()
            if answer == BEGUN:
                self.has_begun = True
                return False
            self._answer = answer
        except (EOFError, OSError):
            self._lost = True
        return True

    def report(self, patience_s: float) -> Report:
        """What the process answered, or that it died or hangs.

        Raises the error it answered, and `UsageError` for one that never began.
        """
        if isinstance(self._answer, SyncError):
            raise self._answer
        if self._answer is not None:
            return self._answer
        pid = self._process.pid
        if self._lost:
            self._process.join(GRACE_S)
            code = self._process.exitcode
            if not self.has_begun:
                raise not_started("on", "processes", f"ended with exit code {code} before it began")
            text = f"process {pid} died with exit code {code}; its last words are on standard error"
            return Report(Records(), (Finding("D3", "process-died", text),))
        if not self.has_begun:
            raise not_started("on", "processes", f"did not begin within {STARTING_S:.0f} s")
        text = f"process {pid} did not answer within {patience_s:.0f} s and was ended"
        return Report(Records(), (Finding("D3", "process-hung", text),), hung=True)

    def end(self) -> None:
        """End the process if it has not ended, and let go of it."""
        self._process.join(POLL_S if self._answer is None else GRACE_S)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._process.close()
        self.pipe.close()


def _work(
    work: bytes,
    barriers: Mapping[str, RemoteBarrier],
    tally: Any,
    number: int,
    pipe: Connection,
) -> None:
    """What a process does: its own environment and solution, its actors, its report."""
    from syncsim.runtime.wiring import open_environment

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the runner, which ends us
    os.dup2(2, 1)  # standard output is the runner's, whatever a solution prints
    calls: list[None] = []

    def called() -> None:
        calls.append(None)
        tally[number] = len(calls)

    try:
        place, assignment = _unpacked(work)
        env = open_environment(place.url, cache=place.cache, users=place.users, seed=place.seed)
        pipe.send(BEGUN)
        report = ThreadRunner(assignment, env, env.log, barriers).perform(called=called)
    except SyncError as error:
        pipe.send(error)
        return
    pipe.send(report)
    pipe.close()
    if report.hung:
        os._exit(1)  # closing would wait for the threads that hang
    env.close()


def _unpacked(work: bytes) -> tuple[Place, Assignment]:
    """The place and the assignment; `UsageError` where the solution's module is not to be had."""
    try:
        unpacked: tuple[Place, Assignment] = pickle.loads(work)
    except Exception as error:
        importable = f"one that another process can import; it raised {described(error)}"
        raise UsageError("solution", "a function", importable) from None
    return unpacked
