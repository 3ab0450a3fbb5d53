"""A line of the live log: the mission's words, and one line whatever somebody is called."""

import time
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncsim.events.kinds import Event
from syncsim.events.live_log import MAX_CHARS, clock_zone, detail, message, printable, render

AT = datetime(2026, 11, 22, 14, 34, 56, 700_000, tzinfo=UTC).timestamp()


def event(kind: str, user: str | None = "User A", at: float = AT, **facts: Any) -> Event:
    return Event.of(1, kind, at, user, "u1", "form", facts)


def test_the_missions_lines() -> None:
    """The live update log of the mission, word for word, with the retry's nominal delay."""
    reason = "Skipped - recent user update (User A, 1.2 s ago, cooldown 5.0 s)"
    happened = [
        event("update.started", base="1-a"),
        event("update.conflict", expected="1-a", actual="2-b", attempt=1),
        event("update.retry", at=AT + 1, attempt=1, delay_s=0.0971, nominal_s=0.1),
        event("update.committed", at=AT + 1, version="3-c", attempts=2),
        event("job.skipped", user="background", at=AT + 3, reason=reason),
    ]
    assert [render(one, zone=UTC) for one in happened] == [
        "[14:34:56] User A: Starting update...",
        "[14:34:56] CONFLICT: Version mismatch",
        "[14:34:57] User A: Retry 1 (100ms backoff)",
        "[14:34:57] User A: SUCCESS ✓",
        "[14:34:59] Background: Skipped (recent user update)",
    ]


@pytest.mark.parametrize(
    ("kind", "facts", "said"),
    [
        ("update.attempt", {"attempt": 2}, "Attempt 2"),
        ("update.fault", {"error": "StoreUnavailableError"}, "FAULT: StoreUnavailableError"),
        ("update.retry", {"attempt": 3, "nominal_s": 0.4}, "Retry 3 (400ms backoff)"),
        ("update.retry", {"attempt": 2, "delay_s": 0.1514}, "Retry 2 (151ms backoff)"),
        ("update.retry", {"attempt": 1, "nominal_s": 0.0}, "Retry 1 (0ms backoff)"),
        ("update.retry", {}, "Retry ? (? backoff)"),
        ("update.waited", {"slept_s": 0.0973}, "Waited 97ms"),
        ("update.queued", {"position": 3}, "Queued (position 3)"),
        ("update.dequeued", {"batch": 12}, "Left the queue (batch of 12)"),
        ("update.unchanged", {}, "No change"),
        ("update.failed", {"error": "RetriesExhaustedError"}, "FAILED ✗ RetriesExhaustedError"),
        ("template.created", {}, "Created form"),
        ("rollback.committed", {"restored": "3-c"}, "Rolled back to 3-c"),
        ("cache.hit", {}, "Cache hit"),
        ("cache.miss", {"reason": "stale"}, "Cache miss (stale)"),
        ("cache.filled", {}, "Cache filled"),
        ("cache.invalidated", {}, "Cache invalidated"),
        ("cache.fault", {"reason": "full"}, "Cache fault, store asked instead"),
        ("read.sampled", {"latency_s": 0.0123}, "Read in 12ms"),
        ("job.started", {}, "Starting job..."),
        ("job.committed", {}, "SUCCESS ✓"),
        ("job.skipped", {"reason": "Skipped - recent user update"}, "Skipped (recent user update)"),
        ("job.skipped", {"reason": "too early"}, "Skipped (too early)"),
        ("job.skipped", {}, "Skipped (?)"),
        ("lease.granted", {"token": 7}, "lease.granted"),
    ],
)
def test_every_kind_has_its_words(kind: str, facts: dict[str, Any], said: str) -> None:
    assert message(event(kind, **facts)) == f"User A: {said}"


def test_every_kind_of_the_vocabulary_has_words_of_its_own() -> None:
    assert [kind for kind in Event.KINDS if kind in message(event(kind))] == []


def test_a_line_without_a_user_says_only_what_happened() -> None:
    assert message(event("cache.hit", user=None)) == "Cache hit"


def test_the_detail_has_the_actual_values() -> None:
    retry = event("update.retry", attempt=1, nominal_s=0.1, delay_s=0.0971, cause=None)
    assert detail(retry) == "attempt 1, nominal 100.0 ms, delay 97.1 ms"
    conflict = event("update.conflict", expected="1-a", actual="2-b", attempt=1)
    assert detail(conflict) == "expected 1-a, actual 2-b, attempt 1"
    failed = event("update.failed", waited_s=2.5, last_expected="1-a", definite=True)
    assert detail(failed) == "waited 2.500 s, last expected 1-a, definite True"


def test_the_time_is_local_unless_a_zone_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC-5:30")
    time.tzset()
    try:
        assert render(event("cache.hit")).startswith("[20:04:56]")
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("at", [1e300, -1e300, 1e15])
def test_a_time_that_no_calendar_has_does_not_fail_the_line(at: float) -> None:
    assert render(event("cache.hit", at=at)) == "[--:--:--] User A: Cache hit"


@pytest.mark.parametrize(
    ("user", "shown"),
    [
        ("ann\nROOT: SUCCESS ✓", "ann\\nROOT: SUCCESS ✓"),
        ("a\r\x1b[31mred\x00", "a\\r\\x1b[31mred\\x00"),
        ("a\u2028b\u2029c\x85d", "a\\u2028b\\u2029c\\x85d"),
        ("\u202eevil", "\\u202eevil"),
        ("\ud800", "\\ud800"),
        ("Zoë 👩\u200d💻 \u0646\u200c\u0641", "Zoë 👩\u200d💻 \u0646\u200c\u0641"),
        ("<img src=x onerror=alert(1)>", "<img src=x onerror=alert(1)>"),
    ],
)
def test_a_name_cannot_break_or_reorder_a_line(user: str, shown: str) -> None:
    """Joiners of emoji and scripts stay; markup stays text, escaping it is the page's duty."""
    assert message(event("cache.hit", user=user)) == f"{shown}: Cache hit"


ANYTHING = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**400)
    | st.floats()
    | st.text()
    | st.binary()
)


@given(
    kind=st.sampled_from(sorted(Event.KINDS)) | st.text(),
    user=st.none() | st.text(st.characters()),
    facts=st.dictionaries(
        st.sampled_from(["attempt", "delay_s", "reason", "error"]) | st.text(), ANYTHING
    ),
    at=st.floats(allow_nan=False, allow_infinity=False),
)
def test_whatever_happened_is_one_line(
    kind: str, user: str | None, facts: dict[str, Any], at: float
) -> None:
    one = Event.of(1, kind, at, user, None, None, facts)
    for text in (render(one, zone=UTC), detail(one)):
        assert len(text.splitlines()) <= 1
        assert len(text) <= MAX_CHARS + len("[14:34:56] ")
        text.encode()


def test_a_long_text_is_cut() -> None:
    assert printable("x" * MAX_CHARS) == "x" * MAX_CHARS
    assert printable("x" * (MAX_CHARS + 1)) == "x" * (MAX_CHARS - 3) + "..."
    assert len(printable("\n" * MAX_CHARS)) == MAX_CHARS


@pytest.mark.parametrize(
    ("zone", "told"),
    [
        (UTC, "times in UTC+00:00"),
        (timezone(timedelta(hours=-3, minutes=-30)), "times in UTC-03:30"),
        (timezone(timedelta(hours=14)), "times in UTC+14:00"),
    ],
)
def test_the_head_of_a_log_tells_the_zone_of_its_times(zone: tzinfo, told: str) -> None:
    assert clock_zone(1_700_000_000.0, zone) == told
    assert clock_zone(1e30, zone) == ""
