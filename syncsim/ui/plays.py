"""What the buttons play, as data: a scenario each, four of them the mission's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from syncsim.lab import scenarios
from syncsim.lab.edits import Edit
from syncsim.lab.scenarios import (
    Actor,
    Barrier,
    Expectations,
    Part,
    Read,
    Scenario,
    Update,
    UpdateWithVersion,
)


@dataclass(frozen=True, slots=True)
class Play:
    """A button's scenario, made for a template and a seed, and its words for a tooltip."""

    make: Callable[[str, int], Scenario]
    tooltip: str


def _known(name: str, tooltip: str) -> Play:
    return Play(
        lambda template, seed: scenarios.scenario(name, template=template, seed=seed), tooltip
    )


def _single_update(template: str, seed: int) -> Scenario:
    steps = (Read(), Update(Edit("rename", "ann", 1, 0, seed)), Read())
    part = Part("", (Actor("ann", steps),), Expectations())
    return Scenario("single-update", "Normal Operation", template, seed, (part,))


def _stale_version(template: str, seed: int) -> Scenario:
    """Ann insists on the version she read, which ben has replaced: she must be refused."""
    read, saved = Barrier("both have read"), Barrier("ben has saved")
    ann = (Read(), read, saved, UpdateWithVersion(Edit("rename", "ann", 1, 0, seed)))
    ben = (Read(), read, Update(Edit("relabel", "ben", 1, 0, seed)), saved)
    part = Part("", (Actor("ann", ann), Actor("ben", ben)), Expectations(success_over=None))
    return Scenario("stale-version", "Clear Errors", template, seed, (part,))


PLAYS: Final[Mapping[str, Play]] = {
    "Trigger All": _known("perfect-storm", "Two users and the background job write at once"),
    "Rapid Fire": _known("stress-test", "Three users send ten updates within a second"),
    "Single Update": Play(_single_update, "One user changes the name and reads it back"),
    "Update and Read": _known("cache-consistency", "One user updates, three read at once"),
    "Background Job": _known(
        "background-job-respect", "The job right after an update, and again 6 s later"
    ),
    "Retry Ladder": _known(
        "retry-ladder", "A rival commits before every attempt: first without a queue, then with it"
    ),
    "Intentional Failure": Play(
        _stale_version, "One user insists on a version that is no longer the newest"
    ),
}
"""Name of the button to what it plays."""
