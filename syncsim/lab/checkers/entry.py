"""The description of a checker in one value: what it judges, what it costs, what proves it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from syncsim.lab.checkers.history_index import HistoryIndex
from syncsim.lab.history.findings import Finding


class Proof(Enum):
    """The rows of a diagram that prove a finding, in the order in which they are counted."""

    OVERWRITTEN = "the victim's commit, then the commit that overwrites it"
    STALE_ANSWER = "the newer version acknowledged, then an older one read"
    TOO_SOON = "a user's commit, then the job's within the cooldown"
    FALSE_ANSWER = "the write that was lost, then the answer as if it were not"
    TWICE = "each commit of one update"
    NO_ANSWER = "where an operation waits and never answers"
    ATTEMPTS = "each attempt of the operation"
    LONG = "the call and the late answer"
    WRONG_COMMIT = "the commit that is not what was asked for"
    ANSWER = "the answer of each operation"


Judge: TypeAlias = Callable[[HistoryIndex, float], Iterable[Finding]]
"""A history and the cooldown in seconds in, findings out."""


@dataclass(frozen=True, slots=True)
class Checker:
    """A judge of histories.

    `codes` are those of the rubric that it may deduct. `proofs` maps the kind of a finding to the
    rows that prove it; a kind that is not named is proven by its answers.
    """

    codes: tuple[str, ...]
    judge: Judge
    proofs: Mapping[str, Proof]
