"""What the simulation promises besides speed: nothing left out, little left over, the same again.

The broken solutions are those of the tests.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib import import_module
from itertools import count
from pathlib import Path
from typing import NamedTuple

from benchmarks.table import Row
from syncsim.contract import Document, Snapshot
from syncsim.lab.simulation.choices import Choice, Guided, Replayed, Seeded
from syncsim.lab.simulation.explore import explore
from syncsim.lab.simulation.faults import Faults
from syncsim.lab.simulation.run_resources import RunResources
from syncsim.lab.simulation.shrinking import shrink
from syncsim.lab.simulation.simulated_run import Parameters, SimulatedRun, Simulation
from syncsim.lab.simulation.tokens import Token
from syncsim.lab.solutions.broken.blind_write import BlindWrite
from syncsim.lab.solutions.correct.no_cache import NoCache
from syncsim.lab.solutions.loading import Solution

STORM = Parameters("perfect-storm", work_ms=0.0)
LOST_ANSWERS = Parameters("stress-test", users=6, faults=Faults(latency=True, lost_answer=9))
THREE = Parameters("perfect-storm", users=3, work_ms=0.0, with_job=False)
BROKEN = (
    *((name, STORM) for name in ("blind_write", "last_write_wins", "no_retry")),
    ("rude_job", Parameters("background-job-respect", work_ms=0.0)),
    ("no_invalidation", Parameters("cache-consistency", work_ms=0.0)),
    ("swallowed_failure", Parameters("retry-ladder", work_ms=0.0)),
)


class BlindInFewSteps(BlindWrite, NoCache):
    """The blind write without a cache and a look at the base, as each step multiplies orders."""

    def origin(self, template_id: str, base: Snapshot | None) -> Document:
        """The base as the caller has it."""
        return super().origin(template_id, None) if base is None else base.document


def repetitions(seeds: int, tokens: int, on_sqlite: int) -> Iterator[Row]:
    """Rows on exhaustion, shrinking (`seeds` failures each), replay and the other store."""
    yield from _exhausted()
    for number, (name, parameters) in enumerate(BROKEN):
        yield replace(_shrunk(name, parameters, seeds), quoted=number == 0)
    yield _replayed(tokens)
    yield _on_sqlite(on_sqlite)


# -- every schedule --------------------------------------------------------------------------------


def _exhausted() -> Iterator[Row]:
    began = time.perf_counter()
    found = explore(THREE, strategy="exhaustive", schedules=100_000)
    took_s = time.perf_counter() - began
    yield Row(
        "3 clients update, every schedule, the reference",
        f"{found.interleavings:,} schedules with the order of steps that commute",
        f"{found.schedules:,} run in {took_s:.1f} s, {len(found.findings)} findings",
        "all, < 60 s, 0 findings",
        found.exhausted and found.passed and took_s < 60,
    )
    found = explore(THREE, solution=BlindInFewSteps, strategy="exhaustive", schedules=9_999)
    lost = found.failing.get("D1", 0)
    yield Row(
        "3 clients update, every schedule, blind writers",
        f"{found.interleavings:,} schedules with the order of steps that commute",
        f"{lost} of {found.schedules} lose an update",
        "-",
        None,
    )


# -- shrinking -------------------------------------------------------------------------------------


class Shrinking(NamedTuple):
    """One failure, shrunk: draws other than 0, then all draws, before and after; and the cost."""

    eventful: int
    eventful_left: int
    draws: int
    draws_left: int
    replays: int
    took_s: float


def shrink_failures(name: str, parameters: Parameters, failures: int) -> list[Shrinking]:
    """So many failing runs of a broken solution, each shrunk; in the order of their seeds."""
    found: list[Shrinking] = []
    with RunResources() as resources:
        simulation = Simulation(parameters, resources, solution=_solution(name))
        for seed in count():
            run = simulation.run(Seeded(seed))
            if run.faults:
                found.append(_shrink(simulation, run))
            if len(found) == failures:
                return found
    raise AssertionError


def _shrink(simulation: Simulation, run: SimulatedRun) -> Shrinking:
    wanted = (run.faults[0].code, run.faults[0].kind)

    def again(values: Sequence[int]) -> Sequence[Choice] | None:
        repeated = simulation.run(Guided(values))
        kinds = {(fault.code, fault.kind) for fault in repeated.faults}
        return repeated.choices if wanted in kinds else None

    began = time.perf_counter()
    shrunk = shrink(run.choices, again)
    took_s = time.perf_counter() - began
    return Shrinking(
        _eventful(run.choices),
        _eventful(shrunk.choices),
        len(run.choices),
        len(shrunk.choices),
        shrunk.replays,
        took_s,
    )


def _eventful(choices: Sequence[Choice]) -> int:
    return sum(choice.value > 0 for choice in choices)


def _shrunk(name: str, parameters: Parameters, failures: int) -> Row:
    found = shrink_failures(name, parameters, failures)
    replays = [one.replays for one in found]
    took_s = [one.took_s for one in found]
    longer = sum(one.draws_left > one.draws for one in found)
    return Row(
        f"shrinking {len(found)} failures of {name}",
        f"draws other than 0, median and most: {_middle([one.eventful for one in found])} -> "
        f"{_middle([one.eventful_left for one in found])}",
        f"{statistics.median(replays):.0f} replays (most {max(replays)}), "
        f"{statistics.median(took_s):.2f} s (most {max(took_s):.2f}), {longer} longer",
        "< 100 replays, median < 1 s, none longer",
        max(replays) < 100 and statistics.median(took_s) < 1 and longer == 0,
    )


def _middle(numbers: list[int]) -> str:
    return f"{statistics.median(numbers):.0f} ({max(numbers)})"


# -- the same again --------------------------------------------------------------------------------


def _replayed(tokens: int, python: str = sys.executable) -> Row:
    """Tokens of the reference and of every broken solution, replayed by another process."""
    asked_of = (("", STORM), ("", LOST_ANSWERS), *BROKEN)
    asked: list[tuple[str, str]] = []
    digests: list[str] = []
    with RunResources() as resources:
        for name, parameters in asked_of:
            simulation = Simulation(parameters, resources, solution=_solution(name))
            for seed in range(-(-tokens // len(asked_of))):
                run = simulation.run(Seeded(seed))
                asked.append((name, simulation.token(run.choices)))
                digests.append(run.digest)
    answer = subprocess.run(
        [python, "-m", "benchmarks.repeating"],
        input=json.dumps(asked),
        env={**os.environ, "PYTHONHASHSEED": "4711"},
        cwd=Path(__file__).parents[1],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    version, again = json.loads(answer.stdout)
    same = sum(map(str.__eq__, again, digests))
    return Row(
        f"replay of {len(asked)} tokens in a fresh process",
        f"{len(set(digests))} different histories, another PYTHONHASHSEED, Python {version}",
        f"{same} of {len(asked)} histories identical",
        "all",
        same == len(asked),
    )


def _solution(name: str) -> Solution:
    """The reference under "", else a broken solution by the name of its file."""
    if not name:
        return None
    build: Solution = import_module(f"syncsim.lab.solutions.broken.{name}").build
    return build


def digests_of(asked: list[tuple[str, str]]) -> list[str]:
    """Of the runs of these tokens, each with the name of its solution, one after another."""
    digests = []
    with RunResources() as resources:
        for name, text in asked:
            token = Token.parse(text)
            parameters = Parameters.from_json(token.scenario, token.parameters)
            simulation = Simulation(parameters, resources, solution=_solution(name))
            digests.append(simulation.replay(token).digest)
    return digests


def _on_sqlite(runs: int) -> Row:
    each = -(-runs // (len(BROKEN) + 1))
    made = failing = same = 0
    for name, parameters in (("", STORM), *BROKEN):
        for failed, is_same in made_again_on_sqlite(name, parameters, each):
            made += 1
            failing += failed
            same += is_same
    return Row(
        f"{made} runs found on the memory store, replayed on SQLite",
        f"{failing} of them failing, {len(BROKEN)} broken solutions and the reference",
        f"{same} with the same trace, history and findings",
        "all",
        same == made,
    )


def made_again_on_sqlite(
    name: str, parameters: Parameters, runs: int
) -> Iterator[tuple[bool, bool]]:
    """Whether each run on the memory store failed, and whether it is the same on SQLite."""
    solution = _solution(name)
    with RunResources() as memory, RunResources("sqlite") as files:
        in_memory = Simulation(parameters, memory, solution=solution)
        in_files = Simulation(parameters, files, solution=solution)
        for seed in range(runs):
            run = in_memory.run(Seeded(seed))
            again = in_files.run(Replayed(run.choices))
            yield (
                bool(run.faults),
                (run.trace, run.digest, run.findings)
                == (again.trace, again.digest, again.findings),
            )


def _main(pythons: list[str]) -> None:
    """Have each of these Pythons replay 200 tokens; without one, answer such a request."""
    if not pythons:
        print(json.dumps([platform.python_version(), digests_of(json.load(sys.stdin))]))
        return
    rows = [_replayed(200, python) for python in pythons]
    for row in rows:
        print(f"{row.what}: {row.measured} ({row.beside})")
    sys.exit(not all(row.reached for row in rows))


if __name__ == "__main__":
    _main(sys.argv[1:])
