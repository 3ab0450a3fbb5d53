"""A run as a sequence diagram: lanes, steps in order, the pair that broke a rule, the leaves.

Values only, and pure; `sequence_svg` draws them. Texts are as typed: what draws them escapes. Steps
stand in the order of the run; the texts say how long they took, and nothing is drawn to scale.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from syncsim.contract import JSON
from syncsim.events.live_log import printable
from syncsim.lab.history.findings import INCONCLUSIVE, NOTE, TITLES, Finding
from syncsim.lab.history.records import History
from syncsim.lab.results.run import Run, Setting
from syncsim.lab.simulation.explore import FailingSchedule
from syncsim.lab.simulation.simulated_run import SimulatedRun
from syncsim.ui.diagram_steps import DiagramStep, from_history
from syncsim.ui.drawing import counted, frame_of, person
from syncsim.ui.trace_steps import from_sights
from syncsim.ui.violation import LeafHistory, ProofMark, marks, proof

if TYPE_CHECKING:
    import pandas

Source: TypeAlias = FailingSchedule | SimulatedRun | Run
"""What a diagram is drawn of: a failure of an exploration, a simulated run, or any other run.

What its steps read is known of a watched run only: a failure's, a replay's, `simulate`'s. Of all
others the diagram shows what the history has: calls, write attempts, waits and answers.
"""

MOST_USERS: Final = 6
"""Lanes of users; further ones share the lane `OTHERS`."""

MOST_LANES: Final = 9
"""Lanes; where each cache had one of its own and there were more, all caches share one."""

MOST_STEPS: Final = 120
"""Steps shown; of a longer run those of the operations at fault, and what lies around."""

COLUMNS: Final = ("step", "at_s", "who", "kind", "where", "version", "operation", "text", "mark")
"""Of the table of the steps."""

OTHERS: Final = "\0others"
STORE: Final = "\0store"
LaneKind: TypeAlias = Literal["user", "cache", "store"]


@dataclass(frozen=True, slots=True)
class Lane:
    """A column. `owner` is the user, or whose cache it is; `label` how the column is headed."""

    kind: LaneKind
    owner: str
    label: str


@dataclass(frozen=True, slots=True)
class Step:
    """A row: `happening` from lane `source` to lane `target` (None: at home), marked or not.

    `number` counts from 1; 0 is a gap, whose text says what was left out.
    """

    number: int
    happening: DiagramStep
    source: int
    target: int | None = None
    mark: ProofMark | None = None

    @property
    def line(self) -> str:
        """The step as one line of text."""
        number = f"{self.number:>3}." if self.number else "    "
        mark = "" if self.mark is None else f"{self.mark.sign} {self.mark.word}: "
        return f"{number} {mark}{self.happening.text}"


@dataclass(frozen=True, slots=True)
class Diagram:
    """Everything there is to draw.

    `finding` is what the marks prove, None for a run without a fault. `leaves` have a row per value
    concerned, as (when, value, by whom). `is_complete`: the run was watched, so that reads, caches
    and locks are shown too.
    """

    setting: Setting
    finding: Finding | None
    lanes: tuple[Lane, ...]
    steps: tuple[Step, ...]
    leaves: tuple[LeafHistory, ...]
    is_complete: bool

    @property
    def title(self) -> str:
        """What was found, in a few words: `Data loss (D1): lost update`."""
        if self.finding is None:
            return "Nothing is wrong with this run"
        code, kind = self.finding.code, self.finding.kind.replace("-", " ")
        return (
            f"{TITLES[code]} ({code}): {kind}" if code in TITLES else f"{code.capitalize()}: {kind}"
        )

    @property
    def sentence(self) -> str:
        """What was found, in one sentence that names operations and values."""
        if self.finding is None:
            return f"The judges found nothing in this run of {self.setting.scenario}."
        return printable(self.finding.message)

    def as_text(self) -> str:
        """The title, the sentence and a line per step; marked ones begin with their sign."""
        return "\n".join([self.title, self.sentence, *(step.line for step in self.steps)])

    def rows(self) -> list[dict[str, JSON]]:
        """A dict per step, texts as typed; `as_frame` is the same as a frame.

        Keys: step (from 1, None for a gap), at_s (since the first step), who, kind, where ("store",
        "cache" or None), version, operation, text, mark (its sign and word, or None).
        """
        return [dict(zip(COLUMNS, _cells(step), strict=True)) for step in self.steps]

    def as_frame(self) -> pandas.DataFrame:
        """A row per step, with the columns of `rows`; needs the `viz` extra."""
        return frame_of(COLUMNS, [_cells(step) for step in self.steps])

    @property
    def solution_file(self) -> str | None:
        """The solution as `--solution` takes it; None for the reference and for a function."""
        name = self.setting.solution
        return name if ".py" in name else None


def _cells(step: Step) -> list[JSON]:
    happening = step.happening
    mark = None if step.mark is None else f"{step.mark.sign} {step.mark.word}"
    return [
        *(step.number or None, round(happening.at_s, 6), happening.who, happening.kind),
        *(happening.where, happening.version, happening.operation, happening.text, mark),
    ]


def sequence(source: Source, finding: Finding | None = None) -> Diagram:
    """The diagram of a run, with what proves `finding` marked; unless told, its first fault.

    Never raises for a run that was cut short, has no finding or was not watched.
    """
    if isinstance(source, FailingSchedule):
        finding, source = finding or source.finding, source.run
    run = source.run if isinstance(source, SimulatedRun) else source
    finding = finding or _first(run.findings)
    is_complete = isinstance(source, SimulatedRun) and bool(source.sights)
    if isinstance(source, SimulatedRun) and source.sights:
        happened = from_sights(source)
    else:
        happened = from_history(run.history)
    marked, concerned = marks(run.history, finding, happened)
    shown = _shown(happened, marked, concerned)
    lanes = _lanes(run.history, [happening for _, happening in shown], concerned)
    steps = _placed(shown, marked, lanes)
    return Diagram(run.setting, finding, lanes, steps, proof(run.history, finding), is_complete)


def _first(findings: Sequence[Finding]) -> Finding | None:
    costly = [f for f in findings if f.code not in (NOTE, INCONCLUSIVE)]
    return next(iter(costly or findings), None)


# -- rows ------------------------------------------------------------------------------------------


_TELLING: Final = ("won", "lost", "failed", "wait", "blocked")
"""Where a run is too long for all its steps, these are shown first."""


def _shown(
    happened: Sequence[DiagramStep], marked: Collection[int], concerned: Collection[str]
) -> list[tuple[int, DiagramStep]]:
    """The happenings, numbered from 1; a happening numbered 0 stands for those left out."""
    numbered = list(enumerate(happened, 1))
    if len(numbered) <= MOST_STEPS:
        return numbered
    of_fault = [n for n, h in numbered if h.operation in concerned]
    wanted = dict.fromkeys(
        [
            *(place + 1 for place in marked),
            *reversed(of_fault[-MOST_STEPS // 2 :]),  # where it ended
            *of_fault,
            *(n for n, h in numbered if h.kind in _TELLING),
            *(n for n, _ in numbered),
        ]
    )
    kept = set(islice(wanted, MOST_STEPS))
    rows: list[tuple[int, DiagramStep]] = []
    for number, happening in numbered:
        if number in kept:
            rows.append((number, happening))
        elif rows and rows[-1][0] == 0:
            left_out = int(rows[-1][1].text.split()[0]) + 1
            rows[-1] = (0, replace(rows[-1][1], text=_left_out(left_out)))
        else:
            rows.append((0, DiagramStep("gap", happening.at_s, happening.who, text=_left_out(1))))
    return rows


def _left_out(number: int) -> str:
    return f"{counted(number, 'step')} left out here"


def _placed(
    shown: Sequence[tuple[int, DiagramStep]], marked: dict[int, ProofMark], lanes: Sequence[Lane]
) -> tuple[Step, ...]:
    place = {(lane.kind, lane.owner): number for number, lane in enumerate(lanes)}

    def of(kind: LaneKind, owner: str) -> int:
        return place.get((kind, owner), place.get((kind, OTHERS), place.get(("user", OTHERS), 0)))

    return tuple(
        Step(
            number,
            happening,
            of("user", happening.who),
            None
            if happening.where is None
            else of("cache", happening.owner)
            if happening.where == "cache"
            else of("store", STORE),
            marked.get(number - 1),
        )
        for number, happening in shown
    )


# -- columns ---------------------------------------------------------------------------------------


def _lanes(
    history: History, shown: Sequence[DiagramStep], concerned: Collection[str]
) -> tuple[Lane, ...]:
    """Half of the users to the left of the store, half to the right, each cache towards the store.

    So most arrows are short and few cross the lane of somebody else.
    """
    actors = {h.who for h in shown if h.kind != "gap"}
    owners = {h.owner for h in shown if h.where == "cache"}
    users = list(dict.fromkeys(u for h in shown if h.kind != "gap" for u in (h.who, h.owner) if u))
    culprits = [o.user for o in history.operations if o.id in concerned]
    first = dict.fromkeys([u for u in culprits if u in users] + users)
    kept = [user for user in users if user in list(first)[:MOST_USERS]]
    half = (len(kept) + 1) // 2
    lanes = [lane for user in kept[:half] for lane in _of_user(user, actors, owners)]
    lanes.append(Lane("store", STORE, "Store"))
    lanes += [lane for user in kept[half:] for lane in reversed(_of_user(user, actors, owners))]
    left_out = len(users) - len(kept)
    if len(lanes) + bool(left_out) > MOST_LANES:
        lanes = [lane for lane in lanes if lane.kind != "cache"]
        lanes.insert(half, Lane("cache", OTHERS, "cache of each"))
    if left_out:
        lanes.append(Lane("user", OTHERS, f"{left_out} more"))
    return tuple(lanes)


def _of_user(user: str, actors: Collection[str], owners: Collection[str]) -> list[Lane]:
    label = person(user, "Job")
    lanes = [Lane("user", user, label)] if user in actors else []
    if user in owners:
        lanes.append(Lane("cache", user, f"cache of {label}"))
    return lanes
