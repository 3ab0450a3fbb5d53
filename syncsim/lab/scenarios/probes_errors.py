"""Probes and questions on what errors say of a failure, and what the log says of everything.

The five failures are induced one after the other and without luck: a template that does not exist,
a stale version, a change that is not valid, fifty lost swaps, a store out of reach.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from syncsim.contract import BACKGROUND
from syncsim.lab.scenarios.edits import NumberedEdit
from syncsim.lab.scenarios.entry import Asked, CatalogueEntry
from syncsim.lab.scenarios.mission import COOLED_DOWN_S
from syncsim.lab.scenarios.steps import (
    Actor,
    Barrier,
    Expectations,
    InvalidCall,
    Job,
    Part,
    Read,
    Rival,
    Step,
    Update,
    UpdateWithVersion,
    Wait,
)

LOST_SWAPS: Final = 50
LEAST_LOGGED: Final = 0.8


def _induced_failures(users: Sequence[str], total: int, seed: int) -> tuple[Part, ...]:
    user = users[0]
    update = Update(NumberedEdit("rename", user, 1, 0, seed))
    steps: tuple[Step, ...] = (
        Read(),
        InvalidCall("read-unknown"),
        InvalidCall("update-unknown"),
        InvalidCall("invalid-change"),
        update,
        UpdateWithVersion(
            NumberedEdit("retitle", user, 2, 0, seed)
        ),  # against what was read at first
    )
    lenient = Expectations(success_over=None)
    one = (Actor(user, (Read(), update)),)
    return (
        Part("misused", (Actor(user, steps),), lenient),
        Part("contended", one, lenient, rival=Rival(first=LOST_SWAPS)),
        Part("outage", one, Expectations(success_over=None, clear_errors=True), outage=True),
    )


def _told_to_the_log(users: Sequence[str], total: int, seed: int) -> tuple[Part, ...]:
    """All users update in peace, the job skips and writes; then one updates against a rival."""
    updated = Barrier("updated")
    actors = []
    for place, user in enumerate(users):
        edits = [NumberedEdit("set", user, number, place, seed) for number in (1, 2)]
        steps = (Read(), Update(edits[0]), Read(), UpdateWithVersion(edits[1]), updated)
        actors.append(Actor(user, steps))
    job = Actor(BACKGROUND, (updated, Job(), Wait(COOLED_DOWN_S), Job()))
    expect = Expectations(success_over=None, logged=LEAST_LOGGED)
    contended = Actor(users[0], (Read(), Update(NumberedEdit("set", users[0], 3, 0, seed))))
    return (
        Part("quiet", (*actors, job), expect),
        Part("contended", (contended,), expect, rival=Rival(first=2)),
    )


ERROR_PROBES: Final[Mapping[str, CatalogueEntry]] = {
    "induced-failures": CatalogueEntry(
        "Five Induced Failures", _induced_failures, users=1, asked=Asked(0.01, strategy="random")
    ),
    "told-to-the-log": CatalogueEntry(
        "Told to the Log", _told_to_the_log, users=2, asked=Asked(0.03, strategy="random")
    ),
}
