"""Make the runs of one strategy and count them: how many failed in which way, the first of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Final, TypeAlias

from syncsim.lab.history.findings import NOTE, Finding
from syncsim.lab.simulation.choices import Choice
from syncsim.lab.simulation.run_resources import RunResources
from syncsim.lab.simulation.scheduler import PATIENCE_S
from syncsim.lab.simulation.simulated_run import Parameters, SimulatedRun, Simulation
from syncsim.lab.simulation.sleep_sets import Commuting
from syncsim.lab.simulation.strategies import (
    FewPreemptions,
    Portfolio,
    Priorities,
    RandomWalk,
    Strategy,
)
from syncsim.lab.simulation.termination import Ending
from syncsim.lab.solutions.loading import Solution

STRATEGIES: Final[dict[str, Callable[[int | str], Strategy]]] = {
    "portfolio": lambda seed: Portfolio(seed),
    "random": lambda seed: RandomWalk(seed),
    "priorities": lambda seed: Priorities(seed),
    "few-preemptions": lambda seed: FewPreemptions(seed),
    "exhaustive": lambda seed: Commuting(),
}

MAX_STUCK: Final = 3
MAX_ENDLESS: Final = 20
"""After so many runs that did not end, more would only cost time."""

Kind: TypeAlias = tuple[str, str]
"""The code of a finding and the check that spoke."""


@dataclass(frozen=True)
class Share:
    """The part of an exploration that one process runs.

    It ends early after `most_stuck` runs that got stuck or `most_endless` with an operation without
    an end. `patience_s`: see `Simulation`.
    """

    parameters: Parameters
    solution: Solution
    store: str
    strategy: str
    seed: int | str
    schedules: int
    most_stuck: int = MAX_STUCK
    most_endless: int = MAX_ENDLESS
    patience_s: float = PATIENCE_S


@dataclass(frozen=True)
class Sighting:
    """The first run that showed a kind of fault: its number from 1, and how to replay it."""

    finding: Finding
    schedule: int
    parameters: Parameters
    choices: tuple[Choice, ...]
    digest: str
    ending: Ending


@dataclass
class Tally:
    """What the runs of a share came to; `failing`: in how many of them each code was found.

    `traces` are digests of the different ones. `notes` has one of each kind. `exhausted`: the
    strategy had no other run; `interleavings`: how many schedules those stand for, if it counts.
    `stuck` runs proved nothing, `first_stuck` is one; `endless` ones were given up.
    """

    schedules: int = 0
    stuck: int = 0
    endless: int = 0
    first_stuck: Sighting | None = None
    traces: set[bytes] = field(default_factory=set)
    failing: Counter[str] = field(default_factory=Counter)
    sightings: dict[Kind, Sighting] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    exhausted: bool = False
    interleavings: int | None = None

    def add(self, other: Tally) -> None:
        """Add the runs of another share; they come after those counted so far."""
        for kind, seen in other.sightings.items():
            later = replace(seen, schedule=seen.schedule + self.schedules)
            self.sightings.setdefault(kind, later)
        self.schedules += other.schedules
        self.stuck += other.stuck
        self.endless += other.endless
        self.first_stuck = self.first_stuck or other.first_stuck
        self.traces |= other.traces
        self.failing += other.failing
        self.notes = {**other.notes, **self.notes}
        self.exhausted = self.exhausted or other.exhausted
        self.interleavings = self.interleavings or other.interleavings


def search(share: Share, progress: Callable[[int], object] = lambda runs: None) -> Tally:
    """Run the share's schedules, or as many as there are; `progress` gets the count after each."""
    with RunResources(share.store) as resources:
        whole, small = (
            Simulation(parameters, resources, solution=share.solution, patience_s=share.patience_s)
            for parameters in (share.parameters, _smallest(share.parameters))
        )
        strategy = STRATEGIES[share.strategy](share.seed)
        tally = Tally()
        while tally.schedules < share.schedules:
            choices = strategy.next_run()
            if choices is None:
                tally.exhausted = True
                break
            simulation = small if strategy.pairs else whole
            run = simulation.run(choices)
            strategy.learn(choices)
            if run.ending.kind == "cut":
                continue
            _count(tally, run, simulation.parameters)
            progress(tally.schedules)
            if tally.stuck >= share.most_stuck or tally.endless >= share.most_endless:
                break
        if tally.exhausted and isinstance(strategy, Commuting):
            tally.interleavings = strategy.interleavings
        return tally


def _count(tally: Tally, run: SimulatedRun, parameters: Parameters) -> None:
    tally.schedules += 1
    tally.endless += run.ending.kind == "endless"
    tally.stuck += run.ending.kind == "stuck"

    def sighting(finding: Finding) -> Sighting:
        return Sighting(finding, tally.schedules, parameters, run.choices, run.digest, run.ending)

    tally.traces.add(blake2b(repr((parameters, run.trace)).encode(), digest_size=8).digest())
    tally.failing.update({finding.code for finding in run.faults})
    for finding in run.findings:
        if finding.code == NOTE or finding.kind == "stuck":
            tally.notes.setdefault(finding.kind, finding.message)
        if finding.kind == "stuck" and tally.first_stuck is None:
            tally.first_stuck = sighting(finding)
    for note in run.notes:
        tally.notes.setdefault(note, note)
    for finding in run.faults:
        kind = (finding.code, finding.kind)
        if kind not in tally.sightings:
            tally.sightings[kind] = sighting(finding)


def _smallest(parameters: Parameters) -> Parameters:
    """The scenario for two users of one update each, or for its one user and the job."""
    users = min(len(parameters.plan().users), 2)
    with_job = parameters.with_job and users == 1
    return replace(parameters, users=users, updates=users, with_job=with_job)
