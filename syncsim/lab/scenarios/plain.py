"""Two scenarios to begin with: one update that simply works, and one that must be refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from syncsim.lab.scenarios.edits import NumberedEdit
from syncsim.lab.scenarios.entry import Button, CatalogueEntry
from syncsim.lab.scenarios.mission import user_names
from syncsim.lab.scenarios.steps import (
    Actor,
    Barrier,
    Expectations,
    Part,
    Read,
    Step,
    Update,
    UpdateWithVersion,
)

READ: Final = Barrier("all have read")
SAVED: Final = Barrier("saved")


def _single_update(users: Sequence[str], total: int, seed: int) -> tuple[Part, ...]:
    """The first user changes the name, `total` times, and reads it back; the others look on."""
    first, *others = users
    steps: tuple[Step, ...] = (Read(), READ)
    updates = [Update(NumberedEdit("rename", first, n + 1, 0, seed)) for n in range(total)]
    actors = [Actor(first, (*steps, *updates, SAVED, Read()))]
    actors += [Actor(user, (*steps, SAVED, Read())) for user in others]
    return (Part("", tuple(actors), Expectations()),)


def _stale_version(users: Sequence[str], total: int, seed: int) -> tuple[Part, ...]:
    """The first user insists on a version that all have read and the last user has replaced.

    They must be refused. A user who is alone gets a second one to be late for.
    """
    first, *others = users if len(users) > 1 else user_names(2)
    late = (Read(), READ, SAVED, UpdateWithVersion(NumberedEdit("rename", first, 1, 0, seed)))
    early = [Update(NumberedEdit("relabel", others[-1], n + 1, 0, seed)) for n in range(total)]
    actors = [Actor(first, late)]
    actors += [Actor(user, (Read(), READ, SAVED, Read())) for user in others[:-1]]
    actors.append(Actor(others[-1], (Read(), READ, *early, SAVED)))
    return (Part("", tuple(actors), Expectations(success_over=None)),)


PLAIN: Final[Mapping[str, CatalogueEntry]] = {
    "single-update": CatalogueEntry(
        "Normal Operation",
        _single_update,
        users=1,
        updates=1,
        button=Button(3, "Single Update", "One user changes the name and reads it back"),
    ),
    "stale-version": CatalogueEntry(
        "Clear Errors",
        _stale_version,
        users=2,
        updates=1,
        button=Button(
            7,
            "Intentional Failure",
            "One user insists on a version that is no longer the newest",
        ),
    ),
}
"""Played by buttons; `SCENARIOS` are those that the mission names."""
