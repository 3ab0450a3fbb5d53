"""Decide whether a stuck run is a real hang or a limit of the simulation.

A simulation that got no answer proves nothing: the machine may have been busy, the solution may
wait for a thread that is not simulated, or for the real clock to move. So the scenario is played
once more, on real threads in a process that can be ended, and only a hang there too is judged.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Literal, TypeAlias

from syncsim.errors import SyncError
from syncsim.lab.engines.runner import run
from syncsim.lab.history.findings import Finding
from syncsim.lab.scenarios import Scenario, Wait
from syncsim.lab.simulation.choices import Guided
from syncsim.lab.simulation.run_resources import RunResources
from syncsim.lab.simulation.search import Sighting
from syncsim.lab.simulation.simulated_run import Simulation
from syncsim.lab.simulation.termination import at_line
from syncsim.lab.solutions.loading import Solution, can_be_sent

Answer: TypeAlias = Literal["hangs", "ends", "unknown"]

REAL_PATIENCE_S: Final = 8.0
"""Real seconds after which one update each hangs; the waits of the scenario itself come on top.

Longer than what a slow update takes, which is a fault of another kind.
"""


def confirmed(seen: Sighting, solution: Solution) -> Finding | None:
    """D2 if the actor computes without end, D3 if it waits without end; None where this is unsure.

    Takes up to `REAL_PATIENCE_S` and the start of a process. A function that no other process can
    find is played in the simulation again, where only computing is proof enough.
    """
    answer = _played_for_real(seen, solution) if can_be_sent(solution) else "unknown"
    if answer == "unknown" and seen.ending.computes:
        answer = _played_again(seen, solution)
    if answer != "hangs":
        return None
    ending = seen.ending
    who = f"{ending.operation or 'build'} of {', '.join(ending.actors)}"
    does = "computes without an end" if ending.computes else "waits for what never comes"
    return replace(
        seen.finding,
        code="D2" if ending.computes else "D3",
        kind="spinning" if ending.computes else "hanging",
        message=f"{who} {does}{at_line(ending.line)}, in the simulation and when run again",
    )


def _played_for_real(seen: Sighting, solution: Solution) -> Answer:
    users = len(seen.parameters.plan().users)
    plan = replace(seen.parameters, updates=users).plan()
    try:
        played = run(
            plan,
            solution=solution,
            on="processes",
            processes=1,
            seed=seen.parameters.seed,
            retry=seen.parameters.retry,
            timeout_s=REAL_PATIENCE_S + _longest_wait_s(plan),
        )
    except (SyncError, OSError):
        return "unknown"
    kinds = {finding.kind for finding in played.findings}
    if "hung" in kinds:
        return "hangs"
    return "unknown" if kinds & {"process-died", "process-hung"} else "ends"


def _played_again(seen: Sighting, solution: Solution) -> Answer:
    with RunResources() as resources:
        simulation = Simulation(seen.parameters, resources, solution=solution)
        ending = simulation.run(Guided([choice.value for choice in seen.choices])).ending
    return "hangs" if ending.kind == "stuck" and ending.computes else "unknown"


def _longest_wait_s(plan: Scenario) -> float:
    return max(
        sum(step.seconds for step in actor.steps if isinstance(step, Wait))
        for part in plan.parts
        for actor in part.actors
    )
