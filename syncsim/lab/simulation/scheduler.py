"""The scheduler: lets one real thread run at a time, in an order and at times that are drawn.

An actor gives its turn away before each effect (`step`) and whenever it has to wait (`park`,
`sleep`); who gets it is a draw. So a run is a function of its draws, code between two steps cannot
be interrupted, and time is a number that jumps when everybody sleeps. The scheduler knows actors
and waiting; stores, caches and locks are built on it elsewhere.
"""

from __future__ import annotations

import heapq
import sys
import threading
from _thread import allocate_lock, get_ident
from bisect import insort
from collections.abc import Callable, Iterable
from functools import partial
from time import process_time
from typing import Final

from syncsim.lab.simulation.actors import (
    MAX_QUIET,
    MAX_STEPS,
    Abandoned,
    ControlFlow,
    Crashed,
    WaitingLine,
    deadlocked,
    endless,
    stuck,
    unwind,
)
from syncsim.lab.simulation.choices import CUT, GO_ON_OR_SWITCH, NEXT, WRITE, Choices, Touches
from syncsim.lab.simulation.termination import CUT_SHORT, DONE, Ending
from syncsim.lab.simulation.thread_pool import ThreadPool, dismiss

START_S: Final = 1_700_000_000.0
"""What the virtual clock shows when a run begins, in seconds since the epoch."""

FAIR_STEPS: Final = 64
"""Steps in a row after which an actor must let another one go.

Else "the current actor goes on" would let `while not cache.add("lock", 1): pass` spin
without end although the holder is ready to release (fair stateless model checking: M. Musuvathi and
S. Qadeer, 2008).
"""

CALLS_AND_ANSWERS: Final = "calls and answers"
"""The shared thing of all calls and answers, as a checker judges if an answer preceded a call."""

COMPUTING: Final = 0.01
"""An actor that used more than this share of a core, perhaps a busy one, computes; others wait."""

PATIENCE_S: Final = 2.0
"""Real seconds without a step after which the actor whose turn it is counts as stuck."""


class Scheduler:
    """One run. `now` is its virtual time, `trace` the steps taken: actor, call, what it touched.

    The trace is kept if the choices are recorded.

    The methods "by actors" are for the thread whose turn it is. Called from any other thread they
    do nothing and return at once: the scheduler does not hold up a thread that it does not control,
    but notes it in `uncontrolled`. Once the run is over they raise `Abandoned`. `lingering` are
    threads of a solution that went on when all else had ended.
    """

    def __init__(
        self,
        choices: Choices,
        workers: ThreadPool,
        *,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self.now = START_S
        self.steps = 0
        self.jumps = 0
        self.trace: list[tuple[str, str, str | None]] = []
        self.errors: list[tuple[str, BaseException]] = []
        self.uncontrolled: set[str] = set()
        self.lingering: set[str] = set()
        self._choices = choices
        self._workers = workers
        self._patience_s = patience_s
        self._actors: dict[int, ControlFlow] = {}
        self._quiet = 0
        self._dropped = False
        self._started = 0
        self._awaited = 0
        self._ready: list[ControlFlow] = []
        self._timers: list[tuple[float, int, ControlFlow]] = []
        self._timers_set = 0
        self._current: ControlFlow | None = None
        self._touched: Touches = {}
        self._ending: Ending | None = None
        self._failure: Exception | None = None
        self._over = allocate_lock()
        self._over.acquire()

    # -- from outside ------------------------------------------------------------------------------

    def run(self, main: Callable[[], None]) -> Ending:
        """Run `main` as the first actor, and all that it starts, to the end of every one of them.

        Daemons are not waited for. Exceptions that ended an actor are in `errors`, with its name.
        Raises what the source of the choices raised (`MisalignedReplayError`).
        """
        self._launch("main", main, None, daemon=False)
        try:
            self._watch()
        except BaseException:
            self._drop(Ending("stuck", "interrupted from outside"))
            raise
        if self._failure is not None:
            raise self._failure
        assert self._ending is not None
        return self._ending

    def _watch(self) -> None:
        seen, used_s = (-1, 0, 0), 0.0
        while not self._over.acquire(timeout=self._patience_s):
            now = (self.steps, self._started, len(self._actors))
            before_s, used_s = used_s, process_time()
            if now == seen:
                actor = self._current
                if actor is not None:
                    # No other actor runs meanwhile, so what the process used is the actor's.
                    computes = used_s - before_s > COMPUTING * self._patience_s
                    self._drop(stuck(actor, self._patience_s, computes=computes))
                    return
            seen = now

    def _drop(self, ending: Ending) -> None:
        """Give up the threads of this run; a thread that does not come back to end is left."""
        self._ending = self._ending or ending  # an endless one may refuse to be wound up
        self._dropped = True
        busy = None if self._current is None else self._current.worker
        dismiss([actor.worker for actor in self._actors.values()], busy, Abandoned)

    # -- by actors: steps --------------------------------------------------------------------------

    def step(self, call: str, touches: str | None = None, writes: bool = False) -> None:
        """Give way, then go on with the effect: `call`, on the shared thing named in `touches`."""
        actor = self.actor()
        if actor is not None:
            self._count(actor)
            self._give_way(actor, can_go_on=True)
            self._take(actor, call, touches, writes)

    def sleep(self, seconds: float) -> None:
        """Sleep for that long, in virtual time; for zero or less it is a step like others."""
        if not seconds > 0:
            self.step("sleep")
            return
        actor = self.actor()
        if actor is not None:
            self._count(actor)
            self._take(actor, "sleep", None, False)
            self._ready.remove(actor)
            self._set_timer(actor, seconds)
            self._give_way(actor, can_go_on=False)

    def note(self, touches: str, writes: bool) -> None:
        """The stretch since the last step touches one more shared thing, without giving way."""
        self._touch(touches, WRITE if writes else "read")

    def _touch(self, thing: str, way: str) -> None:
        if self._touched.setdefault(thing, way) != way:
            self._touched[thing] = WRITE

    def draw(self, label: str, bound: int) -> int:
        """A draw from the run's list of choices."""
        try:
            return self._choices.draw(label, bound)
        except Exception as error:
            self._failure = error
            self._ending = CUT_SHORT
            raise Abandoned from error

    def crash(self) -> None:
        """End the current actor here as if its client had died: no later effect, no clean-up."""
        actor = self.actor()
        if actor is not None:
            actor.crashed = True
            raise Crashed

    def begin_operation(self, name: str) -> None:
        """Count steps and time anew, for an operation of the current actor."""
        actor = self.actor()
        if actor is not None:
            actor.operation, actor.began_at, actor.steps = name, self.now, 0
            self._quiet = 0
            # Whether a call came after another actor's answer is judged, so the order of a call and
            # an answer matters, though neither is a step; that of two calls or answers does not.
            self._touch(CALLS_AND_ANSWERS, "call")

    def end_operation(self) -> None:
        """The current actor has its answer and is at no operation any more."""
        actor = self._current
        if actor is not None and self.has_turn():
            actor.operation = None
            self._touch(CALLS_AND_ANSWERS, "answer")

    def actor(self) -> ControlFlow | None:
        """The actor that calls; None for a thread that is none of this run's."""
        actor = self._current
        if actor is not None and actor.worker.ident == get_ident():  # it is its turn
            if self._ending is not None:
                unwind(actor)
            if actor.crashed:
                raise Crashed  # a dead client has no effects, not even in its `finally`
            return actor
        if self._dropped:
            raise Abandoned  # the stuck one has come back
        if actor is not None:
            self.uncontrolled.add(threading.current_thread().name)
        return None

    def has_turn(self) -> bool:
        """Whether the calling thread is the actor that runs, the run being over or not."""
        actor = self._current
        return actor is not None and actor.worker.ident == get_ident()

    # -- by actors: waiting ------------------------------------------------------------------------

    def park(self, line: WaitingLine, timeout_s: float | None = None) -> bool:
        """Wait in line until somebody calls `wake`; False if `timeout_s` virtual seconds passed."""
        actor = self.actor()
        if actor is None:
            return False
        self.note(line.name, writes=True)
        line.waiting.append(actor)
        actor.waits_in = line
        self._ready.remove(actor)
        if timeout_s is not None:
            self._set_timer(actor, timeout_s)
        self._give_way(actor, can_go_on=False)
        self.note(line.name, writes=True)
        return actor.woken

    def wake(self, line: WaitingLine) -> ControlFlow | None:
        """Take the first one out of the line; it goes on when it is drawn."""
        self.note(line.name, writes=True)
        if not line.waiting:
            return None
        actor = line.waiting.popleft()
        self._make_ready(actor, woken=True)
        return actor

    def spawn(self, name: str, job: Callable[[], None], *, daemon: bool = False) -> ControlFlow:
        """Start an actor and run it up to its first step, before anything else is drawn.

        No other actor sees what happens up to there, so drawing its place would only multiply
        runs that are alike: three blind writers have 90 schedules this way and 1,680 the other.
        """
        spawner = self.actor()
        assert spawner is not None, "only an actor can start another"
        actor = self._launch(name, job, spawner, daemon=daemon)
        spawner.worker.wake.acquire()
        if self._ending is not None:
            raise Abandoned
        return actor

    def join(self, actors: Iterable[ControlFlow], timeout_s: float | None = None) -> bool:
        """Wait for the end of all of them; False if that took longer than `timeout_s`."""
        me = self.actor()
        if me is None:
            return False
        me.joins = tuple(actors)
        first = _unended(me.joins)
        has_ended = first is None or self.park(first.end, timeout_s)
        for actor in me.joins:
            self.note(actor.end.name, writes=True)
        return has_ended

    # -- whose turn --------------------------------------------------------------------------------

    def _count(self, actor: ControlFlow) -> None:
        self.steps += 1
        self._quiet += 1
        if self._quiet > MAX_QUIET:
            self._end_idling()
        if actor.operation is None and actor.began_at != self.now:
            actor.began_at, actor.steps = self.now, 0
        actor.steps += 1
        if actor.is_endless(self.now):
            self._ending = endless(actor, self.now)
            raise Abandoned

    def _end_idling(self) -> None:
        """For long no verb has begun: end the run if only solution threads go on endlessly."""
        self._quiet = 0
        if any(actor.operation for actor in self._actors.values()):
            return
        if 0 in self._actors:
            self._ending = deadlocked(self._actors.values())
        else:
            self.lingering |= {a.name for a in self._actors.values() if not a.daemon}
            self._ending = DONE
        raise Abandoned

    def _take(self, actor: ControlFlow, call: str, touches: str | None, writes: bool) -> None:
        if touches is not None:
            self._touch(touches, WRITE if writes else "read")
        if self._choices.recorded:
            self.trace.append((actor.name, call, touches))

    def _give_way(self, actor: ControlFlow, *, can_go_on: bool) -> None:
        """Pass the turn on and return when it is back; at once where the actor may keep it."""
        spawner, actor.spawner = actor.spawner, None
        heir = spawner or self._choose(actor, can_go_on)
        actor.streak += 1
        if heir is not None and heir is not actor:
            actor.streak = 0
            self._current = heir
            heir.worker.wake.release()
            actor.worker.wake.acquire()
            if spawner is not None:
                self.note(actor.end.name, writes=True)  # no stretch of it comes before its start
        if self._ending is not None:
            raise Abandoned

    def _choose(self, actor: ControlFlow, can_go_on: bool) -> ControlFlow | None:
        """The actor that runs next; None if the run ends here."""
        ready = self._ready
        while not ready:
            self._jump()
            if self._ending is not None:
                return None
        label, options = NEXT, ready
        if len(ready) == 1:
            actor.streak = 0
        elif can_go_on:
            options = [other for other in ready if other is not actor]
            if actor.streak < FAIR_STEPS:
                label, options = GO_ON_OR_SWITCH, [actor, *options]
        try:
            chosen = self._choices.among(label, options, self._touched, self.now)
        except Exception as error:
            self._failure = error
            chosen = CUT
        self._touched = {}
        if chosen == CUT:
            self._ending = CUT_SHORT
            return None
        return options[chosen]

    def _jump(self) -> None:
        """No actor can run: move the clock to the earliest wake-up, or end the run."""
        timers = self._timers
        while timers and timers[0][2].timer != timers[0][1]:
            heapq.heappop(timers)
        if not timers:
            self._ending = deadlocked(self._actors.values())
            return
        self.jumps += 1
        self.now = timers[0][0]
        while timers and timers[0][0] <= self.now:
            _, number, actor = heapq.heappop(timers)
            if actor.timer == number:
                if actor.waits_in is not None:
                    actor.waits_in.waiting.remove(actor)
                self._make_ready(actor, woken=False)
        for actor in self._actors.values():
            if actor.operation is not None and actor.is_endless(self.now):
                self._ending = endless(actor, self.now)
                return

    def _set_timer(self, actor: ControlFlow, seconds: float) -> None:
        self._timers_set += 1
        actor.timer = self._timers_set
        heapq.heappush(self._timers, (self.now + max(seconds, 0.0), actor.timer, actor))

    def _make_ready(self, actor: ControlFlow, *, woken: bool) -> None:
        actor.timer = 0
        actor.waits_in = None
        actor.woken = woken
        insort(self._ready, actor)

    # -- beginning and end of an actor -------------------------------------------------------------

    def _launch(
        self, name: str, job: Callable[[], None], spawner: ControlFlow | None, *, daemon: bool
    ) -> ControlFlow:
        actor = ControlFlow(self._started, name, self._workers.take(), spawner, daemon)
        self._started += 1
        self._awaited += not daemon
        self._actors[actor.index] = actor
        self._ready.append(actor)  # the highest index so far: the list stays sorted
        self.note(actor.end.name, writes=True)
        self._current = actor
        actor.worker.begin(partial(self._act, actor, job))
        return actor

    def _act(self, actor: ControlFlow, job: Callable[[], None]) -> None:
        tracing, profiling = sys.gettrace(), sys.getprofile()
        try:
            job()
        except (Abandoned, Crashed):
            pass
        except BaseException as error:
            if self._ending is None and not actor.crashed:
                self.errors.append((actor.name, error))  # else it was on its way out
        sys.settrace(tracing)
        sys.setprofile(profiling)
        if not self._dropped:
            self._retire(actor)

    def _retire(self, actor: ControlFlow) -> None:
        """Take an actor out and pass the turn on; at the end of a run, to wind up those left."""
        actor.ended = True
        if actor.index == 0:
            self._quiet = MAX_QUIET - MAX_STEPS  # the others have played to their end
        self._awaited -= not actor.daemon
        del self._actors[actor.index]
        if actor in self._ready:
            self._ready.remove(actor)
        self.note(actor.end.name, writes=True)
        while actor.end.waiting:
            # Who waits for several is woken once, by the last: else every end would be a draw.
            joiner = actor.end.waiting.popleft()
            if other := _unended(joiner.joins):
                other.end.waiting.append(joiner)
                joiner.waits_in = other.end
            else:
                self._make_ready(joiner, woken=True)
        self._workers.give_back(actor.worker)
        if self._ending is None and not self._awaited:
            self._ending = DONE
        heir = None
        if self._ending is None:
            heir = actor.spawner or self._choose(actor, can_go_on=False)
        if heir is None:
            heir = next(iter(self._actors.values()), None)
        self._current = heir
        if heir is None:
            self._over.release()
        else:
            heir.worker.wake.release()


def _unended(actors: Iterable[ControlFlow]) -> ControlFlow | None:
    return next((actor for actor in actors if not actor.ended), None)
