"""Tokens with the digests of their runs, made on Python 3.11: every Python makes the same of them.

`python -m tests.recorded_tokens` writes them anew, where runs or histories have changed on purpose.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib import import_module
from itertools import product
from pathlib import Path

from syncsim.lab.simulation.choices import Seeded
from syncsim.lab.simulation.faults import Faults
from syncsim.lab.simulation.run_resources import RunResources
from syncsim.lab.simulation.simulated_run import Parameters, Simulation
from syncsim.lab.simulation.tokens import Token
from syncsim.lab.solutions.loading import Solution

FILE = Path(__file__).with_suffix(".json")

# Not the reference: its tokens are void as soon as a line of it changes.
SOLUTIONS = (
    *("broken.blind_write", "broken.time_to_live", "broken.lock_order", "broken.two_copies"),
    *("correct.coroutines", "correct.event_sourced", "correct.single_writer"),
    "correct.standard_library",
)
PARAMETERS = (
    Parameters("stress-test", users=4, faults=Faults(latency=True, lost_answer=9, cache=9)),
    Parameters("cache-consistency"),
    Parameters("perfect-storm", users=3, faults=Faults(crash=9, outage=9, busy=9)),
)


def build_of(solution: str) -> Solution:
    """The `build` of a module of the zoo, named without its package."""
    build: Solution = import_module(f"syncsim.lab.solutions.{solution}").build
    return build


def recorded() -> list[tuple[str, str, str]]:
    """Solution, token and digest of each run that was written down."""
    return [tuple(run) for run in json.loads(FILE.read_text("utf-8"))]


def replayed(resources: RunResources, solution: str, text: str) -> str:
    """The digest that the token's run has here."""
    token = Token.parse(text)
    parameters = Parameters.from_json(token.scenario, token.parameters)
    return Simulation(parameters, resources, solution=build_of(solution)).replay(token).digest


def _made() -> Iterator[tuple[str, str, str]]:
    with RunResources() as resources:
        for seed, (solution, parameters) in enumerate(product(SOLUTIONS, PARAMETERS)):
            simulation = Simulation(parameters, resources, solution=build_of(solution))
            run = simulation.run(Seeded(seed))
            yield solution, simulation.token(run.choices), run.digest


if __name__ == "__main__":
    FILE.write_text("[\n" + ",\n".join(map(json.dumps, _made())) + "\n]\n", "utf-8")
