"""Which rows of a diagram prove a finding, and what the leaves concerned held before and after.

It judges nothing: the finding names its operations, and here is looked up which of their rows are
the two that contradict each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import orjson

from syncsim.contract import ABSENT, BACKGROUND, JSON, Document
from syncsim.lab.checkers import Proof, proof_of
from syncsim.lab.history.expected_state import Path, differences, intended, pointer, same, value_at
from syncsim.lab.history.findings import Finding
from syncsim.lab.history.records import Commit, History, Operation
from syncsim.ui.diagram_steps import DiagramStep, cut, name

MOST_LEAVES: Final = 6

_PAIRS: Final = (Proof.OVERWRITTEN, Proof.STALE_ANSWER)
"""Proofs by two operations: the first wronged the second, or was owed its work."""


@dataclass(frozen=True, slots=True)
class ProofMark:
    """A row that is part of the proof: its sign, as the proof is counted, and what it did."""

    sign: str
    word: str


@dataclass(frozen=True, slots=True)
class LeafHistory:
    """One leaf of the template: its path, and what it held at each of a few moments.

    `moments` are (when, value as JSON text, by whom). `verdict` says what is wrong with the last.
    """

    path: str
    moments: tuple[tuple[str, str, str], ...]
    verdict: str


def marks(
    history: History, finding: Finding | None, happened: Sequence[DiagramStep]
) -> tuple[dict[int, ProofMark], frozenset[str]]:
    """The rows that prove the finding, by index, and the operations they belong to."""
    if finding is None:
        return {}, frozenset()
    look = _ROWS[proof_of(finding.kind)] if _is_told(finding) else _wrong_commit
    chosen = list(look(finding, _Rows(happened, finding.operations)))
    found = {
        index: ProofMark(_sign(number), word)
        for number, (index, word) in enumerate(sorted(chosen), 1)
        if index >= 0
    }
    concerned = {*finding.operations, *(happened[i].operation or "" for i in found)}
    return found, frozenset(concerned - {""})


def _is_told(finding: Finding) -> bool:
    """Whether the finding names both operations, if it takes two; no operation may be the other."""
    return proof_of(finding.kind) not in _PAIRS or len(finding.operations) == 2


def _sign(number: int) -> str:
    return chr(ord("①") + number - 1) if number <= 20 else f"({number})"


# -- the rows that prove it ------------------------------------------------------------------------

Chosen: TypeAlias = Iterator[tuple[int, str]]
"""Indexes of rows, each with what it did; -1 where there is no such row."""


class _Rows:
    """The rows of a diagram, to be looked up by operation and kind."""

    def __init__(self, happened: Sequence[DiagramStep], operations: Sequence[str]) -> None:
        self.happened = happened
        self.operations = operations

    def all(self, operation: str | None, *kinds: str) -> list[int]:
        """The rows of these kinds of an operation; None = of all that the finding names."""
        return [
            index
            for index, row in enumerate(self.happened)
            if row.kind in kinds
            and (
                row.operation in self.operations
                if operation is None
                else row.operation == operation
            )
        ]

    def last(self, operation: str, *kinds: str) -> int:
        """The last of the rows of these kinds, or -1."""
        return (self.all(operation, *kinds) or [-1])[-1]


def _overwritten(finding: Finding, rows: _Rows) -> Chosen:
    overwriter, victim = finding.operations
    yield rows.last(victim, "won"), "committed, then overwritten"
    yield rows.last(overwriter, "won"), "overwrites it"


def _stale(finding: Finding, rows: _Rows) -> Chosen:
    reader, writer = finding.operations
    word = "acknowledged" if rows.all(writer, "won", "idle") else "has seen the newer one"
    yield rows.last(writer, "answer"), word
    yield rows.last(reader, "answer"), "reads an older one"


def _too_soon(finding: Finding, rows: _Rows) -> Chosen:
    wrote = max((rows.last(job, "won") for job in finding.operations), default=-1)
    users = [
        index
        for index, row in enumerate(rows.happened[: max(wrote, 0)])
        if row.kind == "won" and row.who != BACKGROUND
    ]
    yield (users or [-1])[-1], "a user updates"
    yield wrote, "the job writes too soon"


def _false_answer(finding: Finding, rows: _Rows) -> Chosen:
    for operation in finding.operations:
        yield rows.last(operation, "lost", "failed"), "this write is lost"
        yield rows.last(operation, "answer"), "answered as if it were not"


def _twice(finding: Finding, rows: _Rows) -> Chosen:
    for number, index in enumerate(rows.all(None, "won")):
        yield index, "committed again" if number else "committed"


def _for_ever(finding: Finding, rows: _Rows) -> Chosen:
    for index in rows.all(None, "blocked"):
        if rows.happened[index].word == "no answer":
            yield index, "waits for ever" if finding.kind == "deadlock" else "never ends"


def _attempts(finding: Finding, rows: _Rows) -> Chosen:
    for number, index in enumerate(rows.all(None, "lost", "won", "failed"), 1):
        row = rows.happened[index]
        yield index, f"attempt {number}" if row.where == "store" else "gives up"


def _long(finding: Finding, rows: _Rows) -> Chosen:
    for operation in finding.operations:
        yield rows.last(operation, "call"), "called"
        yield rows.last(operation, "answer", "failed"), "answered too late"


def _wrong_commit(finding: Finding, rows: _Rows) -> Chosen:
    for index in rows.all(None, "won"):
        yield index, finding.kind.replace("-", " ")


def _answers(finding: Finding, rows: _Rows) -> Chosen:
    for operation in finding.operations:
        yield rows.last(operation, "answer", "failed", "blocked"), finding.kind.replace("-", " ")


_ROWS: Final[Mapping[Proof, Callable[[Finding, _Rows], Chosen]]] = {
    Proof.OVERWRITTEN: _overwritten,
    Proof.STALE_ANSWER: _stale,
    Proof.TOO_SOON: _too_soon,
    Proof.FALSE_ANSWER: _false_answer,
    Proof.TWICE: _twice,
    Proof.NO_ANSWER: _for_ever,
    Proof.ATTEMPTS: _attempts,
    Proof.LONG: _long,
    Proof.WRONG_COMMIT: _wrong_commit,
    Proof.ANSWER: _answers,
}


# -- the leaves that prove it ----------------------------------------------------------------------


def proof(history: History, finding: Finding | None) -> tuple[LeafHistory, ...]:
    """What the leaves concerned held, at most `MOST_LEAVES`; none where no leaf is at issue."""
    if finding is None:
        return ()
    operations = {o.id: o for o in history.operations}
    concerned = [operations[o] for o in finding.operations if o in operations]
    look = _LEAVES.get(finding.kind)
    if look is None or not _is_told(finding) or len(concerned) != len(finding.operations):
        return ()
    return tuple(look(_Past(history), concerned))[:MOST_LEAVES]


class _Past:
    """What every version held."""

    def __init__(self, history: History) -> None:
        self._commits = history.commits
        self._documents = {(c.template_id, c.version): c.document for c in history.commits}

    def commit_of(self, operation: Operation) -> Commit | None:
        """The last commit of an operation."""
        own = [commit for commit in self._commits if commit.operation == operation.id]
        return own[-1] if own else None

    def document(self, template_id: str, version: str | None) -> Document:
        """What that version held; empty for a version that is not known."""
        return self._documents.get((template_id, version or ""), {})

    def before(self, commit: Commit) -> Document:
        """What the head was when this was committed."""
        return self.document(commit.template_id, commit.parent)


def _undone(past: _Past, concerned: Sequence[Operation]) -> Iterator[LeafHistory]:
    """Leaves that the victim changed and the overwriter set back."""
    late, early = (past.commit_of(operation) for operation in concerned)
    if late is None or early is None:
        return
    before = past.before(early)
    for path in differences(before, early.document):
        held = [value_at(doc, path) for doc in (before, early.document, late.document)]
        if same(held[0], held[2]):
            yield _leaf(
                path,
                (f"before, {cut(early.parent or 'nothing')}", held[0], ""),
                (f"committed, {cut(early.version)}", held[1], early.by),
                (f"after, {cut(late.version)}", held[2], late.by),
                verdict=f"the change of {name(early.by)} is lost",
            )


def _not_as_asked(past: _Past, concerned: Sequence[Operation]) -> Iterator[LeafHistory]:
    """Leaves of a commit that are not what was asked for."""
    commit = past.commit_of(concerned[0]) if concerned else None
    if commit is None:
        return
    base = past.document(commit.template_id, concerned[0].base_version)
    asked, before = intended(base, concerned[0].changes or {}), past.before(commit)
    paths = dict.fromkeys([*differences(base, asked), *differences(before, commit.document)])
    for path in paths:
        old, new, found = (value_at(d, path) for d in (base, asked, commit.document))
        wanted = value_at(before, path) if same(old, new) else new
        if not same(wanted, found):
            yield _leaf(
                path,
                (f"before, {cut(commit.parent or 'nothing')}", value_at(before, path), ""),
                ("it should be", wanted, ""),
                (f"after, {cut(commit.version)}", found, commit.by),
                verdict="not what was asked for",
            )


def _outdated(past: _Past, concerned: Sequence[Operation]) -> Iterator[LeafHistory]:
    """Leaves in which what was read differs from what was owed."""
    reader, writer = concerned
    read = past.document(reader.template_id, reader.version)
    own = past.commit_of(writer)
    owed_version = writer.version if own is None else own.version
    owed = past.document(writer.template_id, owed_version)
    if not read or not owed:
        return
    for path in differences(read, owed):
        yield _leaf(
            path,
            (f"in the store, {cut(owed_version or '')}", value_at(owed, path), writer.user),
            (f"read, {cut(reader.version or '')}", value_at(read, path), reader.user),
            verdict=f"{name(reader.user)} is shown the older value",
        )


def _leaf(path: Path, *moments: tuple[str, JSON, str], verdict: str) -> LeafHistory:
    told = tuple((when, _text(value), name(by) if by else "") for when, value, by in moments)
    return LeafHistory(cut(pointer(path), 80), told, verdict)


def _text(value: JSON) -> str:
    return "absent" if value is ABSENT else cut(orjson.dumps(value).decode(), 80)


_LEAVES: Final[Mapping[str, Callable[[_Past, Sequence[Operation]], Iterator[LeafHistory]]]] = {
    "lost-update": _undone,
    "missing-change": _not_as_asked,
    "altered-change": _not_as_asked,
    "phantom-change": _not_as_asked,
    "stale-read": _outdated,
    "own-write-unseen": _outdated,
    "reads-went-back": _outdated,
}
