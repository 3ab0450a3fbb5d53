"""The log of events: what is stamped, what is kept, who is told, and that nothing makes it fail."""

import contextvars
import json
import logging
import math
import pickle
import sys
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncsim.contract import ABSENT, Conflict
from syncsim.errors import UsageError
from syncsim.events import OTHER, BoundedEventLog, OperationScope, kinds
from syncsim.events.kinds import Event
from tests.parts import ManualClock

JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)

PROMISED: dict[str, set[str]] = {
    "update.started": set(),
    "update.conflict": {"expected", "actual", "attempt"},
    "update.retry": {"attempt", "delay_s"},
    "update.committed": {"version", "attempts"},
    "update.unchanged": set(),
    "update.failed": {"error"},
    "cache.hit": set(),
    "cache.miss": set(),
    "cache.filled": {"version"},
    "cache.invalidated": set(),
    "cache.fault": set(),
    "job.started": set(),
    "job.skipped": {"reason"},
    "job.committed": {"version"},
    "job.unchanged": set(),
    "job.conflict": set(),
    "job.failed": set(),
    "rollback.committed": {"version", "restored"},
}
"""Kinds and facts that a solution emits, from the contract."""


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def log(clock: ManualClock) -> BoundedEventLog:
    return BoundedEventLog(clock)


def test_an_event_says_what_when_who_and_where(log: BoundedEventLog, clock: ManualClock) -> None:
    clock.sleep(2.5)
    log.emit("update.committed", template_id="form", user="ann", update_id="u1", version="2-b")
    (event,) = log.read()
    assert event == kinds.UpdateCommitted(
        1, "update.committed", 1_700_000_002.5, "ann", "u1", "form", {"version": "2-b"}
    )
    assert isinstance(event, kinds.UpdateCommitted)
    assert (event.version, event.attempts) == ("2-b", None)


def test_the_operation_around_it_stamps_an_event(log: BoundedEventLog) -> None:
    log.emit("before")
    with log.operation("ann", "u1"):
        log.emit("inside")
        with OperationScope("bob", "u2"):
            log.emit("nested")
        log.emit("inside again")
    log.emit("after")
    assert [(event.user, event.update_id) for event in log.read()] == [
        (None, None),
        ("ann", "u1"),
        ("bob", "u2"),
        ("ann", "u1"),
        (None, None),
    ]


def test_an_operation_ends_with_an_error_too(log: BoundedEventLog) -> None:
    with pytest.raises(LookupError), log.operation("ann", "u1"):
        raise LookupError
    log.emit("after")
    assert log.read()[0].update_id is None


def test_a_fact_wins_over_a_stamp(log: BoundedEventLog) -> None:
    with log.operation("ann", "u1"):
        log.emit("x", user="bob", update_id="u2", at=5, seq=99, kind="y")
        log.emit("x", user=None)
    named, unnamed = log.read()
    assert (named.user, named.update_id, named.at, named.seq) == ("bob", "u2", 5.0, 1)
    assert named.facts == {"seq": 99, "kind": "y"}
    assert (unnamed.user, unnamed.update_id) == (None, "u1")


@pytest.mark.parametrize("odd", [7, ["ann"], math.nan, True, 10**400, "later"])
def test_a_fact_that_cannot_stand_for_a_stamp_stays_a_fact(
    log: BoundedEventLog, clock: ManualClock, odd: Any
) -> None:
    """A candidate may say anything; the log must still be readable by those who compute with it."""
    with log.operation("ann", "u1"):
        log.emit("x", at=odd, user=[odd], template_id={"id": odd})
    (event,) = log.read()
    if odd == 7:
        assert event.at == 7
    else:
        assert event.at == clock.now()
        assert event.facts["at"] is odd
    assert (event.user, event.template_id) == ("ann", None)
    assert event.facts["user"] == [odd]


def test_a_thread_belongs_to_an_operation_only_with_a_copy_of_its_context(
    log: BoundedEventLog,
) -> None:
    def emit() -> None:
        log.emit("x")

    with log.operation("ann", "u1"):
        with_copy = threading.Thread(target=contextvars.copy_context().run, args=(emit,))
        without = threading.Thread(target=emit)
        for thread in (with_copy, without):
            thread.start()
            thread.join()
    assert [event.update_id for event in log.read()] == ["u1", None]


def test_memory_is_bounded_and_what_it_dropped_is_said(clock: ManualClock) -> None:
    log = BoundedEventLog(clock, capacity=10)
    for number in range(25):
        log.emit("cache.hit", number=number)
    everything = log.read()
    assert [event.seq for event in everything] == list(range(16, 26))
    assert everything.dropped == 15
    late = log.read(since=12)
    assert (late[0].seq, late.dropped) == (16, 3)
    fresh = log.read(since=20)
    assert ([event.seq for event in fresh], fresh.dropped) == ([21, 22, 23, 24, 25], 0)
    assert (log.read(since=25), log.read(since=99), log.read(since=-5).dropped) == ([], [], 15)


def test_counts_outlive_what_memory_drops_and_invented_kinds_share_one(clock: ManualClock) -> None:
    log = BoundedEventLog(clock, capacity=10)
    for number in range(50):
        log.emit("cache.hit")
        log.emit(f"invented.{number}")
    counts = log.counts()
    assert (counts["cache.hit"], counts[OTHER], counts["job.failed"]) == (50, 50, 0)
    assert set(counts) == {*Event.KINDS, OTHER}


def test_a_capacity_that_holds_nothing_is_refused(clock: ManualClock) -> None:
    with pytest.raises(UsageError, match="capacity cannot be 0"):
        BoundedEventLog(clock, capacity=0)


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """Threads change places as often as Python lets them."""
    interval_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(interval_s)


class Interruptible(deque[Any]):
    """Answers by a Python function, so that threads can change places between number and record."""

    def __getitem__(self, place: Any) -> Any:
        return super().__getitem__(place)


@pytest.mark.usefixtures("hasty_threads")
def test_a_reader_beside_writing_threads_misses_nothing(clock: ManualClock) -> None:
    """What a tail reads between writes is every number once, in order: no event is stored late."""
    writers, each = 8, 1500
    log = BoundedEventLog(clock, capacity=writers * each)
    log._records = Interruptible(maxlen=writers * each)
    begin = threading.Barrier(writers + 1)

    def write(name: str) -> None:
        begin.wait()
        with log.operation(name, name):
            for number in range(each):
                log.emit("cache.hit", number=number)

    threads = [threading.Thread(target=write, args=(f"writer {n}",)) for n in range(writers)]
    for thread in threads:
        thread.start()
    begin.wait()
    seen: list[Event] = []
    while any(thread.is_alive() for thread in threads):
        seen += log.read(since=seen[-1].seq if seen else 0)
    seen += log.read(since=seen[-1].seq if seen else 0)
    assert [event.seq for event in seen] == list(range(1, writers * each + 1))
    for name in {event.user for event in seen}:
        assert [e.facts["number"] for e in seen if e.user == name] == list(range(each))


# -- subscribers -----------------------------------------------------------------------------------


def test_a_subscriber_gets_the_kinds_it_named_until_it_leaves(log: BoundedEventLog) -> None:
    some: list[str] = []
    every: list[str] = []
    leave = log.subscribe(lambda event: some.append(event.kind), kinds=["cache.hit", "own.kind"])
    log.subscribe(lambda event: every.append(event.kind))
    for kind in ("cache.hit", "cache.miss", "own.kind", "other.kind"):
        log.emit(kind)
    leave()
    leave()
    log.emit("cache.hit")
    assert some == ["cache.hit", "own.kind"]
    assert every == ["cache.hit", "cache.miss", "own.kind", "other.kind", "cache.hit"]


def test_two_subscribers_of_one_function_are_two(log: BoundedEventLog) -> None:
    seen: list[Event] = []
    leave = log.subscribe(seen.append)
    log.subscribe(seen.append)
    log.emit("x")
    leave()
    log.emit("x")
    assert [event.seq for event in seen] == [1, 1, 2]


def test_no_event_is_built_for_a_subscriber_that_does_not_want_it_now(
    log: BoundedEventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = False
    seen: list[Event] = []
    log.subscribe(seen.append, when=lambda: wanted)
    monkeypatch.setattr("syncsim.events.log._event", lambda record: pytest.fail("built"))
    log.emit("cache.hit")
    monkeypatch.undo()
    wanted = True
    log.emit("cache.hit")
    assert [event.seq for event in seen] == [2]


def test_a_subscriber_that_raises_fails_nobody_and_is_logged_once(
    log: BoundedEventLog, caplog: pytest.LogCaptureFixture
) -> None:
    """It misses the event it choked on, and is called for the next."""
    seen: list[int] = []

    def chokes(event: Event) -> None:
        if event.seq != 3:
            raise ValueError("cannot")
        seen.append(event.seq)

    log.subscribe(chokes)
    log.subscribe(lambda event: seen.append(-event.seq))
    with caplog.at_level(logging.ERROR, logger="syncsim"):
        for _ in range(3):
            log.emit("cache.hit")
    assert seen == [-1, -2, 3, -3]
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert caplog.records[0].exc_info is not None


def test_an_interrupt_in_a_subscriber_is_not_swallowed(log: BoundedEventLog) -> None:
    def interrupted(event: Event) -> None:
        raise KeyboardInterrupt

    log.subscribe(interrupted)
    with pytest.raises(KeyboardInterrupt):
        log.emit("cache.hit")
    assert len(log.read()) == 1


def test_a_subscriber_may_emit_and_read(log: BoundedEventLog) -> None:
    log.subscribe(lambda event: log.emit("echo", of=len(log.read())), kinds=["x"])
    log.emit("x")
    assert [event.kind for event in log.read()] == ["x", "echo"]


def test_an_interrupting_handler_may_emit_while_the_log_is_busy(log: BoundedEventLog) -> None:
    """As a signal handler does in the middle of `emit`, in the very thread that holds the lock."""
    done = threading.Event()

    class Slow(str):
        def __hash__(self) -> int:
            if not done.is_set():
                done.set()
                log.emit("from the handler")
            return super().__hash__()

    thread = threading.Thread(target=log.emit, args=(Slow("x"),), daemon=True)
    thread.start()
    thread.join(timeout=10)
    assert not thread.is_alive(), "emit waits for itself"
    assert {event.kind for event in log.read()} == {"x", "from the handler"}


# -- the vocabulary --------------------------------------------------------------------------------


def test_the_vocabulary_holds_what_the_contract_promises() -> None:
    known = {kind: set(Event.KINDS[kind].FACTS) for kind in PROMISED}
    assert {kind: facts for kind, facts in PROMISED.items() if not facts <= known[kind]} == {}


def test_every_kind_says_when_it_is_emitted_and_what_its_facts_mean() -> None:
    for kind, class_ in Event.KINDS.items():
        assert class_.__doc__, kind
        assert all(fact.meaning for fact in class_.FACTS.values()), kind


def test_facts_of_the_group_are_facts_of_the_kind_and_of_no_other() -> None:
    assert set(kinds.JobConflicted.FACTS) == {"attempt", "expected", "actual"}
    assert set(kinds.UpdateStarted.FACTS) == {"base"}
    assert Event.FACTS == {}


def test_an_unknown_kind_is_a_plain_event(log: BoundedEventLog) -> None:
    log.emit("lease.granted", token=7)
    (event,) = log.read()
    assert type(event) is Event
    assert event.facts == {"token": 7}
    assert event.exportable() == {}


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("attempts", 2, 2),
        ("attempts", True, None),
        ("attempts", "2", None),
        ("attempts", 2.0, None),
        ("latency_s", 1, 1),
        ("latency_s", 0.5, 0.5),
        ("latency_s", True, None),
        ("latency_s", math.nan, None),
        ("latency_s", math.inf, None),
        ("latency_s", 10**400, None),
        ("version", "2-b", "2-b"),
        ("version", 2, None),
        ("version", None, None),
    ],
)
def test_a_fact_of_another_type_reads_as_none(name: str, value: Any, read: Any) -> None:
    event = Event.of(1, "update.committed", 0.0, None, None, None, {name: value})
    assert getattr(event, name) == read
    assert event.facts[name] is value
    assert event.exportable() == ({} if read is None else {name: read})


def test_what_may_quote_a_template_does_not_leave_the_process() -> None:
    facts = {"error": "InvalidTemplateError", "message": "at /name: 'secret'", "own": "secret"}
    event = Event.of(1, "update.failed", 0.0, "ann", "u1", "form", facts)
    assert event.exportable() == {"error": "InvalidTemplateError"}


def test_an_event_is_frozen_and_pickles() -> None:
    event = Event.of(1, "cache.filled", 0.0, "ann", None, "form", {"version": "2-b"})
    with pytest.raises(FrozenInstanceError):
        event.user = "bob"  # type: ignore[misc]
    again = pickle.loads(pickle.dumps(event))
    assert again == event
    assert type(again) is kinds.CacheFilled


@given(
    kind=st.sampled_from(sorted(Event.KINDS)) | st.text(),
    facts=st.dictionaries(st.text(), JSON_VALUES, max_size=4),
    user=st.none() | st.text(),
)
def test_json_brings_an_event_back(kind: str, facts: dict[str, Any], user: str | None) -> None:
    event = Event.of(3, kind, 1.5, user, "u1", "form", facts)
    assert Event.from_json(json.loads(json.dumps(event.to_json()))) == event


def test_what_is_no_json_becomes_short_text() -> None:
    deep: list[Any] = []
    deep.append(deep)
    facts = {
        "conflict": Conflict("/name", "edit", "a", "b", ABSENT, "later"),
        "error": ValueError("no"),
        "nan": math.nan,
        "set": {1},
        "deep": deep,
        "keys": {1: (2, 3)},
        "long": set(range(1000)),
    }
    record = Event.of(1, "x", 0.0, None, None, None, facts).to_json()["facts"]
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert record["conflict"] == {
        "path": "/name",
        "kind": "edit",
        "base": "a",
        "earlier": "b",
        "kept": "later",
    }
    assert (record["error"], record["nan"], record["set"]) == ("ValueError('no')", "nan", "{1}")
    assert record["keys"] == {"1": [2, 3]}
    assert len(record["long"]) == 80


def test_reading_in_steps_is_reading_at_once(log: BoundedEventLog) -> None:
    stepwise: list[Event] = []
    for number in range(200):
        log.emit("cache.hit", user="ann", number=number)
        if number % 7 == 0:
            stepwise += log.read(since=len(stepwise))
    stepwise += log.read(since=len(stepwise))
    assert stepwise == log.read()
