"""Linearizability by a sweep: on hand-written histories, and against a search on random ones."""

from __future__ import annotations

from random import Random

import pytest

from syncsim.lab.checkers import check, inform
from syncsim.lab.history.findings import NOTE
from tests.linearizability_search import Step, as_history, is_linearizable, random_steps


def test_on_20_000_random_histories_the_sweep_says_what_the_search_says() -> None:
    random = Random(1993)
    legal = illegal = 0
    for _ in range(20_000):
        steps = random_steps(random)
        expected = is_linearizable(steps)
        assert (inform(as_history(steps)) == []) is expected, steps
        legal += expected
        illegal += not expected
    assert legal > 5_000
    assert illegal > 5_000


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([], True),
        ([Step("read", 1, 2, 1)], True),
        ([Step("swap", 1, 2, 2), Step("read", 3, 4, 1)], False),
        ([Step("swap", 1, 4, 2), Step("read", 2, 3, 1)], True),
        ([Step("swap", 1, 6, 2), Step("read", 2, 3, 2), Step("read", 4, 5, 1)], False),
        ([Step("swap", 3, 4, 2), Step("read", 1, 2, 2)], False),
        ([Step("swap", 1, None, 2), Step("read", 2, 3, 1), Step("read", 4, 5, 2)], True),
        ([Step("swap", 3, 4, 2), Step("swap", 1, 2, 3)], False),
        ([Step("swap", 1, 2, 2), Step("refused", 3, 4, 1)], False),
        ([Step("swap", 1, 2, 2), Step("read", 2, 3, 1)], True),
    ],
)
def test_sweep_and_search_agree_on_hand_written_histories(
    steps: list[Step], expected: bool
) -> None:
    assert is_linearizable(steps) is expected
    assert (inform(as_history(steps)) == []) is expected


def test_two_users_who_see_a_commit_in_turn_are_told_of_and_not_accused() -> None:
    """Commit, then invalidate: Ben sees the new version before Cleo sees the old one."""
    history = as_history(
        [Step("swap", 1, 6, 2), Step("read", 2, 3, 2), Step("read", 4, 5, 1)],
    )
    (note,) = inform(history)
    assert (note.code, note.kind, note.operations) == (NOTE, "not-linearizable", ("o2", "o1"))
    assert "o2 saw v1 although o1 saw v2" in note.message
    assert [finding.code for finding in check(history)] == []
