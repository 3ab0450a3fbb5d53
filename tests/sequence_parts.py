"""Runs to draw: failures of small broken solutions, and runs in which nothing went wrong."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from syncsim.lab.simulation.explore import FailingSchedule, explore
from syncsim.lab.simulation.simulated_run import Parameters, SimulatedRun, simulate
from syncsim.lab.solutions.broken.blind_write import BlindWrite
from syncsim.lab.solutions.broken.rude_job import RudeJob
from syncsim.lab.solutions.textbook import Textbook


class NoInvalidation(Textbook):
    """Serves from the cache whatever lies there, and never empties it."""

    def cached(self, template_id: str, user: str) -> Any:
        return self.env.cache(user).get(template_id)

    def committed(self, row: Any, user: str) -> None:
        return None


class TwoLocks(Textbook):
    """Takes two locks, ann in one order and all others in the other."""

    def swap(self, head: Any, document: Any, user: str, *rest: Any) -> Any:
        first, second = ("a", "b") if user == "ann" else ("b", "a")
        with self.env.lock(first), self.env.lock(second):
            return super().swap(head, document, user, *rest)


@cache
def failure(solution: Callable[..., Any], scenario: str, users: int = 2) -> FailingSchedule:
    with_job = scenario != "perfect-storm" or solution is RudeJob
    schedules = 40 if scenario == "perfect-storm" else 4  # the others fail in every schedule
    found = explore(
        scenario, solution=solution, schedules=schedules, users=users, with_job=with_job
    ).first
    assert found is not None
    return found


@cache
def played(scenario: str, users: int | None = None, seed: int = 3) -> SimulatedRun:
    return simulate(Parameters(scenario, users=users), seed=seed)


def lost_update() -> FailingSchedule:
    return failure(BlindWrite, "perfect-storm")
