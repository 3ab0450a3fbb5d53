"""Detect an actor that polls a clock or a flag, and let virtual time pass for it.

In real life ``while clock.now() < wake: pass`` comes to its end, as does the wait for a flag that
another thread puts up. Where only sleeping lets time pass and no other actor runs, it would not.
"""

from __future__ import annotations

from typing import Final

from syncsim.lab.simulation.scheduler import Scheduler

MANY_LOOKS: Final = 300
"""Looks in a row that are taken for waiting."""

WAITED_S: Final = 0.01
"""What so many looks cost, in virtual seconds; a wait of 40 of them is endless by its steps."""


class SpinDetector:
    """Counts looks between two steps of a run."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._looks = 0
        self._steps = -1

    def look(self) -> None:
        """One more look: a step every `MANY_LOOKS` in a row, else none."""
        if self._steps != self._scheduler.steps:
            self._steps, self._looks = self._scheduler.steps, 0
        self._looks += 1
        if self._looks >= MANY_LOOKS:
            self._scheduler.sleep(WAITED_S)
