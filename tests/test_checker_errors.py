"""The judge of errors on hand-written histories: empty, right, wrong and indefinite ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from syncsim.lab.checkers import check
from syncsim.lab.checkers.errors import judge_errors, refusal_of
from syncsim.lab.checkers.history_index import HistoryIndex
from syncsim.lab.history.findings import NOTE, Finding
from syncsim.lab.history.records import Attempt, Commit, Failure, History, Operation
from syncsim.template.samples import sample

DOCUMENT = sample("contact_card")
COMMITS = tuple(
    Commit(n, "t", f"v{n}", f"v{n - 1}" if n > 1 else None, None, "rival", float(n), DOCUMENT)
    for n in (1, 2, 3)
)


RIVALS = tuple(Attempt(None, "t", "locked", "won", n, n, None, f"v{n}") for n in (2, 3))
"""The rival's commits took effect before anything else."""


def error(name: str, message: str = "", ours: bool = True, **facts: Any) -> Failure:
    return Failure(name, message, ours, definite=True, facts=facts)


def failed(kind: Any, number: int, failure: Failure, **facts: Any) -> Operation:
    """An operation of ann's that failed; ten sequence numbers are its own."""
    return Operation(
        f"ann-{number}",
        kind,
        "ann",
        facts.pop("template_id", "t"),
        called=number * 10,
        returned=number * 10 + 9,
        ended="failed",
        failure=failure,
        latency_s=0.1,
        **facts,
    )


def tried(operation: Operation, *fates: Any) -> tuple[Attempt, ...]:
    """Write attempts; the first expected v1, those that follow v2, and all that lost found v3."""
    return tuple(
        Attempt(
            operation.id,
            "t",
            "swap",
            fate,
            operation.called + 1 + n,
            operation.called + 2 + n,
            "v2" if n else "v1",
            None if fate == "failed" else "v3",
        )
        for n, fate in enumerate(fates)
    )


UNKNOWN = failed(
    "get", 1, error("TemplateNotFoundError", template_id="nowhere"), template_id="nowhere"
)
STALE = failed(
    "update_with_version",
    2,
    error("VersionConflictError", template_id="t", expected="v1", actual="v3"),
    base_version="v1",
    changes={"name": "x"},
)
INVALID = failed("update", 3, error("InvalidTemplateError", template_id="t"), changes={"name": 7})
LOST = failed(
    "update", 4, error("RetriesExhaustedError", template_id="t", attempts=3), changes={"name": "x"}
)
OUTAGE = failed("update", 5, error("StoreUnavailableError", template_id="t"), changes={"name": "x"})
FIVE = (UNKNOWN, STALE, INVALID, LOST, OUTAGE)
BARE = error("SyncError", "could not be saved")


def judged(*operations: Operation) -> list[Finding]:
    return list(judge_errors(index(*operations)))


def index(*operations: Operation) -> HistoryIndex:
    attempts = list(RIVALS)
    for operation in operations:
        if operation.id == LOST.id:
            attempts += tried(operation, "lost", "lost", "lost")
        if operation.id == OUTAGE.id:
            attempts += tried(operation, "failed", "failed")
    return HistoryIndex(History(operations, tuple(attempts), COMMITS))


def said(operation: Operation, failure: Failure) -> Operation:
    return replace(operation, failure=failure)


def test_an_empty_history_has_no_poor_errors() -> None:
    assert judged() == []


def test_each_of_the_five_refusals_is_told_from_the_stores_record() -> None:
    found = index(*FIVE)
    assert [refusal_of(found, operation) for operation in FIVE] == [
        "unknown template",
        "stale version",
        "invalid change",
        "lost swaps",
        "outage",
    ]


def test_five_errors_with_their_facts_are_right() -> None:
    assert judged(*FIVE) == []


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (UNKNOWN, "there is no 'nowhere'"),
        (STALE, "t is at v3, you gave v1"),
        (INVALID, "t: the name must be text"),
        (LOST, "gave up on t after 3 attempts"),
        (LOST, "gave up on t after 2 retries"),
        (LOST, "t: wanted v2 and found v3"),
        (OUTAGE, "t cannot be saved, the disk is gone"),
    ],
)
def test_words_count_like_attributes(operation: Operation, message: str) -> None:
    assert judged(said(operation, error("SyncError", message))) == []


def test_two_bare_errors_cost_the_point() -> None:
    (finding,) = judged(UNKNOWN, said(INVALID, BARE), STALE, said(OUTAGE, BARE))
    assert (finding.code, finding.kind) == ("M4", "poor-errors")
    assert finding.operations == (INVALID.id, OUTAGE.id)
    assert "invalid change" in finding.message


def test_one_bare_error_is_a_note() -> None:
    assert [f.code for f in judged(said(LOST, BARE), OUTAGE)] == [NOTE]


def test_two_errors_of_one_kind_are_one_of_five() -> None:
    again = replace(said(UNKNOWN, BARE), id="ann-9", called=90, returned=99)
    assert [f.code for f in judged(said(UNKNOWN, BARE), again)] == [NOTE]


@pytest.mark.parametrize(
    ("operation", "failure"),
    [
        (STALE, error("VersionConflictError", template_id="t", expected="v3", actual="v1")),
        (STALE, error("VersionConflictError", template_id="u", expected="v1", actual="v3")),
        (STALE, error("VersionConflictError", "t changed", template_id="t")),
        (LOST, error("RetriesExhaustedError", template_id="t", attempts=7)),
        (LOST, error("RetriesExhaustedError", template_id="t", attempts=3, last_actual="v1")),
        (LOST, error("RetriesExhaustedError", attempts=3)),
        (UNKNOWN, error("TemplateNotFoundError", "t does not exist")),
        (OUTAGE, error("OperationalError", "t: database is locked", ours=False)),
    ],
)
def test_false_or_missing_facts_are_poor(operation: Operation, failure: Failure) -> None:
    other = said(INVALID, BARE)
    (finding,) = judged(other, said(operation, failure))
    assert finding.code == "M4"
    assert set(finding.operations) == {INVALID.id, operation.id}


def test_an_id_that_is_part_of_another_is_not_named() -> None:
    (finding,) = judged(said(OUTAGE, error("SyncError", "t-2 cannot be saved")))
    assert "does not name the template 't'" in finding.message


def test_a_message_about_another_template_of_the_run_is_false() -> None:
    """The attribute is right, and the reader of the message is sent to the wrong template."""
    other = replace(COMMITS[0], template_id="u")
    wrong = said(OUTAGE, error("StoreUnavailableError", "u cannot be saved", template_id="t"))
    found = HistoryIndex(History((wrong,), (*RIVALS, *tried(wrong, "failed")), (*COMMITS, other)))
    (finding,) = judge_errors(found)
    assert "it speaks of 'u'" in finding.message


def test_what_was_survived_has_nothing_to_explain() -> None:
    survived = replace(LOST, ended="committed", failure=None)
    assert judged(survived, said(OUTAGE, BARE))[0].code == NOTE


def test_an_operation_that_never_returned_is_not_judged() -> None:
    still = [
        replace(operation, ended="open", returned=None, failure=None) for operation in (LOST, STALE)
    ]
    assert judged(*still) == []


def test_a_solution_may_speak_of_its_own_tokens() -> None:
    """The token "mine" was answered for the commit that the store calls v3."""
    reader = Operation("ben-1", "update", "ben", "t", 5, 8, "committed", version="mine")
    commits = (*COMMITS[:2], replace(COMMITS[2], operation="ben-1"))
    stale = said(STALE, error("SyncError", "t is at mine, not at v1"))
    assert list(judge_errors(HistoryIndex(History((reader, stale), (), commits)))) == []


def codes(*operations: Operation) -> set[str]:
    found = index(*operations)
    return {finding.code for finding in check(found.history)} - {"D1"}  # the rival is nobody here


@pytest.mark.parametrize("operation", [LOST, OUTAGE, STALE])
def test_a_foreign_exception_that_answers_a_refusal_is_no_crash(operation: Operation) -> None:
    assert codes(said(operation, error("Exception", "failed", ours=False))) == {NOTE}


@pytest.mark.parametrize("operation", [LOST, OUTAGE, STALE, INVALID])
def test_a_bug_is_a_crash_even_after_a_refusal(operation: Operation) -> None:
    assert codes(said(operation, error("TypeError", "oops", ours=False))) == {"D3"}


def test_a_foreign_exception_without_a_refusal_is_a_crash() -> None:
    calm = failed("update", 4, error("RuntimeError", ours=False), changes={"name": "x"})
    history = History((calm,), (), COMMITS)
    assert [finding.code for finding in check(history)] == ["D3"]


def test_a_key_error_may_say_that_a_template_does_not_exist() -> None:
    assert codes(said(UNKNOWN, error("KeyError", "'nowhere'", ours=False))) == {NOTE}
