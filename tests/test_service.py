"""The reference solution keeps the contract's promises, verb by verb."""

from __future__ import annotations

import threading
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest

from syncsim.contract import ABSENT, Outcome, Row, Snapshot
from syncsim.errors import (
    CacheError,
    InvalidTemplateError,
    OutcomeUnknownError,
    RetriesExhaustedError,
    StoreUnavailableError,
    TemplateNotFoundError,
    UpdateIdReusedError,
    UsageError,
    VersionConflictError,
    VersionNotFoundError,
)
from syncsim.service.retry import RetryPolicy
from syncsim.service.service import MOST_READERS, SyncService
from syncsim.template.samples import sample
from tests.parts import HookedStore, ManualClock, environment

TID = "event_registration"


class Bench:
    """A service on a memory store, with its hooks, clock and events at hand."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.clock = ManualClock()
        self.env = environment(folder, self.clock)
        self.store: HookedStore = self.env.store  # type: ignore[assignment]
        self.store.create(TID, sample(TID), by="ann")
        self.sync = SyncService(self.env, **settings)

    def rename(self, name: str, by: str = "rival") -> None:
        row = self.store.inner.read(TID)
        document = {**row.document, "name": name}
        self.store.inner.compare_and_swap(TID, row.version, document, by=by)

    def kinds(self) -> list[str]:
        return [event.kind for event in self.env.events.read()]

    def events(self, kind: str) -> list[dict[str, Any]]:
        return [dict(event.facts) for event in self.env.events.read() if event.kind == kind]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def relabel(snapshot: Snapshot, field: int, label: str) -> dict[str, Any]:
    fields = [dict(f) for f in snapshot.document["fields"]]
    fields[field]["label"] = label
    return {"fields": fields}


# -- update ----------------------------------------------------------------------------------------


def test_changes_of_two_users_to_different_leaves_are_both_kept(bench: Bench) -> None:
    base = bench.sync.get_template(TID, user="ann")
    first = base.document["fields"][0]["id"]
    bench.sync.update_template(TID, {"name": "Spring"}, user="ann", base=base)
    outcome = bench.sync.update_template(TID, relabel(base, 0, "Who?"), user="ben", base=base)

    document = bench.sync.get_template(TID, user="cem").document
    assert (document["name"], document["fields"][0]["label"]) == ("Spring", "Who?")
    assert (outcome.status, outcome.attempts) == ("committed", 1), "an old base is no conflict"
    assert (outcome.merged, outcome.conflicts) == (("/name",), ())
    assert document["fields"][0]["id"] == first


def test_on_the_same_leaf_the_later_writer_wins_and_the_overridden_value_is_kept(
    bench: Bench,
) -> None:
    base = bench.sync.get_template(TID, user="ann")
    bench.sync.update_template(TID, {"name": "Ann's"}, user="ann", base=base)
    outcome = bench.sync.update_template(TID, {"name": "Ben's"}, user="ben", base=base)

    (conflict,) = outcome.conflicts
    assert conflict.path == "/name"
    assert (conflict.base, conflict.earlier, conflict.later) == (
        base.document["name"],
        "Ann's",
        "Ben's",
    )
    assert (conflict.kept, conflict.earlier_by) == ("later", "ann")
    assert outcome.merged == ()
    assert bench.sync.history(TID)[0].detail["conflicts"] == [conflict.to_json()]


def test_the_author_of_an_overridden_value_is_found_behind_later_commits(bench: Bench) -> None:
    base = bench.sync.get_template(TID, user="ann")
    bench.sync.update_template(TID, {"name": "Ann's"}, user="ann", base=base)
    bench.sync.update_template(TID, {"description": "by Cem"}, user="cem", base=base)
    outcome = bench.sync.update_template(TID, {"name": "Ben's"}, user="ben", base=base)
    assert outcome.conflicts[0].earlier_by == "ann"


def test_the_author_of_an_overridden_value_is_found_inside_elements_and_for_deleted_ones(
    bench: Bench,
) -> None:
    base = bench.sync.get_template(TID, user="ann")
    fields = base.document["fields"]
    edited, deleted = fields[0]["id"], fields[1]["id"]
    without = [dict(f, label="Ben's") if f["id"] == edited else f for f in fields]
    bench.sync.update_template(TID, {"fields": without}, user="ben", base=base)
    gone = [f for f in without if f["id"] != deleted]
    bench.sync.update_template(TID, {"fields": gone}, user="cem")
    bench.sync.update_template(TID, {"description": "later"}, user="dan")
    mine = [dict(f, label="Ann's") if f["id"] in (edited, deleted) else f for f in fields]
    outcome = bench.sync.update_template(TID, {"fields": mine}, user="ann", base=base)
    assert {(c.path, c.kind, c.earlier_by) for c in outcome.conflicts} == {
        (f"/fields/{edited}/label", "edit", "ben"),
        (f"/fields/{deleted}", "delete-edit", "cem"),
    }


def test_a_change_equal_to_the_head_commits_nothing(bench: Bench) -> None:
    base = bench.sync.get_template(TID, user="ann")
    outcome = bench.sync.update_template(
        TID, {"name": base.document["name"]}, user="ann", base=base
    )
    assert (outcome.status, outcome.version, outcome.attempts) == ("unchanged", base.version, 0)
    assert len(bench.sync.history(TID)) == 1


def test_the_stored_base_counts_whatever_became_of_the_document_that_was_handed_out(
    bench: Bench,
) -> None:
    base = bench.sync.get_template(TID, user="ann")
    bench.sync.update_template(TID, {"description": "new"}, user="ben", base=base)
    base.document["description"] = "scribbled over"
    base.document["fields"].clear()
    bench.sync.update_template(TID, {"name": "Spring"}, user="ann", base=base)
    document = bench.sync.get_template(TID, user="ann").document
    assert document["description"] == "new"
    assert len(document["fields"]) == len(sample(TID)["fields"])


@pytest.mark.parametrize("read_again", [False, True])
def test_the_base_is_what_the_store_holds_whether_memory_has_it_or_not(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, read_again: bool
) -> None:
    """A reader's own entry spares the store a question; any other version is asked for."""
    base = bench.sync.get_template(TID, user="ann")
    bench.sync.update_template(TID, {"description": "new"}, user="ben", base=base)
    if read_again:
        bench.sync.get_template(TID, user="ann")
    asked: list[str] = []
    find = bench.store.inner.revision
    monkeypatch.setattr(
        bench.store.inner, "revision", lambda t, v: (asked.append(v), find(t, v))[1]
    )
    outcome = bench.sync.update_template(TID, {"name": "Spring"}, user="ann", base=base)
    assert outcome.merged == ("/description",)
    assert asked == ([base.version] if read_again else [])


def test_without_a_base_the_head_at_the_first_attempt_is_the_base(bench: Bench) -> None:
    bench.store.before_swap = iter([lambda: bench.rename("Rival's")])
    document = sample(TID)
    outcome = bench.sync.update_template(TID, {"description": "mine"}, user="ann")
    head = bench.store.read(TID).document
    assert (head["name"], head["description"]) == ("Rival's", "mine")
    assert outcome.attempts == 2
    assert outcome.merged == ("/name",)
    assert document["name"] != "Rival's"


def test_a_user_cannot_write_or_remove_derived_data(bench: Bench) -> None:
    bench.clock.sleep(6)
    assert bench.sync.run_background_job(TID).status == "committed"
    base = bench.sync.get_template(TID, user="ann")
    derived = base.document["metadata"]["derived"]
    bench.sync.update_template(TID, {"metadata": {"owner": "ann"}}, user="ann", base=base)
    assert bench.sync.get_template(TID, user="ann").document["metadata"] == {
        "owner": "ann",
        "derived": derived,
    }


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"name": ""}, "/name"),
        ({"name": {1, 2}}, "/name"),
        ({"nmae": "typo"}, "/nmae"),
        ({"settings": {"theme": float("nan")}}, "/settings/theme"),
        ({"fields": "none"}, "/fields"),
        ({"metadata": 5}, "/metadata"),
    ],
)
@pytest.mark.parametrize("behind", [False, True], ids=["head is the base", "head moved on"])
def test_an_invalid_change_names_its_path_and_writes_nothing(
    bench: Bench, changes: dict[str, Any], path: str, behind: bool
) -> None:
    base = bench.sync.get_template(TID, user="ann")
    if behind:
        bench.rename("Rival's")
    before = bench.store.head(TID).version
    with pytest.raises(InvalidTemplateError) as caught:
        bench.sync.update_template(TID, changes, user="ann", base=base)
    assert caught.value.path == path
    assert caught.value.template_id == TID
    assert bench.store.head(TID).version == before
    assert "update.failed" in bench.kinds()


def test_an_invalid_change_names_its_template_under_a_chosen_update_id_too(bench: Bench) -> None:
    with pytest.raises(InvalidTemplateError) as caught:
        bench.sync.update_template(TID, {"name": b"x"}, user="ann", update_id="u-1")
    assert caught.value.template_id == TID


@pytest.mark.parametrize("changes", [None, [], "name", 5])
def test_changes_that_are_no_object_are_refused(bench: Bench, changes: Any) -> None:
    with pytest.raises(InvalidTemplateError):
        bench.sync.update_template(TID, changes, user="ann")


@pytest.mark.parametrize("user", ["", "x" * 201, "background", None, 7, "nul\0", "\ud800"])
def test_odd_user_names_are_refused_before_anything_happens(bench: Bench, user: Any) -> None:
    for verb in (
        lambda: bench.sync.update_template(TID, {"name": "x"}, user=user),
        lambda: bench.sync.update_with_version(TID, {"name": "x"}, "1-x", user=user),
        lambda: bench.sync.rollback(TID, "1-x", user=user),
    ):
        with pytest.raises(UsageError):
            verb()


@pytest.mark.parametrize("user", ["Zoë", "../../evil", "a/b", "x" * 200, "🐙", " ", "a\nb"])
def test_any_other_non_empty_name_is_a_user(bench: Bench, user: str) -> None:
    base = bench.sync.get_template(TID, user=user)
    assert bench.sync.update_template(TID, {"name": "x"}, user=user, base=base).version
    assert bench.sync.get_template(TID, user=user).updated_by == user


def test_a_base_of_another_template_is_refused(bench: Bench) -> None:
    bench.store.create("other", sample(TID), by="ann")
    base = bench.sync.get_template("other", user="ann")
    for wrong in (base, {"version": "1"}, "1-x"):
        with pytest.raises(UsageError):
            bench.sync.update_template(TID, {"name": "x"}, user="ann", base=wrong)  # type: ignore[arg-type]


def test_an_unknown_template_is_named_by_every_verb(bench: Bench) -> None:
    for verb in (
        lambda: bench.sync.get_template("nope", user="ann"),
        lambda: bench.sync.update_template("nope", {"name": "x"}, user="ann"),
        lambda: bench.sync.update_with_version("nope", {"name": "x"}, "1-x", user="ann"),
        lambda: bench.sync.run_background_job("nope"),
        lambda: bench.sync.rollback("nope", "1-x", user="ann"),
    ):
        with pytest.raises(TemplateNotFoundError) as caught:
            verb()
        assert caught.value.template_id == "nope"


# -- retries ---------------------------------------------------------------------------------------


def test_the_default_policy_commits_at_retry_one_against_a_tireless_rival(bench: Bench) -> None:
    bench.store.before_swap = repeat(lambda: bench.rename(f"rival {bench.store.swaps}"))
    outcome = bench.sync.update_template(TID, {"description": "mine"}, user="ann")
    assert (outcome.status, outcome.attempts) == ("committed", 2)
    assert bench.store.read(TID).document["description"] == "mine"
    (delay,) = bench.clock.slept
    assert 0.2 / 3 <= delay <= 0.4 / 3
    kinds = [k for k in bench.kinds() if k.startswith("update.")]
    assert kinds == [
        "update.started",
        "update.conflict",
        "update.retry",
        "update.waited",
        "update.queued",
        "update.dequeued",
        "update.committed",
    ]


def test_without_the_queue_three_retries_are_spent_and_the_error_says_everything(
    tmp_path: Path,
) -> None:
    bench = Bench(tmp_path, retry=RetryPolicy(queue_from=None))
    bench.store.before_swap = repeat(lambda: bench.rename(f"rival {bench.store.swaps}"))
    with pytest.raises(RetriesExhaustedError) as caught:
        bench.sync.update_template(TID, {"description": "mine"}, user="ann")
    error = caught.value
    assert error.template_id == TID
    assert error.attempts == 4 == bench.store.swaps
    assert error.waited_s == pytest.approx(sum(bench.clock.slept))
    assert error.last_actual == bench.store.head(TID).version
    assert error.last_expected == bench.store.history(TID)[1].version
    first, second, third = bench.clock.slept
    assert first < second < third, "a third of jitter keeps the delays apart"
    assert [e["attempt"] for e in bench.events("update.conflict")] == [1, 2, 3, 4]
    assert bench.store.read(TID).document["description"] != "mine"


def test_the_deadline_ends_the_retries_early(tmp_path: Path) -> None:
    bench = Bench(tmp_path, retry=RetryPolicy(queue_from=None), deadline_s=0.19)
    bench.store.before_swap = repeat(lambda: bench.rename(f"rival {bench.store.swaps}"))
    before = bench.clock.now()
    with pytest.raises(RetriesExhaustedError) as caught:
        bench.sync.update_template(TID, {"description": "mine"}, user="ann")
    assert caught.value.attempts == 2
    assert bench.clock.now() - before < 0.19


def test_an_outage_is_retried_and_then_reported_with_the_attempts(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: Any, **__: Any) -> None:
        raise StoreUnavailableError(TID, "down for maintenance")

    bench.store.before_swap = iter([down])
    assert bench.sync.update_template(TID, {"name": "a"}, user="ann").attempts == 2

    bench.store.before_swap = repeat(down)
    monkeypatch.setattr(bench.store.inner, "update_locked", down)
    with pytest.raises(StoreUnavailableError, match="down for maintenance") as caught:
        bench.sync.update_template(TID, {"name": "b"}, user="ann")
    assert caught.value.facts["attempts"] == 4


def test_a_fault_not_worth_retrying_leaves_at_once(bench: Bench) -> None:
    def broken() -> None:
        raise StoreUnavailableError(TID, "no database", retryable=False)

    bench.store.before_swap = iter([broken])
    with pytest.raises(StoreUnavailableError):
        bench.sync.update_template(TID, {"name": "a"}, user="ann")
    assert bench.clock.slept == []


# -- lost answers and replays ----------------------------------------------------------------------


def lose(row: Any) -> None:
    raise OutcomeUnknownError(TID, "lost on the way")


def test_a_commit_whose_answer_was_lost_is_found_and_not_applied_twice(bench: Bench) -> None:
    bench.store.after_swap = iter([lose])
    outcome = bench.sync.update_template(TID, {"name": "once"}, user="ann")
    assert outcome.status == "committed"
    assert outcome.version == bench.store.head(TID).version
    assert len(bench.sync.history(TID)) == 2


def test_a_lost_answer_behind_which_others_committed_is_still_found(bench: Bench) -> None:
    def lose_and_move_on(row: Any) -> None:
        bench.rename("Rival's")
        lose(row)

    bench.store.after_swap = iter([lose_and_move_on])
    outcome = bench.sync.update_template(TID, {"name": "mine"}, user="ann")
    assert outcome.version == bench.sync.history(TID)[1].version, "the commit, not the head"
    assert bench.store.read(TID).document["name"] == "Rival's", "nothing was applied again"


def test_when_the_store_goes_down_with_the_answer_the_outcome_is_unknown_and_not_called_failed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: Any, **__: Any) -> None:
        raise StoreUnavailableError(TID, "down for maintenance")

    def lose_and_go_down(row: Any) -> None:
        monkeypatch.setattr(bench.store.inner, "update_locked", down)
        lose(row)

    bench.store.after_swap = iter([lose_and_go_down])
    with pytest.raises(OutcomeUnknownError) as caught:
        bench.sync.update_template(TID, {"name": "mine"}, user="ann", update_id="u-1")
    assert caught.value.update_id == "u-1"
    monkeypatch.undo()
    again = bench.sync.update_template(TID, {"name": "mine"}, user="ann", update_id="u-1")
    assert (again.status, again.version) == ("committed", bench.store.head(TID).version)
    assert len(bench.sync.history(TID)) == 2


def test_repeating_an_update_id_answers_what_the_first_call_answered(bench: Bench) -> None:
    """A merge with a conflict, won at the second attempt; others commit before it is repeated."""
    base = bench.sync.get_template(TID, user="ann")
    bench.sync.update_template(TID, {"name": "Ben's", "description": "Ben's"}, user="ben")
    bench.store.before_swap = iter([lambda: bench.rename("Rival's")])
    mine = {"name": "Ann's"}

    def call() -> Any:
        return bench.sync.update_template(TID, mine, user="ann", base=base, update_id="u-1")

    first = call()
    assert (first.status, first.attempts, first.merged) == ("committed", 2, ("/description",))
    assert [conflict.earlier for conflict in first.conflicts] == ["Rival's"]
    bench.rename("Later")
    assert call() == first
    assert bench.store.read(TID).document["name"] == "Later"
    assert len(bench.sync.history(TID)) == 5


def test_a_lost_answer_is_made_good_by_what_was_committed_not_by_what_the_retry_would_do(
    tmp_path: Path,
) -> None:
    """The retry merges at a head that holds the commit already, and a rival's value over it."""
    bench = Bench(tmp_path, retry=RetryPolicy(queue_from=None))

    def lose_and_move_on(row: Any) -> None:
        bench.rename("Rival's")
        lose(row)

    bench.store.after_swap = iter([lose_and_move_on])
    base = bench.sync.get_template(TID, user="ann")
    outcome = bench.sync.update_template(TID, {"name": "mine"}, user="ann", base=base)
    assert outcome.version == bench.sync.history(TID)[1].version
    assert (outcome.status, outcome.conflicts, outcome.merged) == ("committed", (), ())
    assert outcome.attempts == bench.store.swaps == 2
    assert bench.store.read(TID).document["name"] == "Rival's"


@pytest.mark.parametrize("queue_from", [1, None])
def test_a_job_whose_answer_was_lost_has_run_although_a_user_committed_since(
    tmp_path: Path, queue_from: int | None
) -> None:
    bench = Bench(tmp_path, retry=RetryPolicy(queue_from=queue_from))
    bench.clock.sleep(6)

    def lose_and_move_on(row: Any) -> None:
        bench.rename("Ann's", by="ann")
        lose(row)

    bench.store.after_swap = iter([lose_and_move_on])
    outcome = bench.sync.run_background_job(TID)
    written = bench.sync.history(TID)[1]
    assert (outcome.status, outcome.version) == ("committed", written.version)
    assert written.by == "background"


@pytest.mark.parametrize("verb", ["update", "job"])
def test_a_store_that_goes_down_before_a_commit_is_looked_up_does_not_make_it_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    """Committed, and then the store cannot say under what intent, or whether at all."""
    bench = Bench(tmp_path, retry=RetryPolicy(queue_from=None))
    bench.clock.sleep(6)
    looks_before = 1 if verb == "update" else 0
    find = bench.store.inner.find_update

    def once(update_id: str) -> Any:
        nonlocal looks_before
        looks_before -= 1
        if looks_before < 0:
            raise StoreUnavailableError(None, "down for maintenance")
        return find(update_id)

    monkeypatch.setattr(bench.store.inner, "find_update", once)
    if verb == "job":
        bench.store.after_swap = iter([lose])

    def update() -> Any:
        return bench.sync.update_template(TID, {"name": "A"}, user="ann", update_id="u-1")

    def job() -> Any:
        return bench.sync.run_background_job(TID)

    with pytest.raises(OutcomeUnknownError) as caught:
        (update if verb == "update" else job)()
    assert not caught.value.definite
    assert len(bench.sync.history(TID)) == 2
    assert bench.kinds()[-1] == f"{verb}.failed"


def test_an_update_that_wrote_nothing_says_so_also_when_its_id_cannot_be_looked_up(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = iter([lambda: None])

    def down(update_id: str) -> Any:
        for look in looks:
            return look()
        raise StoreUnavailableError(None, "down for maintenance")

    monkeypatch.setattr(bench.store.inner, "find_update", down)
    as_it_is = {"name": sample(TID)["name"]}
    with pytest.raises(StoreUnavailableError):
        bench.sync.update_template(TID, as_it_is, user="ann", update_id="u-1")


def test_of_two_calls_under_one_id_both_answer_what_was_committed(bench: Bench) -> None:
    base = bench.sync.get_template(TID, user="ann")
    answers: list[Any] = []

    def call() -> None:
        answers.append(
            bench.sync.update_template(TID, {"name": "A"}, user="ann", base=base, update_id="u-1")
        )

    bench.store.before_swap = iter([call])
    call()
    assert answers[0] == answers[1]
    assert len(bench.sync.history(TID)) == 2


def test_an_update_id_used_for_another_intent_is_refused(bench: Bench) -> None:
    bench.store.create("other", sample(TID), by="ann")
    base = bench.sync.get_template(TID, user="ann")
    first = bench.sync.update_template(TID, {"name": "A"}, user="ann", base=base, update_id="u-1")
    after = bench.sync.get_template(TID, user="ann")
    for template_id, changes, base_ in (
        (TID, {"name": "B"}, base),
        (TID, {"name": "A"}, after),
        ("other", {"name": "A"}, None),
    ):
        with pytest.raises(UpdateIdReusedError) as caught:
            bench.sync.update_template(
                template_id, changes, user="ann", base=base_, update_id="u-1"
            )
        assert caught.value.version == first.version
    assert len(bench.sync.history(TID)) == 2


def test_where_history_does_not_hold_the_base_its_document_is_part_of_the_intent(
    bench: Bench,
) -> None:
    """Two clients bring bases of the same version from elsewhere; the token alone tells nothing."""

    def foreign(name: str) -> Snapshot:
        return Snapshot(TID, "7-elsewhere", {**sample(TID), "name": name}, 0.0, "ann")

    def call(base: Snapshot) -> Any:
        changes = {"description": "mine"}
        return bench.sync.update_template(TID, changes, user="ann", base=base, update_id="u-1")

    first = call(foreign("Here"))
    assert (first.status, first.merged) == ("committed", ("/name",))
    assert call(foreign("Here")) == first
    with pytest.raises(UpdateIdReusedError) as caught:
        call(foreign("There"))
    assert (caught.value.update_id, caught.value.version) == ("u-1", first.version)
    assert len(bench.sync.history(TID)) == 2


def test_where_history_holds_the_base_its_document_may_have_been_scribbled_on(
    bench: Bench,
) -> None:
    base = bench.sync.get_template(TID, user="ann")
    first = bench.sync.update_template(TID, {"name": "A"}, user="ann", base=base, update_id="u-1")
    base.document.clear()
    again = bench.sync.update_template(TID, {"name": "A"}, user="ann", base=base, update_id="u-1")
    assert again == first


def test_an_update_id_reused_while_the_first_use_is_under_way_is_refused(bench: Bench) -> None:
    def overtake() -> None:
        bench.sync.update_template(TID, {"name": "first"}, user="ben", update_id="u-1")

    bench.store.before_swap = iter([overtake])
    with pytest.raises(UpdateIdReusedError):
        bench.sync.update_template(TID, {"name": "second"}, user="ann", update_id="u-1")
    assert bench.store.read(TID).document["name"] == "first"


# -- strict ----------------------------------------------------------------------------------------


def test_a_stale_version_is_refused_and_nothing_is_written(bench: Bench) -> None:
    base = bench.sync.get_template(TID, user="ann")
    bench.rename("Rival's")
    with pytest.raises(VersionConflictError) as caught:
        bench.sync.update_with_version(TID, {"name": "Ann's"}, base.version, user="ann")
    head = bench.store.head(TID).version
    assert (caught.value.expected, caught.value.actual) == (base.version, head)
    assert bench.store.read(TID).document["name"] == "Rival's"
    assert bench.clock.slept == []


def test_a_strict_update_that_loses_its_swap_is_refused_too(bench: Bench) -> None:
    bench.store.before_swap = iter([lambda: bench.rename("Rival's")])
    version = bench.store.head(TID).version
    with pytest.raises(VersionConflictError):
        bench.sync.update_with_version(TID, {"description": "mine"}, version, user="ann")
    assert bench.store.swaps == 1


def test_a_strict_update_of_the_head_commits(bench: Bench) -> None:
    base = bench.sync.get_template(TID, user="ann")
    outcome = bench.sync.update_with_version(TID, {"name": "A"}, base.version, user="ann")
    assert (outcome.status, outcome.attempts) == ("committed", 1)
    again = bench.sync.update_with_version(TID, {"name": "A"}, str(outcome.version), user="ann")
    assert again.status == "unchanged"


@pytest.mark.parametrize("deadline_s", [0.2, 30.0])
def test_every_verb_gives_the_store_the_time_that_is_left_until_its_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deadline_s: float
) -> None:
    """Reading the head costs half of the shorter deadline; the rest is for the write lock."""
    bench = Bench(tmp_path, deadline_s=deadline_s)
    head = bench.store.head(TID).version
    bench.clock.sleep(6)
    allowed: list[float] = []
    swap, read = bench.store.inner.compare_and_swap, bench.store.inner.read

    def noting(*args: Any, timeout_s: float | None = None, **kwargs: Any) -> Any:
        allowed.append(-1.0 if timeout_s is None else timeout_s)
        return swap(*args, timeout_s=timeout_s, **kwargs)

    def slow(template_id: str) -> Any:
        bench.clock.time += 0.1
        return read(template_id)

    monkeypatch.setattr(bench.store.inner, "compare_and_swap", noting)
    monkeypatch.setattr(bench.store.inner, "read", slow)
    bench.sync.run_background_job(TID)
    head = bench.store.head(TID).version
    bench.sync.update_with_version(TID, {"name": "A"}, head, user="ann")
    bench.sync.update_template(TID, {"name": "B"}, user="ben")
    bench.sync.rollback(TID, head, user="cem")
    assert allowed == pytest.approx([deadline_s - 0.1] * 4, abs=1e-6)


def test_a_deadline_that_passed_while_reading_leaves_no_time_and_no_negative_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path, deadline_s=0.05)
    read = bench.store.inner.read
    allowed: list[Any] = []

    def slow(template_id: str) -> Any:
        bench.clock.time += 0.1
        return read(template_id)

    def busy(*_: Any, timeout_s: Any = None, **__: Any) -> None:
        allowed.append(timeout_s)
        raise StoreUnavailableError(TID, "busy")

    monkeypatch.setattr(bench.store.inner, "read", slow)
    monkeypatch.setattr(bench.store.inner, "compare_and_swap", busy)
    head = bench.store.head(TID).version
    with pytest.raises(StoreUnavailableError):
        bench.sync.update_with_version(TID, {"name": "A"}, head, user="ann")
    assert allowed == [0.0]


# -- the job ---------------------------------------------------------------------------------------


def test_the_job_skips_within_the_cooldown_and_says_who_and_when(bench: Bench) -> None:
    bench.sync.update_template(TID, {"name": "A"}, user="ann")
    bench.clock.sleep(1.2)
    outcome = bench.sync.run_background_job(TID)
    assert (outcome.status, outcome.attempts) == ("skipped", 0)
    assert outcome.reason == "Skipped - recent user update (ann, 1.2 s ago, cooldown 5.0 s)"
    assert bench.events("job.skipped")[0]["reason"] == outcome.reason


def test_after_the_cooldown_the_job_writes_derived_data_and_nothing_else(bench: Bench) -> None:
    before = bench.sync.get_template(TID, user="ann").document
    bench.clock.sleep(5.0)
    assert bench.sync.run_background_job(TID).status == "committed"
    after = bench.sync.get_template(TID, user="ann").document
    assert after["metadata"].pop("derived")["fields"] == len(before["fields"])
    assert after == before
    assert bench.sync.run_background_job(TID).status == "unchanged", "its own write is no user's"


def test_a_user_who_commits_between_the_jobs_read_and_write_is_not_overwritten(
    bench: Bench,
) -> None:
    bench.clock.sleep(6)
    bench.store.before_swap = iter([lambda: bench.rename("Ann's", by="ann")])
    outcome = bench.sync.run_background_job(TID)
    assert outcome.status == "skipped"
    assert outcome.reason is not None
    assert outcome.reason.startswith("Skipped - recent user update (ann, 0.1 s ago")
    assert bench.store.read(TID).updated_by == "ann"


def test_the_cooldown_is_looked_at_before_asking_whether_anything_would_change(
    bench: Bench,
) -> None:
    bench.clock.sleep(6)
    bench.sync.run_background_job(TID)
    bench.sync.update_template(TID, {"name": "A"}, user="ann")
    assert bench.sync.run_background_job(TID).status == "skipped"


def test_a_stamp_from_a_clock_that_stood_ahead_delays_the_job_by_one_cooldown_and_no_more(
    bench: Bench,
) -> None:
    """Ann's update is stamped; then the clock is set back by an hour."""
    bench.sync.update_template(TID, {"name": "A"}, user="ann")
    bench.clock.time -= 3600
    outcome = bench.sync.run_background_job(TID)
    assert outcome.reason == (
        "Skipped - recent user update (ann, stamped 3600.0 s ahead of this clock, "
        "first seen 0.0 s ago, cooldown 5.0 s)"
    )
    bench.clock.sleep(4.5)
    assert bench.sync.run_background_job(TID).status == "skipped"
    bench.clock.sleep(0.5)
    assert bench.sync.run_background_job(TID).status == "committed"


def test_a_user_who_commits_after_the_clock_was_set_back_is_given_the_whole_cooldown(
    bench: Bench,
) -> None:
    bench.sync.update_template(TID, {"name": "A"}, user="ann")
    bench.clock.time -= 3600
    bench.sync.run_background_job(TID)
    bench.clock.sleep(4)
    bench.sync.update_template(TID, {"name": "B"}, user="ben")
    bench.clock.sleep(4)
    outcome = bench.sync.run_background_job(TID)
    assert outcome.reason == "Skipped - recent user update (ben, 4.0 s ago, cooldown 5.0 s)"
    bench.clock.sleep(1)
    assert bench.sync.run_background_job(TID).status == "committed"


def test_each_update_from_a_clock_ahead_is_given_the_cooldown_from_its_own_first_sight(
    bench: Bench,
) -> None:
    """The rival's host is an hour ahead and writes with one stamp, even between read and swap."""

    def from_ahead() -> None:
        now, bench.clock.time = bench.clock.time, 1_800_000_000.0
        bench.rename(f"Rival's {bench.store.swaps}")
        bench.clock.time = now

    from_ahead()
    assert bench.sync.run_background_job(TID).status == "skipped"
    bench.clock.sleep(6)
    bench.store.before_swap = iter([from_ahead])
    outcome = bench.sync.run_background_job(TID)
    assert (outcome.status, outcome.attempts) == ("skipped", 1)
    assert bench.store.read(TID).updated_by == "rival"
    bench.clock.sleep(4.9)
    assert bench.sync.run_background_job(TID).status == "skipped"
    bench.clock.sleep(0.1)
    assert bench.sync.run_background_job(TID).status == "committed"


def test_a_process_that_has_just_begun_counts_from_its_own_first_sight(bench: Bench) -> None:
    bench.sync.update_template(TID, {"name": "A"}, user="ann")
    bench.clock.time -= 3600
    bench.sync.run_background_job(TID)
    bench.clock.sleep(6)
    restarted = SyncService(bench.env)
    assert restarted.run_background_job(TID).status == "skipped"
    bench.clock.time -= 60
    assert restarted.run_background_job(TID).status == "skipped", "the clock was set back again"
    bench.clock.sleep(5)
    assert restarted.run_background_job(TID).status == "committed"


# -- rollback --------------------------------------------------------------------------------------


def test_rollback_is_a_new_version_with_the_old_content(bench: Bench) -> None:
    first = bench.store.head(TID).version
    bench.sync.update_template(TID, {"name": "A"}, user="ann")
    outcome = bench.sync.rollback(TID, first, user="ben")
    newest, _, oldest = bench.sync.history(TID)
    assert newest.document == oldest.document
    assert newest.detail["kind"] == "rollback"
    assert newest.detail["restored"] == first
    assert len({outcome.version, first, bench.sync.history(TID)[1].version}) == 3
    assert "rollback.committed" in bench.kinds()
    assert bench.sync.get_template(TID, user="cem").version == outcome.version


def test_rollback_merges_what_others_commit_meanwhile(bench: Bench) -> None:
    first = bench.store.head(TID).version
    bench.sync.update_template(TID, {"name": "A"}, user="ann")

    def describe() -> None:
        row = bench.store.inner.read(TID)
        document = {**row.document, "description": "meanwhile"}
        bench.store.inner.compare_and_swap(TID, row.version, document, by="cem")

    bench.store.before_swap = iter([describe])
    bench.sync.rollback(TID, first, user="ben")
    document = bench.store.read(TID).document
    assert document["name"] == sample(TID)["name"]
    assert document["description"] == "meanwhile"


def test_rollback_to_a_version_that_never_was_names_it(bench: Bench) -> None:
    with pytest.raises(VersionNotFoundError) as caught:
        bench.sync.rollback(TID, "99-deadbeef", user="ann")
    assert caught.value.version == "99-deadbeef"


def test_a_rollback_that_fails_says_so_and_leaves_the_head(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = bench.store.head(TID).version
    bench.sync.update_template(TID, {"name": "A"}, user="ann")

    def down(*_: Any, **__: Any) -> None:
        raise StoreUnavailableError(TID, "no database", retryable=False)

    monkeypatch.setattr(bench.store.inner, "compare_and_swap", down)
    with pytest.raises(StoreUnavailableError):
        bench.sync.rollback(TID, first, user="ben")
    assert bench.kinds()[-1] == "update.failed"
    assert bench.store.read(TID).document["name"] == "A"


def test_rollback_to_the_head_changes_nothing(bench: Bench) -> None:
    head = bench.store.head(TID).version
    assert bench.sync.rollback(TID, head, user="ann").status == "unchanged"


# -- reads and caches ------------------------------------------------------------------------------


def test_every_user_reads_what_was_just_committed(bench: Bench) -> None:
    for n in range(5):
        base = bench.sync.get_template(TID, user="ann")
        outcome = bench.sync.update_template(TID, {"name": f"n{n}"}, user="ann", base=base)
        for user in ("ann", "ben", "cem"):
            assert bench.sync.get_template(TID, user=user).version == outcome.version


def test_a_caller_may_do_anything_to_what_it_got(bench: Bench) -> None:
    bench.sync.get_template(TID, user="ann").document.clear()
    assert bench.sync.get_template(TID, user="ann").document == sample(TID)
    outcome_base = bench.sync.get_template(TID, user="ann")
    changes = relabel(outcome_base, 0, "Mine")
    bench.sync.update_template(TID, changes, user="ann", base=outcome_base)
    changes["fields"][0]["label"] = "scribble"
    assert bench.sync.get_template(TID, user="ann").document["fields"][0]["label"] == "Mine"


def test_a_view_is_read_only_to_the_bottom_and_can_be_handed_back_as_a_change(
    bench: Bench,
) -> None:
    view = bench.sync.get_template(TID, user="ann", view=True)
    for attempt in (
        lambda: view.document.update(name="x"),
        lambda: view.document["fields"].append({}),
        lambda: view.document["fields"][0].pop("label"),
    ):
        with pytest.raises(TypeError):
            attempt()
    fields = [dict(view.document["fields"][0], label="New"), *view.document["fields"][1:]]
    outcome = bench.sync.update_template(TID, {"fields": fields}, user="ann", base=view)
    assert outcome.status == "committed"


def test_a_view_changed_by_force_harms_views_of_that_user_and_version_and_nothing_else(
    bench: Bench,
) -> None:
    """The limit that template/frozen.py states: dict's own methods get past the view's."""
    true = sample(TID)
    view = bench.sync.get_template(TID, user="ann", view=True)
    bench.sync.get_template(TID, user="ben", view=True)
    dict.__setitem__(view.document, "name", "forced")
    list.append(view.document["fields"], {"id": "forced"})

    assert bench.sync.get_template(TID, user="ann", view=True).document["name"] == "forced"
    assert bench.sync.get_template(TID, user="ann").document == true
    assert bench.sync.get_template(TID, user="ben", view=True).document == true
    bench.sync.reads.flush()
    restarted = SyncService(bench.env)
    assert restarted.get_template(TID, user="ann", view=True).document == true

    outcome = bench.sync.update_template(TID, {"description": "new"}, user="ann", base=view)
    committed = {**true, "description": "new"}
    assert (outcome.status, outcome.conflicts) == ("committed", ())
    assert bench.store.read(TID).document == committed
    assert bench.sync.get_template(TID, user="ann", view=True).document == committed


def test_no_cache_fault_fails_a_verb(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: object, *args: object, **kwargs: object) -> None:
        raise CacheError("on fire")

    from syncsim.cache import UserCache

    for call in ("get", "set", "delete", "add", "transact", "clear"):
        monkeypatch.setattr(UserCache, call, broken)
    base = bench.sync.get_template(TID, user="ann")
    outcome = bench.sync.update_template(TID, {"name": "A"}, user="ann", base=base)
    assert bench.sync.get_template(TID, user="ben").version == outcome.version
    bench.clock.sleep(6)
    assert bench.sync.run_background_job(TID).status == "committed"


# -- several at once -------------------------------------------------------------------------------


@pytest.mark.parametrize("writers", [24])
def test_many_threads_on_one_template_all_commit_and_lose_nothing(
    tmp_path: Path, writers: int
) -> None:
    from syncsim.runtime.environment import SystemClock
    from syncsim.store.sqlite import SQLiteStore

    clock = SystemClock()
    store = SQLiteStore(f"sqlite:///{tmp_path / 't.db'}?synchronous=NORMAL", clock=clock)
    store.create(TID, sample(TID), by="ann")
    sync = SyncService(environment(tmp_path, clock, store))
    barrier = threading.Barrier(writers)
    failures: list[BaseException] = []

    def write(n: int) -> None:
        try:
            base = sync.get_template(TID, user=f"user{n}")
            barrier.wait()
            settings = {**base.document["settings"], f"x_{n}": n}
            sync.update_template(TID, {"settings": settings}, user=f"user{n}", base=base)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    settings = store.read(TID).document["settings"]
    assert {f"x_{n}" for n in range(writers)} <= settings.keys()
    assert len(store.history(TID)) == writers + 1
    assert sync.pending(TID) == []
    store.close()


def test_pending_shows_who_waits_between_two_attempts(bench: Bench) -> None:
    seen: list[Any] = []
    sleep = bench.clock.sleep

    def watch(seconds: float) -> None:
        seen.extend(bench.sync.pending(TID))
        sleep(seconds)

    bench.clock.sleep = watch  # type: ignore[method-assign]
    bench.store.before_swap = iter([lambda: bench.rename("Rival's")])
    bench.sync.update_template(TID, {"description": "mine"}, user="ann", update_id="u-1")
    (row,) = seen
    assert (row["update_id"], row["user"], row["state"], row["attempts"]) == (
        "u-1",
        "ann",
        "waiting",
        1,
    )
    assert bench.sync.pending(TID) == []


def test_absent_is_not_null() -> None:
    assert ABSENT is not None
    assert not ABSENT


# -- a line that is there --------------------------------------------------------------------------


@pytest.mark.parametrize(("queue_from", "swaps"), [(1, 0), (2, 1), (None, 1)])
def test_a_first_attempt_joins_a_line_that_it_would_be_sent_to_after_losing(
    tmp_path: Path, queue_from: int | None, swaps: int
) -> None:
    """It could only lose its swap; under another policy it tries all the same."""
    bench = Bench(tmp_path, retry=RetryPolicy(queue_from=queue_from))
    queue = bench.sync._queue
    outcomes: list[Outcome] = []

    def update() -> None:
        outcomes.append(bench.sync.update_template(TID, {"name": "Joined"}, user="ben"))

    newcomer = threading.Thread(target=update)

    def change(row: Row) -> None:
        newcomer.start()
        while not queue.pending(TID) and not bench.store.swaps:
            threading.Event().wait(0.0005)

    queue.commit(TID, change, by="ann", update_id="u", deadline=bench.clock.now() + 60)
    newcomer.join()
    assert [(o.status, o.attempts) for o in outcomes] == [("committed", 1)]
    assert bench.store.swaps == swaps
    assert "update.conflict" not in bench.kinds()
    assert not queue.has_line(TID)


def test_the_names_of_users_who_have_read_do_not_pile_up(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that lives for months meets more users than it should remember."""
    monkeypatch.setattr(bench.sync.reads, "read", lambda *_, **__: None)  # caches are on disk
    for number in range(2 * MOST_READERS + 10):
        bench.sync.get_template(TID, user=f"user {number}", view=True)
    assert len(bench.sync._readers) <= MOST_READERS
    with pytest.raises(UsageError):
        bench.sync.get_template(TID, user="x" * 201)
