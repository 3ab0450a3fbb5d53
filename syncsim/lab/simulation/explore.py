"""Run many interleavings of a scenario in virtual time: each fault, how often, its least run."""

from __future__ import annotations

import gc
import pickle
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from typing import TypeAlias

from syncsim import exact
from syncsim.contract import JSON
from syncsim.errors import UsageError
from syncsim.lab.history.findings import Finding
from syncsim.lab.simulation.choices import Choice, Guided, MisalignedReplayError, Replayed
from syncsim.lab.simulation.faults import Faults
from syncsim.lab.simulation.run_resources import STORES, RunResources
from syncsim.lab.simulation.search import STRATEGIES, Share, Sighting, Tally, search
from syncsim.lab.simulation.shrinking import shrink
from syncsim.lab.simulation.simulated_run import Parameters, SimulatedRun, Simulation
from syncsim.lab.simulation.tokens import Token
from syncsim.lab.solutions.loading import Solution, name_of
from syncsim.service.arguments import check_text
from syncsim.system.spawning import check_spawning, not_started, spawn_context

Progress: TypeAlias = Callable[[int, int], object]
"""Told now and then how many schedules have been run, of how many at most."""


@dataclass(frozen=True)
class FailingSchedule:
    """The first run that showed a fault, and the least eventful one that shows it, too.

    `token` replays the run that was found, `schedule` its number counted from 1; `shrunk` replays
    the least one, which is `run`. `draws` and `shrunk_draws`: how many draws other than 0 they
    have. `repeats`: whether the same choices gave the same history twice; if not, the solution is
    not deterministic.
    """

    finding: Finding
    schedule: int
    token: str
    shrunk: str
    run: SimulatedRun
    draws: int
    shrunk_draws: int
    replays: int
    repeats: bool


@dataclass(frozen=True)
class Exploration:
    """What many schedules showed. `failing`: in how many of them each code was found.

    `failures` has one of each kind, in the order in which they were met. `exhausted`: no other
    schedule exists, up to the order of steps that commute; `interleavings` is then how many there
    are with that order, else None. `stuck` runs waited for something real and proved nothing; why
    is in `notes`.
    """

    schedules: int
    distinct: int
    stuck: int
    exhausted: bool
    interleavings: int | None
    failures: tuple[FailingSchedule, ...]
    failing: dict[str, int]
    notes: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """No schedule showed a fault, and none got stuck."""
        return not self.failures and not self.stuck

    @property
    def first(self) -> FailingSchedule | None:
        """The failure that was met first."""
        return self.failures[0] if self.failures else None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """One of each kind, as its shrunk run shows it, with that run's token."""
        return tuple(failure.finding for failure in self.failures)

    def to_json(self) -> dict[str, JSON]:
        """What `explore --json` prints."""
        return {
            "schedules": self.schedules,
            "distinct": self.distinct,
            "stuck": self.stuck,
            "exhausted": self.exhausted,
            "interleavings": self.interleavings,
            "failing": self.failing,
            "notes": list(self.notes),
            "findings": [finding.to_json() for finding in self.findings],
        }


def explore(
    scenario: str | Parameters,
    *,
    solution: Solution = None,
    schedules: int = 1000,
    seed: int = 0,
    strategy: str = "portfolio",
    users: int | None = None,
    updates: int | None = None,
    work_ms: float | None = None,
    retry: str | None = None,
    with_job: bool = True,
    faults: Faults | None = None,
    store: str = "memory",
    processes: int = 1,
    progress: Progress | None = None,
) -> Exploration:
    """Run up to `schedules` interleavings of a scenario and judge every one.

    The first run of each kind of fault is shrunk. `seed` and `processes` decide all that is drawn:
    each process explores a share of its own. `strategy` is a key of `STRATEGIES`. `store`: "memory"
    or "sqlite". The others are `Parameters`, and `scenario` may be all of them; unless told, no
    time passes within an attempt, as any actor may be slow at any step anyway. Raises `UsageError`
    for what cannot be honoured.
    """
    strategy = exact.one_of("strategy", strategy, STRATEGIES)
    store = exact.one_of("store", store, STORES, "memory or sqlite, in a simulation")
    seed = exact.seed(seed)
    if type(schedules) is not int or schedules < 1:
        raise UsageError("schedules", schedules, "a whole number of at least 1")
    if not exact.is_a(scenario, Parameters):
        scenario = Parameters(
            scenario,
            users=users,
            updates=updates,
            work_ms=0.0 if work_ms is None else work_ms,
            retry=retry,
            with_job=with_job,
            faults=Faults() if faults is None else faults,
        )
    elif (users, updates, work_ms, retry, with_job, faults) != (None,) * 4 + (True, None):
        raise UsageError("scenario", scenario, "a name, where its size is given beside it")
    whole = Share(scenario, solution, store, strategy, seed, schedules)
    tally = _tally(whole, _processes(processes, whole), progress or (lambda runs, of: None))
    with RunResources() as resources:
        failures = [_failure(seen, resources, solution) for seen in tally.sightings.values()]
    return Exploration(
        tally.schedules,
        len(tally.traces),
        tally.stuck,
        tally.exhausted,
        tally.interleavings,
        tuple(sorted(failures, key=lambda failure: failure.schedule)),
        dict(sorted(tally.failing.items())),
        tuple(tally.notes.values()),
    )


def replay(
    scenario: str, token: str, *, solution: Solution = None, store: str = "memory"
) -> SimulatedRun:
    """Replay the run of a token.

    Raises `UsageError` for a token that is damaged or of another scenario, solution or version,
    `MisalignedReplayError` where the run takes another course.
    """
    scenario = check_text("scenario", scenario, "the one that the token is of")
    held = Token.parse(check_text("token", token, "text, as explore prints it"))
    if held.scenario != scenario:
        raise UsageError("token", token, f"one of {scenario!r}; this is one of {held.scenario!r}")
    with RunResources(store) as resources:
        parameters = Parameters.from_json(held.scenario, held.parameters)
        return Simulation(parameters, resources, solution=solution).replay(held)


# -- shares ----------------------------------------------------------------------------------------


def _processes(processes: int, whole: Share) -> int:
    if type(processes) is not int or processes < 1:
        raise UsageError("processes", processes, "a whole number of at least 1")
    if processes > 1 and whole.strategy in ("few-preemptions", "exhaustive"):
        raise UsageError("processes", processes, f"1, as {whole.strategy} goes on from run to run")
    if processes > 1:
        check_spawning("processes", processes)
    if processes > 1 and callable(whole.solution):
        try:
            pickle.dumps(whole.solution)
        except Exception:
            raise UsageError(
                "solution",
                name_of(whole.solution),
                "a function of a module, or FILE.py, for processes",
            ) from None
    return min(processes, whole.schedules)


def _tally(whole: Share, processes: int, progress: Progress) -> Tally:
    total = whole.schedules
    if processes == 1:
        return search(whole, lambda runs: progress(runs, total))
    sizes = [total // processes + (n < total % processes) for n in range(processes)]
    shares = [
        replace(whole, seed=f"{whole.seed}/{n}", schedules=size) for n, size in enumerate(sizes)
    ]
    tally = Tally()
    context = spawn_context()
    try:
        with ProcessPoolExecutor(processes, mp_context=context) as pool:
            for one in pool.map(_search_in_child, shares):
                tally.add(one)
                progress(tally.schedules, total)
    except BrokenProcessPool:
        why = "ended, by the script, by the solution or for lack of memory"
        raise not_started("processes", processes, why) from None
    return tally


def _search_in_child(share: Share) -> Tally:
    gc.freeze()  # what was imported stays, so looking through it again and again frees nothing
    return search(share)


# -- one failure -----------------------------------------------------------------------------------


def _failure(seen: Sighting, resources: RunResources, solution: Solution) -> FailingSchedule:
    simulation = Simulation(seen.parameters, resources, solution=solution)

    def again(values: Sequence[int]) -> Sequence[Choice] | None:
        repeated = simulation.run(Guided(values))
        return repeated.choices if _same_fault(repeated, seen.finding) else None

    repeats = _repeats(seen, simulation)
    shrunk = shrink(seen.choices, again)
    least = simulation.run(Guided([choice.value for choice in shrunk.choices]), watched=True)
    token = simulation.token(shrunk.choices)
    return FailingSchedule(
        replace(_same_fault(least, seen.finding) or seen.finding, token=token),
        seen.schedule,
        simulation.token(seen.choices),
        token,
        least,
        _eventful(seen.choices),
        _eventful(shrunk.choices),
        shrunk.replays,
        repeats,
    )


def _repeats(seen: Sighting, simulation: Simulation) -> bool:
    try:
        return simulation.run(Replayed(seen.choices)).digest == seen.digest
    except MisalignedReplayError:
        return False


def _same_fault(run: SimulatedRun, finding: Finding) -> Finding | None:
    same = (f for f in run.faults if (f.code, f.kind) == (finding.code, finding.kind))
    return next(same, None)


def _eventful(choices: Sequence[Choice]) -> int:
    return sum(choice.value != 0 for choice in choices)
