"""Spans as an OpenTelemetry backend would get them, from the SDK's exporter in memory."""

import sys
from typing import Any

import pytest

from syncsim.events import BoundedEventLog
from syncsim.events.telemetry import forward_to_opentelemetry
from tests.parts import ManualClock

REASON = "needs opentelemetry-sdk, which is the user's choice and not in the otel extra"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def log(clock: ManualClock) -> BoundedEventLog:
    return BoundedEventLog(clock)


@pytest.fixture
def exporter() -> Any:
    name = "opentelemetry.sdk.trace.export.in_memory_span_exporter"
    return pytest.importorskip(name, reason=REASON).InMemorySpanExporter()


@pytest.fixture
def provider(exporter: Any) -> Any:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider


@pytest.fixture
def forwarded(log: BoundedEventLog, provider: Any) -> BoundedEventLog:
    forward_to_opentelemetry(log, provider)
    return log


def emit(log: BoundedEventLog, kind: str, update_id: str | None = "u1", **facts: Any) -> None:
    log.emit(kind, user="ann", update_id=update_id, template_id="form", **facts)


def test_an_update_is_one_span_with_an_event_a_step(
    forwarded: BoundedEventLog, clock: ManualClock, exporter: Any
) -> None:
    emit(forwarded, "update.started", base="1-a")
    emit(forwarded, "update.conflict", attempt=1, expected="1-a", actual="2-b")
    emit(forwarded, "update.retry", attempt=1, delay_s=0.1)
    clock.sleep(0.1)
    emit(forwarded, "update.committed", version="3-c", attempts=2)
    emit(forwarded, "cache.filled", version="3-c")
    (span,) = exporter.get_finished_spans()
    assert span.name == "syncsim.update"
    assert dict(span.attributes) == {
        "syncsim.update.id": "u1",
        "syncsim.template.id": "form",
        "syncsim.version.base": "1-a",
        "syncsim.version.committed": "3-c",
        "syncsim.attempts": 2,
        "syncsim.outcome": "committed",
    }
    assert [(event.name, dict(event.attributes)) for event in span.events] == [
        (
            "update.conflict",
            {"syncsim.attempt": 1, "syncsim.expected": "1-a", "syncsim.actual": "2-b"},
        ),
        ("update.retry", {"syncsim.attempt": 1, "syncsim.delay_s": 0.1}),
    ]
    assert span.start_time == 1_700_000_000 * 10**9
    assert span.end_time - span.start_time == pytest.approx(0.1e9, abs=1000)
    assert span.status.is_unset


def test_the_span_is_a_child_of_the_callers(
    forwarded: BoundedEventLog, provider: Any, exporter: Any
) -> None:
    with provider.get_tracer("caller").start_as_current_span("request") as request:
        emit(forwarded, "update.started")
        emit(forwarded, "update.unchanged")
    update, caller = exporter.get_finished_spans()
    assert update.parent.span_id == caller.context.span_id == request.get_span_context().span_id
    assert update.attributes["syncsim.outcome"] == "unchanged"


def test_a_failure_is_an_error_without_the_text_of_the_template(
    forwarded: BoundedEventLog, exporter: Any
) -> None:
    emit(forwarded, "update.started", document="secret")
    emit(forwarded, "update.fault", attempt=1, error="StoreUnavailableError", reason="secret")
    emit(forwarded, "update.failed", error="InvalidTemplateError", message="secret", own="secret")
    (span,) = exporter.get_finished_spans()
    assert not span.status.is_ok
    assert span.status.description == "InvalidTemplateError"
    assert "secret" not in span.to_json()
    assert "ann" not in span.to_json()


def test_a_run_of_the_job_is_a_span_too(forwarded: BoundedEventLog, exporter: Any) -> None:
    emit(forwarded, "job.started")
    emit(forwarded, "job.skipped", reason="Skipped - recent user update")
    (span,) = exporter.get_finished_spans()
    assert (span.name, span.attributes["syncsim.outcome"]) == ("syncsim.job", "skipped")


def test_updates_side_by_side_keep_their_steps(forwarded: BoundedEventLog, exporter: Any) -> None:
    emit(forwarded, "update.started", "a")
    emit(forwarded, "update.started", "b")
    emit(forwarded, "update.conflict", "a")
    emit(forwarded, "update.committed", "b")
    emit(forwarded, "update.committed", "a")
    b, a = exporter.get_finished_spans()
    assert (len(a.events), len(b.events)) == (1, 0)


def test_events_without_an_update_make_no_span(forwarded: BoundedEventLog, exporter: Any) -> None:
    emit(forwarded, "update.started", None)
    emit(forwarded, "update.committed", None)
    emit(forwarded, "update.committed", "never started")
    assert exporter.get_finished_spans() == ()


def test_an_update_begun_again_gives_its_first_span_up(
    forwarded: BoundedEventLog, exporter: Any
) -> None:
    emit(forwarded, "update.started")
    emit(forwarded, "update.started")
    emit(forwarded, "update.committed")
    outcomes = [span.attributes["syncsim.outcome"] for span in exporter.get_finished_spans()]
    assert outcomes == ["unknown", "committed"]


def test_updates_that_never_end_do_not_fill_the_memory(
    forwarded: BoundedEventLog, exporter: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("syncsim.events.telemetry.MOST_OPEN", 3)
    for number in range(5):
        emit(forwarded, "update.started", f"u{number}")
    given_up = exporter.get_finished_spans()
    assert [span.attributes["syncsim.update.id"] for span in given_up] == ["u0", "u1"]
    assert {span.attributes["syncsim.outcome"] for span in given_up} == {"unknown"}


def test_without_a_provider_nothing_is_kept(
    log: BoundedEventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The API's own tracer records nothing, so steps and ends are not even built."""
    pytest.importorskip("opentelemetry.trace", reason="needs the otel extra")
    built: list[str] = []
    forward_to_opentelemetry(log)
    emit(log, "update.started")
    monkeypatch.setattr("syncsim.events.log._event", lambda record: built.append(record[1]))
    emit(log, "update.conflict")
    emit(log, "update.committed")
    assert built == []


def test_without_the_api_nothing_happens(
    log: BoundedEventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", None)
    stop = forward_to_opentelemetry(log)
    emit(log, "update.started")
    emit(log, "update.committed")
    stop()


def test_stopping_stops(log: BoundedEventLog, provider: Any, exporter: Any) -> None:
    stop = forward_to_opentelemetry(log, provider)
    stop()
    emit(log, "update.started")
    emit(log, "update.committed")
    assert exporter.get_finished_spans() == ()
