"""One scenario played on the simulation with given choices: its history, findings and token."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from itertools import count

import orjson

from syncsim.contract import BACKGROUND, JSON
from syncsim.errors import UsageError
from syncsim.events import BoundedEventLog
from syncsim.lab import scenarios
from syncsim.lab.acting.expectations import judge_expectations
from syncsim.lab.acting.policies import policies
from syncsim.lab.acting.stopping import Stop, stopped
from syncsim.lab.checkers import check_index
from syncsim.lab.checkers.history_index import HistoryIndex
from syncsim.lab.history.findings import INCONCLUSIVE, NOTE, Finding, apply_precedence
from syncsim.lab.history.recorded_failure import described
from syncsim.lab.history.records import History
from syncsim.lab.recording.history_builder import assemble, final
from syncsim.lab.recording.recorder import ObservedLog
from syncsim.lab.results.run import Run, Setting
from syncsim.lab.scenarios import DEFAULT_TEMPLATE, Part, Scenario
from syncsim.lab.simulation.choices import Choice, Choices, Replayed, Seeded
from syncsim.lab.simulation.environment import SimulatedEnvironment
from syncsim.lab.simulation.faults import Faults
from syncsim.lab.simulation.isolated_solution import IsolatedSolution
from syncsim.lab.simulation.known_documents import KnownDocuments
from syncsim.lab.simulation.performing import PartRun
from syncsim.lab.simulation.run_resources import RunResources, VirtualClock
from syncsim.lab.simulation.scheduler import PATIENCE_S, START_S, Scheduler
from syncsim.lab.simulation.step_results import (
    StepResult,
    StepResults,
    TracedEnvironment,
    TracedLog,
)
from syncsim.lab.simulation.stoppable_draws import StoppableDraws
from syncsim.lab.simulation.termination import CUT_SHORT, Ending
from syncsim.lab.simulation.tokens import Token
from syncsim.lab.solutions.loading import Solution
from syncsim.service.arguments import check_retry, check_text
from syncsim.store.engines import FullStore
from syncsim.template.samples import sample


@dataclass(frozen=True)
class Parameters:
    """What a simulated scenario is made of besides the choices; all of it goes into tokens.

    As for `runner.run`; `seed` salts what users type, not the order in which they do. `with_job`
    False leaves the background job out.
    """

    scenario: str
    users: int | None = None
    updates: int | None = None
    work_ms: float | None = None
    template: str = DEFAULT_TEMPLATE
    seed: int = 7
    retry: str | None = None
    with_job: bool = True
    faults: Faults = field(default_factory=Faults)

    def __post_init__(self) -> None:
        if type(self.with_job) is not bool:
            raise UsageError("with_job", self.with_job, "True or False")
        if type(self.faults) is not Faults:
            raise UsageError("faults", self.faults, "Faults, such as Faults(busy=8)")
        self._make_plain("scenario", check_text("scenario", self.scenario, "the name of one"))
        self._make_plain("template", check_text("template", self.template, "the name of a sample"))
        if self.retry is not None:
            self._make_plain("retry", check_text("retry", self.retry, "the name of a policy"))

    def _make_plain(self, name: str, value: str) -> None:
        object.__setattr__(self, name, value)

    def plan(self) -> Scenario:
        """The scenario; `UsageError` for parameters that none can have."""
        plan = scenarios.scenario(
            self.scenario,
            users=self.users,
            updates=self.updates,
            work_ms=self.work_ms,
            template=self.template,
            seed=self.seed,
        )
        return plan if self.with_job else replace(plan, parts=tuple(map(_jobless, plan.parts)))

    def to_json(self) -> dict[str, JSON]:
        """What differs from the usual, without the scenario's name."""
        usual = asdict(Parameters(self.scenario))
        record = asdict(self) | {"faults": self.faults.to_json()}
        usual["faults"] = {}
        return {name: value for name, value in record.items() if value != usual[name]}

    @classmethod
    def from_json(cls, scenario: str, record: Mapping[str, JSON]) -> Parameters:
        """The inverse of `to_json`; `UsageError` for what is none."""
        try:
            faults = Faults.from_json(record.get("faults", {}))
            return cls(scenario, **{**record, "faults": faults})
        except (TypeError, AttributeError) as error:
            raise UsageError("token", record, f"parameters of {scenario} ({error})") from None


@dataclass(frozen=True)
class SimulatedRun:
    """A run, how it ended, and the draws that make it again; `run.duration_s` is virtual.

    `trace` is what was done in which order: actor, call, shared thing. `notes` tell of what the
    solution reached for past its environment. `sights` are what its steps saw, if it was watched.
    """

    run: Run
    ending: Ending
    choices: tuple[Choice, ...]
    trace: tuple[tuple[str, str, str | None], ...]
    notes: tuple[str, ...]
    sights: tuple[StepResult, ...] = ()

    @property
    def history(self) -> History:
        """What happened."""
        return self.run.history

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All that was found, notes included."""
        return self.run.findings

    @property
    def faults(self) -> tuple[Finding, ...]:
        """The findings that cost points."""
        return tuple(f for f in self.findings if f.code not in (NOTE, INCONCLUSIVE))

    @cached_property
    def digest(self) -> str:
        """Sixteen hex digits over the whole history: equal for equal runs, in any process."""
        body = orjson.dumps(self.history.to_json(), option=orjson.OPT_SORT_KEYS)
        return sha256(body).hexdigest()[:16]


class Simulation:
    """A scenario and a solution, ready to be run with one list of choices after another.

    `UsageError` for parameters or a solution that cannot be had. `patience_s`: real seconds without
    a step after which an actor counts as stuck.
    """

    def __init__(
        self,
        parameters: Parameters,
        resources: RunResources,
        *,
        solution: Solution = None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.parameters = parameters
        self._patience_s = patience_s
        self._resources = resources
        self._plan = parameters.plan()
        self._users = self._plan.users
        self._document = sample(parameters.template)
        self._policies = policies(self._plan, solution, check_retry(parameters.retry))
        self._solution = IsolatedSolution(solution)
        self._known = KnownDocuments()

    def run(self, choices: Choices, *, watched: bool = False) -> SimulatedRun:
        """Play all parts and judge them; `watched` keeps what every step saw, for diagrams.

        Raises `UsageError` for a solution that cannot be built, `MisalignedReplayError` for choices
        recorded from something else.
        """
        scheduler = Scheduler(choices, self._resources.workers, patience_s=self._patience_s)
        store, cache_of = self._resources.parts(scheduler)
        log = BoundedEventLog(VirtualClock(scheduler))
        order = count(1).__next__
        acts: list[PartRun] = []
        sights = StepResults(scheduler) if watched else None

        def main() -> None:
            env = SimulatedEnvironment(
                scheduler,
                store,
                users=self._users,
                events=log,
                cache_of=cache_of,
                faults=self.parameters.faults,
            )
            seen_log: ObservedLog = log
            if sights is not None:
                env, seen_log = TracedEnvironment(env, sights), TracedLog(log, sights)
            for part, policy in zip(self._plan.parts, self._policies, strict=True):
                template_id = f"{self._plan.template}{f'-{len(acts) + 1}' if acts else ''}"
                store.create(template_id, self._document, by=BACKGROUND)
                acts.append(PartRun(scheduler, part, template_id, policy))
                acts[-1].perform(env, seen_log, order, self._solution)

        try:
            ending = scheduler.run(main)
        finally:
            for act in acts:
                act.close()
        if ending.kind == "stuck":
            self._resources.discard()
        for actor, error in scheduler.errors:
            if actor == "main":
                raise error
        history = _history(acts, store, self._known)
        findings = tuple(
            _judge(acts, history, ending, scheduler.errors, calm=self.parameters.faults == Faults())
        )
        run = Run(self._setting(), history, findings, scheduler.now - START_S)
        return SimulatedRun(
            run,
            ending,
            tuple(choices.made),
            tuple(scheduler.trace),
            tuple(_notes(acts, scheduler)),
            () if sights is None else tuple(sights.noted),
        )

    def replay(self, token: Token) -> SimulatedRun:
        """The run of a token; `UsageError` for one of another scenario or solution."""
        solution = self._solution
        token.check(
            scenario=self.parameters.scenario,
            solution=solution.name,
            fingerprint=solution.fingerprint,
        )
        return self.run(Replayed(token.choices), watched=True)

    def token(self, choices: Sequence[Choice]) -> str:
        """The text that makes the run of these choices again."""
        parameters = self.parameters
        solution = self._solution
        return str(
            Token(
                parameters.scenario,
                parameters.to_json(),
                solution.name,
                solution.fingerprint,
                tuple(choices),
            )
        )

    def _setting(self) -> Setting:
        plan = self._plan
        policies = dict.fromkeys(str(policy) for policy in self._policies if policy)
        return Setting(
            scenario=plan.name,
            on="simulation",
            store=self._resources.store,
            synchronous=None,
            seed=plan.seed,
            users=len(self._users),
            template=plan.template,
            solution=self._solution.name,
            retry=", ".join(policies) or None,
            work_ms=max(part.work_ms for part in plan.parts),
        )


def simulate(
    parameters: Parameters,
    *,
    solution: Solution = None,
    seed: int | str = 7,
    store: str = "memory",
    stop: Stop | None = None,
) -> SimulatedRun:
    """One run with draws from a seed; its findings carry the token that replays it.

    `store`: "memory" or "sqlite". A run that `stop` cuts short is not judged and has no token.
    Raises `UsageError` for what cannot be honoured.
    """
    with RunResources(store) as resources:
        simulation = Simulation(parameters, resources, solution=solution)
        draws = Seeded(seed) if stop is None else StoppableDraws(seed, stop)
        found = simulation.run(draws, watched=True)
        if found.ending == CUT_SHORT:
            return replace(found, run=replace(found.run, findings=(stopped(),)))
        token = simulation.token(found.choices)
        findings = tuple(replace(finding, token=token) for finding in found.findings)
        return replace(found, run=replace(found.run, findings=findings, token=token))


def _jobless(part: Part) -> Part:
    actors = tuple(actor for actor in part.actors if actor.user != BACKGROUND)
    return replace(part, actors=actors)


# -- after the run ---------------------------------------------------------------------------------


def _history(acts: Sequence[PartRun], store: FullStore, known: KnownDocuments) -> History:
    templates = [act.template_id for act in acts]
    return assemble(
        [act.records() for act in acts],
        {template_id: store.history(template_id) for template_id in templates},
        [
            final(store, template_id, digest_of=lambda row: known.digest(row.body))
            for template_id in templates
        ],
        document_of=lambda revision: known.document(revision.body),
    )


def _judge(
    acts: Sequence[PartRun],
    history: History,
    ending: Ending,
    errors: Sequence[tuple[str, BaseException]],
    *,
    calm: bool,
) -> list[Finding]:
    """All findings of a run; what the scenario expects is expected of calm runs only.

    Where answers are lost and clients die, an update may fail, and a job find no user to wait for.
    """
    found = [*_ended(ending, history), *(death for act in acts for death in act.deaths)]
    found += [
        Finding(
            NOTE, "thread-died", f"{thread}, a thread of the solution, died of {described(error)}"
        )
        for thread, error in errors
    ]
    index = HistoryIndex(history)
    found += check_index(index)
    if ending.kind == "done" and calm:
        for act in acts:
            found += judge_expectations(
                act.part,
                act.template_id,
                index,
                follows_policy=act.follows_policy,
            )
    return apply_precedence(found)


def _ended(ending: Ending, history: History) -> Iterator[Finding]:
    """The finding for a run that did not come to its end."""
    code = {"deadlock": "D3", "endless": "D2", "stuck": INCONCLUSIVE}.get(ending.kind)
    if code is not None:
        concerned = tuple(
            operation.id
            for operation in history.operations
            if operation.ended == "open" and operation.user in ending.actors
        )
        yield Finding(code, ending.kind, ending.message, concerned)


def _notes(acts: Sequence[PartRun], scheduler: Scheduler) -> Iterator[str]:
    for name in sorted({name for act in acts for name in act.replaced()}):
        yield f"the solution uses {name} past its environment; the run's own took its place"
    for name in sorted(scheduler.lingering):
        yield f"{name}, a thread of the solution, never ends, so no process that runs it does"
    if scheduler.uncontrolled:
        yield (
            f"{len(scheduler.uncontrolled)} threads of the solution are not under control, because "
            "they were not started by threading.Thread: runs may differ on repetition"
        )
