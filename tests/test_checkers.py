"""The judges on hand-written histories: empty, right, wrong and indefinite ones.

A `Story` is written line by line: each call says what the verb answered, which commit it made and
when. Unless said otherwise, operations follow one another.
"""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest

from syncsim.contract import Conflict, Document
from syncsim.lab.checkers import CHECKERS, Checker, Proof, check, inform, judging, proof_of
from syncsim.lab.checkers.history_index import HistoryIndex, VersionLine
from syncsim.lab.history.findings import TITLES, Finding, apply_precedence
from syncsim.lab.history.records import (
    Attempt,
    Commit,
    Failure,
    Final,
    History,
    Operation,
    digest,
)

DOCUMENT: Document = {
    "schema_version": 1,
    "name": "Meeting",
    "description": "",
    "fields": [
        {"id": "email", "section": "who", "label": "E-mail", "type": "email", "required": True},
        {
            "id": "meal",
            "section": "who",
            "label": "Meal",
            "type": "choice",
            "required": False,
            "options": [{"value": "a", "label": "Apple"}, {"value": "b", "label": "Bread"}],
        },
    ],
    "sections": [{"id": "who", "title": "Who"}, {"id": "why", "title": "Why"}],
    "settings": {"locale": "en"},
    "metadata": {"owner": "ann", "tags": ["x"]},
}
START = 1_000_000.0


class Story:
    """A history being written. Versions are v1, v2, ...; v1 is `DOCUMENT`, created at `START`."""

    def __init__(self) -> None:
        self.clock = 0
        self.operations: list[Operation] = []
        self.attempts: list[Attempt] = []
        self.commits: list[Commit] = []
        self.finals: tuple[Final, ...] = ()
        self.commit(None, copy.deepcopy(DOCUMENT), at=START, by="background")

    def tick(self) -> int:
        self.clock += 1
        return self.clock

    @property
    def head(self) -> Document:
        return copy.deepcopy(self.commits[-1].document)

    def commit(
        self, operation: str | None, document: Document, *, at: float, by: str, **facts: Any
    ) -> str:
        number = len(self.commits) + 1
        parent = self.commits[-1].version if self.commits else None
        commit = Commit(number, "t", f"v{number}", parent, operation, by, at, document)
        self.commits.append(replace(commit, **facts))
        return self.commits[-1].version

    def call(self, kind: Any, user: str, **facts: Any) -> Operation:
        """An operation that was called and has not returned."""
        sofar = sum(operation.user == user for operation in self.operations)
        at = facts.pop("at", START + self.clock)
        operation = Operation(f"{user}-{sofar + 1}", kind, user, "t", self.tick(), called_at=at)
        self.operations.append(replace(operation, **facts))
        return self.operations[-1]

    def answer(self, operation: Operation, **facts: Any) -> Operation:
        place = next(i for i, o in enumerate(self.operations) if o.id == operation.id)
        facts = {"latency_s": 0.01, **facts}
        self.operations[place] = replace(operation, returned=self.tick(), **facts)
        return self.operations[place]

    def attempt(
        self, operation: Operation, fate: Any, actual: str | None = None, **facts: Any
    ) -> None:
        attempt = Attempt(operation.id, "t", "swap", fate, self.tick(), self.tick(), None, actual)
        self.attempts.append(replace(attempt, **facts))

    def update(
        self,
        user: str,
        changes: Document,
        wrote: Document | None = None,
        *,
        kind: str = "update",
        base: str | None = None,
        at: float = START + 100,
        ended: str = "committed",
        **facts: Any,
    ) -> Operation:
        """A whole update; `wrote` is the document it committed, None for no commit."""
        operation = self.call(kind, user, changes=changes, base_version=base, at=at)
        version = None
        if wrote is not None:
            self.attempt(operation, "won", f"v{len(self.commits) + 1}")
            detail = facts.pop("detail", None)
            version = self.commit(operation.id, wrote, at=at, by=user, detail=detail)
        return self.answer(operation, **{"ended": ended, "version": version, **facts})

    def job(self, wrote: Document | None, *, at: float, ended: str = "committed") -> Operation:
        operation = self.call("job", "background", at=at)
        version = None
        if wrote is not None:
            version = self.commit(operation.id, wrote, at=at, by="background")
        return self.answer(operation, ended=ended, version=version)

    def read(self, user: str, version: str, **facts: Any) -> Operation:
        operation = self.call("get", user)
        return self.answer(operation, **{"ended": "read", "version": version, **facts})

    def history(self) -> History:
        return History(
            tuple(self.operations),
            tuple(self.attempts),
            tuple(self.commits),
            self.finals,
        )

    def check(self) -> list[Finding]:
        return check(self.history())


def codes(story: Story) -> list[tuple[str, str]]:
    return [(finding.code, finding.kind) for finding in story.check()]


def with_label(document: Document, field: str, label: str) -> Document:
    document = copy.deepcopy(document)
    next(f for f in document["fields"] if f["id"] == field)["label"] = label
    return document


# -- nothing, and right ----------------------------------------------------------------------------


def test_an_empty_history_has_no_findings() -> None:
    assert check(History()) == []


def test_an_update_that_does_what_it_says_has_no_findings() -> None:
    story = Story()
    story.read("ann", "v1", digest=digest(DOCUMENT))
    story.update("ann", {"name": "New"}, {**story.head, "name": "New"}, base="v1")
    story.read("ben", "v2", digest=digest({**DOCUMENT, "name": "New"}))
    assert story.check() == []


def test_two_updates_from_one_base_may_merge() -> None:
    story = Story()
    story.update("ann", {"name": "New"}, {**story.head, "name": "New"}, base="v1")
    fields = with_label(DOCUMENT, "email", "Mail")["fields"]
    story.update("ben", {"fields": fields}, {**story.head, "fields": fields}, base="v1")
    assert story.check() == []


def test_the_later_writer_may_win_the_same_leaf() -> None:
    story = Story()
    story.update("ann", {"name": "Anns"}, {**story.head, "name": "Anns"}, base="v1")
    story.update("ben", {"name": "Bens"}, {**story.head, "name": "Bens"}, base="v1")
    assert story.check() == []


def test_the_order_of_elements_is_never_judged() -> None:
    story = Story()
    wrote = {**story.head, "name": "New", "fields": story.head["fields"][::-1]}
    story.update("ann", {"name": "New"}, wrote, base="v1")
    assert story.check() == []


def test_an_edit_brings_back_the_element_that_another_deleted() -> None:
    story = Story()
    edited = with_label(DOCUMENT, "meal", "Food")
    gone = {**story.head, "fields": DOCUMENT["fields"][:1]}
    story.update("ann", {"fields": gone["fields"]}, gone, base="v1")
    story.update("ben", {"fields": edited["fields"]}, edited, base="v1")
    assert story.check() == []


def test_a_deletion_removes_the_element_that_another_edited() -> None:
    story = Story()
    edited = with_label(DOCUMENT, "meal", "Food")
    gone = DOCUMENT["fields"][:1]
    story.update("ann", {"fields": edited["fields"]}, edited, base="v1")
    story.update("ben", {"fields": gone}, {**story.head, "fields": gone}, base="v1")
    assert story.check() == []


def test_a_section_restored_for_an_invariant_is_no_phantom() -> None:
    """Ann deletes section `why`, Ben had moved a field there: the section stays, on record."""
    story = Story()
    moved = copy.deepcopy(DOCUMENT)
    moved["fields"][0]["section"] = "why"
    story.update("ben", {"fields": moved["fields"]}, moved, base="v1")
    conflict = Conflict(
        "/sections/why", "invariant", DOCUMENT["sections"][1], None, None, "earlier"
    )
    wrote = {**story.head, "name": "New"}
    changes = {"sections": DOCUMENT["sections"][:1], "name": "New"}
    story.update("ann", changes, wrote, base="v1", conflicts=(conflict.to_json(),))
    assert story.check() == []
    story.operations[-1] = replace(story.operations[-1], conflicts=())
    assert codes(story) == [("D1", "missing-change")]


def test_metadata_without_derived_does_not_delete_what_the_job_wrote() -> None:
    story = Story()
    derived = {**story.head, "metadata": {"owner": "ann", "tags": ["x"], "derived": {"n": 2}}}
    story.job(derived, at=START + 10)
    metadata = {"owner": "ben", "tags": ["x"]}
    wrote = {**story.head, "metadata": {**metadata, "derived": {"n": 2}}}
    story.update("ben", {"metadata": metadata}, wrote, base="v2")
    assert story.check() == []


def test_without_a_base_a_document_of_the_time_before_the_first_attempt_is_the_base() -> None:
    """Ann's whole `fields` was made from v1; taken against v2 it would undo Ben's label."""
    story = Story()
    mail = with_label(DOCUMENT, "email", "Mail")
    food = with_label(DOCUMENT, "meal", "Food")
    ann = story.call("update", "ann", changes={"fields": food["fields"]})
    story.update("ben", {"fields": mail["fields"]}, mail, base="v1")
    both = with_label(mail, "meal", "Food")
    story.attempt(ann, "won", "v3")
    story.commit(ann.id, both, at=START + 200, by="ann")
    story.answer(ann, ended="committed", version="v3")
    assert story.check() == []
    story.operations[0] = replace(story.operations[0], called=story.attempts[0].ended + 1)
    assert codes(story) == [("D1", "missing-change")]


def test_what_was_committed_after_the_first_attempt_is_no_base() -> None:
    """Else Ann's whole `fields`, re-sent after a conflict, would count as meant against Ben's."""
    story = Story()
    mail = with_label(DOCUMENT, "email", "Mail")
    food = with_label(DOCUMENT, "meal", "Food")
    ann = story.call("update", "ann", changes={"fields": food["fields"]})
    story.attempt(ann, "lost")
    story.update("ben", {"fields": mail["fields"]}, mail, base="v1")
    story.attempt(ann, "won", "v3")
    story.commit(ann.id, food, at=START + 200, by="ann")
    story.answer(ann, ended="committed", version="v3")
    (finding,) = story.check()
    assert (finding.kind, finding.operations) == ("lost-update", ("ann-1", "ben-1"))


def test_a_rollback_brings_back_a_document_but_not_what_the_job_derived_from_it() -> None:
    story = Story()
    first = {**story.head, "metadata": {**DOCUMENT["metadata"], "derived": {"fields": 2}}}
    story.job(first, at=START + 10)
    story.update("ann", {"name": "New"}, {**story.head, "name": "New"}, base="v2")
    second = {**story.head, "metadata": {**DOCUMENT["metadata"], "derived": {"fields": 3}}}
    story.job(second, at=START + 200)
    back = {**second, "name": "Meeting"}
    story.update("ben", {}, back, base="v2", kind="rollback", at=START + 201)
    assert story.check() == []
    story.update("ben", {}, {**back, "name": "Else"}, base="v2", kind="rollback", at=START + 202)
    assert codes(story) == [("D1", "phantom-change")]


def test_a_rollback_may_bring_back_the_very_first_version() -> None:
    story = Story()
    story.update("ann", {"name": "New"}, {**story.head, "name": "New"}, base="v1")
    story.update("ann", {}, {**story.head, "name": "Meeting"}, base="v1", kind="rollback")
    assert story.check() == []


def test_numbers_of_another_type_are_another_value() -> None:
    story = Story()
    story.update("ann", {"name": "New"}, {**story.head, "name": "New", "schema_version": 1.0})
    assert codes(story) == [("D1", "phantom-change")]


# -- lost ------------------------------------------------------------------------------------------


def test_a_stale_document_written_back_is_a_lost_update_with_culprit_victim_and_leaf() -> None:
    story = Story()
    story.update("ann", {"name": "New"}, {**story.head, "name": "New"}, base="v1")
    fields = with_label(DOCUMENT, "email", "Mail")["fields"]
    story.update("ben", {"fields": fields}, {**DOCUMENT, "fields": fields}, base="v1")
    (finding,) = story.check()
    assert (finding.code, finding.kind) == ("D1", "lost-update")
    assert finding.operations == ("ben-1", "ann-1")
    assert "/name" in finding.message
    assert "'Meeting'" in finding.message


def test_the_culprit_is_named_once_and_not_the_writers_after_it() -> None:
    story = Story()
    story.update("ann", {"name": "New"}, {**story.head, "name": "New"}, base="v1")
    story.update("ben", {"description": "d"}, {**DOCUMENT, "description": "d"}, base="v1")
    story.update("cleo", {"settings": {}}, {**story.head, "settings": {}}, base="v3")
    assert [finding.operations for finding in story.check()] == [("ben-1", "ann-1")]


def test_an_element_of_another_writer_dropped_from_a_list_is_a_lost_update() -> None:
    story = Story()
    new = {"id": "age", "section": "who", "label": "Age", "type": "integer"}
    added = [*DOCUMENT["fields"], new]
    story.update("ann", {"fields": added}, {**story.head, "fields": added}, base="v1")
    fields = with_label(DOCUMENT, "email", "Mail")["fields"]
    story.update("ben", {"fields": fields}, {**story.head, "fields": fields}, base="v1")
    (finding,) = story.check()
    assert (finding.kind, finding.operations) == ("lost-update", ("ben-1", "ann-1"))
    assert "/fields/age is absent" in finding.message


@pytest.mark.parametrize(
    ("wrote", "kind"),
    [
        ({"name": "New"}, "missing-change"),
        ({"name": "New", "description": "other"}, "altered-change"),
        ({"name": "New", "description": "d", "settings": {}}, "phantom-change"),
    ],
)
def test_a_commit_that_is_not_its_intent_is_found(wrote: Document, kind: str) -> None:
    story = Story()
    story.update("ann", {"name": "New", "description": "d"}, {**story.head, **wrote}, base="v1")
    assert codes(story) == [("D1", kind)]


def test_a_tag_lost_from_a_list_without_ids_is_found_and_an_ambiguous_one_is_not() -> None:
    def story_of(second: list[str], wrote: list[str]) -> Story:
        story = Story()
        first = {"owner": "ann", "tags": ["x", "y"] if second[0] == "x" else ["z"]}
        story.update("ann", {"metadata": first}, {**story.head, "metadata": first}, base="v1")
        changes = {"metadata": {"owner": "ann", "tags": second}}
        result = {**story.head, "metadata": {"owner": "ann", "tags": wrote}}
        story.update("ben", changes, result, base="v1")
        return story

    assert story_of(["x", "w"], ["x", "y", "w"]).check() == []
    assert codes(story_of(["x", "w"], ["x", "w"])) == [("D1", "lost-update")]
    assert story_of(["w"], ["w"]).check() == []
    assert story_of(["w"], ["z", "w"]).check() == []


def test_a_commit_that_nobody_asked_for_is_found() -> None:
    story = Story()
    story.commit(None, {**story.head, "name": "New"}, at=START + 9, by="ann")
    assert codes(story) == [("D1", "unasked-commit")]


def test_a_job_may_write_the_first_metadata_of_a_template() -> None:
    story = Story()
    bare = {key: value for key, value in DOCUMENT.items() if key != "metadata"}
    story.commits[0] = replace(story.commits[0], document=bare)
    story.job({**bare, "metadata": {"derived": {"fields": 2}}}, at=START + 9)
    assert story.check() == []


def test_a_job_that_changes_a_users_leaf_loses_data() -> None:
    story = Story()
    story.update("ann", {"name": "New"}, {**story.head, "name": "New"}, base="v1", at=START)
    story.job({**DOCUMENT, "metadata": {**DOCUMENT["metadata"], "derived": 1}}, at=START + 60)
    (finding,) = story.check()
    assert (finding.code, finding.operations) == ("D1", ("background-1", "ann-1"))


# -- answers ---------------------------------------------------------------------------------------


def test_success_without_a_commit_is_found() -> None:
    story = Story()
    story.update("ann", {"name": "New"}, base="v1", version="v1")
    assert codes(story) == [("D1", "acknowledged-without-commit")]


def test_failure_with_a_commit_is_found_unless_the_outcome_is_unknown() -> None:
    story = Story()
    wrote = {**story.head, "name": "New"}
    failure = Failure("RetriesExhaustedError", "gave up", expected=True, definite=True)
    story.update("ann", {"name": "New"}, wrote, ended="failed", failure=failure)
    assert codes(story) == [("D1", "failed-but-committed")]
    unknown = Failure("OutcomeUnknownError", "?", expected=True, definite=False)
    story.operations[0] = replace(story.operations[0], failure=unknown)
    assert story.check() == []


def test_an_unknown_outcome_without_a_commit_is_no_finding() -> None:
    story = Story()
    unknown = Failure("OutcomeUnknownError", "?", expected=True, definite=False)
    story.update("ann", {"name": "New"}, ended="failed", failure=unknown)
    assert story.check() == []


def test_an_operation_that_never_returned_may_have_committed_or_not() -> None:
    story = Story()
    ann = story.call("update", "ann", changes={"name": "New"}, base_version="v1")
    assert story.check() == []
    story.commit(ann.id, {**story.head, "name": "New"}, at=START + 9, by="ann")
    assert story.check() == []


def test_one_operation_that_commits_twice_is_found() -> None:
    story = Story()
    ann = story.call("update", "ann", changes={"name": "New"}, base_version="v1")
    for _ in range(2):
        story.commit(ann.id, {**story.head, "name": "New"}, at=START + 9, by="ann")
    story.answer(ann, ended="committed", version="v2")
    assert codes(story) == [("D1", "applied-twice")]


def test_unchanged_is_right_only_if_some_head_of_the_call_held_the_change() -> None:
    story = Story()
    story.update("ann", {"name": "Meeting"}, base="v1", ended="unchanged", version="v1")
    assert story.check() == []
    story.update("ben", {"name": "New"}, base="v1", ended="unchanged", version="v1")
    assert codes(story) == [("D1", "unchanged-without-change")]


def test_unchanged_may_rest_on_a_commit_made_during_the_call() -> None:
    story = Story()
    ben = story.call("update", "ben", changes={"name": "New"}, base_version="v1")
    story.update("ann", {"name": "New"}, {**story.head, "name": "New"}, base="v1")
    story.update("cleo", {"name": "Other"}, {**story.head, "name": "Other"}, base="v2")
    story.answer(ben, ended="unchanged", version="v2")
    assert story.check() == []


def test_unchanged_and_skipped_must_not_have_committed() -> None:
    story = Story()
    story.update("ann", {"name": "New"}, {**story.head, "name": "New"}, ended="unchanged")
    assert codes(story) == [("D1", "silent-commit")]
    story = Story()
    story.job(derived(story), at=START + 60, ended="skipped")
    assert ("D1", "silent-commit") in codes(story)


def test_a_strict_update_with_a_stale_version_must_not_succeed() -> None:
    story = Story()
    story.update("ann", {"name": "New"}, {**story.head, "name": "New"}, base="v1")
    wrote = {**story.head, "description": "d"}
    story.update("ben", {"description": "d"}, wrote, base="v2", kind="update_with_version")
    assert story.check() == []
    wrote = {**story.head, "settings": {}}
    story.update("cleo", {"settings": {}}, wrote, base="v1", kind="update_with_version")
    assert codes(story) == [("D1", "stale-version-accepted")]


def test_a_strict_update_may_answer_unchanged_only_for_the_head() -> None:
    story = Story()
    story.update("ann", {"name": "New"}, {**story.head, "name": "New"}, base="v1")
    same: Any = {"kind": "update_with_version", "ended": "unchanged", "version": "v2"}
    story.update("ben", {"name": "New"}, base="v2", **same)
    assert story.check() == []
    story.update("cleo", {"description": ""}, base="v1", **same)
    assert codes(story) == [("D1", "stale-version-accepted")]


def renamed(story: Story, user: str, name: str, version: str | None) -> Operation:
    """An update of the name from the head, answered with this version."""
    base, wrote = story.commits[-1].version, {**story.head, "name": name}
    return story.update(user, {"name": name}, wrote, base=base, version=version)


def test_committed_with_the_version_of_another_commit_is_found() -> None:
    story = Story()
    renamed(story, "ann", "A", "v2")
    renamed(story, "ben", "B", "v2")
    (finding,) = story.check()
    assert (finding.code, finding.kind) == ("D1", "false-version")
    assert finding.operations == ("ben-1", "ann-1")
    assert "v2" in finding.message
    assert "v3" in finding.message


def test_committed_with_the_version_of_the_base_is_found() -> None:
    story = Story()
    renamed(story, "ann", "A", "v1")
    (finding,) = story.check()
    assert (finding.kind, finding.operations) == ("false-version", ("ann-1",))


def test_committed_with_a_later_version_than_its_own_is_found() -> None:
    """Ann's commit was v2; before she was answered Ben committed v3, and she is told of his."""
    story = Story()
    ann = story.call("update", "ann", changes={"name": "A"}, base_version="v1")
    story.attempt(ann, "won", "v2")
    story.commit(ann.id, {**story.head, "name": "A"}, at=START + 9, by="ann")
    renamed(story, "ben", "B", "v3")
    story.answer(ann, ended="committed", version="v3")
    assert codes(story) == [("D1", "false-version")]


def test_an_invented_version_is_found_where_reads_show_the_stores_own() -> None:
    story = Story()
    renamed(story, "ann", "A", "mine")
    assert story.check() == []
    story.read("ben", "v2")
    assert codes(story) == [("D1", "false-version")]


def test_an_invented_version_is_found_where_reads_show_the_stores_own_for_like_commits() -> None:
    story = Story()
    renamed(story, "ann", "A", "mine")
    renamed(story, "ben", "B", "v3")
    story.read("ben", "v3")
    (finding,) = story.check()
    assert (finding.kind, finding.operations) == ("false-version", ("ann-1",))


def test_tokens_of_ones_own_for_ones_own_commits_beside_the_stores_for_others_are_right() -> None:
    """What the job and the laboratory wrote has only the store's token."""
    story = Story()
    story.read("ann", "v1")
    renamed(story, "ann", "A", "r1")
    story.read("ben", "r1", digest=digest(story.head))
    story.update("rival", {"name": "R"}, {**story.head, "name": "R"}, kind="probe")
    story.read("ben", "v3")
    story.job(derived(story), at=START + 200)
    story.read("ben", "v4")
    renamed(story, "ben", "B", "r2")
    story.read("ann", "r2", digest=digest(story.head))
    assert story.check() == []


def test_a_commit_answered_without_any_version_claims_nothing() -> None:
    story = Story()
    renamed(story, "ann", "A", None)
    story.read("ben", "v2")
    assert story.check() == []


# -- the store's books -----------------------------------------------------------------------------


def test_versions_are_unique_and_name_their_parent() -> None:
    story = Story()
    story.update("ann", {"name": "New"}, {**story.head, "name": "New"}, base="v1")
    story.commits[-1] = replace(story.commits[-1], parent="v0")
    assert codes(story) == [("D1", "broken-chain")]
    story.commits[-1] = replace(story.commits[-1], parent="v1", version="v1")
    assert ("D1", "version-reused") in codes(story)


def test_the_head_is_the_last_commit_and_the_audit_is_complete() -> None:
    story = Story()
    story.update("ann", {"name": "New"}, {**story.head, "name": "New"}, base="v1")
    story.finals = (Final("t", "v2", digest(story.head), ("v1", "v2")),)
    assert story.check() == []
    story.finals = (Final("t", "v2", digest(DOCUMENT), ("v1",)),)
    assert codes(story) == [("D1", "head-differs"), ("D1", "audit-incomplete")]


def test_a_token_answered_for_two_commits_is_found_and_silences_reads_of_it() -> None:
    story = Story()
    story.update("ann", {"name": "New"}, {**story.head, "name": "New"}, version="A")
    story.update("ann", {"name": "Other"}, {**story.head, "name": "Other"}, version="A")
    story.read("ben", "A", digest=digest({**DOCUMENT, "name": "New"}))
    assert codes(story) == [("D1", "version-reused")]


def test_a_token_read_before_the_commit_that_it_is_answered_for_is_used_twice() -> None:
    """A hash as token: after the return to the first content it means two versions."""
    story = Story()
    first = digest(DOCUMENT)
    story.read("ben", first, digest=first)
    new = {**story.head, "name": "New"}
    story.update("ann", {"name": "New"}, new, base="v1", version=digest(new))
    story.read("ben", digest(new), digest=digest(new))
    story.update("ann", {}, {**new, "name": "Meeting"}, base="v1", kind="rollback", version=first)
    assert codes(story) == [("D1", "version-reused")]


def test_a_token_that_stays_when_somebody_else_commits_stands_for_two_versions() -> None:
    """A clock as token: all is quiet, the head is the rival's, and it is shown as Ann's was."""
    story = Story()
    renamed(story, "ann", "A", "A")
    story.update("rival", {"name": "R"}, {**story.head, "name": "R"}, kind="probe")
    story.read("ben", "A", digest=digest(story.head))
    assert codes(story) == [("D1", "version-reused")]


def test_a_token_that_was_only_ever_read_can_stand_for_two_versions_as_well() -> None:
    story = Story()
    story.read("ann", "T", digest=digest(DOCUMENT))
    story.update("rival", {"name": "R"}, {**story.head, "name": "R"}, kind="probe")
    story.read("ann", "T", digest=digest(story.head))
    (finding,) = story.check()
    assert (finding.kind, finding.operations) == ("version-reused", ("ann-1", "ann-2"))


def test_a_token_beside_the_content_of_a_commit_under_way_is_a_wrong_read() -> None:
    """Version and document were asked for one after the other, and the rival came between."""
    story = Story()
    renamed(story, "ann", "A", "A")
    ben = story.call("get", "ben")
    story.update("rival", {"name": "R"}, {**story.head, "name": "R"}, kind="probe")
    story.answer(ben, ended="read", version="A", digest=digest(story.head))
    assert codes(story) == [("M1", "content-differs")]


def test_a_return_to_a_token_read_while_one_version_had_its_content_is_a_return_to_that() -> None:
    """Two versions have this content in the end; only one of them was there when `x1` was read."""
    story = Story()
    story.read("ann", "x1", digest=digest(DOCUMENT))
    renamed(story, "ann", "A", "x2")
    story.update("ann", {}, DOCUMENT, base="x1", kind="rollback", version="x3")
    story.read("ann", "x3", digest=digest(DOCUMENT))
    assert story.check() == []
    renamed(story, "ben", "B", "x4")
    story.update("ann", {}, {**DOCUMENT, "name": "A"}, base="x1", kind="rollback", version="x5")
    assert codes(story) == [("D1", "altered-change")]


def test_a_return_to_a_token_that_nobody_can_place_must_be_to_some_version() -> None:
    story = Story()
    renamed(story, "ann", "A", "x2")
    story.update("ann", {}, DOCUMENT, base="unseen", kind="rollback", version="x3")
    assert story.check() == []
    story.update("ann", {}, {**DOCUMENT, "name": "C"}, base="unread", kind="rollback", version="x4")
    assert [code for code, _ in codes(story)] == ["D1"]


def test_a_commit_is_not_later_than_one_after_it_whenever_its_answer_came() -> None:
    """The answer to v2 was slow; v3 was acknowledged, so v2 was there before it too."""
    commits = [Commit(n, "t", f"v{n}", None, None, "ann", 0.0, {}) for n in (1, 2, 3)]
    timeline = VersionLine(commits, [(-1, -1), (1, 90), (2, 20)])
    assert list(timeline.heads(30, 40)) == [2]
    assert list(timeline.heads(10, 15)) == [0, 1, 2]
    assert list(timeline.heads(0, 0)) == [0]


# -- reads -----------------------------------------------------------------------------------------


def updated() -> Story:
    story = Story()
    story.update("ann", {"name": "New"}, {**story.head, "name": "New"}, base="v1")
    return story


@pytest.mark.parametrize(("user", "kind"), [("ben", "stale-read"), ("ann", "own-write-unseen")])
def test_a_read_begun_after_an_acknowledgement_must_not_be_older(user: str, kind: str) -> None:
    story = updated()
    story.read(user, "v1")
    (finding,) = story.check()
    assert (finding.code, finding.kind) == ("M1", kind)
    assert finding.operations == (f"{user}-{2 if user == 'ann' else 1}", "ann-1")


def test_a_read_concurrent_with_the_write_is_never_judged() -> None:
    story = Story()
    ben = story.call("get", "ben")
    story.update("ann", {"name": "New"}, {**story.head, "name": "New"}, base="v1")
    story.answer(ben, ended="read", version="v1")
    assert story.check() == []


def test_a_users_reads_never_go_backwards_and_another_user_is_not_bound_by_them() -> None:
    """The update is not acknowledged yet; Ben has seen it, so Ben must go on seeing it."""
    story = Story()
    ann = story.call("update", "ann", changes={"name": "New"}, base_version="v1")
    story.attempt(ann, "won", "v2")
    story.commit(ann.id, {**story.head, "name": "New"}, at=START + 9, by="ann")
    story.read("ben", "v2")
    story.read("cleo", "v1")
    assert story.check() == []
    story.read("ben", "v1")
    assert codes(story) == [("M1", "reads-went-back")]


def test_a_commit_of_the_job_counts_as_acknowledged_too() -> None:
    story = Story()
    story.job({**story.head, "metadata": {**DOCUMENT["metadata"], "derived": 1}}, at=START + 9)
    story.read("ann", "v1")
    assert codes(story) == [("M1", "stale-read")]


def test_a_probes_commit_obliges_no_read() -> None:
    story = Story()
    story.update("rival", {"name": "New"}, {**story.head, "name": "New"}, kind="probe")
    story.read("ann", "v1")
    story.update("ben", {"name": "New"}, base="v1", ended="unchanged", version="v2")
    story.read("cleo", "v1")
    assert story.check() == []


def test_what_is_read_must_be_what_the_store_holds_at_that_version() -> None:
    story = Story()
    story.read("ann", "v1", digest=digest({**DOCUMENT, "name": "scribble"}))
    assert codes(story) == [("M1", "content-differs")]


def test_tokens_of_the_solutions_own_making_are_understood() -> None:
    """Random tokens: a read of `r2` is v2 because ann-1 was given it, `r1` is v1 by its content."""
    story = Story()
    new = {**DOCUMENT, "name": "New"}
    story.update("ann", {"name": "New"}, new, base="r1", version="r2")
    story.read("ben", "r2", digest=digest(new))
    assert story.check() == []
    story.read("cleo", "r1", digest=digest(DOCUMENT))
    assert codes(story) == [("M1", "stale-read")]


# -- conduct ---------------------------------------------------------------------------------------


def test_an_exception_that_is_no_sync_error_is_a_crash_and_silences_the_run() -> None:
    story = updated()
    crash = Failure("KeyError", "'x'", expected=False, definite=False, line="candidate.py:41")
    story.update("ben", {"name": "B"}, ended="failed", failure=crash)
    story.read("cleo", "v1")
    (finding,) = story.check()
    assert (finding.code, finding.kind) == ("D3", "crash")
    assert "candidate.py:41" in finding.message


def attempts(lost: int, won: bool, latency_s: float = 0.1, **facts: Any) -> Story:
    """An update that lost `lost` swaps to other writers and then won, or gave up."""
    story = Story()
    ann = story.call("update", "ann", changes={"name": "New"}, base_version="v1")
    for number in range(lost):
        story.attempt(ann, "lost", expected=facts.get("expected", f"v{number}"))
    if won:
        story.attempt(ann, "won", "v2")
        story.commit(ann.id, {**story.head, "name": "New"}, at=START + 9, by="ann")
        ending: dict[str, Any] = {"ended": "committed", "version": "v2"}
    else:
        failure = Failure("RetriesExhaustedError", "gave up", expected=True, definite=True)
        ending = {"ended": "failed", "failure": failure}
    story.answer(ann, latency_s=latency_s, attempts=facts.get("claimed"), **ending)
    return story


@pytest.mark.parametrize(("lost", "expected"), [(3, []), (4, ["note"]), (5, ["S2"]), (10, ["S2"])])
def test_four_attempts_are_fine_five_a_note_six_too_many(lost: int, expected: list[str]) -> None:
    assert [code for code, _ in codes(attempts(lost, won=True))] == expected


def test_giving_up_after_one_conflict_is_no_retry() -> None:
    assert codes(attempts(1, won=False)) == [("M3", "no-retry")]
    assert codes(attempts(1, won=False, latency_s=2.9)) == []
    assert codes(attempts(4, won=False)) == []


def test_an_outage_after_a_lost_swap_is_not_taken_for_giving_up() -> None:
    """Whoever cannot read again cannot swap again, however often they try."""
    story = Story()
    operation = story.call("update", "ann", changes={}, base_version="v1")
    story.attempt(operation, "lost", "v1")
    failure = Failure("StoreUnavailableError", "outage", expected=True, definite=True)
    story.answer(operation, ended="failed", failure=failure, latency_s=0.3)
    assert story.check() == []


def test_retrying_without_reading_again_can_never_win() -> None:
    assert codes(attempts(4, won=False, expected="v1")) == [("M3", "retry-without-reading")]


def test_claiming_fewer_attempts_than_the_store_saw_contradicts_it() -> None:
    assert codes(attempts(2, won=True, claimed=3)) == []
    assert codes(attempts(2, won=True, claimed=1)) == [("S4", "attempts-understated")]


@pytest.mark.parametrize(
    ("latency_s", "lost", "expected"),
    [
        (2.9, 1, []),
        (3.1, 1, [("note", "deadline-missed")]),
        (5.1, 1, [("S1", "slow")]),
        (5.1, 5, [("S2", "too-many-attempts"), ("note", "deadline-missed")]),
    ],
)
def test_three_seconds_are_the_deadline_and_more_than_five_slow(
    latency_s: float, lost: int, expected: list[tuple[str, str]]
) -> None:
    assert codes(attempts(lost, won=True, latency_s=latency_s)) == expected


def retried(*delays: tuple[float, ...]) -> list[str]:
    """The kinds of notes on updates that waited so long before each retry and then gave up."""
    story = Story()
    for number, waits in enumerate(delays):
        ann = story.call("update", "ann", changes={"name": "New"}, base_version="v1")
        for attempt, waited_s in enumerate((0.0, *waits)):
            story.attempt(ann, "lost", expected=f"v{attempt}-{number}", waited_s=waited_s)
        failure = Failure("RetriesExhaustedError", "gave up", expected=True, definite=True)
        story.answer(ann, ended="failed", failure=failure)
    assert story.check() == []
    return [note.kind for note in inform(story.history())]


@pytest.mark.parametrize(
    ("delays", "expected"),
    [
        ([], []),
        ([(0.1, 0.2, 0.4), (0.11, 0.19, 0.38), (0.09, 0.2, 0.4)], []),
        ([(0.1, 0.2, 0.4)] * 3, ["no-jitter"]),
        ([(0.1, 0.2, 0.4)] * 2, []),
        ([(0.0,)] * 3, ["no-delay"]),
        ([(0.0,)] * 2, []),
        ([(0.11, 0.1, 0.1)], ["no-growth"]),
        ([(0.1, 0.1)], []),
        ([(0.1, 0.2, 0.3), (0.11, 0.2, 0.3), (0.09, 0.2, 0.3)], ["no-doubling"]),
        ([(0.1, 0.2, 0.3), (0.11, 0.2, 0.3)], []),
    ],
)
def test_the_shape_of_a_back_off_is_told_of_and_never_judged(
    delays: list[tuple[float, ...]], expected: list[str]
) -> None:
    assert retried(*delays) == expected


def derived(story: Story) -> Document:
    return {**story.head, "metadata": {**DOCUMENT["metadata"], "derived": {"fields": 2}}}


@pytest.mark.parametrize(("age_s", "expected"), [(4.9, ["M5"]), (5.0, []), (6.0, [])])
def test_the_job_keeps_away_for_five_seconds_after_a_user(
    age_s: float, expected: list[str]
) -> None:
    story = updated()
    story.job(derived(story), at=story.commits[-1].at + age_s)
    assert [code for code, _ in codes(story)] == expected


def test_the_jobs_own_commits_do_not_start_a_cooldown() -> None:
    story = Story()
    story.job(derived(story), at=START + 10)
    story.job({**story.head, "metadata": {"owner": "ann", "tags": ["x"]}}, at=START + 11)
    assert story.check() == []


@pytest.mark.parametrize(("age_s", "expected"), [(1.0, []), (5.0, []), (6.0, ["M5"])])
def test_the_job_skips_only_within_the_cooldown(age_s: float, expected: list[str]) -> None:
    story = updated()
    story.job(None, at=story.commits[-1].at + age_s, ended="skipped")
    assert [code for code, _ in codes(story)] == expected


def test_a_job_that_skips_where_no_user_ever_wrote_never_runs() -> None:
    story = Story()
    story.job(None, at=START + 60, ended="skipped")
    assert codes(story) == [("M5", "skipped-for-nothing")]


def test_a_user_commit_during_the_call_justifies_the_skip() -> None:
    story = Story()
    job = story.call("job", "background", at=START + 100)
    story.update("ann", {"name": "New"}, {**story.head, "name": "New"}, base="v1", at=START + 100.5)
    story.answer(job, ended="skipped", latency_s=1.0)
    assert story.check() == []


# -- one defect, one code --------------------------------------------------------------------------


def finding(code: str, operation: str = "ann-1", kind: str = "k") -> Finding:
    return Finding(code, kind, "", (operation,))


@pytest.mark.parametrize(
    ("found", "kept"),
    [
        ([finding("D3"), finding("D1"), finding("M1")], ["D3"]),
        ([finding("D2"), finding("S1"), finding("S2"), finding("M3")], ["D2"]),
        ([finding("D2"), finding("S1", "ben-1")], ["D2", "S1"]),
        ([finding("S2"), finding("S1")], ["S2"]),
        ([finding("M3"), finding("S2")], ["M3"]),
        ([finding("D1", kind="acknowledged-without-commit"), finding("M4")], ["D1"]),
        ([finding("D1"), finding("M4")], ["D1", "M4"]),
        ([finding("D1", kind="applied-twice"), finding("S4")], ["D1"]),
        ([finding("D1", kind="applied-twice"), finding("S4", "ben-1")], ["D1", "S4"]),
    ],
)
def test_one_defect_costs_one_code(found: list[Finding], kept: list[str]) -> None:
    assert [one.code for one in apply_precedence(found)] == kept


# -- form ------------------------------------------------------------------------------------------


def test_a_history_survives_json() -> None:
    story = updated()
    failure = Failure("KeyError", "'x'", expected=False, definite=False, facts={"a": 1})
    story.update("ben", {"name": "B"}, ended="failed", failure=failure, conflicts=({"path": "/x"},))
    story.finals = (Final("t", "v2", "d", ("v1", "v2")), Final("u", "v1", "d", None))
    history = replace(story.history(), ids={"abc": "ann-1"})
    assert History.from_json(history.to_json()) == history
    assert history.operation_of("abc") == "ann-1"


def test_findings_survive_json() -> None:
    one = Finding("D1", "lost-update", "gone", ("ann-1", "ben-1"))
    assert Finding.from_json(one.to_json()) == one


def test_each_checker_names_what_it_may_cost_and_what_proves_it() -> None:
    """A code of the rubric, and no kind of finding in two places."""
    kinds = [kind for checker in CHECKERS for kind in checker.proofs]
    assert len(kinds) == len({*kinds})
    for checker in CHECKERS:
        assert {*checker.codes} <= {*TITLES}
    assert {proof_of(kind) for kind in kinds} == {*Proof} - {Proof.ANSWER}
    assert proof_of("told-nothing") is Proof.ANSWER


def test_a_history_is_shown_to_every_checker_that_is_registered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def judge(index: HistoryIndex, cooldown_s: float) -> list[Finding]:
        return [Finding("S3", "frozen", f"{len(index.operations)} operations, {cooldown_s:g} s")]

    entry = Checker(("S3",), judge, {})
    monkeypatch.setattr(judging, "CHECKERS", (*CHECKERS, entry))
    (found,) = check(History((), (), ()), cooldown_s=2.0)
    assert (found.code, found.message) == ("S3", "0 operations, 2 s")
