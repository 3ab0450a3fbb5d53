"""What the buttons play, as data: a scenario each, four of them the mission's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from syncsim.lab import scenarios
from syncsim.lab.scenarios import DEFAULT_TEMPLATE, ENTRIES, Scenario
from syncsim.lab.scenarios.entry import Button, CatalogueEntry
from syncsim.lab.solutions.loading import Solution


@dataclass(frozen=True, slots=True)
class RunButton:
    """A button of the control room, with the name of its scenario."""

    scenario: str
    button: Button


def plays_of(entries: Mapping[str, CatalogueEntry]) -> dict[str, RunButton]:
    """What each button plays, by its name, in the order of the row."""
    played = [RunButton(name, entry.button) for name, entry in entries.items() if entry.button]
    return {play.button.label: play for play in sorted(played, key=lambda one: one.button.place)}


PLAYS: Final[Mapping[str, RunButton]] = plays_of(ENTRIES)
"""Name of the button to what it plays."""


@dataclass(frozen=True, slots=True)
class RunRequest:
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
    def play(self) -> RunButton:
        """What the button plays."""
        return PLAYS[self.button]

    @property
    def updates(self) -> int | None:
        """How many updates there will be in all; None for as many as usual."""
        button = self.play.button
        if button.grows and button.updates is not None and self.users is not None:
            return max(button.updates, self.users)
        return button.updates

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
