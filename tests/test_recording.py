"""The recorder: what the store saw, whose it was, and a history put together from several tapes."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import pytest

from syncsim.contract import (
    Document,
    Outcome,
    QueuedWrite,
    Revision,
    Row,
    Snapshot,
    supports_batches,
    supports_lookup,
)
from syncsim.errors import (
    RetriesExhaustedError,
    StoreUnavailableError,
    SyncError,
    VersionConflictError,
)
from syncsim.lab.checkers import check
from syncsim.lab.history.drawn_ids import DrawnIds
from syncsim.lab.history.recorded_failure import LONGEST
from syncsim.lab.history.records import Attempt, Failure, History, Operation
from syncsim.lab.recording.call_log import Records
from syncsim.lab.recording.history_builder import assemble, final
from syncsim.lab.recording.recorder import Recorder
from syncsim.lab.scenarios import Rival
from syncsim.lab.solutions.correct.no_cache import NoCache
from syncsim.service.service import build
from syncsim.store.memory import MemoryStore
from syncsim.template.samples import sample
from tests.parts import ManualClock, environment
from tests.unruly_solutions import Unspeakable

TEMPLATE = "contact_card"


class Bench:
    """A memory store, a clock moved by hand, and a solution on record."""

    def __init__(self, folder: Path, solution: Callable[[Any], Any] = NoCache, **how: Any) -> None:
        self.clock = ManualClock()
        self.store = MemoryStore(clock=self.clock)
        env = environment(folder, self.clock, self.store)
        self.recorder = Recorder(
            env,
            env.events,  # type: ignore[arg-type]  # it is a BoundedEventLog
            order=count().__next__,
            elapsed_s=self.clock.now,
            **how,
        )
        self.env = self.recorder.environment
        self.solution = solution(self.env)
        self.store.create(TEMPLATE, sample(TEMPLATE), by="background")

    def sync(self, actor: str) -> Any:
        return self.recorder.sync(self.solution, actor)

    def history(self) -> History:
        revisions = {TEMPLATE: self.store.history(TEMPLATE)}
        finals = [final(self.store, TEMPLATE)]
        return assemble([self.recorder.records()], revisions, finals)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Callable[..., Bench]]:
    made: list[Bench] = []

    def make(*args: Any, **how: Any) -> Bench:
        made.append(Bench(tmp_path, *args, **how))
        return made[-1]

    yield make
    for one in made:
        one.recorder.close()


def test_a_call_is_on_record_with_what_it_asked_and_what_it_was_answered(
    bench: Callable[..., Bench],
) -> None:
    stage = bench()
    ann = stage.sync("ann")
    base = ann.get_template(TEMPLATE, user="ann")
    outcome = ann.update_template(TEMPLATE, {"name": "New"}, user="ann", base=base)
    read, update = stage.history().operations
    assert (read.id, read.kind, read.ended, read.version) == ("ann-1", "get", "read", base.version)
    assert (update.id, update.ended, update.version) == ("ann-2", "committed", outcome.version)
    assert (update.changes, update.base_version) == ({"name": "New"}, base.version)
    assert read.called < (read.returned or 0) < update.called < (update.returned or 0)
    assert update.latency_s == 0.0
    assert check(stage.history()) == []


def test_a_job_held_up_as_it_is_called_is_not_accused_of_skipping(
    bench: Callable[..., Bench],
) -> None:
    """Between the two clocks of a call its thread may have to wait, and a user commit meanwhile."""
    stage = bench(build)
    ann, job = stage.sync("ann"), stage.sync("job")
    stage.clock.sleep(60.0)
    order = stage.recorder._call_log.order

    def held_up() -> int:
        stage.recorder._call_log.order = order
        stage.clock.sleep(0.02)
        ann.update_template(TEMPLATE, {"name": "New"}, user="ann")
        return order()

    stage.recorder._call_log.order = held_up
    assert job.run_background_job(TEMPLATE).status == "skipped"
    operation = next(one for one in stage.history().operations if one.kind == "job")
    assert operation.latency_s == pytest.approx(0.02)
    assert check(stage.history()) == []


def test_an_attempt_lies_within_its_operation_and_names_what_it_met(
    bench: Callable[..., Bench],
) -> None:
    stage = bench(rival=Rival(first=1))
    base = stage.store.head(TEMPLATE).version
    stage.sync("ann").update_template(TEMPLATE, {"name": "New"}, user="ann")
    history = stage.history()
    (update,) = (o for o in history.operations if o.kind == "update")
    lost, won = (a for a in history.attempts if a.operation == update.id)
    rival = history.commits[1]
    assert (lost.fate, lost.expected, lost.actual) == ("lost", base, rival.version)
    assert (won.fate, won.expected, won.actual) == ("won", rival.version, update.version)
    assert update.called < lost.began < lost.ended < won.began < won.ended < (update.returned or 0)
    assert check(history) == []


def test_the_delay_before_an_attempt_is_what_the_operation_slept_on_the_clock(
    bench: Callable[..., Bench],
) -> None:
    stage = bench(rival=Rival(first=1), work_s=0.5)
    stage.sync("ann").update_template(TEMPLATE, {"name": "New"}, user="ann")
    work = [0.5, 0.5]
    (delay_s,) = [slept for slept in stage.clock.slept if slept != 0.5]
    assert stage.clock.slept == [work[0], delay_s, work[1]]
    waits = [a.waited_s for a in stage.history().attempts if a.operation == "ann-1"]
    assert waits == [0.0, delay_s]


def test_the_rival_strikes_before_as_many_attempts_as_it_is_told_to(
    bench: Callable[..., Bench],
) -> None:
    stage = bench(rival=Rival())
    with pytest.raises(Exception, match="gave up"):
        stage.sync("ann").update_template(TEMPLATE, {"name": "New"}, user="ann")
    history = stage.history()
    attempts = [a for a in history.attempts if a.operation == "ann-1"]
    assert [a.fate for a in attempts] == ["lost"] * 4
    assert [a.waited_s for a in attempts] == [0.0, *stage.clock.slept]
    assert [o.id for o in history.operations if o.kind == "probe"] == [
        f"rival-{n}" for n in (1, 2, 3, 4)
    ]
    assert [c.operation for c in history.commits[1:]] == [f"rival-{n}" for n in (1, 2, 3, 4)]


def test_no_work_is_done_inside_the_write_lock(bench: Callable[..., Bench]) -> None:
    stage = bench(work_s=0.5)
    stage.env.store.update_locked(TEMPLATE, lambda row: {**row.document, "name": "N"}, by="ann")
    assert stage.clock.slept == []
    stage.env.store.put(TEMPLATE, sample(TEMPLATE), by="ann")
    assert stage.clock.slept == [0.5]


def test_a_change_of_none_is_an_attempt_that_left_things_unchanged(
    bench: Callable[..., Bench],
) -> None:
    stage = bench()
    stage.env.store.update_locked(TEMPLATE, lambda row: None, by="ann")
    (attempt,) = stage.history().attempts
    assert (attempt.way, attempt.fate) == ("locked", "unchanged")


def test_a_write_that_raises_is_an_attempt_that_failed(bench: Callable[..., Bench]) -> None:
    stage = bench()
    with pytest.raises(Exception, match="not valid"):
        stage.env.store.put(TEMPLATE, {"name": 1}, by="ann")
    (attempt,) = stage.history().attempts
    assert (attempt.way, attempt.fate, attempt.actual) == ("put", "failed", None)


def test_a_hit_is_a_read_without_a_document_from_the_store_whatever_is_said(
    bench: Callable[..., Bench],
) -> None:
    stage = bench(build)
    ann = stage.sync("ann")
    for _ in range(3):
        ann.get_template(TEMPLATE, user="ann")
    assert [o.body_reads for o in stage.history().operations] == [1, 0, 0]


class Boastful(NoCache):
    """Says hit and reads the store."""

    def get_template(self, template_id: str, *, user: str) -> Snapshot:
        self.env.events.emit("cache.hit", template_id=template_id)
        self.env.store.history(template_id, limit=1)
        return super().get_template(template_id, user=user)


def test_saying_hit_does_not_make_one(bench: Callable[..., Bench]) -> None:
    stage = bench(Boastful)
    stage.sync("ann").get_template(TEMPLATE, user="ann")
    (read,) = stage.history().operations
    assert read.body_reads == 2
    assert [e.kind for e in stage.history().events] == ["cache.hit", "cache.miss"]


def test_events_carry_the_operation_in_which_they_were_said(bench: Callable[..., Bench]) -> None:
    stage = bench(build)
    stage.sync("ann").update_template(TEMPLATE, {"name": "New"}, user="ann")
    history = stage.history()
    assert {history.operation_of(event.update_id) for event in history.events} == {"ann-1"}
    assert "update.committed" in {event.kind for event in history.events}
    assert [event.seq for event in history.events] == list(range(1, len(history.events) + 1))


class Delegating(NoCache):
    """Writes from a thread of its own, where no context tells whose write it is."""

    uses_ids = True

    def swap(self, head: Row, document: Document, user: str, *rest: Any) -> Row:
        rows: list[Row] = []
        update_id = self.env.new_id() + "/part" if self.uses_ids else None

        def swap() -> None:
            rows.append(
                self.env.store.compare_and_swap(
                    head.template_id, head.version, document, by=user, update_id=update_id
                )
            )

        thread = threading.Thread(target=swap)
        thread.start()
        thread.join()
        return rows[0]


class DelegatingWithoutIds(Delegating):
    """Only its answer tells whose write it was."""

    uses_ids = False


class OwnTokens(DelegatingWithoutIds):
    """Answers with versions of its own making, so that not even the answer tells."""

    def update_template(self, *args: Any, **kwargs: Any) -> Outcome:
        outcome = super().update_template(*args, **kwargs)
        return Outcome(outcome.status, f"mine-{outcome.version}", outcome.attempts)


@pytest.mark.parametrize("solution", [Delegating, DelegatingWithoutIds, OwnTokens])
def test_a_write_of_another_thread_is_the_operations_that_asked_for_it(
    bench: Callable[..., Bench], solution: Any
) -> None:
    stage = bench(solution)
    stage.sync("ann").update_template(TEMPLATE, {"name": "New"}, user="ann")
    stage.sync("ben").update_template(TEMPLATE, {"name": "Other"}, user="ben")
    history = stage.history()
    assert [commit.operation for commit in history.commits] == [None, "ann-1", "ben-1"]
    assert check(history) == []


def test_an_attempt_of_another_thread_is_counted_met_by_the_rival_and_timed(
    bench: Callable[..., Bench],
) -> None:
    class Apart(DelegatingWithoutIds):
        """All attempts, and the waits between them, on a thread that the verb starts."""

        def update_template(self, *args: Any, **kwargs: Any) -> Outcome:
            errors: list[Exception] = []

            def work() -> None:
                try:
                    NoCache.update_template(self, *args, **kwargs)
                except RetriesExhaustedError as error:
                    errors.append(error)

            thread = threading.Thread(target=work)
            thread.start()
            thread.join()
            raise errors[0]

        swap = NoCache.swap

    stage = bench(Apart, rival=Rival())
    with pytest.raises(RetriesExhaustedError):
        stage.sync("ann").update_template(TEMPLATE, {"name": "New"}, user="ann")
    attempts = [a for a in stage.history().attempts if a.operation == "ann-1"]
    assert [a.fate for a in attempts] == ["lost"] * 4
    assert [a.waited_s for a in attempts] == [0.0, *stage.clock.slept]
    assert check(stage.history()) == []


class WriterThread(NoCache):
    """One thread, started by the first update, writes for all; the ids it draws are its own."""

    def __init__(self, env: Any) -> None:
        super().__init__(env)
        self.asked: queue.Queue[tuple[Any, queue.Queue[Any]] | None] = queue.Queue()
        self.thread: threading.Thread | None = None

    def swap(self, head: Row, document: Document, user: str, *rest: Any) -> Row:
        if self.thread is None:
            self.thread = threading.Thread(target=self.serve, daemon=True)
            self.thread.start()
        answer: queue.Queue[Any] = queue.Queue()
        self.asked.put(((head.template_id, head.version, document, user), answer))
        row: Row | Exception = answer.get()
        if isinstance(row, Exception):
            raise row
        return row

    def serve(self) -> None:
        while (item := self.asked.get()) is not None:
            (template_id, version, wanted, user), answer = item
            swap = self.env.store.compare_and_swap
            update_id = self.env.new_id()
            try:
                answer.put(swap(template_id, version, wanted, by=user, update_id=update_id))
            except VersionConflictError as error:
                answer.put(error)


def test_a_thread_that_writes_for_all_makes_no_write_the_first_ones(
    bench: Callable[..., Bench],
) -> None:
    stage = bench(WriterThread, rival=Rival(first=1))
    for user in ("ann", "ben"):
        stage.sync(user).update_template(TEMPLATE, {"name": user}, user=user)
    stage.solution.asked.put(None)
    stage.solution.thread.join()
    history = stage.history()
    mine = [(a.operation, a.fate) for a in history.attempts if "rival" not in str(a.operation)]
    assert mine == [("ann-1", "lost"), ("ann-1", "won"), ("ben-1", "lost"), ("ben-1", "won")]
    owners = [commit.operation for commit in history.commits]
    assert owners == [None, "rival-1", "ann-1", "rival-2", "ben-1"]
    assert check(history) == []


def test_a_leader_that_draws_no_ids_makes_each_write_the_users_it_is_by(
    bench: Callable[..., Bench],
) -> None:
    """Ben commits for Ann, who is waiting: two commits in Ben's call, and neither is undone."""
    stage = bench()
    waiting, done = threading.Event(), threading.Event()

    class Queue(NoCache):
        def update_template(self, template_id: str, changes: Any, **_: Any) -> Outcome:
            if _["user"] == "ann":
                waiting.set()
                done.wait()
            else:
                for name in ("ann", "ben"):
                    change = partial(renamed, name=name)
                    self.env.store.update_locked(template_id, change, by=name)
                done.set()
            return Outcome("committed", None, attempts=1)

    slow = Queue(stage.env)

    def update(user: str) -> None:
        stage.recorder.sync(slow, user).update_template(TEMPLATE, {"name": user}, user=user)

    ann = threading.Thread(target=update, args=("ann",))
    ann.start()
    waiting.wait()
    update("ben")
    ann.join()
    history = stage.history()
    assert [a.operation for a in history.attempts] == ["ann-1", "ben-1"]
    assert [commit.operation for commit in history.commits] == [None, "ann-1", "ben-1"]
    assert check(history) == []


def renamed(row: Row, name: str) -> Document:
    return {**row.document, "name": name}


def test_a_leader_that_commits_for_others_makes_each_attempt_theirs(
    bench: Callable[..., Bench],
) -> None:
    stage = bench()
    ids: dict[str, str] = {}

    class Queue(NoCache):
        def update_template(self, template_id: str, changes: Any, **_: Any) -> Outcome:
            """Ann draws an id and leaves the work to Ben, who commits both."""
            user = _["user"]
            ids[user] = self.env.new_id()
            if user == "ben":
                writes = [
                    QueuedWrite(partial(renamed, name=name), name, ids[name])
                    for name in ("ann", "ben")
                ]
                self.env.store.update_many(template_id, writes)
            return Outcome("committed", None, attempts=1)

    queue = Queue(stage.env)
    for user in ("ann", "ben"):
        sync = stage.recorder.sync(queue, user)
        sync.update_template(TEMPLATE, {"name": user}, user=user)
    history = stage.history()
    assert [a.operation for a in history.attempts] == ["ann-1", "ben-1"]
    assert {a.way for a in history.attempts} == {"batch"}
    assert [commit.operation for commit in history.commits] == [None, "ann-1", "ben-1"]


def test_an_exception_passes_and_is_on_record_with_its_facts_and_line(
    bench: Callable[..., Bench],
) -> None:
    class Insisting(NoCache):
        def update_with_version(
            self, template_id: str, changes: Document, version: str, *, user: str
        ) -> Outcome:
            wanted = {**self.env.store.read(template_id).document, **changes}
            row = self.env.store.compare_and_swap(template_id, version, wanted, by=user)
            return Outcome("committed", row.version, attempts=1)

    stage = bench(Insisting)
    ann = stage.sync("ann")
    with pytest.raises(VersionConflictError):
        ann.update_with_version(TEMPLATE, {"name": "New"}, "none", user="ann")
    (operation,) = stage.history().operations
    failure = operation.failure
    assert operation.ended == "failed"
    assert failure is not None
    assert (failure.name, failure.expected, failure.definite) == (
        "VersionConflictError",
        True,
        True,
    )
    assert failure.facts["expected"] == "none"
    assert (failure.line or "").startswith("test_recording.py:")


class Speechless(NoCache):
    """Answers nothing."""

    def get_template(self, template_id: str, *, user: str) -> Snapshot:
        return None  # type: ignore[return-value]

    def run_background_job(self, template_id: str) -> Outcome:
        return Outcome("done", None)  # type: ignore[arg-type]


def test_an_answer_that_is_none_counts_as_a_crash(bench: Callable[..., Bench]) -> None:
    stage = bench(Speechless)
    sync = stage.sync("ann")
    with pytest.raises(AttributeError):
        sync.get_template(TEMPLATE, user="ann")
    with pytest.raises(ValueError, match="done"):
        sync.run_background_job(TEMPLATE)
    assert [finding.kind for finding in check(stage.history())] == ["crash", "crash"]


def test_what_ends_in_no_exception_at_all_stays_open(bench: Callable[..., Bench]) -> None:
    class Aborted(NoCache):
        def get_template(self, template_id: str, *, user: str) -> Snapshot:
            raise KeyboardInterrupt

    stage = bench(Aborted)
    with pytest.raises(KeyboardInterrupt):
        stage.sync("ann").get_template(TEMPLATE, user="ann")
    (operation,) = stage.history().operations
    assert (operation.ended, operation.returned) == ("open", None)


@pytest.mark.parametrize("error", [SystemExit, GeneratorExit, asyncio.CancelledError])
def test_an_exception_that_is_no_exception_by_class_is_a_crash_all_the_same(
    bench: Callable[..., Bench], error: type[BaseException]
) -> None:
    class Leaving(NoCache):
        def get_template(self, template_id: str, *, user: str) -> Snapshot:
            raise error

    stage = bench(Leaving)
    with pytest.raises(error):
        stage.sync("ann").get_template(TEMPLATE, user="ann")
    (finding,) = check(stage.history())
    assert (finding.code, finding.kind) == ("D3", "crash")
    assert error.__name__ in finding.message
    assert "test_recording.py:" in finding.message


def test_a_keyboard_interrupt_that_no_keyboard_sent_is_a_crash(bench: Callable[..., Bench]) -> None:
    """Ctrl-C comes to the main thread alone; on any other it is the solution that raised it."""

    class Aborted(NoCache):
        def get_template(self, template_id: str, *, user: str) -> Snapshot:
            raise KeyboardInterrupt

    stage = bench(Aborted)

    def read() -> None:
        with contextlib.suppress(KeyboardInterrupt):
            stage.sync("ann").get_template(TEMPLATE, user="ann")

    thread = threading.Thread(target=read)
    thread.start()
    thread.join()
    assert [finding.kind for finding in check(stage.history())] == ["crash"]


class Silent(SyncError):
    """A `SyncError` of which every part raises when it is looked at."""

    @property
    def facts(self) -> dict[str, Any]:  # type: ignore[override]
        raise RuntimeError("no facts")

    @facts.setter
    def facts(self, value: dict[str, Any]) -> None: ...

    @property
    def definite(self) -> bool:  # type: ignore[override]
        raise RuntimeError("who knows")

    def __str__(self) -> str:
        raise RuntimeError("no words")


class OddText(str):
    """A class that no other process knows."""


@pytest.mark.parametrize(
    ("error", "message", "expected"),
    [
        (Silent(), "a Silent that cannot say what it is", True),
        (Unspeakable(), "a Unspeakable that cannot say what it is", False),
        (ValueError("\ud800"), "\\ud800", False),
        (ValueError(OddText("x" * 10_000)), "x" * LONGEST, False),
    ],
)
def test_an_error_that_cannot_be_looked_at_is_on_record_all_the_same(
    bench: Callable[..., Bench], error: Exception, message: str, expected: bool
) -> None:
    class Hiding(NoCache):
        def get_template(self, template_id: str, *, user: str) -> Snapshot:
            raise error

    stage = bench(Hiding)
    with pytest.raises(type(error)):
        stage.sync("ann").get_template(TEMPLATE, user="ann")
    failure = stage.history().operations[0].failure
    assert failure is not None
    assert (failure.message, failure.expected, failure.definite) == (message, expected, False)
    assert type(failure.message) is str
    orjson.dumps(stage.history().to_json())


def test_facts_of_a_class_of_the_solutions_own_become_plain(bench: Callable[..., Bench]) -> None:
    class Telling(NoCache):
        def get_template(self, template_id: str, *, user: str) -> Snapshot:
            raise SyncError(
                "no", text=OddText("t"), large=1 << 80, nan=0.5, odd=object(), none=None
            )

    stage = bench(Telling)
    with pytest.raises(SyncError):
        stage.sync("ann").get_template(TEMPLATE, user="ann")
    failure = stage.history().operations[0].failure
    assert failure is not None
    assert failure.facts == {"text": "t", "large": str(1 << 80), "nan": 0.5, "none": None}
    assert type(failure.facts["text"]) is str


def test_versions_that_are_no_text_are_told_apart_as_text(bench: Callable[..., Bench]) -> None:
    class Numbering(NoCache):
        def get_template(self, template_id: str, *, user: str) -> Snapshot:
            read = super().get_template(template_id, user=user)
            return replace(read, version=[len(self.env.store.history(template_id))])  # type: ignore[arg-type]

    stage = bench(Numbering)
    ann = stage.sync("ann")
    base = ann.get_template(TEMPLATE, user="ann")
    ann.update_template(TEMPLATE, {"name": "New"}, user="ann", base=base)
    history = stage.history()
    assert [o.version for o in history.operations if o.kind == "get"] == ["[1]"]
    assert history.operations[1].base_version == "[1]"
    assert check(history) == []


def test_the_recorded_store_can_what_the_store_can(bench: Callable[..., Bench]) -> None:
    store = bench().env.store
    assert supports_batches(store)
    assert supports_lookup(store)
    assert store.templates() == [TEMPLATE]


def test_a_store_without_batches_is_not_said_to_have_them(tmp_path: Path) -> None:
    class Plain:
        def read(self, template_id: str) -> None: ...

    env = environment(tmp_path, store=Plain())  # type: ignore[arg-type]
    recorder = Recorder(env, env.events, order=count().__next__, elapsed_s=lambda: 0.0)  # type: ignore[arg-type]
    recorder.close()
    assert not supports_batches(recorder.environment.store)


# -- induced failures and caches -------------------------------------------------------------------


@pytest.mark.parametrize("solution", [NoCache, build])
def test_in_an_outage_every_write_of_an_update_fails_and_is_on_record(
    bench: Callable[..., Bench], solution: Callable[[Any], Any]
) -> None:
    stage = bench(solution, outage=True)
    ann = stage.sync("ann")
    base = ann.get_template(TEMPLATE, user="ann")
    with pytest.raises(StoreUnavailableError, match="induced outage"):
        ann.update_template(TEMPLATE, {"name": "New"}, user="ann", base=base)
    history = stage.history()
    assert {attempt.fate for attempt in history.attempts} == {"failed"}
    assert len(history.commits) == 1
    assert check(history) == []


def test_a_deletion_from_a_cache_is_counted_for_the_operation_that_made_it(
    bench: Callable[..., Bench],
) -> None:
    class Invalidating(NoCache):
        def get_template(self, template_id: str, *, user: str) -> Snapshot:
            self.env.cache(user).set(template_id, "entry")
            return super().get_template(template_id, user=user)

        def swap(self, head: Row, document: Document, user: str, *rest: Any) -> Row:
            for other in self.env.users:
                self.env.cache(other).delete(head.template_id)
            assert self.env.cache(user).get(head.template_id) is None
            return super().swap(head, document, user, *rest)

    stage = bench(Invalidating)
    ann = stage.sync("ann")
    ann.get_template(TEMPLATE, user="ann")
    ann.update_template(TEMPLATE, {"name": "New"}, user="ann")
    read, update = stage.history().operations
    assert (read.invalidations, update.invalidations) == (0, len(stage.env.users))


def test_an_error_is_on_record_with_its_attributes_whatever_its_class(
    bench: Callable[..., Bench],
) -> None:
    class Refused(Exception):
        def __init__(self, template_id: str) -> None:
            super().__init__("no")
            self.template_id = template_id
            self.documents: list[Document] = [{}]

    class Refusing(NoCache):
        def get_template(self, template_id: str, *, user: str) -> Snapshot:
            raise Refused(template_id)

    stage = bench(Refusing)
    with pytest.raises(Refused):
        stage.sync("ann").get_template(TEMPLATE, user="ann")
    failure = stage.history().operations[0].failure
    assert failure is not None
    assert failure.facts == {"template_id": TEMPLATE}


# -- ids -------------------------------------------------------------------------------------------


def test_an_id_that_begins_with_a_drawn_one_belongs_to_the_same_operation() -> None:
    ids = DrawnIds({"abc": "ann-1", "abcdef": "ben-1"})
    assert ids.owner("abc") == "ann-1"
    assert ids.owner("abc/2") == "ann-1"
    assert ids.owner("abcdef/2") == "ben-1"
    assert ids.owner("ab") is None
    assert ids.owner(None) is None


# -- assembly --------------------------------------------------------------------------------------


def operation(name: str, called: int, returned: int, **facts: Any) -> Operation:
    return Operation(name, "get", name, "t", called, returned, "read", **facts)


def test_stamps_become_numbers_and_intervals_that_touch_overlap() -> None:
    """Two processes may stamp alike: what began when another ended is concurrent with it."""
    one = Records((operation("a", 100, 200),), (), (), {"a": "a"})
    two = Records((operation("b", 200, 300),), (), (), {"b": "b", "x": "b"})
    history = assemble([two, one], {}, [])
    assert [o.id for o in history.operations] == ["a", "b"]
    a, b = history.operations
    assert b.called < (a.returned or 0)
    assert sorted([a.called, a.returned or 0, b.called, b.returned or 0]) == [1, 2, 3, 4]
    assert history.ids == {"x": "b"}


def test_an_operation_that_was_never_answered_stays_so() -> None:
    history = assemble([Records((Operation("a", "get", "a", "t", 7),))], {}, [])
    assert history.operations[0].returned is None


def revision(number: int, by: str, update_id: str | None = None) -> Revision:
    return Revision("t", f"v{number}", number, f"v{number - 1}", by, 1.0, b"{}", update_id, None)


def committed(name: str, version: str, user: str) -> Operation:
    return Operation(name, "update", user, "t", 1, 9, "committed", version=version)


def won(name: str, version: str) -> Attempt:
    return Attempt(name, "t", "swap", "won", 2, 3, None, version)


@pytest.mark.parametrize(
    ("operations", "attempts", "by", "owners"),
    [
        pytest.param(
            [committed("a", "v9", "ann")],
            [won("a", "v2")],
            ["ann"],
            ["a"],
            id="whoever was seen making it, whatever the answer names",
        ),
        pytest.param(
            [committed("a", "v2", "ann"), committed("b", "v3", "ben")],
            [won("a", "v2"), won("a", "v3")],
            ["ann", "ben"],
            ["a", "b"],
            id="one thread made both, and the answers tell",
        ),
        pytest.param(
            [committed("a", "v3", "ann"), committed("b", "v2", "ben")],
            [won("a", "v2"), won("b", "v3")],
            ["ann", "ben"],
            ["a", "b"],
            id="answers that name each other's commits make no one the other",
        ),
        pytest.param(
            [committed("a", "v1", "ann")],
            [won("a", "v2")],
            ["ann"],
            ["a"],
            id="nobody made the first version, whoever claims it",
        ),
        pytest.param(
            [committed("a", "v2", "ann"), committed("b", "v2", "ben")],
            [won("a", "v2")],
            ["ann", "cleo"],
            ["a", None],
            id="claiming what another made does not make it one's own",
        ),
        pytest.param(
            [committed("a", "x", "ann"), committed("b", "y", "ben")],
            [],
            ["ben", "ann"],
            ["b", "a"],
            id="nobody was seen and no answer tells: by user, in order",
        ),
    ],
)
def test_a_commit_is_given_to_the_operation_that_made_it(
    operations: list[Operation], attempts: list[Attempt], by: list[str], owners: list[str | None]
) -> None:
    commits = [revision(number, user) for number, user in enumerate(["background", *by], 1)]
    records = Records(tuple(operations), tuple(attempts), (), {o.id: o.id for o in operations})
    history = assemble([records], {"t": commits[::-1]}, [])
    assert [commit.operation for commit in history.commits] == [None, *owners]


# -- commits that nobody was seen making -----------------------------------------------------------

HEAD: Document = {"name": "a", "description": "", "settings": {}}
GAVE_UP = Failure("RetriesExhaustedError", "gave up", expected=True, definite=True)
UNKNOWN = Failure("OutcomeUnknownError", "?", expected=True, definite=False)


def asked(
    name: str, ended: Any, changes: Document, *, user: str = "ann", **facts: Any
) -> Operation:
    returned = None if ended == "open" else 9
    return Operation(name, "update", user, "t", 1, returned, ended, changes=changes, **facts)


def owner_of(changes: Document, operations: list[Operation], *, by: str = "ann") -> str | None:
    """Who gets the one commit of these changes, made on a thread of which nothing is known."""
    documents = [orjson.dumps(HEAD), orjson.dumps({**HEAD, **changes})]
    revisions = [
        Revision("t", f"v{number}", number, f"v{number - 1}", user, 1.0, body, None, None)
        for number, (user, body) in enumerate(zip(["x", by], documents, strict=True), 1)
    ]
    records = Records(tuple(operations), (), (), {o.id: o.id for o in operations})
    return assemble([records], {"t": revisions[::-1]}, []).commits[1].operation


NAME, TEXT = {"name": "b"}, {"description": "d"}


@pytest.mark.parametrize(
    ("operations", "owner"),
    [
        pytest.param(
            [asked("a", "committed", TEXT), asked("b", "committed", NAME)], "b", id="who meant it"
        ),
        pytest.param([asked("a", "open", TEXT)], "a", id="the only one that may have committed"),
        pytest.param(
            [asked("a", "open", TEXT), asked("b", "open", NAME)], "b", id="who may have, and meant"
        ),
        pytest.param(
            [asked("a", "failed", TEXT, failure=UNKNOWN)], "a", id="a failure that tells nothing"
        ),
        pytest.param(
            [asked("a", "failed", NAME, failure=GAVE_UP)], "a", id="a failure that told a lie"
        ),
        pytest.param([asked("a", "failed", TEXT, failure=GAVE_UP)], None, id="nobody meant it"),
        pytest.param([asked("a", "unchanged", NAME)], "a", id="an unchanged that told a lie"),
        pytest.param([asked("a", "read", NAME)], None, id="no reader"),
        pytest.param(
            [asked("a", "committed", NAME, user="ben")], "a", id="another user, who meant it"
        ),
        pytest.param(
            [asked("a", "committed", TEXT, user="ben")], None, id="another user, who did not"
        ),
    ],
)
def test_a_commit_that_nobody_was_seen_making_is_given_to_who_meant_it(
    operations: list[Operation], owner: str | None
) -> None:
    operations = [replace(o, kind="get") if o.ended == "read" else o for o in operations]
    assert owner_of(NAME, operations) == owner
