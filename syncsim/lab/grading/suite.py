"""Everything the laboratory asks of a solution, in one go: which codes it loses, and what shows it.

The probes come first, since they show a mistake at once, then the storms. No points and no report
here: an examination says what was found, how often, and which token shows it again.

**One defect costs one code**, in three rings. Within an operation and within a run
`findings.apply_precedence` sees to it. Across runs a code may be lost by independent evidence, with
one exception: `D2` silences `M3`, `S1` and `S2` in the whole examination. An endless loop of
retries is one loop, whichever run looks at it: where it wins after a hundred attempts the run shows
too many of them, where that took long a slow update, where it was cut off a retry that never
succeeds. No other code reaches beyond its run: a crash or deadlock silences its own run only, since
a run without it is evidence of its own, and a solution can give up too early under one load and go
on too long under another.

**Enough is enough.** A question ends after `MOST_ENDLESS` runs without an end, and after one once
`ENDLESS_IN_ALL` were seen. It ends at the first run that got stuck, as that costs real time; once
one was waited for with patience the others get less of it, and after `STUCK_IN_ALL` nothing more is
asked, which the notes say. Whatever else the
other questions show is found all the same. Deadlocks are quick and need no limit.
"""

from __future__ import annotations

import io
from collections import Counter
from contextlib import redirect_stdout
from dataclasses import dataclass, field, replace
from typing import Final

from syncsim.lab.grading.confirm_hang import confirmed
from syncsim.lab.grading.leak_test import soak
from syncsim.lab.grading.probes import QUESTIONS, Question
from syncsim.lab.history.findings import NOTE, Finding
from syncsim.lab.simulation.choices import MisalignedReplayError, Replayed
from syncsim.lab.simulation.run_resources import RunResources
from syncsim.lab.simulation.search import Kind, Share, Sighting, Tally, search
from syncsim.lab.simulation.simulated_run import Simulation
from syncsim.lab.solutions.loading import Solution, name_of

SILENCED: Final = {"D2": ("M3", "S1", "S2")}
"""Code to the codes it silences in a whole examination."""

MOST_ENDLESS: Final = 2
ENDLESS_IN_ALL: Final = 4
STUCK_IN_ALL: Final = 5

PATIENCE_S: Final = 1.0
LITTLE_PATIENCE_S: Final = 0.5
"""Real seconds; a run without a step for up to twice as long is stuck."""


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
    """Ask everything; `schedules` is the number of interleavings for a question of full share.

    What the solution writes to standard output is thrown away, and noted. Raises `UsageError` for a
    solution that cannot be loaded or built. One that ends the process ends this one: strangers'
    code belongs into a child process.
    """
    asking = _Asking(solution, seed)
    printed = _Counted()
    with redirect_stdout(printed):
        for question in QUESTIONS:
            if asking.stuck == STUCK_IN_ALL:
                asking.leave_out(question)
            else:
                asking.ask(question, max(round(schedules * question.share), 1))
        asking.repeat()
        for finding in soak(solution) if asking.always_ended else ():
            asking.take(finding)
    if printed.characters:
        asking.note("prints", f"it writes to standard output, {printed.characters} characters")
    return asking.examination()


class _Asking:
    """An examination under way."""

    def __init__(self, solution: Solution, seed: int) -> None:
        self.stuck = 0
        self._solution = solution
        self._seed = seed
        self._runs = 0
        self._endless = 0
        self._failing: Counter[str] = Counter()
        self._found: dict[Kind, Sighting] = {}
        self._notes: dict[str, str] = {}
        self._besides: list[Finding] = []
        self._unasked: list[str] = []

    def ask(self, question: Question, schedules: int) -> None:
        """Play the question and take down what it shows."""
        tally = search(
            Share(
                question.parameters,
                self._solution,
                "memory",
                question.strategy,
                self._seed,
                schedules,
                most_stuck=1,
                most_endless=MOST_ENDLESS if self._endless < ENDLESS_IN_ALL else 1,
                patience_s=LITTLE_PATIENCE_S if self.stuck else PATIENCE_S,
            )
        )
        self._runs += tally.schedules
        self._endless += tally.endless
        self.stuck += tally.stuck
        for code, message in tally.notes.items():
            self.note(code, message)
        if tally.first_stuck is not None:
            self._confirm(tally, tally.first_stuck)
        self._failing += tally.failing
        for kind, seen in tally.sightings.items():
            self._found.setdefault(kind, seen)

    def _confirm(self, tally: Tally, seen: Sighting) -> None:
        """Play a hang again to confirm it; count later ones without playing them again."""
        known = next((k for k in (("D2", "spinning"), ("D3", "hanging")) if k in self._found), None)
        finding = None if known else confirmed(seen, self._solution)
        if finding is not None:
            known = (finding.code, finding.kind)
            tally.sightings[known] = replace(seen, finding=finding)
        if known:
            tally.failing[known[0]] += 1
            self._notes.pop("stuck", None)

    @property
    def always_ended(self) -> bool:
        """Whether no operation was endless or got stuck; if so, thousands can be asked for."""
        return not (self.stuck or self._endless)

    def take(self, finding: Finding) -> None:
        """Take down a finding that no run shows; no token replays it."""
        if finding.code == NOTE:
            self.note(finding.kind, finding.message)
        else:
            self._besides.append(finding)
            self._failing[finding.code] += 1

    def note(self, kind: str, text: str) -> None:
        """Keep the first of each kind."""
        self._notes.setdefault(kind, text)

    def leave_out(self, question: Question) -> None:
        """Leave the question out, because too many runs got stuck already."""
        self._unasked.append(question.parameters.scenario)

    def repeat(self) -> None:
        """Give every finding its token; and play it again, to see whether it stays the same."""
        with RunResources() as resources:
            for kind, seen in self._found.items():
                simulation = Simulation(seen.parameters, resources, solution=self._solution)
                finding = replace(seen.finding, token=simulation.token(seen.choices))
                self._found[kind] = replace(seen, finding=finding)
                if kind[1] not in ("spinning", "hanging") and not _repeats(seen, simulation):
                    self.note("varies", "not deterministic: the same draws gave another history")

    def examination(self) -> Examination:
        """The result of all questions."""
        found = {finding.code for finding in (seen.finding for seen in self._found.values())}
        silenced = {c: by for by, codes in SILENCED.items() if by in found for c in codes}
        for code in sorted(found & silenced.keys()):
            runs, by = self._failing.pop(code), silenced[code]
            self.note(f"silenced {code}", f"{code}, seen in {runs} runs, is put down to {by}")
        if self._unasked:
            names = ", ".join(dict.fromkeys(self._unasked))
            self.note("unasked", f"not asked, as {self.stuck} runs got stuck before: {names}")
        return Examination(
            name_of(self._solution),
            self._runs,
            (
                *(s.finding for s in self._found.values() if s.finding.code not in silenced),
                *self._besides,
            ),
            dict(sorted(self._failing.items())),
            tuple(self._notes.values()),
        )


def _repeats(seen: Sighting, simulation: Simulation) -> bool:
    try:
        return simulation.run(Replayed(seen.choices)).digest == seen.digest
    except MisalignedReplayError:
        return False


class _Counted(io.TextIOBase):
    """Standard output for a solution: counted, not kept."""

    def __init__(self) -> None:
        self.characters = 0

    def writable(self) -> bool:
        """It takes everything."""
        return True

    def write(self, text: str, /) -> int:
        """Count."""
        self.characters += len(text)
        return len(text)
