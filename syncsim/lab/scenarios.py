"""The scenarios as data: who does what in which order, and what must hold at the end.

Nothing here runs. `playing` performs the steps of one actor, whoever owns time and threads;
`expectations` judges what came of it. `users` and `updates` count for the whole scenario.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Final, TypeAlias

from syncsim.contract import BACKGROUND
from syncsim.errors import UsageError
from syncsim.lab.edits import EDITS, Edit

DEFAULT_TEMPLATE: Final = "event_registration"

# -- steps -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Read:
    """`get_template`; what it returns is the base of the edits that follow.

    With `scribble` the user then writes over the returned document, as a caller may: a solution
    that hands out what its cache holds shows the scribble to the next reader. To be read after,
    not to be edited: whoever edits a document shown wrongly means something else than they see.
    """

    scribble: bool = False


@dataclass(frozen=True, slots=True)
class Update:
    """`update_template` with an edit of what was read last; reads first where nothing was."""

    edit: Edit


@dataclass(frozen=True, slots=True)
class UpdateWithVersion:
    """`update_with_version` with an edit of what was read last, against its version."""

    edit: Edit


@dataclass(frozen=True, slots=True)
class Job:
    """`run_background_job`."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Sleep on the environment's clock."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Barrier:
    """Wait until everybody who has a barrier of this name has come to it."""

    name: str


Step: TypeAlias = Read | Update | UpdateWithVersion | Job | Wait | Barrier


# -- who, and what must hold -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Actor:
    """One thread of a scenario: the steps of one user, or of `background`; one actor per user."""

    user: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Rival:
    """Somebody who commits, directly in the store, before each write attempt of an update.

    `first` limits it to so many attempts of each update; None = before all of them.
    """

    user: str = "rival"
    first: int | None = None


@dataclass(frozen=True, slots=True)
class Expectations:
    """What must hold besides the judges finding nothing.

    `success_over` and `hits_over`: the shares of updates that succeed and of reads served from a
    cache must exceed these. `needs_conflict`: without a single lost swap nothing was proved.
    `jobs`: how the runs of the job end in turn, `skipped` or `processed`. `ladder`: shortest and
    longest delay in seconds before retry 1, 2, ... of every update, no more and no fewer retries;
    `ends`: how each update ends.
    """

    success_over: float | None = 0.95
    hits_over: float | None = None
    needs_conflict: bool = False
    jobs: tuple[str, ...] = ()
    ladder: tuple[tuple[float, float], ...] | None = None
    ends: str | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """Actors that start together on a fresh template. `retry`: a policy of its own, else the run's.

    `work_ms` is time between each attempt's read and its write.
    """

    name: str
    actors: tuple[Actor, ...]
    expect: Expectations
    work_ms: float = 0.0
    retry: str | None = None
    rival: Rival | None = None

    @property
    def users(self) -> tuple[str, ...]:
        """The users in order of appearance, without `background`."""
        return tuple(dict.fromkeys(a.user for a in self.actors if a.user != BACKGROUND))

    @property
    def at_rest(self) -> tuple[Actor, ...]:
        """What follows when everybody has done: every user reads once more.

        Caches have converged by then: no entry is older than what has been acknowledged. What a
        solution keeps in a cache, and in which form, is its own affair; what it shows is not.
        """
        return tuple(Actor(user, (Read(),)) for user in self.users)

    @property
    def calls(self) -> int:
        """How many steps call a verb."""
        steps = (step for actor in self.actors for step in actor.steps)
        return sum(not isinstance(step, Wait | Barrier) for step in steps)


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


# -- the six ---------------------------------------------------------------------------------------

START: Final = Barrier("start")
NAMES: Final = ("ann", "ben", "cleo", "dan", "eve", "finn", "gina", "hugo", "ida", "jon")
READS_PER_COMMIT: Final = 20
COOLED_DOWN_S: Final = 6.0

Plan: TypeAlias = Callable[[Sequence[str], int, int], tuple[Part, ...]]
"""Users, number of updates and seed to the parts of a scenario."""


def user_names(count: int) -> tuple[str, ...]:
    """So many different user names: ann, ben, ..., then user011 and so on."""
    return tuple(NAMES[i] if i < len(NAMES) else f"user{i + 1:03}" for i in range(count))


def scenario(
    name: str,
    *,
    users: int | None = None,
    updates: int | None = None,
    work_ms: float | None = None,
    template: str = DEFAULT_TEMPLATE,
    seed: int = 7,
) -> Scenario:
    """A scenario by name, in its usual size unless told otherwise; `UsageError` for what is none.

    `users` and `updates` are totals, the updates are dealt out in turn. `work_ms` is time between
    an attempt's read and its write.
    """
    if name not in SCENARIOS:
        raise UsageError("scenario", name, f"one of {', '.join(SCENARIOS)}")
    usual = SCENARIOS[name]
    count = _at_least_one("users", usual.users if users is None else users)
    total = usual.updates if updates is None else updates
    total = _at_least_one("updates", count if total is None else total)
    if work_ms is None:
        work_ms = usual.work_ms
    elif not isinstance(work_ms, int | float) or not 0 <= work_ms < float("inf"):
        raise UsageError("work_ms", work_ms, "milliseconds, zero or more")
    parts = (replace(part, work_ms=work_ms) for part in usual.plan(user_names(count), total, seed))
    return Scenario(name, usual.title, template, seed, tuple(parts))


def _at_least_one(argument: str, value: object) -> int:
    if type(value) is not int or value < 1:
        raise UsageError(argument, value, "a whole number of at least 1")
    return value


def _updates(users: Sequence[str], total: int, seed: int) -> list[list[Update]]:
    """The updates of each user: in turn another kind of edit, mostly of leaves of their own.

    Every `len(EDITS)`-th user begins with the kind of the first, on a leaf that they share if it is
    the name.
    """
    dealt: list[list[Update]] = []
    for i, user in enumerate(users):
        random = Random(f"{seed}/{user}")
        count = (total - i + len(users) - 1) // len(users)
        dealt.append(
            [
                Update(
                    Edit(EDITS[(i + n) % len(EDITS)], user, n + 1, i, int(random.random() * 1000))
                )
                for n in range(count)
            ]
        )
    return dealt


def _perfect_storm(users: Sequence[str], total: int, seed: int) -> tuple[Part, ...]:
    actors = []
    for user, updates in zip(users, _updates(users, total, seed), strict=True):
        steps: list[Step] = [Read(), START]
        for number, update in enumerate(updates):
            steps += [Read(), update] if number else [update]
        actors.append(Actor(user, tuple(steps)))
    job = Actor(BACKGROUND, (START, Job()))
    return (Part("", (*actors, job), Expectations(needs_conflict=True)),)


def _cache_consistency(users: Sequence[str], total: int, seed: int) -> tuple[Part, ...]:
    """Everybody has a warm cache, one updates, all read at once; and again after scribbling."""
    steps: dict[str, list[Step]] = {user: [] for user in users}
    queues = dict(zip(users, _updates(users, total, seed), strict=True))
    for turn in range(total):
        writer = users[turn % len(users)]
        for user in users:
            steps[user] += [Read(), Barrier(f"warm {turn + 1}")]
            if user == writer:
                steps[user].append(queues[user].pop(0))
            steps[user] += [Barrier(f"updated {turn + 1}"), Read(scribble=turn + 1 == total)]
    for user in users:
        steps[user] += [Barrier("scribbled"), Read()]
    actors = tuple(Actor(user, tuple(mine)) for user, mine in steps.items())
    return (Part("", actors, Expectations()),)


def _background_job_respect(users: Sequence[str], total: int, seed: int) -> tuple[Part, ...]:
    """Everybody has a warm cache when the job runs, which must not outlast what the job writes."""
    updated = Barrier("updated")
    actors = [
        Actor(user, (Read(), *updates, Read(), updated))
        for user, updates in zip(users, _updates(users, total, seed), strict=True)
    ]
    job = Actor(BACKGROUND, (updated, Job(), Wait(COOLED_DOWN_S), Job()))
    return (Part("", (*actors, job), Expectations(jobs=("skipped", "processed"))),)


def _stress_test(users: Sequence[str], total: int, seed: int) -> tuple[Part, ...]:
    """All updates within a second: everybody's first at once, the others at even distances."""
    actors = []
    for user, updates in zip(users, _updates(users, total, seed), strict=True):
        pause = Wait(1.0 / -(-total // len(users)))
        steps: list[Step] = [Read(), START]
        for number, update in enumerate(updates):
            steps += [pause, Read()] if number else []
            steps += [update, Read()]
        actors.append(Actor(user, tuple(steps)))
    job = Actor(BACKGROUND, (START, Wait(0.5), Job()))
    return (Part("", (*actors, job), Expectations(needs_conflict=True)),)


def _retry_ladder(users: Sequence[str], total: int, seed: int) -> tuple[Part, ...]:
    """Twice against a rival who commits before every attempt: without a queue, and by default.

    The bounds are those of the policy `third`: 100, 200, 400 ms, a third less or more.
    """
    bounds = tuple((0.1 * 2**k * 2 / 3, 0.1 * 2**k * 4 / 3) for k in range(3))
    actors = tuple(
        Actor(user, (Read(), *updates))
        for user, updates in zip(users, _updates(users, total, seed), strict=True)
    )
    spent = Expectations(success_over=None, ladder=bounds, ends="RetriesExhaustedError")
    queued = Expectations(success_over=None, ladder=bounds[:1], ends="committed")
    return (
        Part("without queue", actors, spent, retry="third/queue=never", rival=Rival()),
        Part("default", actors, queued, retry="third", rival=Rival()),
    )


def _sustained(users: Sequence[str], total: int, seed: int) -> tuple[Part, ...]:
    """Every user reads 20 times per commit of anybody; the first reads are misses like others."""
    actors = []
    dealt = _updates(users, total, seed)
    for place, user in enumerate(users):
        steps: list[Step] = [START]
        for turn in range(total):
            steps += [Read()] * READS_PER_COMMIT
            if turn % len(users) == place:
                steps.append(dealt[place].pop(0))
        actors.append(Actor(user, tuple(steps)))
    return (Part("", tuple(actors), Expectations(hits_over=0.8)),)


@dataclass(frozen=True, slots=True)
class Usual:
    """A scenario's usual size; `updates` None = as many as users."""

    title: str
    plan: Plan
    users: int
    updates: int | None = None
    work_ms: float = 0.0


SCENARIOS: Final[Mapping[str, Usual]] = {
    "perfect-storm": Usual("The Perfect Storm", _perfect_storm, users=2, work_ms=20.0),
    "cache-consistency": Usual("Cache Consistency", _cache_consistency, users=3, updates=1),
    "background-job-respect": Usual("Background Job Respect", _background_job_respect, users=1),
    "stress-test": Usual("Stress Test", _stress_test, users=3, updates=10, work_ms=5.0),
    "retry-ladder": Usual("Retry Ladder", _retry_ladder, users=1),
    "sustained": Usual("Sustained Load", _sustained, users=3, updates=12),
}
