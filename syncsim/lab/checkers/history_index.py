"""A history joined for the checkers: commit to operation, token to commit, interval to its heads.

Order comes from the store's commit numbers and never from comparing tokens: any scheme of unique
tokens is legal, a solution's own included.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from operator import attrgetter
from typing import Final, TypeAlias

from syncsim.contract import BACKGROUND, Document
from syncsim.lab.history.expected_state import Path, differences, same, value_at
from syncsim.lab.history.records import Attempt, Commit, History, Operation, digest

NEVER: Final = float("inf")
_Places: TypeAlias = Mapping[Path, Sequence[int]]


def in_order(operations: Sequence[Operation]) -> Iterator[tuple[Operation, bool]]:
    """Every operation at its call (False) and at its return (True), in the order of these moments.

    At equal moments calls come first: intervals that touch overlap. Two sorted lists of what is
    there already; tuples of all moments would weigh more than the history.
    """
    calls = sorted(operations, key=attrgetter("called"))
    returns = [operation for operation in calls if operation.returned is not None]
    returns.sort(key=attrgetter("returned"))
    waiting = iter(calls)
    call = next(waiting, None)
    for operation in returns:
        while call is not None and call.called <= operation.returned:  # type: ignore[operator]
            yield call, False
            call = next(waiting, None)
        yield operation, True
    while call is not None:
        yield call, False
        call = next(waiting, None)


class VersionLine:
    """The commits of one template in order; a *position* is an index into them, the first is 0.

    `spans` tell between which sequence numbers each commit took effect. `positions` maps a token
    to where it stands, or to None where two commits share it.
    """

    def __init__(self, commits: Sequence[Commit], spans: Sequence[tuple[float, float]]) -> None:
        self.commits = commits
        self.positions: dict[str, int | None] = {}
        for position, commit in enumerate(commits):
            self.positions[commit.version] = None if commit.version in self.positions else position
        # A commit is not earlier than the one before it, nor later than the one after it.
        self._earliest = list(accumulate((began for began, _ in spans), max))
        self._latest = list(accumulate((ended for _, ended in reversed(spans)), min))[::-1]
        self._user_times = sorted(c.at for c in commits if c.by != BACKGROUND)
        self._digests: dict[int, str] = {}
        self._with_digest: dict[str, list[int]] | None = None
        self._changed: tuple[_Places, _Places] | None = None

    def heads(self, began: float, ended: float) -> range:
        """The positions that can have been the head at some moment of this closed interval."""
        first = max(bisect_left(self._latest, began) - 1, 0)
        return range(first, bisect_right(self._earliest, ended))

    def begun(self, positions: Sequence[int], moment: float) -> Sequence[int]:
        """Those of these ascending positions whose commit can have been there at this moment."""
        return positions[: bisect_right(positions, moment, key=self._earliest.__getitem__)]

    def last_user_commit(self, at: float) -> float | None:
        """When a user last committed, up to this time on the store's clock; None if none had."""
        before = bisect_right(self._user_times, at)
        return self._user_times[before - 1] if before else None

    def document(self, position: int) -> Document:
        """The document at a position."""
        return self.commits[position].document

    def last_change(self, path: Path, position: int) -> int | None:
        """The last position before this one whose commit changed what this path leads to.

        None where it has been so from the first version on.
        """
        before = value_at(self.document(position - 1), path)
        changed = self._last_touch(path, position)
        while changed is not None and same(value_at(self.document(changed - 1), path), before):
            changed = self._last_touch(path, changed)  # what came or went above was without it
        return changed

    def _last_touch(self, path: Path, position: int) -> int | None:
        if self._changed is None:
            self._changed = self._changes()
        at_or_below, exactly = self._changed
        lists = [at_or_below.get(path, ())]
        lists += [exactly.get(path[:length], ()) for length in range(len(path))]
        found = [(places, bisect_left(places, position)) for places in lists]
        return max((places[count - 1] for places, count in found if count), default=None)

    def _changes(self) -> tuple[_Places, _Places]:
        """Path to the positions that changed it or what is below it; the same for it as a whole."""
        at_or_below: dict[Path, list[int]] = defaultdict(list)
        exactly: dict[Path, list[int]] = defaultdict(list)
        for position in range(1, len(self.commits)):
            paths = set(differences(self.document(position - 1), self.document(position)))
            for path in paths:
                exactly[path].append(position)
            for above in {path[:length] for path in paths for length in range(len(path) + 1)}:
                at_or_below[above].append(position)
        return at_or_below, exactly

    def digest(self, position: int) -> str:
        """The digest of the document at a position."""
        if position not in self._digests:
            self._digests[position] = digest(self.document(position))
        return self._digests[position]

    def with_digest(self, wanted: str) -> list[int]:
        """The positions whose document has this digest."""
        if self._with_digest is None:
            self._with_digest = defaultdict(list)
            for position in range(len(self.commits)):
                self._with_digest[self.digest(position)].append(position)
        return self._with_digest.get(wanted, [])


class HistoryIndex:
    """A history with its joins.

    `reused` maps (template, token) to the operations that were given this token for different
    commits.
    """

    def __init__(self, history: History) -> None:
        self.history = history
        self.operations: dict[str, Operation] = {o.id: o for o in history.operations}
        self.attempts: dict[str, list[Attempt]] = defaultdict(list)
        for attempt in history.attempts:
            if attempt.operation is not None:
                self.attempts[attempt.operation].append(attempt)
        self._won = {
            (a.template_id, a.actual): a for a in reversed(history.attempts) if a.fate == "won"
        }
        self.commits: dict[str, list[tuple[int, Commit]]] = defaultdict(list)
        """Operation id to its commits, each with its position."""
        self.timelines: dict[str, VersionLine] = {}
        self._join_commits()
        self.reused: dict[tuple[str, str], tuple[str, ...]] = {}
        self.shown: set[tuple[str, str]] = set()
        """The store's tokens that reads showed, by template and token."""
        self.shown_kinds: set[tuple[str, str]] = set()
        """Template and kind of the operations for whose commits a read showed the store's token."""
        self._learn_tokens()

    def position(self, template_id: str, version: str | None) -> int | None:
        """The position of a token; None where it is unknown, or two commits share the token."""
        timeline = self.timelines.get(template_id)
        return None if timeline is None or version is None else timeline.positions.get(version)

    def author(self, template_id: str, position: int | None) -> Operation | None:
        """The operation whose commit stands at this position; None if that is unknown."""
        if position is None or template_id not in self.timelines:
            return None
        commit = self.timelines[template_id].commits[position]
        return self.operations.get(commit.operation or "")

    def _join_commits(self) -> None:
        by_template: dict[str, list[Commit]] = defaultdict(list)
        for commit in self.history.commits:
            by_template[commit.template_id].append(commit)
        for template_id, commits in by_template.items():
            spans = []
            for position, commit in enumerate(commits):
                spans.append(self._span(commit, position))
                if commit.operation is not None:
                    self.commits[commit.operation].append((position, commit))
            self.timelines[template_id] = VersionLine(commits, spans)

    def _span(self, commit: Commit, position: int) -> tuple[float, float]:
        attempt = self._won.get((commit.template_id, commit.version))
        if attempt is not None:
            return attempt.began, attempt.ended
        operation = self.operations.get(commit.operation or "")
        if operation is None:
            return (-1, -1) if position == 0 else (-1, NEVER)
        returned = operation.returned
        return operation.called, NEVER if returned is None else returned

    def _learn_tokens(self) -> None:
        """Read the tokens of a solution that makes its own.

        Such a token belongs to the commit whose outcome answered it, else to the one commit whose
        content a read showed under it, of those that were there by then. It stands for two where
        it was read before the commit it was answered for was even asked for, and where it was read
        with the content of another head while nothing went on.
        """
        store_tokens = {t: set(line.positions) for t, line in self.timelines.items()}
        givers: dict[tuple[str, str], list[str]] = defaultdict(list)
        reads: list[Operation] = []
        for operation in self.history.operations:
            template_id, token = operation.template_id, operation.version
            if token is None:
                continue
            if token in store_tokens.get(template_id, {token}):
                if operation.ended == "read":
                    self.shown.add((template_id, token))
                continue
            positions = self.timelines[template_id].positions
            own = self.commits.get(operation.id)
            if operation.ended == "committed" and own:
                givers[template_id, token].append(operation.id)
                if positions.setdefault(token, own[-1][0]) != own[-1][0]:
                    positions[token] = None
            elif operation.ended == "read":
                reads.append(operation)
        for (template_id, token), operations in givers.items():
            if len(operations) > 1:
                self.reused[template_id, token] = tuple(operations)
        for template_id, token in self.shown:
            author = self.author(template_id, self.position(template_id, token))
            if author is not None:
                self.shown_kinds.add((template_id, author.kind))
        for operation in reads:
            line, token = self.timelines[operation.template_id], str(operation.version)
            key = (operation.template_id, token)
            given_by = self.operations[givers[key][0]] if key in givers else None
            early = given_by is not None and (operation.returned or 0) < given_by.called
            if early or _shows_another(line, operation):
                line.positions[token] = None
                self.reused[key] = (*self.reused.get(key, givers[key][:1]), operation.id)
            if token not in line.positions and operation.digest is not None:
                found = line.begun(line.with_digest(operation.digest), operation.returned or 0)
                if len(found) == 1:
                    line.positions[token] = found[0]
                    givers[key].append(operation.id)


def _shows_another(line: VersionLine, read: Operation) -> bool:
    """Whether this read shows a token with the content of a head that is not the token's.

    Only where that was the head all through the read: else version and document may have been asked
    for one after the other, which is another fault.
    """
    given = line.positions.get(str(read.version))
    if given is None or read.digest is None or read.digest == line.digest(given):
        return False
    heads = line.heads(read.called, NEVER if read.returned is None else read.returned)
    return len(heads) == 1 and read.digest == line.digest(heads[0])
