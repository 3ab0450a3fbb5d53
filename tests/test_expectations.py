"""What a scenario expects beyond the judges' silence, on histories written by hand."""

from __future__ import annotations

import pytest

from syncsim.lab.acting.expectations import judge_expectations
from syncsim.lab.checkers.history_index import HistoryIndex
from syncsim.lab.history.findings import Finding
from syncsim.lab.scenarios import Part, scenario
from tests.test_checkers import Story

SPENT, QUEUED = scenario("retry-ladder", users=2).parts


def judged(story: Story, part: Part) -> list[str]:
    index = HistoryIndex(story.history())
    found: list[Finding] = list(judge_expectations(part, "t", index, follows_policy=True))
    return [finding.kind for finding in found]


def climbed(story: Story, user: str, waited_s: float) -> None:
    """Lost its first swap, waited, was merged at the head."""
    operation = story.call("update", user, changes={"name": user})
    story.attempt(operation, "lost", "v1")
    story.attempt(operation, "won", "v2", way="batch", waited_s=waited_s)
    story.answer(operation, ended="committed", version="v2")


def joined(story: Story, user: str, way: str) -> None:
    """Found a line waiting when it began, and was merged with it at its first attempt."""
    operation = story.call("update", user, changes={"name": user})
    story.attempt(operation, "won", "v3", way=way)
    story.answer(operation, ended="committed", version="v3")


@pytest.mark.parametrize("way", ["batch", "locked"])
def test_who_joins_a_line_at_its_first_attempt_has_no_delay_to_show(way: str) -> None:
    story = Story()
    climbed(story, "ann", 0.1)
    joined(story, "ben", way)
    assert judged(story, QUEUED) == []


def test_a_delay_outside_its_bounds_and_a_swap_that_won_at_once_break_the_ladder() -> None:
    for waited_s, way in ((0.3, "batch"), (0.1, "swap")):
        story = Story()
        climbed(story, "ann", waited_s)
        joined(story, "ben", way)
        assert judged(story, QUEUED) == ["ladder"]


def test_where_every_attempt_must_lose_nobody_may_be_merged_instead() -> None:
    story = Story()
    joined(story, "ann", "locked")
    assert judged(story, SPENT) == ["ending", "ladder"]
