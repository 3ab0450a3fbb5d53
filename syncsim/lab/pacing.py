"""How retries are spaced, seen over several updates that each lost several swaps: notes, no points.

The mission asks for delays that double, and chance keeps those who lost together from coming back
together. Who never waits, waits evenly or waits alike is told so and loses nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import mean
from typing import Final

from syncsim.lab.findings import NOTE, Finding
from syncsim.lab.history import Attempt

NO_DELAY_S: Final = 0.005
"""An average below this is no waiting."""

LEAST_GROWTH: Final = 1.6
"""The third delay over the second, on average: 2.0 where delays double, 1.5 where they add up."""


def judge_pace(updates: Sequence[Sequence[Attempt]]) -> Iterator[Finding]:
    """Notes on the delays before the retries of these updates, each given by its attempts."""
    ladders = [[attempt.waited_s for attempt in attempts[1:]] for attempts in updates]
    ladders = [delays for delays in ladders if delays]
    if not ladders:
        return
    average_s = mean(delay for delays in ladders for delay in delays)
    if average_s < NO_DELAY_S:
        yield _note("no-back-off", f"retries wait {average_s * 1000:.1f} ms on average")
        return
    long = [delays for delays in ladders if len(delays) >= 3]
    if long:
        growth = mean(d[2] for d in long) / max(mean(d[1] for d in long), NO_DELAY_S)
        if growth < LEAST_GROWTH:
            text = f"the third delay is {growth:.1f} times the second on average; doubling is asked"
            yield _note("back-off-shape", text)
    firsts = {round(delays[0], 6) for delays in ladders}
    if len(ladders) > 1 and len(firsts) == 1:
        yield _note("no-jitter", f"the first delay was {firsts.pop() * 1000:.0f} ms every time")


def _note(kind: str, text: str) -> Finding:
    return Finding(NOTE, kind, text)
