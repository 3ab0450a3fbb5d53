"""The mistakes about data and caches lose exactly their code; what is right loses nothing.

Each is asked everything, in few interleavings: a mistake that needs luck has a probe of its own.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from syncsim.lab.grading.suite import examine
from syncsim.lab.scenarios import SCENARIOS
from syncsim.lab.simulation.explore import explore
from syncsim.lab.solutions import broken, correct

SCHEDULES = 20
ALL_OF_THE_RARE = 200
"""So many that every schedule of the probe for `lowered_floor` is among them."""

SEEDS = 1_000

LOSES_DATA = (
    "blind_write",
    "check_then_act",
    "clock_tokens",
    "coalesced_updates",
    "ignored_version",
    "last_write_wins",
    "new_version_old_document",
    "own_values_kept",
    "replaced_lists",
    "strict_update_retries",
    "swallowed_failure",
    "token_used_again",
    "whole_elements",
)
READS_STALE = (
    "invalidates_before_commit",
    "invalidates_on_failure_only",
    "job_does_not_invalidate",
    "lowered_floor",
    "no_invalidation",
    "own_cache_only",
    "requested_document_cached",
    "shared_document",
    "stale_set_on_refill",
    "time_to_live",
    "two_copies",
)
RIGHT = (
    "bounded_lru",
    "event_sourced",
    "lease_tokens",
    "no_cache",
    "own_tokens",
    "set_if_newer",
    "sorted_lists",
    "validate_on_read",
    "write_through",
)


def in_room(room: object, name: str) -> Path:
    return Path(str(room.__file__)).parent / f"{name}.py"  # type: ignore[attr-defined]


def told(path: Path) -> tuple[str, ...]:
    """The codes that the first line of the docstring names."""
    first_line = path.read_text().partition("\n")[0]
    codes = first_line.removeprefix('"""').partition(":")[0]
    return () if codes == "nothing" else tuple(sorted(codes.split(" + ")))


@pytest.mark.parametrize("name", LOSES_DATA)
def test_a_solution_that_loses_data_loses_d1_alone(name: str) -> None:
    path = in_room(broken, name)
    assert examine(path, schedules=SCHEDULES).codes == told(path) == ("D1",)


@pytest.mark.parametrize("name", READS_STALE)
def test_a_solution_that_serves_stale_reads_loses_m1_alone(name: str) -> None:
    path = in_room(broken, name)
    schedules = ALL_OF_THE_RARE if name == "lowered_floor" else SCHEDULES
    assert examine(path, schedules=schedules).codes == told(path) == ("M1",)


@pytest.mark.parametrize("name", RIGHT)
def test_a_solution_that_differs_and_is_right_loses_nothing(name: str) -> None:
    path = in_room(correct, name)
    assert examine(path, schedules=SCHEDULES).codes == told(path) == ()


@pytest.mark.slow
@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("name", RIGHT)
@pytest.mark.timeout(1800)
def test_in_a_thousand_seeds_of_each_scenario_nothing_is_lost(name: str, scenario: str) -> None:
    explored = explore(scenario, solution=in_room(correct, name), schedules=SEEDS)
    assert explored.passed, explored.findings
