"""The types a scenario is made of: steps, actors, parts, and what must hold at the end.

Nothing here runs. `acting.actor` performs the steps of one actor, whichever engine owns time and
threads; `expectations` judges what came of it. `users` and `updates` count for the whole scenario.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from syncsim.contract import BACKGROUND
from syncsim.lab.scenarios.edits import NumberedEdit

DEFAULT_TEMPLATE: Final = "event_registration"
UNKNOWN_TEMPLATE: Final = "no_such_template"

# -- steps -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Read:
    """`get_template`; what it returns is the base of the edits that follow.

    With `scribble` the user then writes over the returned document, as a caller may: a solution
    that hands out what its cache holds shows the scribble to the next reader. Only reads may
    follow, no edits: a user who edits a document shown wrongly means something else than they see.
    """

    scribble: bool = False


@dataclass(frozen=True, slots=True)
class Update:
    """`update_template` with an edit of what was read last; reads first where nothing was.

    Not `based`, it reads nothing and names no base; for an edit that need not see the document.
    """

    edit: NumberedEdit
    based: bool = True


@dataclass(frozen=True, slots=True)
class UpdateWithVersion:
    """`update_with_version` with an edit of what was read last, against its version."""

    edit: NumberedEdit


@dataclass(frozen=True, slots=True)
class Rollback:
    """`rollback` to what the user's `read`-th read showed, counted from 0.

    Not a step where the solution has no such verb or the user has not read so often.
    """

    read: int = 0


@dataclass(frozen=True, slots=True)
class Job:
    """`run_background_job`."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Sleep on the environment's clock."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Restart:
    """Build the solution anew for this actor, on the same store and caches.

    So a new process begins: what the solution kept in memory is gone.
    """


@dataclass(frozen=True, slots=True)
class Barrier:
    """Wait until every actor that has a barrier of this name has come to it."""

    name: str


@dataclass(frozen=True, slots=True)
class InvalidCall:
    """A call that cannot succeed, to see what is said about it.

    `what`: read or update a template that does not exist, or change the name to a number.
    """

    what: Literal["read-unknown", "update-unknown", "invalid-change"]


Step: TypeAlias = (
    Read | Update | UpdateWithVersion | Rollback | Job | Wait | Restart | Barrier | InvalidCall
)


# -- who, and what must hold -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Actor:
    """One thread of a scenario: the steps of one user, or of `background`.

    A user who works in several tabs at once is several actors, each with a `tab` of its own.
    """

    user: str
    steps: tuple[Step, ...]
    tab: int = 1

    @property
    def name(self) -> str:
        """Unique within a part: `ann`, and for the second tab `ann.2`."""
        return self.user if self.tab == 1 else f"{self.user}.{self.tab}"


@dataclass(frozen=True, slots=True)
class Rival:
    """A user who commits, directly in the store, before each write attempt of an update.

    `first` limits it to so many attempts of each operation; None = before all of them. `strikes` is
    the kind of operation that suffers, "update" or "job".
    """

    user: str = "rival"
    first: int | None = None
    strikes: str = "update"


@dataclass(frozen=True, slots=True)
class Expectations:
    """What must hold besides the judges finding nothing.

    `success_over` and `hits_over`: the shares of updates that succeed and of reads served from a
    cache must exceed these. `needs_conflict`: without a single lost swap nothing was proved.
    `jobs`: how the runs of the job end in turn, `skipped` or `processed`. `ladder`: shortest and
    longest delay in seconds before retry 1, 2, ... of every update, no more and no fewer retries;
    `ends`: how each update ends. `survives`: no update may fail, as nothing but a conflict stands
    in its way. `paced`: the delays between attempts are looked at, for notes. `logged`: the share
    of what happened that must have an event. `clear_errors`: the failures of this part and of those
    before it must say their facts.
    """

    success_over: float | None = 0.95
    hits_over: float | None = None
    needs_conflict: bool = False
    jobs: tuple[str, ...] = ()
    ladder: tuple[tuple[float, float], ...] | None = None
    ends: str | None = None
    survives: bool = False
    paced: bool = False
    logged: float | None = None
    clear_errors: bool = False


_CALLED_BY: Final[dict[str, frozenset[type]]] = {
    "get_template": frozenset({Read, Update, UpdateWithVersion, InvalidCall}),
    "update_template": frozenset({Update, InvalidCall}),
    "update_with_version": frozenset({UpdateWithVersion}),
    "run_background_job": frozenset({Job}),
}


@dataclass(frozen=True, slots=True)
class Part:
    """Actors that start together on a fresh template. `retry`: a policy of its own, else the run's.

    `work_ms` is time between each attempt's read and its write. `outage`: the store is out of reach
    for each write of an update.
    """

    name: str
    actors: tuple[Actor, ...]
    expect: Expectations
    work_ms: float = 0.0
    retry: str | None = None
    rival: Rival | None = None
    outage: bool = False

    @property
    def users(self) -> tuple[str, ...]:
        """The users in order of appearance, without `background`."""
        return tuple(dict.fromkeys(a.user for a in self.actors if a.user != BACKGROUND))

    @property
    def at_rest(self) -> tuple[Actor, ...]:
        """The actors that follow when all others are done: every user reads once more.

        Caches have converged by then: no entry is older than what has been acknowledged. What a
        solution keeps in a cache, and in which form, is its own affair; what it shows is not.
        """
        return tuple(Actor(user, (Read(),)) for user in self.users)

    @property
    def verbs(self) -> tuple[str, ...]:
        """The verbs that its steps call, without rollback, which a solution may lack."""
        steps = [type(step) for actor in self.actors for step in actor.steps]
        return tuple(verb for verb, kinds in _CALLED_BY.items() if not kinds.isdisjoint(steps))

    @property
    def calls(self) -> int:
        """How many steps call a verb."""
        steps = (step for actor in self.actors for step in actor.steps)
        return sum(not isinstance(step, Wait | Restart | Barrier) for step in steps)


@dataclass(frozen=True, slots=True)
class Scenario:
    """One or more parts, run one after the other; all must hold."""

    name: str
    title: str
    template: str
    seed: int
    parts: tuple[Part, ...]

    @property
    def users(self) -> tuple[str, ...]:
        """The users of all parts, in order of appearance."""
        return tuple(dict.fromkeys(user for part in self.parts for user in part.users))

    @property
    def calls(self) -> int:
        """How many steps of all parts call a verb."""
        return sum(part.calls for part in self.parts)


def parties(actors: Sequence[Actor]) -> dict[str, int]:
    """Per barrier, how many of these actors come to it."""
    counts: dict[str, int] = {}
    for actor in actors:
        for step in actor.steps:
            if isinstance(step, Barrier):
                counts[step.name] = counts.get(step.name, 0) + 1
    return counts
