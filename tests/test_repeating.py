"""What is found is made small and can be had again elsewhere, for every kind of mistake."""

from __future__ import annotations

import pytest

from benchmarks.repeating import (
    BROKEN,
    STORM,
    digests_of,
    made_again_on_sqlite,
    shrink_failures,
)
from syncsim.lab.simulation.choices import Seeded
from syncsim.lab.simulation.run_resources import RunResources
from syncsim.lab.simulation.shrinking import MAX_REPLAYS
from syncsim.lab.simulation.simulated_run import Parameters, Simulation
from syncsim.lab.solutions.broken.blind_write import BlindWrite
from tests.recorded_tokens import recorded, replayed

each_mistake = pytest.mark.parametrize(
    ("name", "parameters"), BROKEN, ids=[name for name, _ in BROKEN]
)
few_or_many = pytest.mark.parametrize("count", [3, pytest.param(100, marks=pytest.mark.slow)])


@each_mistake
@few_or_many
def test_a_failure_shrinks_in_few_replays_and_is_never_longer(
    name: str, parameters: Parameters, count: int
) -> None:
    for shrunk in shrink_failures(name, parameters, count):
        assert shrunk.draws_left <= shrunk.draws
        assert shrunk.eventful_left <= min(shrunk.eventful, 3)
        assert shrunk.replays <= MAX_REPLAYS < 100


@each_mistake
@few_or_many
def test_what_fails_in_memory_fails_in_the_same_way_on_sqlite(
    name: str, parameters: Parameters, count: int
) -> None:
    runs = list(made_again_on_sqlite(name, parameters, count))
    assert all(is_same for _, is_same in runs)
    assert any(failed for failed, _ in runs)


def test_the_token_of_a_failure_replays_it_beside_those_of_the_reference() -> None:
    asked, digests = [], []
    with RunResources() as resources:
        for name, solution in (("", None), ("blind_write", BlindWrite)):
            simulation = Simulation(STORM, resources, solution=solution)
            for seed in range(5):
                run = simulation.run(Seeded(seed))
                asked.append((name, simulation.token(run.choices)))
                digests.append(run.digest)
    assert digests_of(asked) == digests


def test_what_one_python_has_recorded_every_python_replays() -> None:
    with RunResources() as resources:
        for solution, token, digest in recorded():
            same = replayed(resources, solution, token) == digest
            assert same, f"{solution}: see tests/recorded_tokens.py if that was meant to change"
