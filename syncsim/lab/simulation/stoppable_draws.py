"""Draws that end a simulated run when a user stops it."""

from __future__ import annotations

from collections.abc import Sequence

from syncsim.lab.acting.stopping import Stop
from syncsim.lab.simulation.choices import CUT, Runnable, Seeded, Touches


class StoppableDraws(Seeded):
    """The draws of a simulation that can be cut short from another thread."""

    def __init__(self, seed: int | str, stop: Stop) -> None:
        super().__init__(seed)
        self._stop = stop

    def among(self, label: str, ready: Sequence[Runnable], touched: Touches, now: float) -> int:
        """Which actor goes next; `CUT` in a stopped run."""
        if self._stop.is_set():
            return CUT
        return super().among(label, ready, touched, now)
