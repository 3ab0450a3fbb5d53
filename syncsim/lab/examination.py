"""Everything the laboratory asks of a solution, in one go: which codes it loses, and what shows it.

A question is a scenario in a size, played in so many interleavings. No points and no report here:
an examination says what was found, how often, and which token shows it again.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from syncsim.lab.findings import NOTE, Finding
from syncsim.lab.loading import Solution, name_of
from syncsim.lab.probes import QUESTIONS as PROBE_QUESTIONS
from syncsim.lab.question import Question
from syncsim.lab.simulation.search import Share, search
from syncsim.lab.simulation.simulated_run import Parameters
from syncsim.lab.soak import soak

QUESTIONS: Final = (
    Question(Parameters("perfect-storm", users=3, work_ms=0.0)),
    Question(Parameters("cache-consistency"), share=0.5),
    Question(Parameters("background-job-respect"), share=0.5),
    Question(Parameters("stress-test", work_ms=0.0), share=0.25),
    Question(Parameters("sustained", updates=3), share=0.05),
    *PROBE_QUESTIONS,
)


@dataclass(frozen=True)
class Examination:
    """What was found. `findings` has the first of each code and kind, with its token.

    `failing` counts per code the schedules that showed it, `schedules` all that were run.
    """

    solution: str
    schedules: int
    findings: tuple[Finding, ...]
    failing: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes that cost points, sorted."""
        return tuple(sorted({finding.code for finding in self.findings}))


def examine(solution: Solution, *, schedules: int = 200, seed: int = 0) -> Examination:
    """Ask everything; `schedules` is the number of interleavings for a question of full share."""
    found: dict[tuple[str, str], Finding] = {}
    failing: Counter[str] = Counter()
    notes: dict[str, str] = {}
    runs = 0
    for question in QUESTIONS:
        count = max(round(schedules * question.share), 1)
        share = Share(question.parameters, solution, "memory", question.strategy, seed, count)
        tally = search(share)
        runs += tally.schedules
        failing += tally.failing
        notes = {**tally.notes, **notes}
        for kind, seen in tally.sightings.items():
            found.setdefault(kind, seen.finding)
    for finding in soak(solution):
        found.setdefault((finding.code, finding.kind), finding)
        failing[finding.code] += finding.code != NOTE
    return Examination(
        name_of(solution),
        runs,
        tuple(f for f in found.values() if f.code != NOTE),
        dict(sorted(failing.items())),
        tuple(notes.values()),
    )
