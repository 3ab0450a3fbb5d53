"""Threads kept for reuse: to start one costs more than the whole turn of an actor.

A worker sleeps on its `wake` lock, does one job, sleeps again. It knows nothing of simulation.
"""

from __future__ import annotations

import ctypes
import threading
from _thread import allocate_lock
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import copy_context
from types import TracebackType
from typing import Final, Self

INTERRUPTIONS: Final = 40


class Worker:
    """One thread. `wake` is a binary semaphore: released once for each time it is waited for."""

    __slots__ = ("_job", "_leaves", "_thread", "ident", "wake")

    def __init__(self, number: int) -> None:
        self.wake = allocate_lock()
        self.wake.acquire()
        self._job: Callable[[], None] | None = None
        self._leaves = False
        self._thread = threading.Thread(target=self._work, name=f"actor-{number}", daemon=True)
        self._thread.start()
        assert self._thread.ident is not None
        self.ident = self._thread.ident

    def begin(self, job: Callable[[], None]) -> None:
        """Run `job` in a fresh copy of this thread's empty context; it must not raise."""
        self._job = job
        self.wake.release()

    def leave(self) -> None:
        """Wake the thread, to end it: now if it is free, else after the job at hand."""
        self._leaves = True
        with suppress(RuntimeError):  # an interrupted run: it was being woken just then
            self.wake.release()

    def interrupt(self, error: type[BaseException]) -> None:
        """Raise `error` in the thread, which is leaving, when it next executes Python code.

        Again and again, up to `INTERRUPTIONS` times: a bare `except` swallows it wherever it does
        not hit the line of a loop. A call that blocks goes on blocking.
        """
        for _ in range(INTERRUPTIONS):
            ctypes.pythonapi.PyThreadState_SetAsyncExc(
                ctypes.c_ulong(self.ident), ctypes.py_object(error)
            )
            self._thread.join(0.005)
            if not self._thread.is_alive():
                return

    def join(self, timeout_s: float | None = None) -> None:
        """Wait for the end of a thread that leaves, at most so many real seconds."""
        self._thread.join(timeout_s)

    def _work(self) -> None:
        try:
            while not self._leaves:
                self.wake.acquire()
                # Cleared first: the next job may be handed over while this one does its last lines.
                job, self._job = self._job, None
                if job is not None:
                    copy_context().run(job)
        except BaseException:
            if not self._leaves:  # else an interruption came when the job was done
                raise


def dismiss(workers: Sequence[Worker], busy: Worker | None, error: type[BaseException]) -> None:
    """Make all workers leave in the middle of their jobs; `busy` is the one that does not sleep.

    Those who sleep find out by themselves that there is nothing more to do, the busy one gets
    `error` raised. A worker that does not end for all that is left alone.
    """
    for worker in workers:
        worker.leave()
    if busy is not None:
        busy.interrupt(error)
    for worker in workers:
        if worker is not busy:
            worker.join(1.0)


class ThreadPool:
    """A pool of workers, as large as the largest number of actors so far. Close it at the end."""

    def __init__(self) -> None:
        self._free: list[Worker] = []
        self._started = 0

    def take(self) -> Worker:
        """A worker without a job."""
        if self._free:
            return self._free.pop()
        self._started += 1
        return Worker(self._started)

    def give_back(self, worker: Worker) -> None:
        """Put the worker back for the next job; the one at hand is as good as done."""
        self._free.append(worker)

    def close(self) -> None:
        """End the threads that are free, and wait until they have ended."""
        free, self._free = self._free, []
        for worker in free:
            worker.leave()
        for worker in free:
            worker.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
