"""Run a scenario, simulated or for real on threads or processes, and judge its recorded history."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from tempfile import TemporaryDirectory
from typing import Final, TypeAlias

from syncsim import exact
from syncsim.contract import BACKGROUND, Document
from syncsim.errors import TemplateExistsError, UsageError
from syncsim.events.kinds import Event
from syncsim.lab import scenarios
from syncsim.lab.acting.expectations import NO_CONTENTION, judge_expectations
from syncsim.lab.acting.policies import policies
from syncsim.lab.acting.stopping import Stop, goes_on, stopped
from syncsim.lab.checkers import check_index
from syncsim.lab.checkers.history_index import HistoryIndex
from syncsim.lab.engines.process_runner import Place, perform_in_processes
from syncsim.lab.engines.thread_runner import Assignment, Report, ThreadRunner
from syncsim.lab.history.findings import Finding, apply_precedence
from syncsim.lab.history.records import History
from syncsim.lab.recording.history_builder import assemble, final
from syncsim.lab.results.run import Run, Setting
from syncsim.lab.scenarios import DEFAULT_TEMPLATE, Part, Scenario, Wait
from syncsim.lab.simulation.simulated_run import Parameters, simulate
from syncsim.lab.solutions.loading import Solution, can_be_sent, name_of
from syncsim.runtime.wiring import OpenEnvironment, open_environment
from syncsim.service.arguments import check_retry, check_seconds, check_text
from syncsim.service.retry import RetryPolicy
from syncsim.store.engines import Location, locate, locate_by_name
from syncsim.system.spawning import check_spawning
from syncsim.template.samples import sample

__all__ = ["Run", "run"]

Progress: TypeAlias = Callable[[int, int], object]
"""Told now and then how many verbs have been called, of how many."""

MODES: Final = ("simulation", "threads", "processes")
"""Where a scenario can be played."""

MOST_PROCESSES: Final = 4
MOST_TRIES: Final = 3
"""How often a storm is played, at most, until two of its writers meet."""

PATIENCE_S: Final = 60.0
"""How long a part may take; what it waits for and has to do comes on top."""


def run(
    scenario: str | Scenario,
    *,
    solution: Solution = None,
    on: str = "simulation",
    seed: int = 7,
    users: int | None = None,
    updates: int | None = None,
    work_ms: float | None = None,
    retry: str | RetryPolicy | None = None,
    store: str | None = None,
    synchronous: str | None = None,
    processes: int | None = None,
    template: str = DEFAULT_TEMPLATE,
    progress: Progress | None = None,
    timeout_s: float | None = None,
    on_event: Callable[[Event], object] | None = None,
    stop: Stop | None = None,
) -> Run:
    """Play a scenario, gather what happened, and judge it; `Run.passed` says whether it held.

    `on`: "simulation" (in virtual time, one interleaving that `seed` decides; `Run.token` gives it
    again), "threads", or "processes" (at most `processes`, default 4, each with threads, an
    environment and a solution of its own on one store). `solution`: a `build` function, a path
    `FILE.py[:NAME]`, None for the reference. `users`, `updates`, `work_ms`: see
    `scenarios.scenario`. `retry`: a policy or its name, for a solution whose `build` takes one.
    `store`: a URL, "memory" (not for processes), None for a SQLite file of the run's own, in
    simulation for memory; `synchronous`, FULL or NORMAL, is for that file. `timeout_s`: when a part
    counts as hanging; for real runs. `on_event`: is given each event as it happens, in the thread
    of the solution; those of a simulation at its end. `stop`: ends the run early when another
    thread sets it; what was played until then is not judged. Both not for processes. A real storm
    in which no two writers met is played again, `MOST_TRIES` times in all.

    Raises `UsageError` for what cannot be honoured, `StoreUnavailableError` for a store that cannot
    be opened. What goes wrong while running is a finding.
    """
    on, seed = exact.one_of("on", on, MODES, "simulation, threads or processes"), exact.seed(seed)
    if on == "simulation":
        for name, value in {"synchronous": synchronous, "processes": processes}.items():
            if value is not None:
                raise UsageError(name, value, "none, as nothing is real in a simulation")
        if exact.is_a(scenario, Scenario):
            raise UsageError("scenario", scenario.name, "the name of one, for a simulation")
        parameters = Parameters(scenario, users, updates, work_ms, template, seed, _text(retry))
        simulated = simulate(
            parameters,
            solution=solution,
            seed=seed,
            store="memory" if store is None else store,
            stop=stop,
        )
        if on_event is not None:
            for event in simulated.run.events:
                on_event(event)
        if progress is not None:
            progress(1, 1)
        return simulated.run
    if store is not None:
        store = check_text("store", store, "a URL, or memory")
    if synchronous is not None:
        synchronous = check_text("synchronous", synchronous, "FULL or NORMAL")
    if timeout_s is not None:
        timeout_s = check_seconds("timeout_s", timeout_s)
    if not exact.is_a(scenario, Scenario):
        plan = scenarios.scenario(
            scenario, users=users, updates=updates, work_ms=work_ms, template=template, seed=seed
        )
    elif (users, updates, work_ms) == (None, None, None):
        plan = scenario
    else:
        raise UsageError("scenario", scenario.name, "the name of one, where its size is given too")
    document = sample(plan.template)
    each = policies(plan, solution, check_retry(retry))
    location = None if store is None else locate_by_name(store)
    if location is not None and synchronous is not None:
        raise UsageError("synchronous", synchronous, "none, as the store's URL says it")
    count_of_processes = _processes(on, solution, location, processes)
    if count_of_processes and (on_event, stop) != (None, None):
        raise UsageError("on", on, "threads or simulation, to be heard or stopped")

    def play() -> Run:
        temporary = TemporaryDirectory(prefix="syncsim-run-", ignore_cleanup_errors=True)
        with temporary as folder, ExitStack() as stack:
            at = location or locate(_url_of_a_file(folder, synchronous))
            place = Place(at.url, f"{folder}/caches", plan.users, f"{seed}/0")
            env = open_environment(at.url, cache=place.cache, users=place.users, seed=place.seed)
            stack.callback(env.close)
            meter = _CallMeter(progress, plan.calls)
            acts = []
            for part, policy in zip(plan.parts, each, strict=True):
                template_id = _create(env, plan.template, document)
                patience_s = _patience_s(part) if timeout_s is None else timeout_s
                whole = Assignment(part, part.actors, template_id, solution, policy, patience_s)
                if count_of_processes:
                    work = list(_split(whole, place, count_of_processes, seed))
                    reports = perform_in_processes(work, progress=meter.show)
                else:
                    runner = ThreadRunner(whole, env, env.log, stop=stop, heard=on_event)
                    reports = [runner.perform(called=meter.count, tick=meter.show)]
                acts.append(_PartRun(part, template_id, policy is not None, tuple(reports)))
                if stop is not None and stop.is_set():
                    break
                meter.finish(part)
            history = _history(acts, env)
            if not count_of_processes and any(
                report.hung for act in acts for report in act.reports
            ):
                stack.pop_all()  # closing would take the store away from threads that still run
            setting = Setting(
                scenario=plan.name,
                on=on,
                store=at.engine.name,
                synchronous=getattr(env.store, "synchronous", None),
                seed=seed,
                users=len(plan.users),
                template=plan.template,
                solution=name_of(solution),
                retry=", ".join(dict.fromkeys(str(policy) for policy in each if policy)) or None,
                work_ms=max(part.work_ms for part in plan.parts),
            )
        if stop is not None and stop.is_set():
            left = (finding for act in acts for finding in act.findings)
            findings = [stopped(meter.done, plan.calls), *map(goes_on, left)]
        else:
            findings = _judge(acts, history)
        return Run(setting, history, tuple(findings), _duration_s(acts))

    for _ in range(MOST_TRIES - 1):
        played = play()
        if not _met_nobody(played):
            return played
    return play()


def _met_nobody(played: Run) -> bool:
    """Whether the only finding is that no two writers met: a late thread on a busy machine."""
    return bool(played.findings) and all(f.kind == NO_CONTENTION for f in played.findings)


@dataclass(frozen=True, slots=True)
class _PartRun:
    """A part that has been played."""

    part: Part
    template_id: str
    follows_policy: bool
    reports: tuple[Report, ...]

    @property
    def findings(self) -> list[Finding]:
        """The findings of its processes: which actors died or never came to an end."""
        return [finding for report in self.reports for finding in report.findings]


# -- before ----------------------------------------------------------------------------------------


def _text(retry: str | RetryPolicy | None) -> str | None:
    """The policy as text, which a token can hold; `UsageError` for one that has no name."""
    if retry is None or exact.is_a(retry, str):
        return exact.text(retry)
    policy = check_retry(retry)
    text = str(policy)
    if RetryPolicy.parse(text) != policy:
        raise UsageError("retry", retry, "a policy by its name, for a simulation")
    return text


def _processes(
    on: str, solution: Solution, location: Location | None, processes: int | None
) -> int:
    """How many processes at most; 0 for none but this one."""
    if on == "threads":
        if processes is not None:
            raise UsageError("processes", processes, "none, as the run is on threads")
        return 0
    if processes is not None and (type(processes) is not int or processes < 1):
        raise UsageError("processes", processes, "a whole number of at least 1")
    if location is not None and not location.engine.is_shared:
        raise UsageError("store", location.url, "a file, as processes do not share memory")
    if callable(solution) and not can_be_sent(solution):
        raise UsageError(
            "solution", name_of(solution), "a function of a module, or FILE.py, for processes"
        )
    check_spawning("on", on)
    return processes or MOST_PROCESSES


def _url_of_a_file(folder: str, synchronous: str | None) -> str:
    return f"sqlite:///{folder}/templates.db?synchronous={synchronous or 'FULL'}"


def _create(env: OpenEnvironment, template: str, document: Document) -> str:
    """A fresh template, not by a user: else the job would wait before anything has begun."""
    try:
        env.store.create(template, document, by=BACKGROUND)
        return template
    except TemplateExistsError:
        template_id = f"{template}-{env.new_id()[:12]}"
        env.store.create(template_id, document, by=BACKGROUND)
        return template_id


def _patience_s(part: Part) -> float:
    waits_s = [sum(s.seconds for s in a.steps if isinstance(s, Wait)) for a in part.actors]
    calls = sum(len(actor.steps) for actor in part.actors)
    return PATIENCE_S + max(waits_s) + 0.1 * len(part.actors) + 0.02 * calls


def _split(
    whole: Assignment, place: Place, processes: int, seed: int
) -> Iterator[tuple[Place, Assignment]]:
    """Deal the actors out over processes, at most as many as there are users."""
    number = min(processes, len(whole.part.users) or 1)
    for index in range(number):
        yield (
            replace(place, seed=f"{seed}/{index + 1}"),
            replace(whole, actors=whole.actors[index::number]),
        )


class _CallMeter:
    """Counts the verbs called, in all parts, and shows the count to `progress`, if given."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress = progress
        self._total = total
        self._before = 0
        self._calls: list[None] = []  # appending is atomic, adding to a number is not

    def count(self) -> None:
        """One more verb has been called in this process."""
        self._calls.append(None)

    @property
    def done(self) -> int:
        """How many have been called in this process, parts that are over included."""
        return min(self._before + len(self._calls), self._total)

    def show(self, calls: int | None = None) -> None:
        """Report progress; `calls` in this part where other processes count them."""
        if self._progress is not None:
            done = self._before + (len(self._calls) if calls is None else calls)
            self._progress(min(done, self._total), self._total)

    def finish(self, part: Part) -> None:
        """A part is over."""
        self._before += part.calls
        self._calls.clear()
        self.show()


# -- after -----------------------------------------------------------------------------------------


def _history(acts: Sequence[_PartRun], env: OpenEnvironment) -> History:
    records = [report.records for act in acts for report in act.reports]
    templates = [act.template_id for act in acts]
    revisions = {template_id: env.store.history(template_id) for template_id in templates}
    return assemble(records, revisions, [final(env.store, one) for one in templates])


def _judge(acts: Sequence[_PartRun], history: History) -> list[Finding]:
    findings = [finding for act in acts for finding in act.findings]
    joined = HistoryIndex(history)
    findings += check_index(joined)
    for act in acts:
        findings += judge_expectations(
            act.part,
            act.template_id,
            joined,
            follows_policy=act.follows_policy,
        )
    return apply_precedence(findings)


def _duration_s(acts: Sequence[_PartRun]) -> float:
    """From the first call to the last answer of each part; starting threads is not counted."""
    total_ns = 0
    for act in acts:
        made = [o for report in act.reports for o in report.records.operations]
        operations = [operation for operation in made if not operation.at_rest]
        called = [operation.called for operation in operations]
        returned = [o.returned for o in operations if o.returned is not None]
        if returned:
            total_ns += max(returned) - min(called)
    return total_ns / 1e9
