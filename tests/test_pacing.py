"""Notes on how retries are spaced; hand-written attempts."""

from __future__ import annotations

import pytest

from syncsim.lab.history import Attempt
from syncsim.lab.pacing import judge_pace


def update(*delays_s: float) -> list[Attempt]:
    """The attempts of an update that waited so long before its retries."""
    return [Attempt("o", "t", "swap", "lost", 0, 1, waited_s=s) for s in (0.0, *delays_s)]


@pytest.mark.parametrize(
    ("updates", "kinds"),
    [
        ([], []),
        ([update(), update()], []),
        ([update(0.1, 0.2, 0.4), update(0.11, 0.21, 0.39)], []),
        ([update(0.1, 0.2, 0.4), update(0.1, 0.2, 0.4)], ["no-jitter"]),
        ([update(0.1, 0.2, 0.4)], []),
        ([update(0.1, 0.2, 0.3), update(0.11, 0.2, 0.3)], ["back-off-shape"]),
        ([update(0.0, 0.0, 0.0), update(0.0)], ["no-back-off"]),
        ([update(0.1), update(0.12)], []),
    ],
)
def test_delays_should_exist_double_and_differ(
    updates: list[list[Attempt]], kinds: list[str]
) -> None:
    found = list(judge_pace(updates))
    assert [finding.kind for finding in found] == kinds
    assert {finding.code for finding in found} <= {"note"}
