"""The judges that forget: they find what the judges of whole histories find, and no more."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from syncsim.contract import Document
from syncsim.lab.checkers import check
from syncsim.lab.checkers.streaming import StreamingJudge
from syncsim.lab.history.records import Commit, History, digest
from syncsim.lab.simulation.choices import Seeded
from syncsim.lab.simulation.run_resources import RunResources
from syncsim.lab.simulation.simulated_run import Parameters, Simulation
from syncsim.lab.solutions.broken.blind_write import BlindWrite
from syncsim.lab.solutions.broken.last_write_wins import LastWriteWins
from syncsim.lab.solutions.broken.no_invalidation import NoInvalidation
from syncsim.lab.solutions.broken.swallowed_failure import SwallowedFailure
from syncsim.lab.solutions.loading import Solution


class SwallowingSoon(SwallowedFailure):
    """Gives up, and says nothing of it, at the first conflict."""

    attempts = 1


DOCUMENT: Document = {
    "name": "Meeting",
    "fields": [{"id": "email", "label": "E-mail"}, {"id": "meal", "label": "Meal"}],
    "sections": [],
    "settings": {"locale": "en"},
    "metadata": {},
}


class Stream:
    """A run told as it goes; versions are v1, v2, ..., v1 holds `DOCUMENT`."""

    def __init__(self, window: int = 100) -> None:
        self.head = commit_of(1, None, None, DOCUMENT)
        self.judge = StreamingJudge(self.head, window=window)
        self.number = 0

    def begin(self, user: str, changes: Document, base: Document | None = None) -> str:
        self.number += 1
        operation = f"{user}-{self.number}"
        held = base or self.head.document
        version = self.head.version if base is None else "v0"
        self.judge.called(operation, user, changes, version, held)
        return operation

    def commit(self, operation: str | None, **changes: Any) -> str:
        document = {**copy.deepcopy(self.head.document), **changes}
        number = self.head.number + 1
        self.head = commit_of(number, self.head.version, operation, document)
        self.judge.committed(self.head)
        return self.head.version

    def update(self, user: str, **changes: Any) -> str:
        operation = self.begin(user, changes)
        version = self.commit(operation, **changes)
        self.judge.returned(operation, "committed", version)
        return operation

    @property
    def kinds(self) -> list[str]:
        return [kind for _, kind in self.judge.counts]


def commit_of(number: int, parent: str | None, operation: str | None, document: Document) -> Commit:
    return Commit(number, "t", f"v{number}", parent, operation, "ann", 0.0, document)


def test_updates_that_do_what_they_say_have_no_findings() -> None:
    stream = Stream()
    for number in range(300):
        stream.update("ann", name=f"Meeting {number}")
        floor = stream.judge.floor("ben")
        stream.judge.read("ben", stream.head.version, stream.head.document, floor)
    assert stream.kinds == []
    assert stream.judge.commits == 300


def test_memory_is_that_of_the_window_however_long_the_run() -> None:
    stream, remembered = Stream(window=50), []
    for _ in range(2):
        for number in range(400):
            stream.update("ann", name=f"Meeting {number}")
        remembered.append(stream.judge.remembered)
    assert remembered[0] == remembered[1] <= 2 * 50 + 1


def test_a_lost_update_names_both_operations() -> None:
    stream = Stream()
    base = copy.deepcopy(stream.head.document)
    first = stream.update("ann", name="Ann's")
    late = stream.begin("ben", {"settings": {"locale": "de"}}, base)
    stream.commit(late, name="Meeting", settings={"locale": "de"})
    stream.judge.returned(late, "committed", stream.head.version)
    (finding,) = stream.judge.findings
    assert (finding.code, finding.kind) == ("D1", "lost-update")
    assert finding.operations == (late, first)


def test_what_nobody_meant_is_a_phantom_and_what_is_missing_is_missing() -> None:
    stream = Stream()
    operation = stream.begin("ann", {"name": "Ann's"})
    stream.commit(operation, settings={"locale": "fr"})
    assert sorted(stream.kinds) == ["missing-change", "phantom-change"]


@pytest.mark.parametrize(
    ("ended", "commits", "kind"),
    [
        ("committed", 0, "acknowledged-without-commit"),
        ("committed", 2, "applied-twice"),
        ("unchanged", 1, "silent-commit"),
        ("unchanged", 0, "unchanged-without-change"),
        ("failed", 1, "failed-but-committed"),
    ],
)
def test_an_answer_that_the_store_contradicts_is_found(ended: Any, commits: int, kind: str) -> None:
    stream = Stream()
    operation = stream.begin("ann", {"name": "Ann's"})
    for _ in range(commits):
        stream.commit(operation, name="Ann's")
    stream.judge.returned(operation, ended, stream.head.version)
    assert stream.kinds == [kind]


def test_a_commit_after_a_definite_failure_is_found_too() -> None:
    stream = Stream()
    operation = stream.begin("ann", {"name": "Ann's"})
    stream.judge.returned(operation, "failed")
    assert stream.kinds == []
    stream.commit(operation, name="Ann's")
    assert stream.kinds == ["failed-but-committed"]


def test_an_unknown_outcome_may_be_either() -> None:
    stream = Stream()
    for commits in (0, 1):
        operation = stream.begin("ann", {"name": f"Ann's {commits}"})
        if commits:
            stream.commit(operation, name=f"Ann's {commits}")
        stream.judge.returned(operation, "failed", definite=False)
    assert stream.kinds == []


def test_a_chain_that_breaks_is_found() -> None:
    stream = Stream()
    operation = stream.begin("ann", {"name": "Ann's"})
    document = {**stream.head.document, "name": "Ann's"}
    stream.judge.committed(commit_of(2, "v0", operation, document))
    assert stream.kinds == ["broken-chain"]


def test_a_read_older_than_what_was_acknowledged_is_stale() -> None:
    stream = Stream()
    old = stream.head
    during = stream.judge.floor("ben")
    stream.update("ann", name="Ann's")
    stream.judge.read("ben", old.version, old.document, during)
    assert stream.kinds == []  # it was concurrent with the update
    stream.judge.read("cleo", old.version, old.document, stream.judge.floor("cleo"))
    assert stream.kinds == ["stale-read"]


def test_a_read_that_goes_back_or_shows_other_content_is_found() -> None:
    stream = Stream()
    old = stream.head
    operation = stream.begin("ann", {"name": "Ann's"})
    stream.commit(operation, name="Ann's")
    stream.judge.read("ben", "v2", stream.head.document, 1)
    assert stream.kinds == []
    stream.judge.read("ben", old.version, old.document, stream.judge.floor("ben"))
    stream.judge.read("cleo", "v2", old.document, 1)
    assert stream.kinds == ["stale-read", "content-differs"]


def test_findings_are_counted_without_end_and_kept_without() -> None:
    stream = Stream()
    for _ in range(50):
        stream.judge.read("ben", "nowhere", DOCUMENT, 1)
    assert stream.judge.counts["M1", "stale-read"] == 50
    assert len(stream.judge.findings) == 3


# -- the same verdict as on the whole history ------------------------------------------------------


@pytest.mark.parametrize(
    "solution",
    [None, BlindWrite, LastWriteWins, SwallowingSoon, NoInvalidation],
    ids=lambda solution: getattr(solution, "__name__", "reference"),
)
def test_the_verdict_is_that_of_the_judges_of_whole_histories(solution: Solution) -> None:
    """Run by run: lost data if and only if they find lost data, staleness likewise."""
    verdicts = set()
    with RunResources() as resources:
        for scenario, users, updates in (("perfect-storm", 8, 8), ("sustained", 3, 5)):
            parameters = Parameters(
                scenario, users=users, updates=updates, work_ms=0.0, with_job=False
            )
            simulation = Simulation(parameters, resources, solution=solution)
            for seed in range(4):
                history = simulation.run(Seeded(seed)).history
                whole = {finding.code for finding in check(history)} & {"D1", "M1"}
                assert {code for code, _ in streamed(history).counts} == whole
                verdicts.add(frozenset(whole))
    assert (verdicts == {frozenset()}) == (solution is None)


def streamed(history: History) -> StreamingJudge:
    """A recorded history told in the order of its sequence numbers."""
    first, *commits = history.commits
    documents = {commit.version: commit.document for commit in history.commits}
    judge = StreamingJudge(first, window=10_000)
    floors: dict[str, int] = {}
    won = {attempt.actual: attempt.ended for attempt in history.attempts if attempt.fate == "won"}
    moments: list[tuple[int, str, Any]] = [(won[c.version], "commit", c) for c in commits]
    for operation in history.operations:
        assert operation.returned is not None
        moments.append((operation.called, "call", operation))
        moments.append((operation.returned, "return", operation))
    for _, what, told in sorted(moments, key=lambda moment: moment[0]):
        if what == "commit":
            judge.committed(told)
        elif told.kind == "get" and what == "call":
            floors[told.id] = judge.floor(told.user)
        elif told.kind == "get":
            shown = documents[told.version] if is_true(told, history) else {}
            judge.read(told.user, told.version, shown, floors[told.id])
        elif what == "call":
            base = documents[told.base_version]
            judge.called(told.id, told.user, told.changes, told.base_version, base)
        else:
            definite = told.failure is None or told.failure.definite
            judge.returned(told.id, told.ended, told.version, definite=definite)
    return judge


def is_true(read: Any, history: History) -> bool:
    """Whether the read showed what the store holds under its version."""
    return any(
        commit.version == read.version and digest(commit.document) == read.digest
        for commit in history.commits
    )
