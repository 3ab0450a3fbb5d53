"""Does a solution behave? Crashes, attempts, time taken, the politeness of the background job.

What the store saw counts, not what the solution says of itself; where the two contradict each
other, that is a finding too. Times are seconds, the job's ages on the store's clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from syncsim.contract import BACKGROUND
from syncsim.lab.checkers.entry import Checker, Proof
from syncsim.lab.checkers.errors import answers_a_refusal
from syncsim.lab.checkers.history_index import HistoryIndex, VersionLine
from syncsim.lab.history.findings import NOTE, Finding
from syncsim.lab.history.records import Attempt, Operation

COOLDOWN_S: Final = 5.0
DEADLINE_S: Final = 3.0
SLOW_S: Final = 5.0
MOST_ATTEMPTS: Final = 4
"""One attempt and three retries."""

_CLOCK_GRAIN_S: Final = 1e-6  # an epoch in a float resolves 0.2 microseconds
_AT_ONCE_S: Final = 1.0  # a failure within this time was not the deadline's doing


def judge_policy(index: HistoryIndex, cooldown_s: float = COOLDOWN_S) -> Iterator[Finding]:
    """Every finding of D3, M3, M5, S1, S2, S4 and the notes on attempts and time. O(n)."""
    for operation in index.history.operations:
        if operation.kind == "probe":
            continue
        yield from _judge_crash(index, operation)
        if operation.kind in ("update", "update_with_version", "rollback"):
            attempts = index.attempts.get(operation.id, [])
            yield from _judge_attempts(operation, attempts)
            yield from _judge_time(operation, attempts)
        if operation.kind == "job" and operation.ended == "skipped":
            yield from _judge_skip(index, operation, cooldown_s)
    for timeline in index.timelines.values():
        yield from _judge_cooldown(timeline, cooldown_s)


def _judge_crash(index: HistoryIndex, operation: Operation) -> Iterator[Finding]:
    """An exception that is no `SyncError`; one that answers a refusal is a poor error instead."""
    failure = operation.failure
    if failure is not None and not failure.expected:
        where = "" if failure.line is None else f" at {failure.line}"
        is_answer = answers_a_refusal(index, operation)
        yield Finding(
            NOTE if is_answer else "D3",
            "foreign-error" if is_answer else "crash",
            f"{_who(operation)} let a {failure.name} out{where}, which is no SyncError: "
            f"{failure.message}",
            (operation.id,),
        )


def _judge_attempts(operation: Operation, attempts: list[Attempt]) -> Iterator[Finding]:
    made = len(attempts)
    if made > MOST_ATTEMPTS:
        yield Finding(
            "S2" if made > MOST_ATTEMPTS + 1 else NOTE,
            "too-many-attempts",
            f"{_who(operation)} tried to write {made} times; {MOST_ATTEMPTS} are allowed, that is "
            f"{MOST_ATTEMPTS - 1} retries",
            (operation.id,),
        )
    wrote = sum(attempt.fate != "unchanged" for attempt in attempts)
    if operation.attempts and operation.attempts < wrote:
        yield Finding(
            "S4",
            "attempts-understated",
            f"{_who(operation)} claims {operation.attempts} attempts, the store saw {wrote}",
            (operation.id,),
        )
    if operation.kind == "update" and operation.ended == "failed" and attempts:
        yield from _judge_giving_up(operation, attempts)


def _judge_giving_up(operation: Operation, attempts: list[Attempt]) -> Iterator[Finding]:
    if any(attempt.fate != "lost" for attempt in attempts):
        return
    name = operation.failure.name if operation.failure is not None else "an error"
    if name == "StoreUnavailableError":
        return  # who could not read again could not swap again
    if len(attempts) == 1:
        if operation.latency_s is not None and operation.latency_s < _AT_ONCE_S:
            yield Finding(
                "M3",
                "no-retry",
                f"{_who(operation)} raised {name} after a single lost swap",
                (operation.id,),
            )
    elif len({attempt.expected for attempt in attempts}) == 1:
        yield Finding(
            "M3",
            "retry-without-reading",
            f"{_who(operation)} expected {attempts[0].expected} in each of {len(attempts)} "
            "attempts: without reading again a retry can never win",
            (operation.id,),
        )


def _judge_time(operation: Operation, attempts: list[Attempt]) -> Iterator[Finding]:
    took_s = operation.latency_s
    if took_s is None or took_s <= DEADLINE_S:
        return
    lost = sum(attempt.fate == "lost" for attempt in attempts)
    is_slow = took_s > SLOW_S and lost < MOST_ATTEMPTS
    yield Finding(
        "S1" if is_slow else NOTE,
        "slow" if is_slow else "deadline-missed",
        f"{_who(operation)} took {took_s:.3f} s with {lost} conflicts; "
        f"{SLOW_S if is_slow else DEADLINE_S:.0f} s are allowed",
        (operation.id,),
    )


# -- the background job ----------------------------------------------------------------------------


def _judge_cooldown(timeline: VersionLine, cooldown_s: float) -> Iterator[Finding]:
    """No job commits within the cooldown after the last user commit, in commit order."""
    user_at: float | None = None
    for commit in timeline.commits:
        if commit.by != BACKGROUND:
            user_at = commit.at
        elif user_at is not None and commit.at - user_at < cooldown_s - _CLOCK_GRAIN_S:
            yield Finding(
                "M5",
                "cooldown-broken",
                f"the background job committed {commit.version} {commit.at - user_at:.3f} s after "
                f"a user update; the cooldown is {cooldown_s:.1f} s",
                () if commit.operation is None else (commit.operation,),
            )


def _judge_skip(index: HistoryIndex, operation: Operation, cooldown_s: float) -> Iterator[Finding]:
    """A job that skips has a user commit within the cooldown before some moment of its call."""
    timeline = index.timelines.get(operation.template_id)
    if timeline is None:
        return
    returned_at = operation.called_at + (operation.latency_s or 0.0)
    user_at = timeline.last_user_commit(returned_at)
    if user_at is None or operation.called_at - user_at > cooldown_s + _CLOCK_GRAIN_S:
        since = "ever" if user_at is None else f"for {operation.called_at - user_at:.3f} s"
        yield Finding(
            "M5",
            "skipped-for-nothing",
            f"{operation.id} answered skipped although no user had written {since}; the cooldown "
            f"is {cooldown_s:.1f} s",
            (operation.id,),
        )


def _who(operation: Operation) -> str:
    return f"{operation.id} ({operation.kind} by {operation.user!r})"


CHECKER: Final = Checker(
    ("D2", "D3", "M3", "M5", "S1", "S2", "S4"),
    judge_policy,
    {
        "cooldown-broken": Proof.TOO_SOON,
        "deadlock": Proof.NO_ANSWER,
        "endless": Proof.NO_ANSWER,
        "no-retry": Proof.ATTEMPTS,
        "retry-without-reading": Proof.ATTEMPTS,
        "too-many-attempts": Proof.ATTEMPTS,
        "slow": Proof.LONG,
        "deadline-missed": Proof.LONG,
    },
)
"""It includes the proofs of two endings that the scheduler reports: deadlock and endless."""
