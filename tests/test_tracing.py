"""Spans of one update: what the reference says, what a terse candidate says, what is forgotten."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncsim.contract import Revision
from syncsim.events.kinds import Event
from syncsim.events.tracing import Span, Trace, trace

T0 = 1_700_000_000.0

Happening = tuple[float, str, dict[str, Any]]


def told(*happenings: Happening, update_id: str = "u1", user: str = "ann") -> list[Event]:
    """Events of one update, at milliseconds after the start."""
    return [
        Event.of(seq, kind, T0 + at_ms / 1000, user, update_id, "form", facts)
        for seq, (at_ms, kind, facts) in enumerate(happenings, 1)
    ]


def traced(*happenings: Happening, revision: Revision | None = None) -> Trace:
    found = trace(told(*happenings), "u1", revision)
    assert found is not None
    return found


def shape(found: Trace) -> list[tuple[str, str | None, float, float | None, str]]:
    """Name, parent's name, start and end in ms, status."""
    return [
        (
            span.name,
            None if span.parent is None else found.spans[span.parent].name,
            round(span.start_s * 1000, 1),
            None if span.end_s is None else round(span.end_s * 1000, 1),
            span.status,
        )
        for span in found.spans
    ]


def revision(at_ms: float = 5.0) -> Revision:
    return Revision("form", "2-b", 2, "1-a", "ann", T0 + at_ms / 1000, b"{}", "u1", None)


REFERENCE: tuple[Happening, ...] = (
    (0, "update.started", {"base": "1-a"}),
    (0.2, "update.attempt", {"attempt": 1, "expected": "1-a"}),
    (1, "update.conflict", {"attempt": 1, "expected": "1-a", "actual": "2-b"}),
    (1, "update.retry", {"attempt": 1, "nominal_s": 0.1, "delay_s": 0.097}),
    (99, "update.waited", {"attempt": 1, "slept_s": 0.098}),
    (99, "update.queued", {"position": 3}),
    (108, "update.dequeued", {"waited_s": 0.004, "batch": 3}),
    (108.5, "cache.invalidated", {"version": "3-c"}),
    (109, "update.committed", {"version": "3-c", "attempts": 2, "commit_s": 0.005}),
)


def test_a_conflict_a_wait_the_queue_and_a_commit() -> None:
    found = traced(*REFERENCE)
    assert shape(found) == [
        ("request", None, 0.0, 109.0, "committed"),
        ("attempt 1", "request", 0.2, 1.0, "conflict"),
        ("wait", "request", 1.0, 99.0, "ok"),
        ("queue", "request", 99.0, 103.0, "ok"),
        ("attempt 2", "request", 103.0, 109.0, "ok"),
        ("cache.invalidated", "request", 108.5, 108.5, "ok"),
        ("commit", "attempt 2", 104.0, 109.0, "ok"),
    ]
    assert (found.status, found.version, found.user) == ("committed", "3-c", "ann")
    assert (found.template_id, found.started_at, found.is_whole) == ("form", T0, True)
    assert found.duration_s == pytest.approx(0.109)
    facts = {span.name: span.facts for span in found.spans}
    assert facts["request"]["base"] == "1-a"
    assert facts["attempt 1"] == {"attempt": 1, "expected": "1-a", "actual": "2-b"}
    assert facts["wait"]["slept_s"] == 0.098
    assert (facts["queue"]["position"], facts["queue"]["batch"]) == (3, 3)


def test_the_waterfall_shows_each_span_below_its_parent() -> None:
    lines = traced(*REFERENCE).as_text(width=20).splitlines()
    assert lines[0] == "update u1 of form by ann: committed 3-c, 109.0 ms"
    assert [line[:21].rstrip() for line in lines[1:]] == [
        "request",
        "  attempt 1",
        "  wait",
        "  queue",
        "  attempt 2",
        "    commit",
        "  cache.invalidated",
    ]
    assert "1.0 ms █████████████████" in lines[3]
    assert len({line.index(" ms ", 30) for line in lines[1:]}) == 1


def test_what_the_contract_asks_for_is_enough_for_a_trace() -> None:
    """A candidate that says no attempt, wait or queue: their times follow from what it does say."""
    found = traced(
        (0, "update.started", {}),
        (2, "update.conflict", {"attempt": 1}),
        (2, "update.retry", {"attempt": 1, "delay_s": 0.1}),
        (105, "update.conflict", {"attempt": 2}),
        (105, "update.retry", {"attempt": 2, "delay_s": 0.2}),
        (306, "update.committed", {"version": "4-d", "attempts": 3}),
    )
    assert shape(found) == [
        ("request", None, 0.0, 306.0, "committed"),
        ("attempt 1", "request", 0.0, 2.0, "conflict"),
        ("wait", "request", 2.0, 102.0, "ok"),
        ("attempt 2", "request", 102.0, 105.0, "conflict"),
        ("wait", "request", 105.0, 305.0, "ok"),
        ("attempt 3", "request", 305.0, 306.0, "ok"),
        ("commit", "attempt 3", 306.0, 306.0, "ok"),
    ]


@pytest.mark.parametrize(
    ("happenings", "status", "spans"),
    [
        (
            [(0, "update.started", {}), (3, "update.unchanged", {"version": "2-b"})],
            "unchanged",
            [("request", None, 0.0, 3.0, "unchanged")],
        ),
        (
            [(0, "job.started", {}), (1, "job.skipped", {"reason": "Skipped"})],
            "skipped",
            [("request", None, 0.0, 1.0, "skipped")],
        ),
        (
            [
                (0, "update.started", {}),
                (1, "update.fault", {"attempt": 1, "error": "StoreUnavailableError"}),
                (1, "update.failed", {"error": "StoreUnavailableError"}),
            ],
            "failed",
            [
                ("request", None, 0.0, 1.0, "failed"),
                ("attempt 1", "request", 0.0, 1.0, "fault"),
            ],
        ),
        (
            [(0, "update.started", {}), (1, "update.queued", {}), (9, "update.failed", {})],
            "failed",
            [("request", None, 0.0, 9.0, "failed"), ("queue", "request", 1.0, 9.0, "failed")],
        ),
        (
            [(0, "update.started", {}), (1, "update.queued", {"position": 2})],
            "running",
            [("request", None, 0.0, None, "running"), ("queue", "request", 1.0, None, "running")],
        ),
    ],
)
def test_other_ends(happenings: list[Happening], status: str, spans: list[Any]) -> None:
    found = traced(*happenings)
    assert (found.status, shape(found), found.version) == (status, spans, None)


def test_only_events_of_this_update_count_in_order_of_their_number() -> None:
    events = told(*REFERENCE) + told((50, "update.failed", {}), update_id="u10")
    assert trace(reversed(events), "u1") == trace(events, "u1") == traced(*REFERENCE)


def test_an_unknown_update_has_no_trace() -> None:
    assert trace(told(*REFERENCE), "u2") is None


def test_an_update_that_memory_has_dropped_is_its_commit() -> None:
    found = trace([], "u1", revision())
    assert found is not None
    assert shape(found) == [("commit", None, 0.0, 0.0, "ok")]
    assert found.spans[0].facts == {"version": "2-b", "parent": "1-a", "by": "ann"}
    assert (found.status, found.is_whole, found.started_at) == ("committed", False, T0 + 0.005)
    assert "not remembered" in found.as_text()


def test_a_forgotten_beginning_is_said() -> None:
    found = traced(*REFERENCE[4:])
    assert not found.is_whole
    assert found.status == "committed"
    assert found.spans[0].name == "request"


def test_a_lost_answer_is_unknown_until_the_store_settles_it() -> None:
    lost: tuple[Happening, ...] = (
        (0, "update.started", {}),
        (8, "update.failed", {"error": "OutcomeUnknownError"}),
    )
    assert traced(*lost).status == "unknown"
    settled = traced(*lost, revision=revision())
    assert (settled.status, settled.version) == ("committed", "2-b")
    assert shape(settled)[-1] == ("commit", None, 5.0, 5.0, "ok")


def test_a_commit_is_told_once() -> None:
    found = traced(*REFERENCE, revision=revision())
    assert [span.name for span in found.spans].count("commit") == 1
    assert found.version == "3-c"


def test_a_repeated_call_is_a_second_request_and_cannot_undo_the_commit() -> None:
    found = traced(
        *REFERENCE,
        (200, "update.started", {}),
        (201, "update.committed", {"version": "3-c", "attempts": 0}),
        (300, "update.started", {}),
        (301, "update.failed", {"error": "UpdateIdReusedError"}),
    )
    assert shape(found)[-2:] == [
        ("request", None, 200.0, 201.0, "committed"),
        ("request", None, 300.0, 301.0, "failed"),
    ]
    assert found.status == "committed"


def test_what_follows_the_answer_still_belongs_to_the_request() -> None:
    found = traced(*REFERENCE, (110, "cache.filled", {}), (111, "update.conflict", {"attempt": 9}))
    assert shape(found)[-2:] == [
        ("cache.filled", "request", 110.0, 110.0, "ok"),
        ("update.conflict", "request", 111.0, 111.0, "ok"),
    ]
    assert found.spans[0].end_s == pytest.approx(0.111)


def test_a_clock_that_steps_back_gives_no_negative_span() -> None:
    found = traced(
        (0, "update.started", {}),
        (5, "update.conflict", {"attempt": 1}),
        (-50, "update.retry", {"attempt": 1, "delay_s": -1.0}),
        (-40, "update.committed", {"attempts": 2, "commit_s": -3.0}),
    )
    assert shape(found)[2:] == [
        ("wait", "request", 5.0, 5.0, "ok"),
        ("attempt 2", "request", 5.0, 5.0, "ok"),
        ("commit", "attempt 2", 5.0, 5.0, "ok"),
    ]


def test_a_step_lasts_at_most_until_what_came_after_it() -> None:
    """A delay that was cut short, and a queue that claims more time than has passed."""
    found = traced(
        (0, "update.started", {}),
        (1, "update.retry", {"attempt": 1, "delay_s": 9.0}),
        (5, "update.conflict", {"attempt": 2}),
        (6, "update.queued", {}),
        (8, "update.dequeued", {"waited_s": 9.0}),
    )
    assert shape(found)[1:] == [
        ("wait", "request", 1.0, 5.0, "ok"),
        ("attempt 2", "request", 5.0, 5.0, "conflict"),
        ("queue", "request", 6.0, 8.0, "ok"),
        ("attempt 3", "request", 8.0, None, "running"),
    ]


NUMBERS = st.floats(-10, 10) | st.integers(-3, 9) | st.none() | st.text(max_size=3)


@given(
    happenings=st.lists(
        st.tuples(
            st.floats(-1e4, 1e4),
            st.sampled_from(sorted(Event.KINDS)) | st.text(max_size=5),
            st.dictionaries(
                st.sampled_from(["attempt", "attempts", "delay_s", "waited_s", "commit_s"]), NUMBERS
            ),
        ),
        min_size=1,
        max_size=25,
    ),
    stored=st.none() | st.floats(-1e4, 1e4).map(revision),
)
def test_any_events_give_a_tree_of_nested_spans(
    happenings: list[Happening], stored: Revision | None
) -> None:
    """Parents come first and enclose their children; nothing ends before it starts; it is JSON."""
    found = traced(*happenings, revision=stored)
    for number, span in enumerate(found.spans):
        assert span.id == number
        assert 0 <= span.start_s <= ended(span) + 1e-9
        if span.parent is not None:
            parent = found.spans[span.parent]
            assert span.parent < span.id
            assert parent.start_s <= span.start_s
            assert ended(span) <= ended(parent) or parent.end_s is None
    assert json.loads(json.dumps(found.to_json(), allow_nan=False)) == found.to_json()
    assert len(found.as_text().splitlines()) == len(found.spans) + 1


def ended(span: Span) -> float:
    return float("inf") if span.end_s is None else span.end_s
