"""The six scenarios, each in its usual size: who does what, and what must hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import Random
from typing import Final

from syncsim.contract import BACKGROUND
from syncsim.lab.scenarios.edits import EDITS, NumberedEdit
from syncsim.lab.scenarios.entry import Asked, Button, CatalogueEntry
from syncsim.lab.scenarios.steps import (
    Actor,
    Barrier,
    Expectations,
    Job,
    Part,
    Read,
    Rival,
    Step,
    Update,
    Wait,
)

START: Final = Barrier("start")
NAMES: Final = ("ann", "ben", "cleo", "dan", "eve", "finn", "gina", "hugo", "ida", "jon")
READS_PER_COMMIT: Final = 20
COOLED_DOWN_S: Final = 6.0


def user_names(count: int) -> tuple[str, ...]:
    """`count` different user names: ann, ben, ..., then user011 and so on."""
    return tuple(NAMES[i] if i < len(NAMES) else f"user{i + 1:03}" for i in range(count))


def _updates(users: Sequence[str], total: int, seed: int) -> list[list[Update]]:
    """The updates of each user: the kind of edit changes in turn, mostly on leaves of their own.

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
                    NumberedEdit(
                        EDITS[(i + n) % len(EDITS)], user, n + 1, i, int(random.random() * 1000)
                    )
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
    """Every user has a warm cache, one updates, all read at once; and again after scribbling."""
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
    """Every user has a warm cache when the job runs; no cache may outlast what the job writes."""
    updated = Barrier("updated")
    actors = [
        Actor(user, (Read(), *updates, Read(), updated))
        for user, updates in zip(users, _updates(users, total, seed), strict=True)
    ]
    job = Actor(BACKGROUND, (updated, Job(), Wait(COOLED_DOWN_S), Job()))
    return (Part("", (*actors, job), Expectations(jobs=("skipped", "processed"))),)


def _stress_test(users: Sequence[str], total: int, seed: int) -> tuple[Part, ...]:
    """All updates within a second: each user's first at once, the others at even distances."""
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
    """A rival commits before every attempt, in two parts: without a queue, and by default.

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
    """Every user reads 20 times per commit of any user; the first reads are misses like others."""
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


SCENARIOS: Final[Mapping[str, CatalogueEntry]] = {
    "perfect-storm": CatalogueEntry(
        "The Perfect Storm",
        _perfect_storm,
        users=2,
        work_ms=20.0,
        button=Button(1, "Trigger All", "Two users and the background job write at once"),
        asked=Asked(users=3, work_ms=0.0),
    ),
    "cache-consistency": CatalogueEntry(
        "Cache Consistency",
        _cache_consistency,
        users=3,
        updates=1,
        button=Button(4, "Update and Read", "One user updates, three read at once"),
        asked=Asked(0.5),
    ),
    "background-job-respect": CatalogueEntry(
        "Background Job Respect",
        _background_job_respect,
        users=1,
        button=Button(5, "Background Job", "The job right after an update, and again 6 s later"),
        asked=Asked(0.5),
    ),
    "stress-test": CatalogueEntry(
        "Stress Test",
        _stress_test,
        users=3,
        updates=10,
        work_ms=5.0,
        button=Button(
            2, "Rapid Fire", "Three users send ten updates within a second", updates=10, grows=True
        ),
        asked=Asked(0.25, work_ms=0.0),
    ),
    "retry-ladder": CatalogueEntry(
        "Retry Ladder",
        _retry_ladder,
        users=1,
        button=Button(
            6,
            "Retry Ladder",
            "A rival commits before every attempt: first without a queue, then with it",
            updates=1,
        ),
    ),
    "sustained": CatalogueEntry(
        "Sustained Load", _sustained, users=3, updates=12, asked=Asked(0.05, updates=3)
    ),
}
