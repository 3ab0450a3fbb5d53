"""Actors and the lines they wait in: the data of the scheduler, without its methods."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterable
from types import FrameType
from typing import Any, Final, NoReturn

from syncsim.lab.history.recorded_failure import CutOff
from syncsim.lab.history.source_line import is_machinery, line_of_thread
from syncsim.lab.simulation.termination import Ending, Waiting, at_line, deadlock
from syncsim.lab.simulation.thread_pool import Worker

MAX_STEPS: Final = 4_000
"""Steps after which an operation counts as endless."""

_WORKERS: Final = Worker.__module__

MAX_VIRTUAL_S: Final = 120.0
"""Virtual seconds after which an operation counts as endless."""

MAX_QUIET: Final = 100_000
"""Steps without a call of a verb after which the scheduler waits for no actor any more."""


class Abandoned(CutOff):
    """Raised in every actor of a run that is over; no `Exception`, so that no code swallows it."""


class Crashed(CutOff):
    """Raised in an actor whose client dies at a step."""


def unwind(actor: ControlFlow) -> NoReturn:
    """End the actor's work, as its run is over; called inside one of the actor's calls.

    Code like ``while True: try: ... except: pass`` swallows even `Abandoned`. An actor that comes
    back for another step has done so, and gets it raised once more in the next line, which is that
    of the handler and so outside of its `try`. As raising ends the tracing of lines, each function
    left on the way begins it again, for the handlers further out.
    """
    if actor.unwinding:
        sys.setprofile(_trace_on)
        sys.settrace(_trace_nothing)
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and frame.f_globals.get("__name__") != _WORKERS:
            if not is_machinery(frame.f_code.co_filename):
                frame.f_trace = _abandon_at_line
            frame = frame.f_back
    actor.unwinding = True
    raise Abandoned


def _trace_on(frame: FrameType, event: str, arg: object) -> None:
    if event == "return":
        sys.settrace(_trace_nothing)


def _trace_nothing(frame: FrameType, event: str, arg: object) -> None:
    """Functions called from now on are left alone; those that stand have a tracer of their own."""


def _abandon_at_line(frame: FrameType, event: str, arg: object) -> Any:
    if event == "line":
        raise Abandoned
    return _abandon_at_line


class WaitingLine:
    """What actors wait for, first come first served: a lock, an event, the end of another actor.

    `holder` is who could end the waiting, where that is one actor.
    """

    __slots__ = ("holder", "name", "waiting")

    def __init__(self, name: str, holder: ControlFlow | None = None) -> None:
        self.name = name
        self.holder = holder
        self.waiting: deque[ControlFlow] = deque()


class ControlFlow:
    """One flow of control in a run, on a thread that is its own until it ends.

    `index` counts from 0 in the order of starting. `steps` and `began_at` belong to the operation
    under way; without one, to the present instant of virtual time.
    """

    __slots__ = (
        "began_at",
        "crashed",
        "daemon",
        "end",
        "ended",
        "index",
        "joins",
        "name",
        "operation",
        "spawner",
        "steps",
        "streak",
        "timer",
        "unwinding",
        "waits_in",
        "woken",
        "worker",
    )

    def __init__(
        self, index: int, name: str, worker: Worker, spawner: ControlFlow | None, daemon: bool
    ) -> None:
        self.index = index
        self.name = name
        self.worker = worker
        self.spawner = spawner
        """Who gets the turn back at the first step; None from then on."""
        self.daemon = daemon
        self.operation: str | None = None
        self.began_at = 0.0
        self.steps = 0
        self.streak = 0
        """Steps since another actor ran."""
        self.timer = 0
        """The number of the timer that will wake it; 0 without one."""
        self.waits_in: WaitingLine | None = None
        self.woken = False
        """Whether the last wait ended by `wake`, not by time."""
        self.crashed = False
        self.ended = False
        self.unwinding = False
        """Whether it has been told that the run is over."""
        self.joins: tuple[ControlFlow, ...] = ()
        """Whose ends it waits for, all of them."""
        self.end = WaitingLine(f"the end of {name} ({index})", self)

    def __lt__(self, other: ControlFlow) -> bool:
        return self.index < other.index

    def is_endless(self, now: float) -> bool:
        """Whether the operation under way has passed the limit of steps or of virtual time."""
        return self.steps > MAX_STEPS or now - self.began_at > MAX_VIRTUAL_S


def endless(actor: ControlFlow, now: float) -> Ending:
    """The ending of a run in which an operation has passed its limits."""
    line = line_of_thread(actor.worker.ident)
    what = f"{actor.operation} of {actor.name}" if actor.operation else actor.name
    return Ending(
        "endless",
        f"{what} has not ended after {actor.steps} steps and {now - actor.began_at:.1f} virtual "
        f"seconds{at_line(line)}",
        actors=(actor.name,),
        operation=actor.operation,
        line=line,
    )


def stuck(actor: ControlFlow, patience_s: float, *, computes: bool) -> Ending:
    """The ending where an actor computes, or waits for something real, and does not come back."""
    line = line_of_thread(actor.worker.ident)
    what = "computes without a step" if computes else "waits for something that is not simulated"
    return Ending(
        "stuck",
        f"{actor.name} has not come back to the scheduler for {patience_s:g} real seconds"
        f"{at_line(line)}: it {what}; run it on real threads before judging",
        actors=(actor.name,),
        operation=actor.operation,
        line=line,
        computes=computes,
    )


def deadlocked(actors: Iterable[ControlFlow]) -> Ending:
    """The ending of a run in which no actor can go on any more.

    Daemons may wait without end, and the first actor waits for all others: these are left out.
    """
    return deadlock(
        [
            Waiting(
                actor.name,
                actor.waits_in.name,
                actor.waits_in.holder.name if actor.waits_in.holder else None,
                line_of_thread(actor.worker.ident),
            )
            for actor in actors
            if actor.waits_in is not None and not actor.daemon and actor.index
        ]
    )
