"""Probes of conduct: forced conflicts, a job at awkward moments, an update that is refused.

Storms meet some mistakes in no schedule of a thousand: ten retries, or success that was none. A
rival who commits just before the first k writes of an update shows them at once, without any luck.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from syncsim.contract import BACKGROUND
from syncsim.lab.scenarios.edits import NumberedEdit
from syncsim.lab.scenarios.entry import ONCE, Asked, CatalogueEntry, Plan
from syncsim.lab.scenarios.mission import COOLED_DOWN_S
from syncsim.lab.scenarios.steps import (
    Actor,
    Barrier,
    Expectations,
    Job,
    Part,
    Read,
    Restart,
    Rival,
    Step,
    Update,
    Wait,
)

FORCED: Final = (0, 1, 2, 3, 50)
"""How many write attempts of an update the rival spoils: none, one, ..., more than may be made."""

SURVIVED: Final = 1
"""So many conflicts an update must survive; to fail after fewer is M3."""

NEARLY_DUE_S: Final = 4.75
"""Seconds after a user's update at which the job must still keep away."""

PACED: Final = 3
"""After so many conflicts the delays between attempts can be told apart, over `PACE_UPDATES`."""

PACE_UPDATES: Final = 10


def _forced_conflicts(spoilt: int, users: Sequence[str], total: int, seed: int) -> tuple[Part, ...]:
    """Users who update one after another, each against the rival."""
    actors = []
    for place, user in enumerate(users):
        steps: list[Step] = []
        for number in range(1, total // len(users) + 1):
            steps += [Read(), Update(NumberedEdit("relabel", user, number, place + number, seed))]
        actors.append(Actor(user, tuple(steps)))
    expect = Expectations(success_over=None, survives=spoilt <= SURVIVED, paced=spoilt == PACED)
    rival = Rival(first=spoilt) if spoilt else None
    return (Part("", tuple(actors), expect, rival=rival),)


# -- the job ---------------------------------------------------------------------------------------


def _job_after_job(users: Sequence[str], total: int, seed: int) -> tuple[Part, ...]:
    """The job does not skip because of its own write a second ago."""
    updated = Barrier("updated")
    job = (updated, Wait(COOLED_DOWN_S), Job(), Wait(1.0), Job())
    return _with_job(users, seed, (updated,), job, ("processed", "processed"))


def _job_nearly_due(users: Sequence[str], total: int, seed: int) -> tuple[Part, ...]:
    """The job skips just before the cooldown is over, and runs a second after its end."""
    updated = Barrier("updated")
    job = (updated, Wait(NEARLY_DUE_S), Job(), Wait(COOLED_DOWN_S - NEARLY_DUE_S), Job())
    return _with_job(users, seed, (updated,), job, ("skipped", "processed"))


def _job_restarted(users: Sequence[str], total: int, seed: int) -> tuple[Part, ...]:
    """A process that has just begun knows of the user's update only by asking the store."""
    updated = Barrier("updated")
    job = (updated, Restart(), Job(), Wait(COOLED_DOWN_S), Job())
    return _with_job(users, seed, (updated,), job, ("skipped", "processed"))


def _job_run_again(users: Sequence[str], total: int, seed: int) -> tuple[Part, ...]:
    """What the job saw in its first run is out of date in its second."""
    ran, updated = Barrier("ran"), Barrier("updated")
    job = (Job(), ran, updated, Wait(COOLED_DOWN_S), Job())
    return _with_job(users, seed, (updated,), job, ("processed", "processed"), before=(ran,))


def _job_overtaken(users: Sequence[str], total: int, seed: int) -> tuple[Part, ...]:
    """A user commits between the job's read and its write: the job looks again and skips."""
    actors = (Actor(users[0], (Read(),)), Actor(BACKGROUND, (Job(),)))
    expect = Expectations(success_over=None, jobs=("skipped",))
    return (Part("", actors, expect, rival=Rival(first=1, strikes="job")),)


def _with_job(
    users: Sequence[str],
    seed: int,
    after: tuple[Step, ...],
    job: tuple[Step, ...],
    ends: tuple[str, ...],
    *,
    before: tuple[Step, ...] = (),
) -> tuple[Part, ...]:
    """One user's update, which gives the job something to derive, between these steps."""
    update = Update(NumberedEdit("add-field", users[0], 1, 0, seed))
    actors = (Actor(users[0], (*before, Read(), update, *after)), Actor(BACKGROUND, job))
    return (Part("", actors, Expectations(success_over=None, jobs=ends)),)


# -- a refused update ------------------------------------------------------------------------------


def _refused_update(users: Sequence[str], total: int, seed: int) -> tuple[Part, ...]:
    """An update that the store refuses, then valid ones: an error must leave nothing locked."""
    spoil = Update(NumberedEdit("spoil", users[0], 1, 0, seed))
    actors = [
        Actor(users[0], (Read(), spoil, Update(NumberedEdit("rename", users[0], 2, 0, seed))))
    ]
    for place, user in enumerate(users[1:], 1):
        actors.append(Actor(user, (Read(), Update(NumberedEdit("relabel", user, 1, place, seed)))))
    return (Part("", tuple(actors), Expectations(success_over=None)),)


# -- all of them -----------------------------------------------------------------------------------


def _alone(title: str, plan: Plan, updates: int | None = None) -> CatalogueEntry:
    return CatalogueEntry(title, plan, users=1, updates=updates, asked=ONCE)


def forced(spoilt: int) -> str:
    """The name of the probe in which so many attempts of each update lose."""
    return f"forced-conflicts-{spoilt}"


def _forced_entry(spoilt: int) -> CatalogueEntry:
    plan: Plan = partial(_forced_conflicts, spoilt)
    updates = PACE_UPDATES if spoilt == PACED else 1
    return _alone(f"{spoilt} forced conflicts", plan, updates=updates)


CONFLICT_PROBES: Final = {
    **{forced(spoilt): _forced_entry(spoilt) for spoilt in FORCED},
    "job-after-job": _alone("A job after a job", _job_after_job),
    "job-nearly-due": _alone("A job that is nearly due", _job_nearly_due),
    "job-restarted": _alone("A job after a restart", _job_restarted),
    "job-run-again": _alone("A job that runs again", _job_run_again),
    "job-overtaken": _alone("A job overtaken by a user", _job_overtaken),
    "refused-update": CatalogueEntry(
        "A refused update", _refused_update, users=2, asked=Asked(0.05)
    ),
}
