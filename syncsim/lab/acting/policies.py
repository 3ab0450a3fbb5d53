"""The retry policy that a solution gets in each part of a scenario, if it takes one at all."""

from __future__ import annotations

from syncsim.errors import UsageError
from syncsim.lab.scenarios import Scenario
from syncsim.lab.solutions.loading import Solution, load, name_of, takes_policy
from syncsim.service.retry import RetryPolicy


def policies(
    plan: Scenario, solution: Solution, wanted: RetryPolicy | None
) -> list[RetryPolicy | None]:
    """A policy per part, None for a solution that takes none.

    `UsageError` where one is asked for that the solution does not take or the scenario sets itself.
    """
    takes_one = takes_policy(load(solution))
    if wanted is not None and not takes_one:
        raise UsageError("retry", wanted, f"none, as build of {name_of(solution)} takes no retry=")
    if wanted is not None and any(part.retry for part in plan.parts):
        raise UsageError("retry", wanted, f"none, as {plan.name} compares policies of its own")
    if not takes_one:
        return [None] * len(plan.parts)
    return [
        RetryPolicy.parse(part.retry) if part.retry else wanted or RetryPolicy()
        for part in plan.parts
    ]
