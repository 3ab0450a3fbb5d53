"""The contract of a store, asked of every store there is."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from syncsim.contract import (
    BACKGROUND,
    CandidateStore,
    QueuedWrite,
    Row,
    Write,
    supports_batches,
    supports_lookup,
)
from syncsim.errors import (
    InvalidTemplateError,
    StoreUnavailableError,
    SyncError,
    TemplateExistsError,
    TemplateNotFoundError,
    UsageError,
    VersionConflictError,
)
from syncsim.store.memory import MemoryStore
from syncsim.store.sqlite import SQLiteStore
from syncsim.template import encode
from tests.parts import ManualClock
from tests.store_parts import ID, count, counted, document

AnyStore = MemoryStore | SQLiteStore


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(params=["memory", "sqlite"])
def store(request: Any, clock: ManualClock, tmp_path: Path) -> Iterator[AnyStore]:
    opened: AnyStore
    if request.param == "memory":
        opened = MemoryStore(clock=clock)
    else:
        opened = SQLiteStore(f"sqlite:///{tmp_path}/store.db?synchronous=NORMAL", clock=clock)
    yield opened
    opened.close()


@pytest.fixture
def first(store: AnyStore) -> Row:
    return store.create(ID, document(), by="ann")


def named(name: str) -> Callable[[Row], Write]:
    return lambda row: Write({**row.document, "name": name}, {"kind": "update", "name": name})


def state(store: AnyStore) -> list[tuple[object, ...]]:
    return [
        (r.version, r.parent, r.by, r.at, r.update_id, r.detail, r.body) for r in store.history(ID)
    ]


# -- reading ---------------------------------------------------------------------------------------


def test_a_created_template_reads_back_the_same_everywhere(
    store: AnyStore, first: Row, clock: ManualClock
) -> None:
    head, row, (revision,) = store.head(ID), store.read(ID), store.history(ID)
    assert first.revision == head.revision == row.revision == revision.revision == 1
    assert first.version == head.version == row.version == revision.version
    assert first.document == row.document == revision.document == document()
    assert first.body == row.body == encode(document())
    assert row.updated_by == revision.by == "ann"
    assert row.updated_at == revision.at == row.user_updated_at == clock.now()
    assert revision.parent is None
    assert store.audit(ID)[0].kind == "create"


def test_a_template_is_created_once(store: AnyStore, first: Row) -> None:
    before = state(store)
    with pytest.raises(TemplateExistsError) as failure:
        store.create(ID, document("Other"), by="ben")
    assert (failure.value.template_id, failure.value.version) == (ID, first.version)
    assert state(store) == before


@pytest.mark.parametrize("template_id", ["nobody", "ID ", "Ünï 😀 ' \" % _", "../../etc"])
def test_an_unknown_template_is_said_to_be_unknown(store: AnyStore, template_id: str) -> None:
    calls: list[Callable[[], object]] = [
        lambda: store.read(template_id),
        lambda: store.head(template_id),
        lambda: store.history(template_id),
        lambda: store.audit(template_id),
        lambda: store.compare_and_swap(template_id, "1-00000000", document(), by="ann"),
        lambda: store.update_locked(template_id, lambda row: None, by="ann"),
        lambda: store.update_many(template_id, [QueuedWrite(lambda row: None, "ann")]),
        lambda: store.put(template_id, document(), by="ann"),
    ]
    for call in calls:
        with pytest.raises(TemplateNotFoundError) as failure:
            call()
        assert failure.value.template_id == template_id
    assert store.revision(template_id, "1-00000000") is None


@pytest.mark.parametrize("template_id", ["", "x" * 201, "\ud800", "a\0b", None, 7, ["a"]])
def test_what_can_be_no_id_is_refused(store: AnyStore, template_id: Any) -> None:
    calls: list[Callable[[], object]] = [
        lambda: store.read(template_id),
        lambda: store.head(template_id),
        lambda: store.create(template_id, document(), by="ann"),
        lambda: store.put(template_id, document(), by="ann"),
        lambda: store.update_locked(template_id, lambda row: None, by="ann"),
    ]
    for call in calls:
        with pytest.raises(UsageError) as failure:
            call()
        assert failure.value.argument == "template_id"
    assert store.templates() == []


def test_odd_but_possible_ids_name_templates_of_their_own(store: AnyStore) -> None:
    ids = ["a", "A", "\u00e4", "a\u0308", "a%", "a_", "😀", "'; DROP TABLE revision; --", " "]
    for template_id in ids:
        store.create(template_id, document(), by="ann")
    assert store.templates() == sorted(ids)
    assert all(store.read(each).template_id == each for each in ids)


def test_history_is_newest_first_and_can_be_cut(store: AnyStore, first: Row) -> None:
    for number in range(4):
        store.update_locked(ID, named(f"Name {number}"), by="ben")
    history = store.history(ID)
    assert [r.revision for r in history] == [5, 4, 3, 2, 1]
    assert [r.parent for r in history] == [r.version for r in history[1:]] + [None]
    assert [r.version for r in store.history(ID, limit=2)] == [r.version for r in history[:2]]
    assert len(store.history(ID, limit=99)) == 5
    assert [entry.version for entry in store.audit(ID, limit=3)] == [r.version for r in history[:3]]
    assert history[0].body == store.read(ID).body


@pytest.mark.parametrize("limit", [0, -1, 1.5, "2"])
def test_a_limit_that_makes_no_sense_is_refused(store: AnyStore, first: Row, limit: Any) -> None:
    with pytest.raises(UsageError):
        store.history(ID, limit=limit)
    with pytest.raises(UsageError):
        store.audit(ID, limit=limit)


def test_one_version_can_be_looked_up(store: AnyStore, first: Row) -> None:
    second = store.update_locked(ID, named("Second"), by="ben", update_id="u")
    store.create("other", document(), by="ann")
    found = store.revision(ID, first.version)
    assert found is not None
    assert found.document == document()
    assert store.revision("other", second.version) is None
    for version in ("", "2", "2-", "2-00000000", "-1", "x", second.version + " "):
        assert store.revision(ID, version) is None


def test_the_audit_trail_says_who_when_what_and_why(store: AnyStore, first: Row) -> None:
    why = {"kind": "merge", "conflicts": [{"path": "/name", "kept": "later"}]}
    second = store.compare_and_swap(
        ID, first.version, document("Second"), by="ben", update_id="u-1", detail=why
    )
    entry = store.audit(ID)[0]
    assert (entry.template_id, entry.version, entry.parent) == (ID, second.version, first.version)
    assert (entry.by, entry.at, entry.kind) == ("ben", second.updated_at, "merge")
    assert (entry.update_id, entry.detail) == ("u-1", why)


def test_what_a_store_hands_out_is_nobody_elses(store: AnyStore) -> None:
    """Changing what was given in or got out changes nothing that the store holds."""
    given, why = document(), {"kind": "update", "list": [1]}
    created = store.create(ID, given, by="ann")
    given["name"] = "changed after the call"
    created.document["name"] = "changed in the answer"
    store.compare_and_swap(ID, created.version, document(), by="ann", update_id="u", detail=why)
    why["list"].append(2)
    store.read(ID).document["fields"].clear()
    store.history(ID)[0].document["fields"].clear()
    store.history(ID)[0].detail["list"].append(3)
    store.audit(ID)[0].detail["list"].append(4)

    def spoil(row: Row) -> None:
        row.document["fields"].clear()

    store.update_locked(ID, spoil, by="ann")
    assert store.read(ID).document == document()
    assert [r.document for r in store.history(ID)] == [document(), document()]
    assert store.history(ID)[0].detail == {"kind": "update", "list": [1]}


# -- swapping --------------------------------------------------------------------------------------


def test_a_swap_commits_on_the_head_and_grows_the_revision_by_one(
    store: AnyStore, first: Row
) -> None:
    second = store.compare_and_swap(ID, first.version, document("Second"), by="ben")
    assert second.revision == 2
    assert second.version != first.version
    assert store.head(ID).version == store.read(ID).version == second.version
    assert store.history(ID)[0].parent == first.version


def test_a_stale_swap_writes_nothing_and_says_both_versions(store: AnyStore, first: Row) -> None:
    second = store.compare_and_swap(ID, first.version, document("Second"), by="ben")
    before = state(store)
    with pytest.raises(VersionConflictError) as failure:
        store.compare_and_swap(ID, first.version, document("Third"), by="cem")
    error = failure.value
    assert (error.template_id, error.expected, error.actual) == (ID, first.version, second.version)
    assert state(store) == before


@pytest.mark.parametrize("version", ["", "1", "1-", "2-3f9a1c07", "one", "\uff11-00000000"])
def test_a_version_that_never_was_is_a_conflict(store: AnyStore, first: Row, version: str) -> None:
    with pytest.raises(VersionConflictError):
        store.compare_and_swap(ID, version, document("Second"), by="ben")
    assert store.head(ID).version == first.version


def test_no_version_is_ever_used_twice(store: AnyStore, first: Row) -> None:
    """Going back to an old content makes a new token, so there is no A-B-A."""
    second = store.compare_and_swap(ID, first.version, document("Second"), by="ben")
    third = store.compare_and_swap(ID, second.version, document(), by="ben")
    assert third.body == first.body
    assert third.version != first.version
    with pytest.raises(VersionConflictError):
        store.compare_and_swap(ID, first.version, document("Late"), by="cem")


def test_an_equal_document_is_committed_all_the_same(store: AnyStore, first: Row) -> None:
    """Whether that is 'unchanged' is for the caller to say."""
    assert store.compare_and_swap(ID, first.version, document(), by="ben").revision == 2
    assert store.update_locked(ID, lambda row: row.document, by="ben").revision == 3


# -- update ids ------------------------------------------------------------------------------------


def test_a_used_update_id_answers_with_its_commit_before_the_version_is_looked_at(
    store: AnyStore, first: Row, clock: ManualClock
) -> None:
    mine = store.compare_and_swap(ID, first.version, document("Mine"), by="ben", update_id="u")
    clock.time += 60
    theirs = store.update_locked(ID, named("Theirs"), by=BACKGROUND)
    before = state(store)
    for again in (
        store.compare_and_swap(ID, first.version, document("Mine"), by="ben", update_id="u"),
        store.compare_and_swap(ID, "9-99999999", document("X"), by="cem", update_id="u"),
        store.compare_and_swap(ID, theirs.version, document("X"), by="cem", update_id="u"),
        store.update_locked(ID, pytest.fail, by="ben", update_id="u"),
        store.update_many(ID, [QueuedWrite(pytest.fail, "ben", "u")])[0],
    ):
        assert isinstance(again, Row)
        assert again.version == mine.version
        assert again.document == document("Mine")
        assert (again.updated_by, again.updated_at) == ("ben", mine.updated_at)
        assert again.user_updated_at == mine.user_updated_at
    assert state(store) == before


def test_a_lost_swap_does_not_use_up_its_id(store: AnyStore, first: Row) -> None:
    with pytest.raises(VersionConflictError):
        store.compare_and_swap(ID, "0-00000000", document("Mine"), by="ben", update_id="u")
    with pytest.raises(ZeroDivisionError):
        store.update_locked(ID, lambda row: 1 / 0, by="ben", update_id="u")  # type: ignore[arg-type,return-value]
    store.update_locked(ID, lambda row: None, by="ben", update_id="u")
    assert store.find_update("u") is None
    row = store.compare_and_swap(ID, first.version, document("Mine"), by="ben", update_id="u")
    assert row.revision == 2


def test_an_update_id_is_one_id_in_the_whole_store(store: AnyStore, first: Row) -> None:
    store.create("other", document("Other"), by="ann")
    mine = store.update_locked(ID, named("Mine"), by="ben", update_id="u")
    again = store.update_locked("other", pytest.fail, by="ben", update_id="u")
    assert (again.template_id, again.version) == (ID, mine.version)
    assert store.head("other").revision == 1


def test_an_update_can_be_found_by_its_id(store: AnyStore, first: Row) -> None:
    row = store.update_locked(ID, named("Mine"), by="ben", update_id="u")
    found = store.find_update("u")
    assert found is not None
    assert (found.template_id, found.version, found.by) == (ID, row.version, "ben")
    assert found.detail == {"kind": "update", "name": "Mine"}
    assert store.find_update("never") is None


@pytest.mark.parametrize("update_id", ["", "x" * 201, "\udfff", 7])
def test_what_can_be_no_update_id_is_refused(store: AnyStore, first: Row, update_id: Any) -> None:
    with pytest.raises(UsageError) as failure:
        store.compare_and_swap(ID, first.version, document("X"), by="ben", update_id=update_id)
    assert failure.value.argument == "update_id"
    assert store.head(ID).revision == 1


# -- changing under the lock -----------------------------------------------------------------------


def test_a_locked_update_is_shown_the_head_and_commits_its_answer(
    store: AnyStore, first: Row
) -> None:
    seen: list[str] = []

    def change(row: Row) -> Write:
        seen.append(row.version)
        return Write({**row.document, "name": "Locked"}, {"kind": "merge"})

    row = store.update_locked(ID, change, by="ben")
    assert seen == [first.version]
    assert row.document["name"] == store.read(ID).document["name"] == "Locked"
    assert store.audit(ID)[0].kind == "merge"


def test_a_change_of_none_writes_nothing_and_answers_the_head(store: AnyStore, first: Row) -> None:
    before = state(store)
    assert store.update_locked(ID, lambda row: None, by="ben").version == first.version
    assert state(store) == before


def test_a_change_that_raises_writes_nothing_and_gives_the_lock_back(
    store: AnyStore, first: Row
) -> None:
    class MyError(Exception):
        pass

    def change(row: Row) -> Write:
        raise MyError

    before = state(store)
    with pytest.raises(MyError):
        store.update_locked(ID, change, by="ben")
    assert state(store) == before
    assert store.update_locked(ID, named("Next"), by="ben", timeout_s=0.0).revision == 2


def test_a_change_may_read_the_store_and_so_may_everybody_else(store: AnyStore, first: Row) -> None:
    """A write under way blocks no reader, and none of them sees it before it is committed."""

    def change(row: Row) -> Write:
        assert store.read(ID).version == store.head(ID).version == first.version
        assert len(store.history(ID)) == 1
        with ThreadPoolExecutor(1) as other:
            assert other.submit(store.read, ID).result(10).version == first.version
            assert other.submit(store.head, ID).result(10).version == first.version
        return Write({**row.document, "name": "Read within"})

    assert store.update_locked(ID, change, by="ben").revision == 2


def test_a_write_inside_a_change_is_refused_at_once(store: AnyStore, first: Row) -> None:
    """It would wait for itself."""

    def change(row: Row) -> Write:
        store.compare_and_swap(ID, row.version, document("Inner"), by="ben")
        raise AssertionError

    with pytest.raises(UsageError, match="only reads the store"):
        store.update_locked(ID, change, by="ben")
    assert store.update_locked(ID, named("Next"), by="ben").revision == 2


@pytest.mark.parametrize("timeout_s", [0.0, -1.0, 0.02])
def test_a_write_whose_turn_does_not_come_says_busy(
    store: AnyStore, first: Row, timeout_s: float
) -> None:
    def change(row: Row) -> Write:
        def swap() -> Row:
            return store.compare_and_swap(
                ID, row.version, document("X"), by="cem", timeout_s=timeout_s
            )

        with (
            ThreadPoolExecutor(1) as other,
            pytest.raises(StoreUnavailableError, match="busy") as failure,
        ):
            other.submit(swap).result(10)
        assert failure.value.template_id == ID
        assert failure.value.retryable
        assert failure.value.definite
        return Write({**row.document, "name": "First"})

    assert store.update_locked(ID, change, by="ben").revision == 2
    assert store.head(ID).revision == 2


# -- several at once -------------------------------------------------------------------------------


def test_a_batch_commits_in_order_a_version_each(store: AnyStore, first: Row) -> None:
    """Each change sees what the one before it made."""
    writes = [
        QueuedWrite(lambda row: counted(row.document, "n"), f"user-{number}", f"u-{number}")
        for number in range(5)
    ]
    answers = store.update_many(ID, writes)
    assert [row.revision for row in answers if isinstance(row, Row)] == [2, 3, 4, 5, 6]
    assert [row.updated_by for row in answers if isinstance(row, Row)] == [w.by for w in writes]
    assert [r.update_id for r in store.history(ID, limit=5)] == [f"u-{n}" for n in (4, 3, 2, 1, 0)]
    assert count(store.read(ID).document, "n") == 5
    assert store.update_many(ID, []) == []


def test_a_write_of_a_batch_fails_alone(store: AnyStore, first: Row) -> None:
    store.update_locked(ID, named("Before"), by="ann", update_id="used")
    answers = store.update_many(
        ID,
        [
            QueuedWrite(named("One"), "ann", "a"),
            QueuedWrite(lambda row: 1 / 0, "ben", "b"),  # type: ignore[arg-type,return-value]
            QueuedWrite(lambda row: {**row.document, "name": ""}, "cem", "c"),
            QueuedWrite(pytest.fail, "dan", "used"),
            QueuedWrite(pytest.fail, "eve", "a"),
            QueuedWrite(lambda row: None, "fay", "f"),
            QueuedWrite(named("Two"), "gus", "g"),
        ],
    )
    kinds = [type(answer) for answer in answers]
    assert kinds == [Row, ZeroDivisionError, InvalidTemplateError, Row, Row, Row, Row]
    rows = [answer.revision if isinstance(answer, Row) else None for answer in answers]
    assert rows == [3, None, None, 2, 3, 3, 4]
    assert [r.update_id for r in store.history(ID)] == ["g", "a", "used", None]
    assert store.find_update("f") is None


def test_an_interrupted_batch_leaves_nothing(store: AnyStore, first: Row) -> None:
    def interrupt(row: Row) -> Write:
        raise KeyboardInterrupt

    before = state(store)
    with pytest.raises(KeyboardInterrupt):
        store.update_many(ID, [QueuedWrite(named("One"), "a"), QueuedWrite(interrupt, "b")])
    assert state(store) == before
    assert store.update_locked(ID, named("Next"), by="ben", timeout_s=0.0).revision == 2


# -- refusing --------------------------------------------------------------------------------------


def test_every_write_refuses_an_invalid_document(store: AnyStore, first: Row) -> None:
    bad = {**document(), "fields": "none"}
    before = state(store)
    writes: list[Callable[[], object]] = [
        lambda: store.create("other", bad, by="ann"),
        lambda: store.put(ID, bad, by="ann"),
        lambda: store.compare_and_swap(ID, first.version, bad, by="ann", update_id="u"),
        lambda: store.update_locked(ID, lambda row: bad, by="ann", update_id="u"),
        lambda: store.update_locked(ID, lambda row: Write(bad), by="ann", update_id="u"),
    ]
    for write in writes:
        with pytest.raises(InvalidTemplateError) as failure:
            write()
        assert failure.value.path == "/fields"
    assert state(store) == before
    assert store.templates() == [ID]


@pytest.mark.parametrize("by", ["", "x" * 201, "\ud800", "a\0", None, 7])
def test_a_name_that_can_be_no_users_is_refused(store: AnyStore, first: Row, by: Any) -> None:
    writes: list[Callable[[], object]] = [
        lambda: store.create("other", document(), by=by),
        lambda: store.put(ID, document(), by=by),
        lambda: store.compare_and_swap(ID, first.version, document(), by=by),
        lambda: store.update_locked(ID, pytest.fail, by=by),
        lambda: store.update_many(ID, [QueuedWrite(pytest.fail, by)]),
    ]
    for write in writes:
        with pytest.raises(UsageError):
            write()
    assert store.history(ID)[0].version == first.version


def test_a_detail_that_is_no_json_is_refused(store: AnyStore, first: Row) -> None:
    with pytest.raises(UsageError) as failure:
        store.compare_and_swap(ID, first.version, document(), by="ann", detail={"at": object()})
    assert failure.value.argument == "detail"
    assert store.head(ID).revision == 1


def test_a_closed_store_refuses_everything(store: AnyStore, first: Row) -> None:
    store.close()
    store.close()
    calls: list[Callable[[], object]] = [
        lambda: store.templates(),
        lambda: store.read(ID),
        lambda: store.head(ID),
        lambda: store.history(ID),
        lambda: store.audit(ID),
        lambda: store.revision(ID, first.version),
        lambda: store.find_update("u"),
        lambda: store.create("other", document(), by="ann"),
        lambda: store.put(ID, document(), by="ann"),
        lambda: store.compare_and_swap(ID, first.version, document(), by="ann"),
        lambda: store.update_locked(ID, pytest.fail, by="ann"),
        lambda: store.update_many(ID, [QueuedWrite(pytest.fail, "ann")]),
    ]
    for call in calls:
        with pytest.raises(StoreUnavailableError, match="closed") as failure:
            call()
        assert failure.value.definite
        assert not failure.value.retryable


def test_a_store_closed_by_a_change_commits_nothing_more(store: AnyStore, first: Row) -> None:
    def change(row: Row) -> Write:
        store.close()
        return Write(document("Too late"))

    with pytest.raises(StoreUnavailableError, match="closed"):
        store.update_locked(ID, change, by="ann")


# -- times -----------------------------------------------------------------------------------------


def test_only_users_move_the_time_of_the_last_user_update(
    store: AnyStore, first: Row, clock: ManualClock
) -> None:
    created_at = clock.now()
    clock.time += 10
    job = store.update_locked(ID, named("Job"), by=BACKGROUND)
    assert (job.updated_at, job.user_updated_at) == (created_at + 10, created_at)
    assert store.head(ID).user_updated_at == created_at
    clock.time += 10
    user = store.compare_and_swap(ID, job.version, document("User"), by="ben")
    assert user.updated_at == user.user_updated_at == created_at + 20
    assert store.read(ID).user_updated_at == store.head(ID).user_updated_at == created_at + 20


def test_a_template_that_only_the_job_wrote_has_no_user_update(store: AnyStore) -> None:
    assert store.create(ID, document(), by=BACKGROUND).user_updated_at is None
    assert store.head(ID).user_updated_at is None


def test_a_clock_that_steps_back_moves_no_commit_before_its_parent(
    store: AnyStore, first: Row, clock: ManualClock
) -> None:
    """The time of the last user update follows the clock: else the job would wait out the step."""
    created_at = clock.now()
    clock.time -= 3600
    user = store.update_locked(ID, named("User"), by="ben")
    assert user.updated_at == store.history(ID)[0].at == created_at
    assert user.user_updated_at == created_at - 3600
    clock.time += 5
    assert store.update_locked(ID, named("Job"), by=BACKGROUND).user_updated_at == (
        created_at - 3600
    )


# -- the tempting blind write, and the protocols ---------------------------------------------------


def test_put_writes_over_whatever_is_there(store: AnyStore, first: Row) -> None:
    store.update_locked(ID, named("Lost"), by="ben")
    row = store.put(ID, document("Blind"), by="cem")
    assert row.revision == 3
    assert store.read(ID).document == document("Blind")
    assert store.audit(ID)[0].kind == "put"


def test_templates_do_not_touch_each_other(store: AnyStore, first: Row) -> None:
    other = store.create("other", document("Other"), by="ann")
    store.update_locked(ID, named("Mine"), by="ben")
    assert store.head("other").version == other.version
    assert len(store.history("other")) == 1
    assert store.templates() == [ID, "other"]


def test_a_store_is_all_that_it_is_asked_to_be(store: AnyStore) -> None:
    candidate: CandidateStore = store
    assert candidate is store
    assert supports_batches(store)
    assert supports_lookup(store)


# -- threads ---------------------------------------------------------------------------------------


@pytest.fixture
def eager_switching() -> Iterator[None]:
    """Threads take turns 500 times as often, so that the gap between read and write is hit."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.00001)
    yield
    sys.setswitchinterval(before)


@pytest.mark.real
@pytest.mark.usefixtures("eager_switching")
def test_threads_that_read_and_swap_lose_nothing(store: AnyStore, first: Row) -> None:
    """Eight threads count in one document, each repeating its swap until it wins."""
    each, threads = 40, 8
    start = threading.Barrier(threads)

    def count_up(name: str) -> int:
        lost = 0
        for number in range(each):
            while True:
                row = store.read(ID)
                if (number, lost) == (0, 0):
                    start.wait()  # all have read the first version, which only one can replace
                try:
                    won = store.compare_and_swap(
                        ID,
                        row.version,
                        counted(row.document, name),
                        by=name,
                        update_id=f"{name}-{number}",
                    )
                except VersionConflictError:
                    lost += 1
                    continue
                assert won.revision == row.revision + 1
                assert store.head(ID).revision >= won.revision
                break
        return lost

    names = [f"t{n}" for n in range(threads)]
    with ThreadPoolExecutor(threads) as pool:
        assert sum(pool.map(count_up, names)) >= threads - 1
    final = store.read(ID)
    assert final.revision == 1 + each * threads
    assert [count(final.document, name) for name in names] == [each] * threads
    history = store.history(ID)
    assert [r.parent for r in history] == [r.version for r in history[1:]] + [None]
    assert len({r.update_id for r in history}) == len(history)


def test_no_error_but_ours_leaves_a_store(store: AnyStore) -> None:
    """Odd arguments of every kind, in every place."""
    store.create(ID, document(), by="ann")
    odd: list[Any] = [None, 7, 1.5, b"x", [], {}, "\ud800", "x" * 1000, object()]
    for thing in odd:
        for call in (
            lambda: store.compare_and_swap(ID, thing, document(), by="ann"),  # noqa: B023
            lambda: store.compare_and_swap(ID, "1", thing, by="ann"),  # noqa: B023
            lambda: store.update_locked(ID, lambda row: thing or 0, by="ann"),  # noqa: B023
            lambda: store.head(thing),  # noqa: B023
            lambda: store.find_update(thing),  # noqa: B023
            lambda: store.revision(ID, thing),  # noqa: B023
        ):
            with suppress(SyncError):
                assert call() is None
    assert store.head(ID).revision == 1
