"""Plays what was clicked, one after the other, in a thread of its own, and tells what happens.

It knows no widget: everything goes into one queue, for whoever shows it in their own time.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from queue import SimpleQueue
from typing import Any, TypeAlias, cast

from syncsim.contract import Environment, TemplateSync
from syncsim.events.kinds import Event
from syncsim.lab.recording import ObservedLog
from syncsim.lab.result import Run
from syncsim.lab.runner import run
from syncsim.lab.scenarios import Scenario
from syncsim.service import build
from syncsim.ui.plays import PLAYS

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Began:
    """A click was taken up."""

    button: str
    scenario: Scenario


@dataclass(frozen=True, slots=True)
class Ended:
    """It is done: the run, what was raised in place of one, None where nothing was to be played."""

    button: str
    result: Run | Exception | None


News: TypeAlias = Began | Event | Ended


class Player:
    """Plays `PLAYS` by name on a template, with seed after seed; every click ends in an `Ended`.

    `news` gets what happens, in order. `progress` says how far the scenario is, in words.
    """

    def __init__(self, template: str, seed: int) -> None:
        self.news: SimpleQueue[News] = SimpleQueue()
        self.progress = ""
        self._template = template
        self._seed = seed
        self._clicks: SimpleQueue[str | None] = SimpleQueue()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="syncsim-tour-play", daemon=True)
        self._thread.start()

    def click(self, button: str) -> None:
        """Play this when everything clicked before has been played; returns at once."""
        self._clicks.put(button)

    def close(self, timeout_s: float) -> None:
        """End the thread, after the scenario it is playing; waits for that no longer than told."""
        self._closing.set()
        self._clicks.put(None)
        self._thread.join(timeout_s)

    def _work(self) -> None:
        while (button := self._clicks.get()) is not None and not self._closing.is_set():
            result: Run | Exception | None = None
            try:
                if button in PLAYS:
                    result = self._play(button)
            except Exception as error:
                _logger.exception("the tour could not play %r", button)
                result = error
            finally:
                self.news.put(Ended(button, result))

    def _play(self, button: str) -> Run:
        scenario = PLAYS[button].make(self._template, self._seed)
        self._seed += 1
        self.progress = "starting"
        self.news.put(Began(button, scenario))
        heard = _heard_by(self.news.put)
        return run(
            scenario, solution=heard, on="threads", seed=scenario.seed, progress=self._progressed
        )

    def _progressed(self, done: int, total: int) -> None:
        self.progress = f"{done} of {total} calls done"


def _heard_by(hear: Callable[[Event], None]) -> Callable[..., TemplateSync]:
    """The reference solution, and `hear` is called with each event of its environment's log.

    Wrapped, so that reports call it by its own name. It is built once for each part of a scenario,
    all with one log: without leaving first, the second part would be heard twice.
    """

    def leave() -> None:
        pass

    @wraps(build)
    def build_heard(env: Environment, **settings: Any) -> TemplateSync:
        nonlocal leave
        leave()
        leave = cast(ObservedLog, env.events).subscribe(hear)
        return build(env, **settings)

    return build_heard
