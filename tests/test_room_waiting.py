"""Who waits, since when, behind whom: from events at any moment."""

from __future__ import annotations

import pytest

from syncsim.lab.engines.runner import run
from syncsim.ui.room.run_view import RunView
from syncsim.ui.room.timing.chart_table import rows
from syncsim.ui.room.timing.waiting import (
    pending,
    queue_length,
    queue_list,
)
from tests.test_charts import HOSTILE, Log


def crowd(first: str = "ann") -> RunView:
    """At 100 ms ann and ben are in the queue, cleo waits to retry, dan writes, eve is done."""
    log = Log()
    for n, (user, update_id) in enumerate(
        ((first, "a"), ("ben", "b"), ("cleo", "c"), ("dan", "d"), ("eve", "e"))
    ):
        log.say(n, "update.started", user, update_id)
    log.say(10, "update.conflict", "cleo", "c", attempt=1)
    log.say(20, "update.retry", "cleo", "c", attempt=1, nominal_s=0.1)
    log.say(30, "update.queued", first, "a", position=1)
    log.say(35, "update.queued", "eve", "e", position=2)
    log.say(40, "update.queued", "ben", "b", position=3)
    log.say(60, "update.dequeued", "eve", "e", waited_s=0.02, batch=1)
    log.say(60, "update.committed", "eve", "e", version="2-b", attempts=2)
    log.say(100, "cache.miss", "dan", "d")
    return RunView(tuple(log.events))


def test_the_queue_is_told_in_its_order() -> None:
    told = [(p.place, p.user, p.state, p.behind, round(p.since_s, 3)) for p in pending(crowd())]
    assert told == [
        (1, "ann", "queued", None, 0.07),
        (2, "ben", "queued", "ann", 0.06),
        (None, "cleo", "waiting", None, 0.08),
        (None, "dan", "writing", None, 0.097),
    ]
    assert [p.attempts for p in pending(crowd())] == [0, 0, 1, 0]


def test_templates_have_queues_of_their_own() -> None:
    log = Log()
    log.say(0, "update.queued", "ann", "a")
    other = Log()
    other.say(1, "update.queued", "ben", "b")
    (event,) = other.events
    moved = type(event)(2, event.kind, event.at, event.user, event.update_id, "other")
    assert [p.place for p in pending(RunView((*log.events, moved)))] == [1, 1]


def test_a_run_that_is_over_holds_nobody() -> None:
    assert pending(RunView.of(run("perfect-storm", on="simulation", users=20, seed=7))) == []


def test_every_moment_of_a_run_has_its_queue() -> None:
    """Places are 1, 2, 3, ..., and everybody but the first is behind the one before."""
    record = RunView.of(run("perfect-storm", on="simulation", users=8, seed=7))
    longest = 0
    for k in range(len(record.events)):
        queued = [p for p in pending(record.until(k)) if p.place is not None]
        assert [p.place for p in queued] == list(range(1, len(queued) + 1))
        assert [p.behind for p in queued] == [None, *(p.user for p in queued)][: len(queued)]
        longest = max(longest, len(pending(record.until(k))))
    assert longest > 4


def test_the_list_says_it_in_words() -> None:
    html = queue_list(pending(crowd()), "b")
    assert "Queue: 2 waiting, 2 others under way" in html
    assert "‖ 1. ann in the queue of form since 0.07 s" in html
    assert "▶ ‖ 2. ben in the queue of form since 0.06 s, behind ann" in html
    assert "↻ cleo waits before a retry: form since 0.08 s, 1 attempt so far" in html
    assert "nobody waits" in queue_list([])


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_text_in_the_list(name: str) -> None:
    told = pending(crowd(name))
    html = queue_list(told, name)
    assert "<img" not in html
    assert "<a " not in html
    assert "<b>$" not in html
    assert told[0].user == name


def test_the_length_of_the_queue_goes_up_and_down() -> None:
    told = [(row["waiting"], row["what"]) for row in rows(queue_length(crowd()))]
    assert told == [(1, "came"), (2, "came"), (3, "came"), (2, "left")]
    line = queue_length(crowd()).data[0]
    assert list(line.y) == [1, 2, 3, 2, 2]
    assert line.x[-1] == pytest.approx(0.1)
