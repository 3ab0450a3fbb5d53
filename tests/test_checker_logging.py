"""The judge of logs on hand-written histories: empty, right, wrong and indefinite ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from syncsim.events.kinds import Event
from syncsim.lab.checkers.history_index import HistoryIndex
from syncsim.lab.checkers.logging_facts import judge_logging
from syncsim.lab.history.findings import Finding
from syncsim.lab.history.records import Attempt, Commit, Failure, History, Operation

COMMITS = (
    Commit(1, "t", "v1", None, None, "background", 1.0, {}),
    Commit(2, "t", "v2", "v1", None, "rival", 2.0, {}),
    Commit(3, "t", "v3", "v2", "ann-1", "ann", 3.0, {}),
)
UPDATE = Operation(
    "ann-1", "update", "ann", "t", 1, 20, "committed", version="v3", attempts=2, invalidations=1
)
ATTEMPTS = (
    Attempt("ann-1", "t", "swap", "lost", 3, 4, "v1", "v2"),
    Attempt("ann-1", "t", "swap", "won", 7, 8, "v2", "v3", waited_s=0.1),
)


def event(kind: str, update_id: str | None = "ann-1", **facts: Any) -> Event:
    return Event.of(0, kind, 0.0, "ann", update_id, "t", facts)


TOLD = (
    event("update.started"),
    event("update.conflict", expected="v1", actual="v2", attempt=1),
    event("update.retry", attempt=1, delay_s=0.1),
    event("update.committed", version="v3", attempts=2),
    event("cache.invalidated"),
)


def judged(
    *events: Event,
    operations: tuple[Operation, ...] = (UPDATE,),
    attempts: tuple[Attempt, ...] = ATTEMPTS,
    ids: dict[str, str] | None = None,
) -> list[Finding]:
    history = History(operations, attempts, COMMITS, events=events, ids=ids or {})
    return list(judge_logging(HistoryIndex(history), operations, 0.8))


def without(kind: str) -> tuple[Event, ...]:
    return tuple(event for event in TOLD if event.kind != kind)


def test_a_run_in_which_nothing_happened_owes_no_events() -> None:
    assert judged(operations=(), attempts=()) == []


def test_a_log_that_tells_everything_is_right() -> None:
    assert judged(*TOLD) == []


def test_silence_is_found_and_says_what_is_untold() -> None:
    (finding,) = judged()
    assert (finding.code, finding.kind) == ("S4", "untold")
    assert finding.message.startswith("0 of 5 facts (0%)")
    assert finding.operations == ("ann-1",)


def test_four_facts_of_five_are_enough_and_three_are_not() -> None:
    assert judged(*without("cache.invalidated")) == []
    (finding,) = judged(*TOLD[:1], *TOLD[3:])
    assert finding.message.endswith("Untold: 1 x conflict, 1 x retry")


def test_an_event_of_another_operation_tells_nothing() -> None:
    (finding,) = judged(*(replace(event, update_id=None) for event in TOLD))
    assert finding.kind == "untold"
    (finding,) = judged(*(replace(event, update_id="ben-1") for event in TOLD))
    assert finding.kind == "untold"


def test_an_id_that_the_operation_drew_is_its_own() -> None:
    events = (replace(event, update_id=f"{'d' * 16}-1") for event in TOLD)
    assert judged(*events, ids={"d" * 16: "ann-1"}) == []


@pytest.mark.parametrize("lacking", [{"attempt": 1}, {"delay_s": 0.1}, {}])
def test_a_retry_is_told_with_its_number_and_its_delay(lacking: dict[str, float]) -> None:
    poor = tuple(replace(e, facts=lacking) if e.kind == "update.retry" else e for e in TOLD[:4])
    (finding,) = judged(*poor)
    assert "1 x retry" in finding.message


def test_the_end_of_an_update_is_told_with_its_version() -> None:
    poor = tuple(replace(e, facts={}) if e.kind == "update.committed" else e for e in TOLD[:4])
    (finding,) = judged(*poor)
    assert "1 x committed" in finding.message


def test_one_event_does_not_tell_of_two_conflicts() -> None:
    attempts = (ATTEMPTS[0], replace(ATTEMPTS[0], began=5, ended=6, waited_s=0.1), ATTEMPTS[1])
    end = event("update.committed", version="v3", attempts=3)
    (finding,) = judged(*TOLD[:3], end, TOLD[4], attempts=attempts)
    assert finding.message.startswith("5 of 7 facts")


def test_plain_words_count() -> None:
    """Lines of the standard library's logging, each stamped with the operation's id."""
    lines = (
        "UpdateStarted: t by ann",
        "t: version mismatch, v1 is v2 by now",
        "retrying, number 1, in 100 ms",
        "saved t as v3",
        "evicted t from the cache of ann",
    )
    assert judged(*(event("log", message=line) for line in lines)) == []


def test_a_line_may_tell_of_a_conflict_and_of_the_retry_after_it() -> None:
    both = event("log", message="lost swap 1 of t, retry 1 in 0.1 s")
    assert judged(TOLD[0], both, *TOLD[3:]) == []


def test_who_deletes_nothing_owes_no_invalidation() -> None:
    kept = replace(UPDATE, invalidations=0)
    (finding,) = judged(*TOLD[:1], *TOLD[3:], operations=(kept,))
    assert finding.message.startswith("2 of 4 facts")


def test_a_write_under_the_lock_at_once_is_no_retry() -> None:
    locked = replace(ATTEMPTS[1], way="locked", waited_s=0.0)
    assert judged(*without("update.retry"), attempts=(ATTEMPTS[0], locked)) == []


def test_a_skip_and_a_failure_are_ends_too() -> None:
    job = Operation("background-1", "job", "background", "t", 30, 31, "skipped")
    failure = Failure("StoreUnavailableError", "", True, True)
    broke = Operation("ben-1", "update", "ben", "t", 40, 41, "failed", failure=failure)
    events = (
        event("job.started", "background-1"),
        event("job.skipped", "background-1"),
        event("update.started", "ben-1"),
        event("update.failed", "ben-1"),
    )
    assert judged(*events, operations=(job, broke), attempts=()) == []
    (finding,) = judged(*events[::2], operations=(job, broke), attempts=())
    assert finding.message.endswith("Untold: 1 x skipped, 1 x failed")


@pytest.mark.parametrize(
    "lie",
    [
        event("update.failed"),
        event("update.unchanged"),
        event("update.committed", version="v2", attempts=2),
        event("update.committed", version="v3", attempts=1),
    ],
)
def test_an_event_that_the_store_denies_is_found(lie: Event) -> None:
    (finding,) = judged(*TOLD, lie)
    assert (finding.code, finding.kind) == ("S4", "false-event")


def test_the_last_word_on_the_end_counts() -> None:
    assert judged(*TOLD[:3], event("update.failed"), *TOLD[3:]) == []


def test_other_words_are_not_taken_at_their_word() -> None:
    """An attempt that failed is no update that failed; who chooses words may mean anything."""
    assert judged(*TOLD, event("log", message="attempt 1 failed")) == []


def test_a_token_of_ones_own_is_no_lie() -> None:
    own = replace(UPDATE, version="mine")
    events = (*TOLD[:3], event("update.committed", version="mine", attempts=2), TOLD[4])
    assert judged(*events, operations=(own,)) == []


def test_an_answer_that_contradicts_the_store_is_not_also_a_false_event() -> None:
    """Success without a commit loses data: one defect, one code."""
    phantom = Operation("ben-1", "update", "ben", "t", 30, 40, "committed", version="v9")
    events = (
        event("update.started", "ben-1"),
        event("update.failed", "ben-1"),
        event("update.committed", "ben-1", version="v9"),
    )
    assert judged(*events, operations=(phantom,), attempts=()) == []


def test_an_operation_that_never_returned_owes_nothing() -> None:
    crashed = replace(UPDATE, ended="open", returned=None, version=None)
    assert judged(event("update.started"), operations=(crashed,)) == []


def test_reads_and_templates_that_do_not_exist_owe_nothing() -> None:
    read = Operation("ann-1", "get", "ann", "t", 1, 2, "read", version="v1")
    failure = Failure("TemplateNotFoundError", "", True, True)
    gone = Operation("ann-2", "update", "ann", "nowhere", 3, 4, "failed", failure=failure)
    assert judged(operations=(read, gone), attempts=()) == []
