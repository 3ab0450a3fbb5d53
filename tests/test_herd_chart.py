"""The chart of the herd is the table of its rows, drawn four times over the number of users."""

from __future__ import annotations

from dataclasses import replace

import pytest

from syncsim.lab.engines.load_test import HerdRow
from syncsim.ui.drawing import as_frame
from syncsim.ui.herd_chart import herd_chart

ROW = HerdRow(
    policy="third/queue=1",
    users=10,
    minutes=1,
    updates=10,
    success_rate=1.0,
    attempts=1.5,
    most_attempts=2,
    p50_ms=1.2,
    p99_ms=130.0,
    slowest_ms=131.0,
    transactions=1.25,
    reads=0.5,
    locked_ms=1.1,
    in_flight=3,
    findings={},
    took_s=0.1,
)
ROWS = [
    ROW,
    replace(ROW, users=1_000, attempts=1.9),
    replace(ROW, policy="fixed/queue=never", success_rate=0.4, findings={"D1 lost-update": 2}),
    replace(ROW, policy="none/queue=never", success_rate=0.0, transactions=None),
]


def test_each_policy_is_a_line_in_each_of_four_panels() -> None:
    figure = herd_chart(ROWS)
    assert len(figure.data) == 4 * 3
    assert {trace.yaxis for trace in figure.data} == {"y", "y2", "y3", "y4"}
    lines = [trace for trace in figure.data if trace.name == "third, queue from retry 1"]
    assert [list(trace.x) for trace in lines] == [[10, 1_000]] * 4
    assert sum(bool(trace.showlegend) for trace in figure.data) == 3


def test_policies_are_told_apart_without_colour() -> None:
    """By mark; and with the queue the line is solid, without it dashed."""
    figure = herd_chart(ROWS)
    assert len({trace.marker.symbol for trace in figure.data}) == 3
    dashes = {trace.name: trace.line.dash for trace in figure.data}
    assert dashes["third, queue from retry 1"] == "solid"
    assert dashes["fixed, no queue"] == "dash"


def test_the_table_is_the_rows() -> None:
    frame = as_frame(herd_chart(ROWS))
    assert list(frame.policy) == [row.policy for row in ROWS]
    assert list(frame.success_percent) == [100.0, 100.0, 40.0, 0.0]
    assert list(frame.findings) == [0, 0, 2, 0]


@pytest.mark.parametrize(
    ("rows", "title"),
    [
        ([], "The herd"),
        (ROWS[:2], "up to 1,000 users, one update a minute each, 1 min; nothing lost"),
        ([replace(ROW, minutes=0)], "all at one instant"),
        (ROWS, "2 findings"),
    ],
)
def test_the_title_says_what_was_run_and_what_was_found(rows: list[HerdRow], title: str) -> None:
    assert title in herd_chart(rows).layout.title.text
