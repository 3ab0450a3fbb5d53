"""What a saved run keeps besides its verdict, and that one saved before is still read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from syncsim import run
from syncsim.events import kinds
from syncsim.lab.results.run import Run
from syncsim.lab.results.saved_run import read_run
from syncsim.ui.room.report.page import report_page


def saved(played: Run) -> Run:
    return read_run(json.dumps(played.to_json()).encode())


@pytest.mark.parametrize(
    "where",
    [
        {"on": "simulation"},
        {"on": "threads", "store": "memory"},
        pytest.param({"on": "processes"}, marks=pytest.mark.real),
    ],
    ids=["simulation", "threads", "processes"],
)
def test_it_tells_when_each_write_attempt_began(where: dict[str, Any]) -> None:
    played = saved(run("stress-test", users=3, updates=6, **where))
    operations = {operation.id: operation for operation in played.history.operations}
    assert len(played.history.attempts) >= 6
    for attempt in played.history.attempts:
        assert attempt.operation is not None
        assert attempt.began_at is not None
        asked = operations[attempt.operation]
        assert asked.latency_s is not None
        assert asked.called_at <= attempt.began_at <= asked.called_at + asked.latency_s + 1e-6
    first, *others = [a.began_at for a in played.history.attempts if a.began_at is not None]
    assert any(other > first for other in others)


def test_it_tells_how_long_the_job_has_to_keep_away() -> None:
    record = run("background-job-respect").to_json()
    assert record["cooldown_s"] == 5.0
    later = {**record, "cooldown_s": 7.5}
    assert "7.5 s" in report_page(read_run(json.dumps(later).encode()))
    for odd in ("5", None, [], True):
        with pytest.raises(ValueError, match="/cooldown_s"):
            read_run(json.dumps({**record, "cooldown_s": odd}).encode())


def test_one_that_was_saved_before_is_still_read() -> None:
    """Without the cooldown, the moments of the attempts and the job's conflicts."""
    played = run("perfect-storm", seed=3)
    record = json.loads(json.dumps(played.to_json()))
    del record["cooldown_s"]
    del record["conflicts"]["background"]
    for attempt in record["history"]["attempts"]:
        del attempt["began_at"]
    old = read_run(json.dumps(record).encode())
    assert old.setting.cooldown_s == 5.0
    assert {attempt.began_at for attempt in old.history.attempts} == {None}
    assert old.summary() == played.summary()
    assert "5 s" in report_page(old)


def test_the_jobs_lost_swaps_are_told_apart_from_those_of_users() -> None:
    of_the_job = 0
    for seed in range(40):
        played = run("perfect-storm", seed=seed)
        told = played.summary()["conflicts"]
        conflicts = [e for e in played.events if isinstance(e, kinds.Conflicted)]
        lost = sum(event.user == "background" for event in conflicts)
        assert told["background"] == lost
        assert told["detected"] == len(conflicts) - lost
        of_the_job += lost
    assert of_the_job
