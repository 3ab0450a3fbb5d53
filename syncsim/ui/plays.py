"""What the buttons play, as data: a scenario each, four of them the mission's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from syncsim.lab import scenarios
from syncsim.lab.loading import Solution
from syncsim.lab.scenarios import DEFAULT_TEMPLATE, Scenario


@dataclass(frozen=True, slots=True)
class Play:
    """A button's scenario by its name, and its words for a tooltip.

    `updates`: how many, whatever the number of users; `grows`: or as many as there are users.
    """

    scenario: str
    tooltip: str
    updates: int | None = None
    grows: bool = False


PLAYS: Final[Mapping[str, Play]] = {
    "Trigger All": Play("perfect-storm", "Two users and the background job write at once"),
    "Rapid Fire": Play("stress-test", "Three users send ten updates within a second", 10, True),
    "Single Update": Play("single-update", "One user changes the name and reads it back"),
    "Update and Read": Play("cache-consistency", "One user updates, three read at once"),
    "Background Job": Play(
        "background-job-respect", "The job right after an update, and again 6 s later"
    ),
    "Retry Ladder": Play(
        "retry-ladder",
        "A rival commits before every attempt: first without a queue, then with it",
        updates=1,
    ),
    "Intentional Failure": Play(
        "stale-version", "One user insists on a version that is no longer the newest"
    ),
}
"""Name of the button to what it plays."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a click asks for: the button's scenario, and all that is chosen beside it.

    Fields as the arguments of `runner.run`; `users` None for as many as the scenario usually has.
    """

    button: str
    template: str = DEFAULT_TEMPLATE
    seed: int = 7
    solution: Solution = None
    retry: str | None = None
    users: int | None = None
    on: Literal["threads", "simulation"] = "threads"
    store: str | None = None

    @property
    def play(self) -> Play:
        """What the button plays."""
        return PLAYS[self.button]

    @property
    def updates(self) -> int | None:
        """How many updates there will be in all; None for as many as usual."""
        play = self.play
        if play.grows and play.updates is not None and self.users is not None:
            return max(play.updates, self.users)
        return play.updates

    @property
    def plan(self) -> Scenario:
        """Who does what; `UsageError` where the scenario cannot be had like this."""
        return scenarios.scenario(
            self.play.scenario,
            users=self.users,
            updates=self.updates,
            template=self.template,
            seed=self.seed,
        )
