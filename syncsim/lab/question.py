"""One thing an examination asks: a scenario in a size, played in a share of the schedules."""

from __future__ import annotations

from dataclasses import dataclass

from syncsim.lab.simulation.simulated_run import Parameters


@dataclass(frozen=True)
class Question:
    """A scenario in a size. `share`: of the schedules asked for, how many it gets; at least one.

    A question whose actors never meet needs one run and not hundreds.
    """

    parameters: Parameters
    share: float = 1.0
    strategy: str = "portfolio"
