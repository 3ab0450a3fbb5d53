"""What an examination asks: a scenario in a size, played in so many interleavings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from syncsim.lab.scenarios.probes_conflicts import CONFLICT_PROBES, FORCED, forced
from syncsim.lab.simulation.simulated_run import Parameters


@dataclass(frozen=True)
class Question:
    """A scenario in a size. `share`: of the schedules asked for, how many it gets; at least one.

    A question whose actors never meet needs one run and not hundreds.
    """

    parameters: Parameters
    share: float = 1.0
    strategy: str = "portfolio"


VERSIONS_QUESTIONS: Final = (
    Question(Parameters("same-element"), share=0.05),
    Question(Parameters("removals"), share=0.02),
    Question(Parameters("strict-versions"), share=0.1),
    Question(Parameters("there-and-back"), share=0.01),
    Question(Parameters("two-tabs"), share=0.05, strategy="priorities"),
    Question(Parameters("read-while-written"), strategy="few-preemptions"),
    Question(Parameters("read-after-job"), share=0.02),
    # What is to be found here shows in 2 of the 794 schedules with two pre-emptions at most.
    Question(Parameters("late-invalidation"), share=4.0, strategy="few-preemptions"),
)


_ONE_RUN: Final = 0.0  # a share rounds up to one run

CONFLICT_QUESTIONS: Final = (
    *(Question(Parameters(forced(spoilt)), share=_ONE_RUN) for spoilt in FORCED),
    *(Question(Parameters(name), share=_ONE_RUN) for name in CONFLICT_PROBES if "job" in name),
    Question(Parameters("refused-update"), share=0.05),
)


ERROR_QUESTIONS: Final = (
    Question(Parameters("induced-failures"), share=0.01, strategy="random"),
    Question(Parameters("told-to-the-log"), share=0.03, strategy="random"),
)

STORMS: Final = (
    Question(Parameters("perfect-storm", users=3, work_ms=0.0)),
    Question(Parameters("cache-consistency"), share=0.5),
    Question(Parameters("background-job-respect"), share=0.5),
    Question(Parameters("stress-test", work_ms=0.0), share=0.25),
    Question(Parameters("sustained", updates=3), share=0.05),
)

QUESTIONS: Final = (*CONFLICT_QUESTIONS, *VERSIONS_QUESTIONS, *ERROR_QUESTIONS, *STORMS)
"""Everything, the probes first: what they show needs few runs."""
