"""Plays what was clicked, one after the other, in a thread of its own, and tells what happens.

It knows no widget: everything goes into one queue, whose reader shows it in its own time.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TypeAlias, TypeVar

from syncsim.events.kinds import Event
from syncsim.lab.acting.stopping import Stop
from syncsim.lab.engines.runner import run
from syncsim.lab.results.run import Run
from syncsim.ui.run_buttons import RunRequest

T = TypeVar("T")

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Began:
    """A click was taken up."""

    order: RunRequest


@dataclass(frozen=True, slots=True)
class Ended:
    """A click is done: the run, or the exception raised in place of one.

    `result` is None where nothing was played: there was no `order`, or it was called off before its
    turn came.
    """

    button: str
    order: RunRequest | None
    result: Run | Exception | None


News: TypeAlias = Began | Event | Ended


def drained(queue: SimpleQueue[T]) -> Iterator[T]:
    """What is in the queue, as long as there is something; never waits."""
    while True:
        try:
            yield queue.get_nowait()
        except Empty:
            return


class RunQueue:
    """Plays orders in turn; every click ends in an `Ended`.

    `news` gets what happens, in order. `done` says how many calls of how many have been made in
    what is being played. `name` begins the name of its thread.
    """

    def __init__(self, name: str) -> None:
        self.news: SimpleQueue[News] = SimpleQueue()
        self.done = (0, 0)
        self._clicks: SimpleQueue[tuple[str, RunRequest | None, Stop] | None] = SimpleQueue()
        self._stop = Stop()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name=f"{name}-play", daemon=True)
        self._thread.start()

    @property
    def progress(self) -> str:
        """The progress of what is being played, in words."""
        done, total = self.done
        return f"{done} of {total} calls done" if total else "starting"

    def click(self, button: str, order: RunRequest | None = None) -> None:
        """Play this when everything clicked before has been played; returns at once."""
        self._clicks.put((button, order, self._stop))

    def stop(self) -> None:
        """End what is being played soon, and play nothing of what was clicked until now."""
        before, self._stop = self._stop, Stop()
        before.set()

    def close(self, timeout_s: float) -> None:
        """End the thread and what it is playing; wait for that at most `timeout_s` seconds."""
        self._closing.set()
        self.stop()
        self._clicks.put(None)
        self._thread.join(timeout_s)

    def _work(self) -> None:
        while (click := self._clicks.get()) is not None and not self._closing.is_set():
            button, order, stop = click
            result: Run | Exception | None = None
            try:
                if order is not None and not stop.is_set():
                    result = self._play(order, stop)
            except Exception as error:
                _logger.exception("%r could not be played", button)
                result = error
            finally:
                self.news.put(Ended(button, order, result))

    def _play(self, order: RunRequest, stop: Stop) -> Run:
        self.done = (0, 0)
        self.news.put(Began(order))
        return run(
            order.play.scenario,
            solution=order.solution,
            on=order.on,
            seed=order.seed,
            users=order.users,
            updates=order.updates,
            retry=order.retry,
            store=order.store,
            template=order.template,
            progress=self._progressed,
            on_event=self.news.put,
            stop=stop,
        )

    def _progressed(self, done: int, total: int) -> None:
        self.done = (done, total)
