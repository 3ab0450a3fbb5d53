"""The judges for runs without end: each commit and answer is judged as it comes, then forgotten.

They ask what `writes` and `reads` ask, of one template whose updates all name their base, and
remember a window: what is older cannot be told apart any more and counts as stale. Not here:
conduct, tokens of a solution's own, and the excuse for restored sections, as a herd deletes none.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from syncsim.contract import Document
from syncsim.lab.history.expected_state import (
    Mismatch,
    intended,
    mismatches,
    pointer,
    same,
    value_at,
)
from syncsim.lab.history.findings import Finding
from syncsim.lab.history.records import Commit, Ended

WINDOW: Final = 1_000
"""Commits, and operations that have ended, that are remembered."""

_KEPT_EACH: Final = 3  # findings of one kind; the others are only counted
_SHOWN: Final = 3  # leaves that one message names


@dataclass(slots=True)
class _Update:
    """An update under way, or one that has ended lately."""

    id: str
    user: str
    changes: Document
    base: Document
    heads_from: int
    """Number of the commit that was the head at the call."""
    drawn: list[str] = field(default_factory=list)
    commits: list[str] = field(default_factory=list)
    ended: Ended = "open"
    definite: bool = True


class StreamingJudge:
    """A checker called for each step in order of time; `counts` and `findings` say what broke.

    `first` is the commit that made the template. Memory: `window` commits with their documents, as
    many ended operations, those under way, and a number per user. Not safe from several threads at
    once.
    """

    def __init__(self, first: Commit, *, window: int = WINDOW) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self.findings: list[Finding] = []
        self.commits = 0
        self._window = window
        self._newest = first
        self._recent: deque[Commit] = deque([first])
        self._numbers: dict[str, int] = {first.version: first.number}
        self._updates: dict[str, _Update] = {}
        self._over: OrderedDict[str, None] = OrderedDict()
        self._owners: dict[str, str] = {}
        self._id_length = 0
        self._acknowledged = first.number
        self._seen: dict[str, int] = {}

    @property
    def remembered(self) -> int:
        """How many commits, operations, ids and users memory holds."""
        return len(self._recent) + len(self._updates) + len(self._owners) + len(self._seen)

    # -- reads -------------------------------------------------------------------------------------

    def floor(self, user: str) -> int:
        """The number of the oldest commit that a read of this user may show if it begins now."""
        return max(self._acknowledged, self._seen.get(user, 0))

    def read(self, user: str, version: str, document: Document, floor: int) -> None:
        """Judge a read that returned; `floor` is the oldest commit allowed when it began."""
        number = self._numbers.get(version)
        if number is None:
            self._find(
                "M1",
                "stale-read",
                f"{user!r} read {version}, which none of the last {len(self._recent)} commits is",
            )
            return
        if number < floor:
            self._find(
                "M1", "stale-read", f"{user!r} read {version}, commit {number}; {floor} was owed"
            )
        if not same(document, self._document(number)):
            self._find("M1", "content-differs", f"{user!r} read {version} with other content")
        self._seen[user] = max(self._seen.get(user, 0), number)

    # -- updates -----------------------------------------------------------------------------------

    def called(
        self, operation: str, user: str, changes: Document, base_version: str, base: Document
    ) -> None:
        """Note an update that begins; the store's document under its base counts, if remembered."""
        number = self._numbers.get(base_version)
        held = base if number is None else self._document(number)
        self._updates[operation] = _Update(operation, user, changes, held, self._newest.number)

    def drew(self, operation: str, drawn: str) -> None:
        """Note an id that the operation drew: a write under it is the operation's."""
        update = self._updates.get(operation)
        if update is not None:
            update.drawn.append(drawn)
            self._owners[drawn] = operation
            self._id_length = len(drawn)  # all ids of an environment are of one length

    def owner(self, update_id: str | None) -> str | None:
        """The operation that drew this id, or an id that this one begins with; None if unknown."""
        return None if update_id is None else self._owners.get(update_id[: self._id_length])

    def committed(self, commit: Commit) -> None:
        """The store has a new head."""
        self.commits += 1
        before = self._newest
        self._judge_chain(before, commit)
        update = self._updates.get(commit.operation or "")
        if update is None:
            self._find(
                "D1", "unasked-commit", f"{commit.version} by {commit.by!r}: nobody asked for it"
            )
        else:
            self._judge_change(update, before.document, commit)
            update.commits.append(commit.version)
            if update.ended != "open":
                self._judge_answer(update)
        self._newest = commit
        self._recent.append(commit)
        self._numbers[commit.version] = commit.number
        if len(self._recent) > self._window:
            del self._numbers[self._recent.popleft().version]

    def returned(
        self, operation: str, ended: Ended, version: str | None = None, *, definite: bool = True
    ) -> None:
        """An update was answered, or failed; `definite` = surely without a commit, if it failed."""
        update = self._updates[operation]
        update.ended, update.definite = ended, definite
        self._judge_answer(update)
        if ended in ("committed", "unchanged") and version is not None:
            number = self._numbers.get(version, 0)
            self._acknowledged = max(self._acknowledged, number)
        self._over[operation] = None
        if len(self._over) > self._window:
            forgotten, _ = self._over.popitem(last=False)
            for drawn in self._updates.pop(forgotten).drawn:
                self._owners.pop(drawn, None)

    # -- judging -----------------------------------------------------------------------------------

    def _judge_chain(self, before: Commit, commit: Commit) -> None:
        if commit.version in self._numbers:
            self._find("D1", "version-reused", f"{commit.version} was used before")
        if commit.parent != before.version or commit.number != before.number + 1:
            self._find(
                "D1",
                "broken-chain",
                f"{commit.version} ({commit.number}) names {commit.parent} as its parent; the one "
                f"before it is {before.version} ({before.number})",
            )

    def _judge_change(self, update: _Update, before: Document, commit: Commit) -> None:
        intent = intended(update.base, update.changes)
        for deviation in mismatches(update.base, intent, before, commit.document):
            kind, victim = self._classify(deviation, before)
            whom = f" of {victim}" if victim else ""
            self._find(
                "D1",
                kind,
                f"{update.id}, committed as {commit.version}{whom}: {pointer(deviation.path)} is "
                f"{deviation.found!r:.60}, not {deviation.wanted!r:.60}",
                (update.id,) if victim is None else (update.id, victim),
            )

    def _classify(self, deviation: Mismatch, before: Document) -> tuple[str, str | None]:
        """The kind of fault, and the operation whose change was undone where it is remembered."""
        path, found = deviation.path, deviation.found
        present = value_at(before, path)
        if deviation.intended:
            return "missing-change" if same(present, found) else "altered-change", None
        commits = list(self._recent)
        for earlier, later in zip(reversed(commits[:-1]), reversed(commits), strict=False):
            value = value_at(earlier.document, path)
            if not same(value, present):
                return (
                    ("lost-update", later.operation)
                    if same(value, found)
                    else (
                        "phantom-change",
                        None,
                    )
                )
        return "phantom-change", None

    def _judge_answer(self, update: _Update) -> None:
        commits, ended = update.commits, update.ended
        kind = None
        if len(commits) > 1:
            kind = "applied-twice"
        elif ended == "committed" and not commits:
            kind = "acknowledged-without-commit"
        elif ended == "unchanged" and commits:
            kind = "silent-commit"
        elif ended == "unchanged" and not self._held(update):
            kind = "unchanged-without-change"
        elif ended == "failed" and update.definite and commits:
            kind = "failed-but-committed"
        if kind is not None:
            told = ", ".join(commits) or "none"
            self._find("D1", kind, f"{update.id} ended {ended}; commits: {told}", (update.id,))

    def _held(self, update: _Update) -> bool:
        """Whether a head during the call already was what the update meant."""
        intent = intended(update.base, update.changes)
        heads = self._since(update.heads_from)
        return any(
            not any(mismatches(update.base, intent, head.document, head.document)) for head in heads
        )

    def _since(self, number: int) -> Iterable[Commit]:
        return (commit for commit in reversed(self._recent) if commit.number >= number)

    def _document(self, number: int) -> Document:
        return self._recent[number - self._recent[0].number].document

    def _find(self, code: str, kind: str, message: str, operations: tuple[str, ...] = ()) -> None:
        self.counts[code, kind] += 1
        if self.counts[code, kind] <= _KEPT_EACH:
            self.findings.append(Finding(code, kind, message, operations))
