"""The wall clock of the real environment: it goes on, whatever is done to it."""

from __future__ import annotations

import time

import pytest

from syncsim.runtime.environment import SystemClock


class Wall:
    """A wall clock that people set."""

    def __init__(self) -> None:
        self.time = 1_000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Wall:
    wall = Wall()
    monkeypatch.setattr(time, "time", wall)
    return wall


def test_a_clock_set_back_is_not_followed_and_time_goes_on_all_the_same(wall: Wall) -> None:
    clock = SystemClock()
    assert clock.now() == 1_000
    wall.time = 400.0
    assert clock.now() == 1_000
    wall.time += 5
    assert clock.now() == 1_005, "a deadline passes, a cooldown ends"
    wall.time -= 100
    assert clock.now() == 1_005
    wall.time += 1
    assert clock.now() == 1_006


def test_a_clock_set_right_again_is_followed(wall: Wall) -> None:
    clock = SystemClock()
    clock.now()
    wall.time = 400.0
    clock.now()
    wall.time = 1_010.0
    assert clock.now() == 1_010
    wall.time += 1
    assert clock.now() == 1_011
    wall.time += 3_600
    assert clock.now() == 4_611
