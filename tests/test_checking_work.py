"""Judging is linear: four times as long a history takes four times the work, right or wrong.

Work is counted, not timed: calls of functions of the judges, and commits held against an intent.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from benchmarks.checking import recorded
from syncsim.lab import checkers
from syncsim.lab.checkers import check, inform
from syncsim.lab.history import expected_state
from syncsim.lab.history.records import History

JUDGING = str(Path(checkers.__file__).parent), str(expected_state.__file__)


def work(history: History) -> Counter[str]:
    """How often each function of the judges is called."""
    calls: Counter[str] = Counter()

    def count(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(JUDGING):
            calls[frame.f_code.co_name] += 1

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        check(history)
        inform(history)
    finally:
        sys.setprofile(before)
    return calls


def as_it_is(history: History) -> History:
    return history


def one_token_for_all(history: History) -> History:
    return replace(history, operations=tuple(replace(o, version="x") for o in history.operations))


def own_tokens(history: History) -> History:
    def renamed(version: str | None) -> str | None:
        return None if version is None else f"r{version}"

    return replace(
        history,
        operations=tuple(
            replace(o, version=renamed(o.version), base_version=renamed(o.base_version))
            for o in history.operations
        ),
    )


def unknown_tokens(history: History) -> History:
    """Every read shows a token that nobody else was given."""
    return replace(
        history,
        operations=tuple(
            replace(o, version=f"r{n}") if o.kind == "get" else o
            for n, o in enumerate(history.operations)
        ),
    )


def without_bases(history: History) -> History:
    return replace(
        history, operations=tuple(replace(o, base_version=None) for o in history.operations)
    )


def without_owners(history: History) -> History:
    return replace(history, commits=tuple(replace(c, operation=None) for c in history.commits))


def scribbled(history: History) -> History:
    """Every second commit undoes the description of the one before."""
    return replace(
        history,
        commits=tuple(
            replace(c, document={**c.document, "description": f"{c.number}"}) if c.number % 2 else c
            for c in history.commits
        ),
    )


def strewn(history: History) -> History:
    """Every commit has metadata that no other has: nobody wrote it, however far back one looks."""
    return replace(
        history,
        commits=tuple(
            replace(c, document={**c.document, "metadata": {f"x_{c.number}": True}})
            for c in history.commits
        ),
    )


def never_fresh(history: History) -> History:
    return replace(
        history,
        operations=tuple(
            replace(o, version="v1") if o.kind == "get" else o for o in history.operations
        ),
    )


@pytest.fixture(scope="module")
def short_and_long() -> tuple[History, History]:
    return recorded(400), recorded(1_600)


@pytest.mark.parametrize(
    "told",
    [
        as_it_is,
        one_token_for_all,
        own_tokens,
        unknown_tokens,
        without_bases,
        without_owners,
        scribbled,
        strewn,
        never_fresh,
    ],
)
def test_four_times_as_long_a_history_takes_four_times_the_work(
    short_and_long: tuple[History, History], told: Callable[[History], History]
) -> None:
    short, long = (work(told(history)) for history in short_and_long)
    assert sum(long.values()) < 4.6 * sum(short.values())
    assert long["mismatches"] < 5 * max(short["mismatches"], 100)


def test_a_right_history_as_the_benchmark_makes_it_has_nothing_wrong(
    short_and_long: tuple[History, History],
) -> None:
    for history in short_and_long:
        assert check(history) == []


def test_a_commit_is_held_against_its_intent_only_where_something_was_touched(
    short_and_long: tuple[History, History],
) -> None:
    """Not leaf by leaf through the whole template: a handful of steps for each commit."""
    history = short_and_long[1]
    assert 0 < work(history)["mismatches"] < 20 * len(history.commits)
