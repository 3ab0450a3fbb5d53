"""Actors on real threads of this process: started, let loose together, waited for, reported on.

All actors wait at real barriers, so no actor starts before the last one is ready. An actor that
hangs is a finding and does not hang the run: the threads are daemons and the runner waits for them
until a deadline.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from syncsim.contract import Environment, TemplateSync
from syncsim.errors import UsageError
from syncsim.events.kinds import Event
from syncsim.lab.acting.actor import play
from syncsim.lab.acting.stopping import Stop, StoppableEnvironment, interrupt
from syncsim.lab.history.findings import Finding
from syncsim.lab.history.recorded_failure import CutOff, described
from syncsim.lab.history.source_line import line_of_error, line_of_thread
from syncsim.lab.recording.call_log import Records
from syncsim.lab.recording.recorder import ObservedLog, Recorder
from syncsim.lab.scenarios import Actor, Part, parties
from syncsim.lab.solutions.loading import Solution, checked, load, name_of
from syncsim.service.retry import RetryPolicy

MANY: Final = 100
SMALL_STACK_BYTES: Final = 1 << 20
"""Above `MANY` threads each gets this stack: of the usual 8 MB thousands may not be had."""

POLL_S: Final = 0.05
STOPPING_S: Final = 2.0
"""How long the threads of a stopped run are waited for; half-way they are interrupted."""

AT_REST: Final = "at rest"
"""The barrier between processes at which all actors are done."""


class RemoteBarrier(Protocol):
    """A barrier between processes, one party each."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait until every process has come; `threading.BrokenBarrierError` if that cannot be."""

    def abort(self) -> None:
        """Break the barrier, so that no process waits any more."""


@dataclass(frozen=True)
class Assignment:
    """What one process has to do: some actors of a part, on a template, with a solution.

    `retry` is handed to the solution's `build` where not None. An actor that is not done
    after `timeout_s` hangs.
    """

    part: Part
    actors: tuple[Actor, ...]
    template_id: str
    solution: Solution
    retry: RetryPolicy | None
    timeout_s: float

    @property
    def users(self) -> frozenset[str]:
        """The users of its actors."""
        return frozenset(actor.user for actor in self.actors)


@dataclass(frozen=True)
class Report:
    """What came of an assignment; `hung`: some threads are still running."""

    records: Records
    findings: tuple[Finding, ...] = ()
    hung: bool = False


@dataclass
class ThreadRunner:
    """The threads of one assignment. `remote` are the barriers shared with other processes.

    `stop` ends it early, `heard` gets each event as it comes.
    """

    assignment: Assignment
    env: Environment
    log: ObservedLog
    remote: Mapping[str, RemoteBarrier] = field(default_factory=dict)
    stop: Stop | None = None
    heard: Callable[[Event], object] | None = None

    def __post_init__(self) -> None:
        self._env = self.env
        if self.stop is not None:
            self._env = StoppableEnvironment(self.env, self.stop)
        self._interrupt_s: float | None = None
        self._barriers: dict[str, threading.Barrier] = {}

    def perform(
        self, *, called: Callable[[], object], tick: Callable[[], object] = lambda: None
    ) -> Report:
        """Play all actors to the end, or to the deadline. `tick` is called now and then meanwhile.

        `UsageError` for a solution that cannot be loaded or built.
        """
        assignment = self.assignment
        recorder = Recorder(
            self._env,
            self.log,
            order=time.monotonic_ns,
            elapsed_s=time.monotonic,
            name=assignment.part.name,
            work_s=assignment.part.work_ms / 1000,
            rival=assignment.part.rival,
            outage=assignment.part.outage,
            heard=self.heard,
        )
        try:
            self._deadline_s = time.monotonic() + assignment.timeout_s
            solution = self._build(recorder, tick)
            if solution is None:
                text = f"build(env) of {name_of(assignment.solution)} never came to an end"
                return Report(recorder.records(), (Finding("D3", "hung", text),), hung=True)
            self._deadline_s = time.monotonic() + assignment.timeout_s
            self._barriers = dict(self._local_barriers())
            self._deaths: list[Finding] = []
            threads = self._start(assignment.actors, recorder, solution, called)
            self._wait(threads, tick)
            if self._has_come_to_rest(threads):
                at_rest = [a for a in assignment.part.at_rest if a.user in assignment.users]
                threads = self._start(at_rest, recorder, solution, called=None)
                self._wait(threads, tick)
            hung = [thread for thread in threads if thread.is_alive()]
            records = recorder.records()
            findings = (*self._deaths, *(_hung(thread, records) for thread in hung))
            return Report(records, findings, hung=bool(hung))
        except CutOff:
            return Report(recorder.records())  # while it was being built
        finally:
            recorder.close()

    def _build(self, recorder: Recorder, tick: Callable[[], object]) -> TemplateSync | None:
        """The solution, built in a thread of its own; None if that does not come to an end."""
        assignment = self.assignment
        built: list[TemplateSync] = []
        failed: list[BaseException] = []

        def work() -> None:
            try:
                built.append(_built(assignment, recorder))
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=work, name="build", daemon=True)
        thread.start()
        self._wait([thread], tick)
        for error in failed:
            if isinstance(error, UsageError):
                raise error
            if isinstance(error, CutOff):
                raise error
            where = line_of_error(error)
            text = f"a build(env) that returns; it raised {described(error)} ({where})"
            raise UsageError("solution", name_of(assignment.solution), text) from error
        return built[0] if built else None

    def _local_barriers(self) -> Iterator[tuple[str, threading.Barrier]]:
        """The local barriers; the last thread at one waits for the other processes for all."""
        for name, count in parties(self.assignment.actors).items():
            remote = self.remote.get(name)
            action = None if remote is None else lambda remote=remote: remote.wait(self._left_s())
            yield name, threading.Barrier(count, action)

    def _has_come_to_rest(self, threads: Sequence[threading.Thread]) -> bool:
        """Whether all actors are done, in the other processes too; waits for these."""
        if self._is_stopped() or self._deaths or any(thread.is_alive() for thread in threads):
            self._release()
            return False
        elsewhere = self.remote.get(AT_REST)
        try:
            if elsewhere is not None:
                elsewhere.wait(self._left_s())
        except threading.BrokenBarrierError:
            return False
        return True

    def _start(
        self,
        actors: Sequence[Actor],
        recorder: Recorder,
        solution: TemplateSync,
        called: Callable[[], object] | None,
    ) -> list[threading.Thread]:
        """A thread for each actor; without `called` the actors look once more, at rest."""
        threads = []
        with _stack_for(len(actors)):
            for actor in actors:
                job = (actor, recorder, solution, called)
                threads.append(
                    threading.Thread(target=self._play, args=job, name=actor.name, daemon=True)
                )
                threads[-1].start()
        return threads

    def _play(
        self,
        actor: Actor,
        recorder: Recorder,
        solution: TemplateSync,
        called: Callable[[], object] | None,
    ) -> None:
        sync = recorder.sync(solution, actor.name, at_rest=called is None)
        try:
            play(
                actor,
                sync,
                self.assignment.template_id,
                clock=self._env.clock,
                meet=self._meet,
                called=called or _nothing,
                restart=lambda: sync.restarted(_built(self.assignment, recorder)),
            )
        except CutOff:
            self._release()
        except threading.BrokenBarrierError:
            pass  # somebody else hangs or has died, which is found there
        except BaseException as error:
            where = line_of_error(error)
            self._deaths.append(
                Finding(
                    "D3",
                    "actor-died",
                    f"{actor.name} could not go on with what it had read ({where}): "
                    f"{described(error)}",
                )
            )
            self._release()

    def _meet(self, name: str) -> None:
        try:
            self._barriers[name].wait(self._left_s())
        except threading.BrokenBarrierError:
            self._release()
            raise

    def _release(self) -> None:
        """Break all barriers, so that no actor waits for one that will not come."""
        for barrier in (*self._barriers.values(), *self.remote.values()):
            barrier.abort()

    def _wait(self, threads: Sequence[threading.Thread], tick: Callable[[], object]) -> None:
        for thread in threads:
            while thread.is_alive() and self._left_s() > 0:
                thread.join(POLL_S)
                tick()
                if self._is_stopped():
                    self._hurry(threads)

    def _is_stopped(self) -> bool:
        return self.stop is not None and self.stop.is_set()

    def _hurry(self, threads: Sequence[threading.Thread]) -> None:
        """End the actors' waits for each other; half-way to the deadline interrupt threads."""
        now = time.monotonic()
        if self._interrupt_s is None:
            self._deadline_s = now + STOPPING_S
            self._interrupt_s = now + STOPPING_S / 2
            self._release()
        elif now > self._interrupt_s:
            self._interrupt_s = self._deadline_s  # once: a second one might hit what ends a thread
            interrupt(threads)

    def _left_s(self) -> float:
        return max(self._deadline_s - time.monotonic(), 0.0)


def _nothing() -> None:
    """A look at rest is not counted as progress."""


def _built(assignment: Assignment, recorder: Recorder) -> TemplateSync:
    settings: dict[str, Any] = {} if assignment.retry is None else {"retry": assignment.retry}
    answer = load(assignment.solution)(recorder.environment, **settings)
    return checked(answer, name_of(assignment.solution), assignment.part.verbs)


def _hung(thread: threading.Thread, records: Records) -> Finding:
    where = line_of_thread(thread.ident) or "a place unknown"
    at = tuple(o.id for o in records.operations if o.ended == "open" and o.user == thread.name)
    text = f"{thread.name} never came to an end in {', '.join(at) or 'no verb'}; it is at {where}"
    return Finding("D3", "hung", text, at)


_stack_lock = threading.Lock()


@contextmanager
def _stack_for(count: int) -> Iterator[None]:
    """Small stacks for the threads started meanwhile, if there will be many of them."""
    if count <= MANY:
        yield
        return
    with _stack_lock:
        before = threading.stack_size(SMALL_STACK_BYTES)
        try:
            yield
        finally:
            threading.stack_size(before)
