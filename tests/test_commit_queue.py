"""The line is fair, commits in batches, and answers everybody exactly once."""

from __future__ import annotations

import itertools
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from syncsim.contract import Row, Write
from syncsim.errors import InvalidTemplateError, OutcomeUnknownError, StoreUnavailableError
from syncsim.runtime.environment import LiveEnvironment, SystemClock
from syncsim.service import commit_queue
from syncsim.service.commit_queue import BATCH, CommitQueue, Ticket
from syncsim.store.memory import MemoryStore
from syncsim.store.sqlite import SQLiteStore
from syncsim.template.samples import sample
from tests.parts import ManualClock, environment

TID = "contact_card"


@pytest.fixture
def env(tmp_path: Path) -> Any:
    clock = SystemClock()
    store = SQLiteStore(f"sqlite:///{tmp_path / 't.db'}?synchronous=NORMAL", clock=clock)
    store.create(TID, sample(TID), by="ann")
    yield environment(tmp_path, clock, store)
    store.close()


def adding(n: int) -> Any:
    def change(row: Row) -> Write:
        document = dict(row.document)
        document["settings"] = {**document.get("settings", {}), f"x_{n}": n}
        return Write(document, {"n": n})

    return change


def crowd(env: LiveEnvironment, queue: CommitQueue, changes: list[Any], deadline: float) -> Any:
    """Queue every change on a thread of its own while the line's lock is held, then let go."""
    answers: list[Any] = [None] * len(changes)

    def work(n: int) -> None:
        try:
            answers[n] = queue.commit(
                TID, changes[n], by="ann", update_id=f"u{n}", deadline=deadline
            )
        except Exception as error:
            answers[n] = error

    threads = [threading.Thread(target=work, args=(n,)) for n in range(len(changes))]
    with env.lock(f"commit:{TID}"):
        for n, thread in enumerate(threads):
            thread.start()
            while len(queue.pending(TID)) <= n:
                threading.Event().wait(0.0005)
    for thread in threads:
        thread.join()
    return answers


def test_a_crowd_is_committed_in_order_in_few_transactions(
    env: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commit_queue, "HOLD_S", 60.0)
    queue = CommitQueue(env)
    answers = crowd(env, queue, [adding(n) for n in range(100)], env.clock.now() + 30)
    assert [row.revision for row in answers] == list(range(2, 102)), "first come, first committed"
    written = [r.detail["n"] for r in env.store.history(TID, limit=100)]
    assert written == list(reversed(range(100)))
    batches = [e.facts["batch"] for e in env.events.read() if e.kind == "update.dequeued"]
    assert max(batches) == BATCH
    assert queue.pending(TID) == []


def test_a_transaction_ends_when_its_changes_have_taken_long_enough(tmp_path: Path) -> None:
    """Each change takes more than half of `HOLD_S`, so two go into a transaction, in order."""
    clock = ManualClock()
    store = MemoryStore(clock=clock)
    store.create(TID, sample(TID), by="ann")
    env = environment(tmp_path, clock, store)
    queue = CommitQueue(env)
    stood_on: list[list[int]] = []

    def slow(n: int) -> Any:
        def change(row: Row) -> Write:
            clock.sleep(0.6 * commit_queue.HOLD_S)
            stood_on.append([head.revision for head in queue.written(TID)])
            return adding(n)(row)

        return change

    answers = crowd(env, queue, [slow(n) for n in range(5)], clock.now() + 60)
    assert [row.revision for row in answers] == [2, 3, 4, 5, 6]
    batches = [e.facts["batch"] for e in env.events.read() if e.kind == "update.dequeued"]
    assert batches == [2, 2, 2, 2, 1]
    assert stood_on[:4] == [[1], [1, 2], [3], [3, 4]], "what the history does not show yet"
    assert queue.written(TID) == ()
    assert queue.pending(TID) == []


def test_a_bad_change_fails_alone(env: Any) -> None:
    def invalid(row: Row) -> Write:
        return Write({**row.document, "name": ""})

    def raising(row: Row) -> Write:
        raise ZeroDivisionError

    changes = [adding(0), invalid, adding(2), raising, adding(4)]
    answers = crowd(env, CommitQueue(env), changes, env.clock.now() + 30)
    kinds = [type(a) for a in answers]
    assert kinds == [Row, InvalidTemplateError, Row, ZeroDivisionError, Row]
    assert {"x_0", "x_2", "x_4"} <= env.store.read(TID).document["settings"].keys()


def test_a_change_whose_turn_comes_too_late_is_withdrawn_and_surely_not_written(env: Any) -> None:
    queue = CommitQueue(env)
    with env.lock(f"commit:{TID}"):
        answers: list[Any] = []

        def late() -> None:
            try:
                queue.commit(
                    TID, adding(1), by="ann", update_id="u", deadline=env.clock.now() + 0.05
                )
            except StoreUnavailableError as error:
                answers.append(error)

        thread = threading.Thread(target=late)
        thread.start()
        thread.join()
    assert answers[0].definite
    assert "deadline" in str(answers[0])
    assert queue.pending(TID) == []
    assert env.store.head(TID).revision == 1


def test_a_change_that_a_leader_took_and_did_not_answer_is_of_unknown_outcome(env: Any) -> None:
    """Its writer's deadline passes while the leader sits in the transaction with the change."""
    queue = CommitQueue(env)
    inside, leave = threading.Event(), threading.Event()
    answers: dict[str, Any] = {}

    def slow(row: Row) -> Write:
        inside.set()
        leave.wait(20)
        return adding(2)(row)

    def work(name: str, change: Any, allowed_s: float) -> None:
        try:
            answers[name] = queue.commit(
                TID, change, by="ann", update_id=name, deadline=env.clock.now() + allowed_s
            )
        except Exception as error:
            answers[name] = error

    leader = threading.Thread(target=work, args=("leader", adding(1), 20))
    follower = threading.Thread(target=work, args=("follower", slow, 1.0))
    with env.lock(f"commit:{TID}"):
        leader.start()
        while not queue.pending(TID):
            threading.Event().wait(0.0005)
        follower.start()
        while len(queue.pending(TID)) < 2:
            threading.Event().wait(0.0005)
    inside.wait(20)
    follower.join()
    leave.set()
    leader.join()
    assert isinstance(answers["follower"], OutcomeUnknownError)
    assert isinstance(answers["leader"], Row)
    assert env.store.find_update("follower") is not None, "and indeed it was committed"


def test_an_interrupted_leader_puts_the_unanswered_back_at_the_front(
    env: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = CommitQueue(env)
    real = env.store.update_locked
    calls = []

    def interrupted(*args: Any, **kwargs: Any) -> Row:
        calls.append(kwargs["update_id"])
        if len(calls) == 1:
            raise KeyboardInterrupt
        row: Row = real(*args, **kwargs)
        return row

    monkeypatch.setattr(env.store, "update_locked", interrupted)
    deadline = env.clock.now() + 30
    with pytest.raises(KeyboardInterrupt):
        queue.commit(TID, adding(1), by="ann", update_id="a", deadline=deadline)
    assert queue.pending(TID) == [], "its own change is withdrawn with the caller"
    row = queue.commit(TID, adding(2), by="ben", update_id="b", deadline=deadline)
    assert row.revision == 2


def interrupting(at: int) -> Any:
    """A trace function that interrupts the leader at the so-manieth line that it executes."""
    codes = (CommitQueue._lead.__code__, commit_queue._take.__code__)
    lines = itertools.count(1)

    def trace(frame: FrameType, event: str, _: object) -> Any:
        if frame.f_code not in codes:
            return None
        if event == "line" and next(lines) == at:
            raise KeyboardInterrupt
        return trace

    return trace


def test_wherever_a_leader_is_interrupted_the_others_are_committed_once(env: Any) -> None:
    """The leader is the thread that holds the lock when three others wait; then one of them is."""
    places = 0
    for at in itertools.count(1):
        queue = CommitQueue(env)
        ids = [f"{at}-{n}" for n in range(3)]
        answers: dict[str, Any] = {}

        def wait(update_id: str, queue: CommitQueue = queue, answers: Any = answers) -> None:
            deadline = env.clock.now() + 30
            answers[update_id] = queue.commit(
                TID, adding(1), by="ben", update_id=update_id, deadline=deadline
            )

        threads = [threading.Thread(target=wait, args=(one,)) for one in ids]
        before = sys.gettrace()
        with env.lock(f"commit:{TID}"):
            for n, thread in enumerate(threads):
                thread.start()
                while len(queue.pending(TID)) <= n:
                    threading.Event().wait(0.0005)
            sys.settrace(interrupting(at))
            try:
                queue.commit(
                    TID, adding(2), by="ann", update_id=f"{at}", deadline=env.clock.now() + 30
                )
            except KeyboardInterrupt:
                places += 1
            else:
                break
            finally:
                sys.settrace(before)
        for thread in threads:
            thread.join(20)
        committed = [revision.update_id for revision in env.store.history(TID)]
        assert all(isinstance(answers.get(one), Row) for one in ids), (at, answers)
        assert [committed.count(one) for one in ids] == [1, 1, 1]
        assert queue.pending(TID) == []
    for thread in threads:
        thread.join(20)
    assert places > 30


def test_a_store_that_fails_a_batch_answers_everybody_in_it_and_leaves_the_line_empty(
    env: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: Any, **__: Any) -> None:
        raise StoreUnavailableError(TID, "down for maintenance")

    queue = CommitQueue(env)
    monkeypatch.setattr(env.store, "update_many", down)
    answers = crowd(env, queue, [adding(n) for n in range(5)], env.clock.now() + 30)
    assert [type(answer) for answer in answers] == [StoreUnavailableError] * 5
    assert queue.pending(TID) == []
    assert len(env.store.history(TID)) == 1
    monkeypatch.undo()
    later = queue.commit(TID, adding(9), by="ann", update_id="u9", deadline=env.clock.now() + 30)
    assert later.revision == 2


def test_whoever_leads_writes_nothing_for_those_whose_time_is_over(env: Any) -> None:
    """They are told that it came too late, which is sure: nobody had taken their change."""
    queue = CommitQueue(env)
    now = env.clock.now()
    queue.commit(TID, adding(0), by="ann", update_id="u0", deadline=now + 30)
    late = Ticket(TID, adding(1), "ben", "u1", now - 5, now - 1)
    queue._lines[TID].append(late)
    queue.commit(TID, adding(2), by="ann", update_id="u2", deadline=now + 30)
    assert isinstance(late.answer, StoreUnavailableError)
    assert late.answer.definite
    assert [r.update_id for r in env.store.history(TID)] == ["u2", "u0", None]
