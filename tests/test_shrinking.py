"""Shrinking: what is left still fails, is never longer, and took fewer than a hundred replays."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncsim.lab.simulation.choices import Choice, Guided, Seeded
from syncsim.lab.simulation.shrinking import MAX_REPLAYS, shrink
from tests.simulation_parts import Bench, bench, blind_write, check_then_act, writers

__all__ = ["bench"]


def fixed(values: Sequence[int], needed: Callable[[list[int]], bool]) -> tuple[list[int], int]:
    """Shrinks a list whose draws are asked for whatever they are; the rest and the replays."""
    bounds = [max(value + 1, 2) for value in values]

    def replay(given: Sequence[int]) -> list[Choice] | None:
        padded = [*given, *[0] * (len(values) - len(given))]
        made = [Choice("next", b, v) for b, v in zip(bounds, padded, strict=True)]
        return made if needed(padded) else None

    original = [Choice("next", b, v) for b, v in zip(bounds, values, strict=True)]
    shrunk = shrink(original, replay)
    return [choice.value for choice in shrunk.choices], shrunk.replays


@given(st.lists(st.integers(0, 9), max_size=60), st.data())
def test_what_is_left_still_fails_and_is_never_longer(
    values: list[int], data: st.DataObject
) -> None:
    places = data.draw(st.sets(st.sampled_from(range(len(values))))) if values else set()

    def needed(given: list[int]) -> bool:
        return all(given[place] >= min(values[place], 1) for place in places)

    left, replays = fixed(values, needed)
    padded = [*left, *[0] * (len(values) - len(left))]
    assert needed(padded)
    assert len(left) <= len(values)
    assert sum(map(bool, left)) <= sum(map(bool, values))
    assert replays <= MAX_REPLAYS < 100


def test_only_the_draws_that_matter_are_left_at_their_least() -> None:
    values = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9, 3, 2, 3, 8, 4]
    left, replays = fixed(values, lambda given: given[4] > 0 and given[9] > 1)
    assert left == [0, 0, 0, 0, 1, 0, 0, 0, 0, 3]
    assert replays < 40


def test_a_run_that_fails_under_zeros_shrinks_to_nothing() -> None:
    assert fixed([5] * 30, lambda given: True) == ([], 2)


def test_a_replay_that_shows_another_fault_is_not_kept() -> None:
    left, _ = fixed([1] * 8, lambda given: given == [1] * 8)
    assert left == [1] * 8


@pytest.mark.parametrize(("write", "switches"), [(blind_write, 1), (check_then_act, 2)])
def test_a_lost_update_shrinks_to_one_switch_or_two(
    bench: Bench, write: Callable[..., None], switches: int
) -> None:
    jobs = writers(write)

    def loses(values: Sequence[int]) -> list[Choice] | None:
        choices = Guided(values)
        return choices.made if len(bench.run(jobs, choices).settings) < 3 else None

    shrunk_from: list[int] = []
    for seed in range(40):
        choices = Seeded(seed)
        if len(bench.run(jobs, choices).settings) == 3:
            continue
        shrunk = shrink(choices.made, loses)
        assert loses([choice.value for choice in shrunk.choices]) is not None
        assert sum(choice.value > 0 for choice in shrunk.choices) <= switches
        assert len(shrunk.choices) <= len(choices.made)
        shrunk_from.append(sum(choice.value > 0 for choice in choices.made))
    assert max(shrunk_from) > switches + 2
