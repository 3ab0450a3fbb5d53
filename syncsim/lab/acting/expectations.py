"""Does a scenario hold? What must be true of a run besides the judges finding nothing wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from syncsim.lab.checkers.delays import judge_delays
from syncsim.lab.checkers.errors import judge_errors
from syncsim.lab.checkers.history_index import HistoryIndex
from syncsim.lab.checkers.logging_facts import judge_logging
from syncsim.lab.history.findings import INCONCLUSIVE, NOTE, Finding
from syncsim.lab.history.records import Operation
from syncsim.lab.results.figures import SUCCEEDED, UPDATES, Rates
from syncsim.lab.scenarios import Expectations, Part
from syncsim.service.background import SKIPPED

NO_CONTENTION: Final = "no-contention"
"""The kind of finding that says that a storm proved nothing, as no two updates met."""

_GRAIN_MS: Final = 1e-6


def judge_expectations(
    part: Part, template_id: str, index: HistoryIndex, *, follows_policy: bool
) -> Iterator[Finding]:
    """A finding for each expectation of a part that does not hold.

    `follows_policy`: whether the solution was given the part's retry policy. One that was not
    retries as it sees fit: the ladder is none of its promises, but that it ends well is. How often
    it tries and how long it takes is for the judges of every run.
    """
    expect = part.expect
    operations = [o for o in index.history.operations if o.template_id == template_id]
    updates = [o for o in operations if o.kind in UPDATES]
    yield from _judge_rates(expect, Rates.of(operations), updates)
    yield from _judge_jobs(expect, [o for o in operations if o.kind == "job"])
    if expect.logged is not None:
        yield from judge_logging(index, operations, expect.logged)
    if expect.clear_errors:
        yield from judge_errors(index)
    for operation in updates:
        joined = expect.ends == "committed" and _joined_a_line(index, operation)
        if follows_policy and not joined:
            yield from _judge_ladder(expect, part, index, operation)
        elif expect.ladder is not None:
            yield from _judge_end(part, operation)
    if expect.survives:
        yield from _judge_survival(index, updates)
    if expect.paced:
        yield from judge_delays(index)
    if expect.needs_conflict and not _contended(index, updates):
        yield Finding(
            INCONCLUSIVE,
            NO_CONTENTION,
            f"no swap lost among {len(updates)} updates: nobody met anybody, so nothing was "
            "proved; use more users, more --work-ms, or run again",
        )


def _judge_rates(expect: Expectations, rates: Rates, updates: list[Operation]) -> Iterator[Finding]:
    rate, over = rates.success_rate, expect.success_over
    if over is not None and rate is not None and rate <= over:
        failed = tuple(o.id for o in updates if o.ended not in SUCCEEDED)
        yield Finding(
            NOTE,
            "success-rate",
            f"{rates.succeeded} of {rates.attempted} updates succeeded ({rate:.1%}); "
            f"more than {over:.0%} must",
            failed,
        )
    hit_rate, over = rates.hit_rate, expect.hits_over
    if over is not None and hit_rate is not None and hit_rate <= over:
        yield Finding(
            NOTE,
            "hit-rate",
            f"{rates.hits} of {rates.reads} reads came from a cache ({hit_rate:.1%}); "
            f"more than {over:.0%} must",
        )


def _judge_jobs(expect: Expectations, jobs: list[Operation]) -> Iterator[Finding]:
    for job in jobs:
        if job.ended == "skipped" and not (job.reason or "").startswith(SKIPPED):
            yield Finding(
                NOTE,
                "skip-reason",
                f"{job.id} skipped because {job.reason!r}; a reason begins with {SKIPPED!r}",
                (job.id,),
            )
    for turn, (job, wanted) in enumerate(zip(jobs, expect.jobs, strict=False), 1):
        came = "processed" if job.ended in SUCCEEDED else job.ended
        if came != wanted:
            why = f" ({job.failure.name}: {job.failure.message})" if job.failure else ""
            yield Finding(
                "M5",
                "job-outcome",
                f"run {turn} of the background job, {job.id}, must be {wanted} and was {came}{why}",
                (job.id,),
            )


def _judge_ladder(
    expect: Expectations, part: Part, index: HistoryIndex, operation: Operation
) -> Iterator[Finding]:
    ended = operation.failure.name if operation.failure is not None else operation.ended
    if expect.ends is not None and ended != expect.ends:
        yield Finding(
            NOTE,
            "ending",
            f"{part.name}: {operation.id} must end as {expect.ends} and ended as {ended}",
            (operation.id,),
        )
    if expect.ladder is None:
        return
    delays_ms = [a.waited_s * 1000 for a in index.attempts.get(operation.id, [])[1:]]
    bounds_ms = [(low * 1000, high * 1000) for low, high in expect.ladder]
    fits = len(delays_ms) == len(bounds_ms) and all(
        low - _GRAIN_MS <= delay <= high + _GRAIN_MS
        for delay, (low, high) in zip(delays_ms, bounds_ms, strict=True)
    )
    if not fits:
        wanted = ", ".join(f"{low:.0f}-{high:.0f}" for low, high in bounds_ms)
        waited = ", ".join(f"{delay:.0f}" for delay in delays_ms) or "none"
        yield Finding(
            NOTE,
            "ladder",
            f"{part.name}: {operation.id} must wait {wanted} ms before its retries; it waited "
            f"{waited} ms",
            (operation.id,),
        )


def _joined_a_line(index: HistoryIndex, operation: Operation) -> bool:
    """Whether the update was merged at the head at its first attempt, where no rival can be faster.

    With several users a line may wait when an update begins; who joins it has no delay to show.
    """
    attempts = index.attempts.get(operation.id, [])
    return operation.ended == "committed" and [
        attempt.way in ("locked", "batch") for attempt in attempts
    ] == [True]


def _judge_end(part: Part, operation: Operation) -> Iterator[Finding]:
    failure = operation.failure
    if operation.ended in SUCCEEDED or (failure is not None and failure.expected):
        return
    yield Finding(
        NOTE,
        "ending",
        f"{part.name}: {operation.id} must end in a commit or a SyncError, however often a rival "
        f"is faster; it ended as {operation.ended if failure is None else failure.name}",
        (operation.id,),
    )


def _judge_survival(index: HistoryIndex, updates: list[Operation]) -> Iterator[Finding]:
    """No update may fail for a conflict: the conflicts were too few to excuse it."""
    for operation in updates:
        lost = sum(a.fate == "lost" for a in index.attempts.get(operation.id, ()))
        if operation.ended == "failed" and lost:
            name = operation.failure.name if operation.failure is not None else "an error"
            yield Finding(
                "M3",
                "conflict-not-survived",
                f"{operation.id} raised {name} after {lost} lost swaps, though nobody stood in its "
                "way any more: it had to read again and try again",
                (operation.id,),
            )


def _contended(index: HistoryIndex, updates: list[Operation]) -> bool:
    """Whether an update lost a swap; for writers that never swap, whether two updates overlapped.

    Who merges under the write lock cannot lose, and is not to be called unproved for that.
    """
    attempts = [attempt for o in updates for attempt in index.attempts.get(o.id, ())]
    if any(attempt.fate == "lost" for attempt in attempts):
        return True
    if any(attempt.way not in ("locked", "batch") for attempt in attempts):
        return False
    latest = -1
    for operation in updates:  # in the order of their calls
        if operation.called < latest:
            return True
        latest = max(latest, operation.returned or operation.called)
    return False
