"""Check that an error gives its facts, for the five failures that scenarios provoke.

Facts, not phrases: an attribute counts like a word of the message. What an operation ran into is
read from the store's record and never from the error, and what it survived has nothing to explain.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final, Literal, TypeAlias

from syncsim.contract import JSON
from syncsim.errors import InvalidTemplateError, excerpt
from syncsim.lab.checkers.history_index import NEVER, HistoryIndex, VersionLine
from syncsim.lab.history.expected_state import intended
from syncsim.lab.history.findings import NOTE, Finding
from syncsim.lab.history.records import Attempt, Failure, Operation
from syncsim.template import validate

Refusal: TypeAlias = Literal[
    "unknown template", "stale version", "invalid change", "lost swaps", "outage"
]
"""Why an operation could not succeed."""

TOO_MANY: Final = 2
"""So many of the five, poorly told, cost the point."""

_BUGS: Final = (
    "ArithmeticError AssertionError AttributeError ImportError IndexError KeyError MemoryError "
    "NameError RecursionError StopIteration TypeError UnboundLocalError ZeroDivisionError"
)
"""Errors that no program raises to tell a caller something."""


def judge_errors(index: HistoryIndex) -> Iterator[Finding]:
    """M4 if two or more of the refusals in this history were poorly told, a note if one was.

    For runs whose failures were induced one by one: a solution that meets an outage on the way to
    a stale version is right to speak of the outage.
    """
    faults: dict[Refusal, tuple[Operation, str]] = {}
    for operation in index.history.operations:
        refusal = refusal_of(index, operation)
        failure = operation.failure
        if refusal is not None and failure is not None:
            found = "; ".join(_faults(index, operation, failure, refusal))
            if found:
                faults.setdefault(refusal, (operation, found))
    if not faults:
        return
    told = ". ".join(
        f"{refusal}: {operation.id} raised {_shown(operation.failure)}: {found}"
        for refusal, (operation, found) in faults.items()
    )
    yield Finding(
        "M4" if len(faults) >= TOO_MANY else NOTE,
        "poor-errors",
        f"{len(faults)} of the induced failures do not say what happened. {told}",
        tuple(operation.id for operation, _ in faults.values()),
    )


def refusal_of(index: HistoryIndex, operation: Operation) -> Refusal | None:
    """Why this operation failed, by the store's record; None if it did not, or for no reason."""
    if operation.ended != "failed" or operation.kind == "probe":
        return None
    timeline = index.timelines.get(operation.template_id)
    if timeline is None:
        return "unknown template"
    attempts = index.attempts.get(operation.id, [])
    if operation.kind == "update_with_version" and _is_stale(index, timeline, operation, attempts):
        return "stale version"
    if _is_invalid(index, timeline, operation):
        return "invalid change"
    fates = {attempt.fate for attempt in attempts}
    if fates == {"lost"}:
        return "lost swaps"
    if fates and fates <= {"lost", "failed"}:
        return "outage"
    return None


def answers_a_refusal(index: HistoryIndex, operation: Operation) -> bool:
    """Whether the exception reports a refusal to the caller, and is no crash.

    `raise Exception("could not save")` after lost swaps, or the database driver's own error in an
    outage, is a poor answer. A TypeError is a crash at any time, and so is whatever is raised
    where nothing had been refused.
    """
    refusal, failure = refusal_of(index, operation), operation.failure
    if refusal is None or failure is None:
        return False
    return failure.name not in _BUGS.split() or (
        failure.name == "KeyError" and refusal == "unknown template"
    )


def _is_stale(
    index: HistoryIndex, timeline: VersionLine, operation: Operation, attempts: list[Attempt]
) -> bool:
    given = index.position(operation.template_id, operation.base_version)
    lost = any(attempt.fate == "lost" for attempt in attempts)
    return lost or given not in _heads(timeline, operation)


def _is_invalid(index: HistoryIndex, timeline: VersionLine, operation: Operation) -> bool:
    if not isinstance(operation.changes, dict):
        return operation.kind in ("update", "update_with_version")
    given = index.position(operation.template_id, operation.base_version)
    base = timeline.document(_heads(timeline, operation)[-1] if given is None else given)
    try:
        validate(intended(base, operation.changes))
    except InvalidTemplateError:
        return True
    return False


def _heads(timeline: VersionLine, operation: Operation) -> range:
    returned = operation.returned
    return timeline.heads(operation.called, NEVER if returned is None else returned)


# -- what an error says ----------------------------------------------------------------------------


class _Said:
    """Everything an error tells, as one text."""

    def __init__(self, failure: Failure) -> None:
        self.message = failure.message
        self.facts = failure.facts
        values = (str(value) for value in failure.facts.values() if value is not None)
        self._text = "\n".join((failure.message, *values))

    def names(self, words: Iterable[str]) -> bool:
        """Whether the error contains one of the words, as a word of its own."""
        return any(_has(self._text, word) for word in words)


def _faults(
    index: HistoryIndex, operation: Operation, failure: Failure, refusal: Refusal
) -> Iterator[str]:
    """What is missing from an error, or false in it."""
    if not failure.expected:
        yield "it is no SyncError"
        return
    said = _Said(failure)
    yield from _template_faults(index, operation, said)
    timeline = index.timelines.get(operation.template_id)
    if timeline is None or refusal not in ("stale version", "lost swaps"):
        return
    attempts = index.attempts.get(operation.id, [])
    if refusal == "stale version":
        wanted = {operation.base_version}
    else:
        wanted = {attempt.expected for attempt in attempts}
    expected = _tokens(timeline, {index.position(operation.template_id, v) for v in wanted})
    expected |= {version for version in wanted if version is not None}
    actual = _tokens(timeline, set(_heads(timeline, operation)))
    yield from _version_faults(timeline, said, "expected", expected)
    yield from _version_faults(timeline, said, "actual", actual)
    made = sum(attempt.fate != "unchanged" for attempt in attempts)
    claimed = said.facts.get("attempts")
    if refusal == "lost swaps" and type(claimed) is int and claimed != made:
        yield f"attempts is {claimed}, the store saw {made}"
    has_versions = said.names(expected) and said.names(actual)
    # After three retries there were four attempts.
    counts = {str(made), str(made - 1)} if refusal == "lost swaps" else set()
    if not has_versions and not said.names(counts):
        yield "it lacks the expected and the actual version" + (
            " or the number of attempts" if counts else ""
        )


def _template_faults(index: HistoryIndex, operation: Operation, said: _Said) -> Iterator[str]:
    own = operation.template_id
    given = said.facts.get("template_id")
    if given is not None and given != own:
        yield f"template_id is {excerpt(given)}, it was {own!r}"
        return
    others = [other for other in index.timelines if other != own and _has(said.message, other)]
    if others and not _has(said.message, own):
        yield f"it speaks of {others[0]!r}, it was {own!r}"
    elif not said.names([own]):
        yield f"it does not name the template {own!r}"


def _version_faults(
    timeline: VersionLine, said: _Said, name: str, right: set[str]
) -> Iterator[str]:
    """An attribute that names another version of the template than the right ones."""
    for fact in (name, f"last_{name}"):
        claimed = said.facts.get(fact)
        if isinstance(claimed, str) and claimed in timeline.positions and claimed not in right:
            yield f"{fact} is {claimed}, it was {' or '.join(sorted(right))}"


def _tokens(timeline: VersionLine, positions: set[int | None]) -> set[str]:
    """Every token by which a version at these positions is known."""
    known = positions - {None}
    return {token for token, position in timeline.positions.items() if position in known}


def _has(text: str, word: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text) is not None


def _shown(failure: Failure | None) -> JSON:
    return "" if failure is None else f"{failure.name}({excerpt(failure.message, 120)})"
