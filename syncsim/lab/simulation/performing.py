"""One part of a scenario performed by actors of the scheduler, on record."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, cast

from syncsim.contract import Clock, TemplateSync
from syncsim.errors import UsageError
from syncsim.lab.acting.actor import play
from syncsim.lab.history.findings import Finding
from syncsim.lab.history.recorded_failure import described, is_from_outside
from syncsim.lab.history.source_line import line_of_error
from syncsim.lab.recording.call_log import Records
from syncsim.lab.recording.recorder import ObservedLog, RecordedSync, Recorder
from syncsim.lab.scenarios import Actor, Part, parties
from syncsim.lab.simulation.actors import Abandoned, Crashed, WaitingLine
from syncsim.lab.simulation.environment import SimulatedEnvironment
from syncsim.lab.simulation.isolated_solution import IsolatedSolution
from syncsim.lab.simulation.patched_modules import PatchedModules
from syncsim.lab.simulation.scheduler import Scheduler
from syncsim.lab.solutions.loading import checked
from syncsim.service.retry import RetryPolicy


class PartRun:
    """A part on its template: performed by the first actor of a run, then to be reported on.

    `retry` is handed to the solution's `build` where not None.
    """

    def __init__(
        self, scheduler: Scheduler, part: Part, template_id: str, retry: RetryPolicy | None
    ) -> None:
        self.part = part
        self.template_id = template_id
        self.follows_policy = retry is not None
        self.deaths: list[Finding] = []
        self._scheduler = scheduler
        self._settings: dict[str, Any] = {} if retry is None else {"retry": retry}
        self._barriers = _Barriers(scheduler, part.actors)
        self._recorder: Recorder | None = None
        self._names: PatchedModules | None = None

    def perform(
        self,
        env: SimulatedEnvironment,
        log: ObservedLog,
        order: Callable[[], int],
        solution: IsolatedSolution,
    ) -> None:
        """Build the solution, start every actor, wait for the end of all."""
        scheduler = self._scheduler
        recorder = self._recorder = Recorder(
            env,
            log,
            order=order,
            elapsed_s=self._elapsed_s,
            name=self.part.name,
            work_s=self.part.work_ms / 1000,
            rival=self.part.rival,
            outage=self.part.outage,
        )
        self._names = PatchedModules(scheduler, recorder.environment.clock, env.random)
        with solution.building(self._names) as build:
            sync = self._built(build, recorder, solution.name)
            rebuilt = partial(self._rebuilt, solution, recorder)
            jobs = {
                actor.name: partial(
                    self._play, actor, recorder.sync(sync, actor.name), env.clock, rebuilt
                )
                for actor in self.part.actors
            }
            scheduler.join([scheduler.spawn(name, job) for name, job in jobs.items()])
            for actor in self.part.at_rest:  # one after another: their order is no choice
                again = recorder.sync(sync, actor.name, at_rest=True)
                look = partial(self._play, actor, again, env.clock, rebuilt)
                scheduler.join([scheduler.spawn(actor.name, look)])

    def records(self) -> Records:
        """What was recorded, however the run ended."""
        return Records() if self._recorder is None else self._recorder.records()

    def close(self) -> None:
        """Record no more."""
        if self._recorder is not None:
            self._recorder.close()

    def replaced(self) -> Sequence[str]:
        """The names that the solution reached for past its environment."""
        return () if self._names is None else self._names.used

    def _built(
        self, build: Callable[..., TemplateSync], recorder: Recorder, name: str
    ) -> TemplateSync:
        try:
            answer: object = build(recorder.environment, **self._settings)
        except BaseException as error:
            if is_from_outside(error):
                raise
            where = line_of_error(error)
            text = f"a build(env) that returns; it raised {described(error)} ({where})"
            raise UsageError("solution", name, text) from error
        return checked(answer, name, self.part.verbs)

    def _elapsed_s(self) -> float:
        """Virtual time, as long as the run lasts: a call that its end cuts off is never answered.

        What code on its way out raises or returns (`finally: waiting.pop(user)`) is no answer.
        """
        self._scheduler.actor()
        return self._scheduler.now

    def _rebuilt(self, solution: IsolatedSolution, recorder: Recorder) -> TemplateSync:
        """The solution as a new process would have it: its module is run again, too."""
        assert self._names is not None
        with solution.building(self._names) as build:
            return self._built(build, recorder, solution.name)

    def _play(
        self,
        actor: Actor,
        sync: RecordedSync,
        clock: Clock,
        rebuilt: Callable[[], TemplateSync],
    ) -> None:
        limited = cast(TemplateSync, _Limited(sync, self._scheduler))
        try:
            play(
                actor,
                limited,
                self.template_id,
                clock=clock,
                meet=self._barriers.meet,
                called=_nothing,
                restart=lambda: sync.restarted(rebuilt()),
            )
        except Abandoned:
            raise
        except Crashed:
            self._barriers.open_all()
            raise
        except BaseException as error:  # `sys.exit` in a verb, too
            if is_from_outside(error):
                raise
            self._barriers.open_all()
            where = line_of_error(error)
            self.deaths.append(
                Finding(
                    "D3",
                    "actor-died",
                    f"{actor.name} could not go on with what it had read ({where}): "
                    f"{described(error)}",
                )
            )


class _Limited:
    """Each verb is an operation to the scheduler, which limits and mishaps apply to."""

    def __init__(self, sync: RecordedSync, scheduler: Scheduler) -> None:
        self._sync = sync
        self._scheduler = scheduler

    def __getattr__(self, verb: str) -> Callable[..., object]:
        call = getattr(self._sync, verb)

        def limited(*args: object, **named: object) -> object:
            self._scheduler.begin_operation(verb)
            try:
                return call(*args, **named)
            finally:
                self._scheduler.end_operation()

        return limited


class _Barriers:
    """Where actors wait for each other; all barriers open as soon as an actor can come no more."""

    def __init__(self, scheduler: Scheduler, actors: Sequence[Actor]) -> None:
        self._scheduler = scheduler
        self._missing = parties(actors)
        self._lines = {name: WaitingLine(f"barrier {name!r}") for name in self._missing}

    def meet(self, name: str) -> None:
        """Wait until as many actors have come as the barrier has parties."""
        self._missing[name] -= 1
        if self._missing[name] > 0:
            self._scheduler.park(self._lines[name])
        else:
            self._open(name)

    def open_all(self) -> None:
        """Open all barriers, so that no actor waits for one that will not come."""
        for name in self._missing:
            self._missing[name] = 0
            self._open(name)

    def _open(self, name: str) -> None:
        while self._scheduler.wake(self._lines[name]):
            pass


def _nothing() -> None:
    """No caller watches the progress of a run that takes milliseconds."""
