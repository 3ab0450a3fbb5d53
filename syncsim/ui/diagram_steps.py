"""What happened in a run, one sentence each, in order: the rows of a sequence diagram.

Here are the sentences, and the rows of any run that has a history: calls, write attempts, waits and
answers. `watched_steps` has those of a watched simulation, which are all there is. Sentences are
plain text as typed, on one line, long names cut.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from syncsim.events.live_log import printable
from syncsim.lab.history.expected_state import differences, intended, pointer
from syncsim.lab.history.records import Attempt, History, Operation
from syncsim.ui.drawing import person

Kind: TypeAlias = Literal[
    "call",
    "answer",
    "read",
    "hit",
    "miss",
    "fill",
    "drop",
    "won",
    "lost",
    "failed",
    "idle",
    "wait",
    "lock",
    "blocked",
    "gap",
]
"""`read` is of the store; `hit`, `miss`, `fill` and `drop` are a cache's; `idle` wrote nothing."""

VERBS: Final[Mapping[str, str]] = {
    "get": "get_template",
    "update": "update_template",
    "update_with_version": "update_with_version",
    "job": "run_background_job",
    "rollback": "rollback",
    "probe": "a write of the laboratory",
}


@dataclass(frozen=True, slots=True)
class DiagramStep:
    """One row. `who` did it; `where` is what it reached, `owner` whose cache that is.

    `at_s` is seconds since the first one, on the run's clock. `word` is the text in one or two
    words. `version` is what was read or written. `place` counts the steps of the simulation's trace
    from 0; None for what is no step, as a call or an answer.
    """

    kind: Kind
    at_s: float
    who: str
    word: str = ""
    text: str = ""
    operation: str | None = None
    where: Literal["store", "cache"] | None = None
    owner: str = ""
    version: str | None = None
    place: int | None = None


def cut(text: str, limit: int = 24) -> str:
    """The text on one line, and no longer than that."""
    line = printable(text)
    return line if len(line) <= limit else line[: limit - 1] + "…"


def name(user: str) -> str:
    """How a sentence calls a user."""
    return cut(person(user, "The job"))


# -- sentences about operations --------------------------------------------------------------------


class Narrator:
    """Tells of calls and answers; knows what every version holds."""

    def __init__(self, history: History) -> None:
        self._documents = {(c.template_id, c.version): c.document for c in history.commits}
        self._templates = {c.template_id for c in history.commits}
        self.operations = {o.id: o for o in history.operations}

    def call(self, operation: Operation, at_s: float) -> DiagramStep:
        """A verb is called."""
        verb = VERBS[operation.kind]
        text = f"{name(operation.user)} calls {verb}"
        if operation.base_version is not None:
            text += f", based on {cut(operation.base_version)}"
        if operation.changes is not None:
            text += f": {self._meant(operation)}"
        if len(self._templates) > 1:
            text += f" ({cut(operation.template_id)})"
        word = "strict" if operation.kind == "update_with_version" else operation.kind
        return DiagramStep("call", at_s, operation.user, word, text, operation.id)

    def _meant(self, operation: Operation) -> str:
        changes = operation.changes or {}
        base = self._documents.get((operation.template_id, operation.base_version or ""))
        if base is None:
            leaves = [f"/{key}" for key in changes]
        else:
            leaves = [pointer(path) for path in differences(base, intended(base, changes))]
        told = ", ".join(cut(leaf, 48) for leaf in leaves[:3]) or "no change"
        return told + (f" and {len(leaves) - 3} more" if len(leaves) > 3 else "")

    def answer(self, operation: Operation, at_s: float) -> DiagramStep:
        """A verb answers, or raises."""
        failure = operation.failure
        who = name(operation.user)
        if failure is not None:
            where = "" if failure.line is None else f" ({failure.line})"
            word, text = failure.name, f"{failure.name}{where}: {cut(failure.message, 160)}"
            return DiagramStep(
                "failed", at_s, operation.user, word, f"{who} gets the error {text}", operation.id
            )
        version = cut(operation.version or "no version")
        text = {
            "read": f"{who} has read {version}",
            "committed": f"{who} is told: committed as {version}",
            "unchanged": f"{who} is told: unchanged, the head is {version}",
        }.get(operation.ended, f"{who} is told: {operation.ended}")
        if operation.reason:
            text += f" ({cut(operation.reason, 100)})"
        return DiagramStep(
            "answer",
            at_s,
            operation.user,
            operation.ended,
            text,
            operation.id,
            version=operation.version,
        )

    def unanswered(self) -> Iterator[Operation]:
        """The operations that never got an answer."""
        for operation in self.operations.values():
            if operation.ended == "open":
                yield operation


def wait(at_s: float, who: str, seconds: float, operation: str | None, why: str) -> DiagramStep:
    """The row of a sleep of `who`; `why` is the end of the sentence."""
    text = f"{name(who)} waits {duration(seconds)}{why}"
    return DiagramStep("wait", at_s, who, duration(seconds), text, operation)


def duration(seconds: float) -> str:
    """`103 ms`, `6 s`."""
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.4g} s"


def written(
    who: str, version: str, parent: str | None, way: str, read: str | None
) -> tuple[str, str]:
    """Word and sentence of a write that won; `read` is what the writer had read, where known."""
    head = cut(parent or "nothing")
    if way == "put":
        stale = "" if read in (None, parent) else f", having read {cut(read or '')}"
        return "put", f"{name(who)} puts {cut(version)} over {head} without asking{stale}"
    if way == "swap":
        return "swap", f"{name(who)} wins the swap: {head} → {cut(version)}"
    return "write", f"{name(who)} writes {cut(version)} over {head}, under the write lock"


def lost(who: str, expected: str | None, actual: str | None) -> str:
    """The sentence of a swap that lost."""
    return (
        f"{name(who)} loses the swap: expected {cut(expected or 'nothing')}, "
        f"found {cut(actual or 'nothing')}"
    )


# -- of a history alone ----------------------------------------------------------------------------


def from_history(history: History) -> list[DiagramStep]:
    """Calls, waits, write attempts and answers of any run, in the order of its sequence numbers."""
    narrator = Narrator(history)
    start = min((operation.called_at for operation in history.operations), default=0.0)
    commits = {(c.template_id, c.version): c for c in history.commits}
    moments: list[tuple[float, DiagramStep]] = []
    for operation in history.operations:
        at_s = operation.called_at - start
        moments.append((operation.called, narrator.call(operation, at_s)))
        if operation.returned is not None:
            ended_s = at_s + (operation.latency_s or 0.0)
            moments.append((operation.returned, narrator.answer(operation, ended_s)))
    for attempt in history.attempts:
        commit = commits.get((attempt.template_id, attempt.actual or ""))
        at_s = 0.0 if commit is None or attempt.fate != "won" else commit.at - start
        parent = None if commit is None else commit.parent
        moments += _attempted(attempt, narrator, parent, at_s)
    moments.sort(key=lambda moment: moment[0])
    last = max((number for number, _ in moments), default=0)
    for operation in narrator.unanswered():
        text = f"{name(operation.user)} never gets an answer"
        row = DiagramStep("blocked", 0.0, operation.user, "no answer", text, operation.id)
        moments.append((last, row))
    return _in_time([row for _, row in moments])


def _attempted(
    attempt: Attempt, narrator: Narrator, parent: str | None, at_s: float
) -> Iterator[tuple[float, DiagramStep]]:
    operation = narrator.operations.get(attempt.operation or "")
    who = "somebody" if operation is None else operation.user
    if attempt.waited_s > 0:
        yield attempt.began - 0.5, wait(at_s, who, attempt.waited_s, attempt.operation, "")
    kinds: dict[str, Kind] = {"won": "won", "lost": "lost", "unchanged": "idle", "failed": "failed"}
    word, text = "fails", f"{name(who)}: the write fails"
    if attempt.fate == "won":
        word, text = written(who, attempt.actual or "", parent, attempt.way, None)
    elif attempt.fate == "lost":
        word, text = "swap lost", lost(who, attempt.expected, attempt.actual)
    elif attempt.fate == "unchanged":
        word, text = "no write", f"{name(who)} writes nothing"
    version = attempt.actual if attempt.fate == "won" else None
    row = DiagramStep(
        kinds[attempt.fate], at_s, who, word, text, attempt.operation, "store", version=version
    )
    yield attempt.ended, row


def _in_time(rows: list[DiagramStep]) -> list[DiagramStep]:
    """The rows in order; a row whose time is not known gets that of the row before."""
    now, told = 0.0, []
    for row in rows:
        now = max(now, row.at_s)
        told.append(replace(row, at_s=now))
    return told
