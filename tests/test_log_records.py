"""Records of the standard library's logging, made by a solution, as events of the run."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from syncsim.events.kinds import Event
from syncsim.lab import solutions
from syncsim.lab.engines.runner import run
from syncsim.lab.history.records import Operation
from syncsim.lab.recording.call_log import CallLog
from syncsim.lab.recording.log_records import LogRecords
from syncsim.lab.simulation.simulated_run import Parameters, simulate

CORRECT = Path(solutions.__file__).parent / "correct" / "stdlib_logging.py"
logger = logging.getLogger("a.solution")


@contextmanager
def listening() -> Iterator[CallLog]:
    calls = CallLog(count().__next__, lambda: 0.0)
    records = LogRecords(calls, lambda: 5.0)
    yield calls
    records.close()


def perform(calls: CallLog, verb: Callable[[], object], name: str = "ann-1") -> list[Event]:
    """An operation that logs; what has been heard so far."""
    calls.perform(
        Operation(name, "update", "ann", "t"), verb, lambda _: {}, lambda _: {}, since_s=0.0
    )
    return calls.events


def test_a_record_is_an_event_of_the_operation_that_made_it() -> None:
    with listening() as calls:
        (event,) = perform(calls, lambda: logger.info("saved %s", "t"))
    assert (event.kind, event.update_id, event.user, event.at) == ("log", "ann-1", "ann", 5.0)
    assert event.template_id == "t"
    assert event.facts == {"message": "saved t", "logger": "a.solution"}


def test_what_extra_gives_are_kind_and_facts() -> None:
    extra: dict[str, Any] = {"kind": "update.retry", "attempt": 1, "delay_s": 0.1, "what": object()}
    with listening() as calls:
        (event,) = perform(calls, lambda: logger.warning("again", extra=extra))
    assert event.kind == "update.retry"
    assert type(event) is Event.KINDS["update.retry"]
    assert {name: event.facts[name] for name in ("attempt", "delay_s")} == {
        "attempt": 1,
        "delay_s": 0.1,
    }
    assert "what" not in event.facts


def test_a_record_without_an_operation_belongs_to_the_one_whose_id_it_gives() -> None:
    """As when a thread of the solution's own logs for those who wait for it."""
    with listening() as calls:
        perform(calls, lambda: calls.ids.add("drawn", "ann-1"))
        logger.info("saved", extra={"update_id": "drawn"})
        logger.info("saved", extra={"update_id": "unknown"})
        logger.info("saved")
    assert [event.update_id for event in calls.events] == ["ann-1"]


def test_debug_records_and_the_packages_own_are_no_events() -> None:
    def verb() -> None:
        logger.debug("detail")
        logging.getLogger("syncsim.cache").warning("rebuilt")
        logging.getLogger("syncsim.lab.solutions.broken.some").info("said")

    with listening() as calls:
        assert [event.facts["message"] for event in perform(calls, verb)] == ["said"]


def test_two_recordings_at_once_hear_each_their_own() -> None:
    with listening() as one, listening() as other:
        perform(one, lambda: logger.info("one"), "ann-1")
        perform(other, lambda: logger.info("other"), "ann-1")
    assert [event.facts["message"] for event in one.events] == ["one"]
    assert [event.facts["message"] for event in other.events] == ["other"]


def test_afterwards_logging_is_as_it_was() -> None:
    root = logging.getLogger()
    before = (root.level, list(root.handlers))
    one, other = listening(), listening()
    with one:
        other.__enter__()
        assert root.level <= logging.INFO
    assert root.level <= logging.INFO
    other.__exit__(None, None, None)
    assert (root.level, list(root.handlers)) == before


def test_a_record_that_cannot_be_read_fails_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    with listening() as calls:
        records = [h for h in logging.getLogger().handlers if isinstance(h, LogRecords)]
        bad = logging.LogRecord("a", logging.INFO, "", 0, "%d", ("x",), None)
        assert perform(calls, lambda: records[-1].handle(bad)) == []
    assert "TypeError" in capsys.readouterr().err


def test_a_simulated_run_hears_what_is_logged_and_twice_the_same() -> None:
    runs = [simulate(Parameters("perfect-storm"), solution=CORRECT) for _ in range(2)]
    events = runs[0].history.events
    assert events
    assert {event.kind for event in events} == {"log"}
    assert {event.update_id for event in events} <= {o.id for o in runs[0].history.operations}
    assert runs[0].digest == runs[1].digest


def test_a_run_on_threads_hears_what_is_logged() -> None:
    found = run("perfect-storm", solution=CORRECT, on="threads", store="memory", work_ms=1.0)
    told = {event.update_id for event in found.history.events if event.kind == "log"}
    assert {o.id for o in found.history.operations if o.kind == "update"} <= told
