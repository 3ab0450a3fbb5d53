"""Events as log records: levels, structured fields, and silence by default."""

import logging
import subprocess
import sys
from typing import Any

import pytest

from syncsim.events import BoundedEventLog
from syncsim.events.kinds import Event
from syncsim.events.stdlib_logging import LEVELS, forward_to_logging
from tests.parts import ManualClock


@pytest.fixture
def log() -> BoundedEventLog:
    log = BoundedEventLog(ManualClock())
    forward_to_logging(log)
    return log


def emit(log: BoundedEventLog, kind: str, **facts: Any) -> None:
    log.emit(kind, user="ann", update_id="u1", template_id="form", **facts)


def test_a_record_is_the_message_with_the_facts_beside_it(
    log: BoundedEventLog, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, logger="syncsim"):
        emit(log, "update.retry", attempt=1, nominal_s=0.1, delay_s=0.0971)
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("syncsim", "DEBUG")
    assert record.getMessage() == "ann: Retry 1 (100ms backoff)"
    fields = {k: v for k, v in vars(record).items() if k.startswith("syncsim_")}
    assert fields == {
        "syncsim_kind": "update.retry",
        "syncsim_at": 1_700_000_000.0,
        "syncsim_user": "ann",
        "syncsim_update_id": "u1",
        "syncsim_template_id": "form",
        "syncsim_attempt": 1,
        "syncsim_nominal_s": 0.1,
        "syncsim_delay_s": 0.0971,
    }


@pytest.mark.parametrize(
    ("kind", "level"),
    [
        ("update.conflict", "DEBUG"),
        ("update.retry", "DEBUG"),
        ("update.fault", "DEBUG"),
        ("cache.invalidated", "DEBUG"),
        ("update.committed", "INFO"),
        ("update.unchanged", "INFO"),
        ("job.skipped", "INFO"),
        ("rollback.committed", "INFO"),
        ("update.failed", "WARNING"),
        ("job.failed", "WARNING"),
        ("cache.fault", "WARNING"),
    ],
)
def test_what_will_be_tried_again_is_debug_and_what_was_given_up_a_warning(
    log: BoundedEventLog, caplog: pytest.LogCaptureFixture, kind: str, level: str
) -> None:
    with caplog.at_level(logging.DEBUG, logger="syncsim"):
        emit(log, kind)
    assert [record.levelname for record in caplog.records] == [level]


def test_every_kind_has_one_level_but_those_of_each_read() -> None:
    levelled = [kind for kinds in LEVELS.values() for kind in kinds]
    assert sorted([*levelled, "cache.hit", "read.sampled"]) == sorted(Event.KINDS)


def test_below_the_level_no_event_is_built(
    log: BoundedEventLog, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("syncsim.events.log._event", lambda record: pytest.fail("built"))
    with caplog.at_level(logging.ERROR, logger="syncsim"):
        for kind in Event.KINDS:
            emit(log, kind)


def test_the_level_may_change_at_any_time(
    log: BoundedEventLog, caplog: pytest.LogCaptureFixture
) -> None:
    for level in (logging.WARNING, logging.INFO):
        with caplog.at_level(level, logger="syncsim"):
            emit(log, "update.committed")
    assert len(caplog.records) == 1


def test_template_contents_stay_out_of_the_logs(
    log: BoundedEventLog, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, logger="syncsim"):
        emit(log, "update.failed", error="InvalidTemplateError", message="secret", extra="secret")
        emit(log, "update.committed", document={"name": "secret"})
    assert "secret" not in "".join(str(vars(record)) for record in caplog.records)


def test_a_name_cannot_forge_a_line(log: BoundedEventLog, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="syncsim"):
        log.emit("update.committed", user="ann\nWARNING: forged %s %d")
    assert caplog.records[0].getMessage() == "ann\\nWARNING: forged %s %d: SUCCESS ✓"


def test_stopping_stops(caplog: pytest.LogCaptureFixture) -> None:
    log = BoundedEventLog(ManualClock())
    stop = forward_to_logging(log)
    stop()
    with caplog.at_level(logging.DEBUG, logger="syncsim"):
        emit(log, "update.failed")
    assert caplog.records == []


def test_a_program_that_configures_nothing_hears_nothing() -> None:
    """Without the null handler Python would print warnings of unconfigured loggers to stderr."""
    code = (
        "from syncsim.events import BoundedEventLog\n"
        "from syncsim.events.stdlib_logging import forward_to_logging\n"
        "class Clock:\n"
        "    now = staticmethod(lambda: 0.0)\n"
        "log = BoundedEventLog(Clock())\n"
        "forward_to_logging(log)\n"
        "log.emit('update.failed', user='ann', error='StoreUnavailableError')\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
