"""Does the log tell what happened? Facts of the store's record against the events of a solution.

An event tells a fact if it carries the operation's id and speaks of the fact: by its kind, or in
words, as records of `logging` do. What an event says and the store denies is worse than silence.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from syncsim.events.kinds import Event, is_finite
from syncsim.lab.checkers.history_index import HistoryIndex
from syncsim.lab.history.drawn_ids import DrawnIds
from syncsim.lab.history.findings import Finding
from syncsim.lab.history.records import Attempt, Operation

Topic: TypeAlias = Literal[
    "start", "conflict", "retry", "committed", "unchanged", "skipped", "failed", "invalidation"
]
"""What a fact, or an event, is about."""

CODE: Final = "S4"

_TOPICS: Final[dict[str, Topic]] = {
    "started": "start",
    "conflict": "conflict",
    "retry": "retry",
    "committed": "committed",
    "unchanged": "unchanged",
    "skipped": "skipped",
    "failed": "failed",
    "invalidated": "invalidation",
}
"""The last part of a kind of the vocabulary; parts that are missing here are about no fact."""

_SPOKEN: Final[dict[Topic, str]] = {
    "start": "start started starting begin began begins requested received asked",
    "conflict": "conflict conflicts conflicted lost mismatch collision stale",
    "retry": "retry retries retrying retried again backoff waiting sleeping",
    "committed": "commit commits committed save saved stored written wrote success successful "
    "succeeded complete completed done updated",
    "unchanged": "unchanged noop nothing identical",
    "skipped": "skip skips skipped skipping",
    "failed": "fail fails failed failure error exhausted gave giving aborted rejected refused",
    "invalidation": "invalidate invalidated invalidates invalidation evict evicted dropped deleted",
}
"""The words by which another kind, or a text, speaks of a topic."""

_WORDS: Final = {topic: frozenset(words.split()) for topic, words in _SPOKEN.items()}

_OUTCOMES: Final[dict[str, Topic]] = {
    "committed": "committed",
    "unchanged": "unchanged",
    "skipped": "skipped",
    "failed": "failed",
}
"""How an operation ended to the topic that tells so."""


@dataclass(frozen=True, slots=True)
class LoggedFact:
    """Something that happened in an operation. `number` is a retry's, from 1."""

    topic: Topic
    number: int = 0
    versions: frozenset[str] = frozenset()
    """The tokens of the version that was committed; one of them must be told."""


def judge_logging(
    index: HistoryIndex, operations: Iterable[Operation], least: float
) -> Iterator[Finding]:
    """S4 if events tell less than this share of the facts, and for each operation told wrongly.

    Reads owe nothing. Neither does an operation that never returned, nor one on a template that
    does not exist: of these the store knows nothing.
    """
    events = _events_by_operation(index)
    owed, told = 0, 0
    untold: Counter[Topic] = Counter()
    silent: list[str] = []
    for operation in operations:
        heard = events.get(operation.id, [])
        facts = list(_facts(index, operation))
        missing = list(_untold(facts, heard))
        owed, told = owed + len(facts), told + len(facts) - len(missing)
        untold.update(fact.topic for fact in missing)
        if missing:
            silent.append(operation.id)
        if facts:
            yield from _contradictions(index, operation, heard)
    if owed and told < least * owed:
        lacking = ", ".join(f"{count} x {topic}" for topic, count in untold.items())
        yield Finding(
            CODE,
            "untold",
            f"{told} of {owed} facts ({told / owed:.0%}) have an event with the operation's id; "
            f"{least:.0%} must. Untold: {lacking}",
            tuple(silent),
        )


def _events_by_operation(index: HistoryIndex) -> dict[str, list[Event]]:
    history = index.history
    drawn = DrawnIds(history.ids)
    events: dict[str, list[Event]] = defaultdict(list)
    for event in history.events:
        operation = history.operation_of(event.update_id)
        if operation not in index.operations:
            operation = drawn.owner(event.update_id)
        if operation is not None:
            events[operation].append(event)
    return events


# -- what happened ---------------------------------------------------------------------------------


def _facts(index: HistoryIndex, operation: Operation) -> Iterator[LoggedFact]:
    """What the store and the caller know of an operation."""
    is_write = operation.kind in ("update", "update_with_version", "rollback", "job")
    if not is_write or operation.ended == "open" or operation.template_id not in index.timelines:
        return
    attempts = index.attempts.get(operation.id, [])
    yield LoggedFact("start")
    for number, attempt in enumerate(attempts):
        if number and operation.kind != "job" and _is_retry(attempt):
            yield LoggedFact("retry", number)
        if attempt.fate == "lost":
            yield LoggedFact("conflict")
    committed = operation.ended == "committed"
    yield LoggedFact(
        _OUTCOMES[operation.ended],
        versions=_tokens(index, operation) if committed else frozenset(),
    )
    if committed and operation.invalidations:
        yield LoggedFact("invalidation")


def _is_retry(attempt: Attempt) -> bool:
    """Whether it is a retry; a write under the lock at once after a lost swap is another way."""
    return attempt.waited_s > 0 or attempt.way in ("swap", "put")


def _tokens(index: HistoryIndex, operation: Operation) -> frozenset[str]:
    """The tokens by which the version that this operation committed is known."""
    own = {commit.version for _, commit in index.commits.get(operation.id, [])}
    return frozenset(own | {operation.version or ""}) - {""}


# -- what is said of it ----------------------------------------------------------------------------


def _untold(facts: list[LoggedFact], heard: list[Event]) -> Iterator[LoggedFact]:
    """The facts of one operation without an event; an event tells one fact of each topic."""
    spare: dict[Topic, list[Event]] = defaultdict(list)
    for event in heard:
        for topic in _topics(event):
            spare[topic].append(event)
    for fact in facts:
        telling = next((event for event in spare[fact.topic] if _tells(event, fact)), None)
        if telling is None:
            yield fact
        else:
            spare[fact.topic].remove(telling)


def _topics(event: Event) -> set[Topic]:
    if event.kind in Event.KINDS:
        topic = _TOPICS.get(_last_part(event))
        return set() if topic is None else {topic}
    words = set(_words(event.kind)) | set(_words(_text(event)))
    return {topic for topic, known in _WORDS.items() if not known.isdisjoint(words)}


def _last_part(event: Event) -> str:
    """`committed` of `update.committed`."""
    return event.kind.rpartition(".")[2]


def _tells(event: Event, fact: LoggedFact) -> bool:
    if fact.topic == "retry":
        numbers = _numbers(event)
        # Retry 1 is attempt 2; and the delay is a number, too.
        return len(numbers) > 1 and not {fact.number, fact.number + 1}.isdisjoint(numbers)
    if fact.versions:
        said = {str(value) for value in event.facts.values()}
        return not said.isdisjoint(fact.versions) or any(v in _text(event) for v in fact.versions)
    return True


def _numbers(event: Event) -> list[float]:
    numbers = [value for value in event.facts.values() if is_finite(value)]
    return numbers + [float(number) for number in re.findall(r"\d+(?:\.\d+)?", _text(event))]


def _text(event: Event) -> str:
    return " ".join(value for value in event.facts.values() if isinstance(value, str))


def _words(text: str) -> list[str]:
    """Lower-case words; `UpdateStarted` and `update_started` are two each."""
    return re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).lower())


# -- what is said and is not so --------------------------------------------------------------------


def _contradictions(
    index: HistoryIndex, operation: Operation, heard: list[Event]
) -> Iterator[Finding]:
    """An event of an end that the store denies; only kinds of the vocabulary have a fixed meaning.

    The last word counts: who says that it failed and then tries once more has not lied. An
    operation whose answer itself contradicts the store loses data, which is found elsewhere.
    """
    if (operation.ended == "committed") != bool(index.commits.get(operation.id)):
        return
    ends = [e for e in heard if e.kind in Event.KINDS and _last_part(e) in _OUTCOMES]
    lie = _lie(index, operation, ends[-1]) if ends else None
    if lie is not None:
        text = f"{operation.id} ended {operation.ended} and has an event {ends[-1].kind} {lie}"
        yield Finding(CODE, "false-event", text, (operation.id,))


def _lie(index: HistoryIndex, operation: Operation, event: Event) -> str | None:
    if _last_part(event) != operation.ended:
        return "of another end"
    if operation.ended != "committed":
        return None
    version, attempts = event.facts.get("version"), event.facts.get("attempts")
    positions = {position for position, _ in index.commits[operation.id]}
    if isinstance(version, str):
        position = index.position(operation.template_id, version)
        if position is not None and position not in positions:
            return f"of version {version}"
    wrote = sum(a.fate != "unchanged" for a in index.attempts.get(operation.id, []))
    if type(attempts) is int and 0 < attempts < wrote:
        return f"of {attempts} attempts where the store saw {wrote}"
    return None
