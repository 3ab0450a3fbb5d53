"""Assign each commit to the operation that made it, when a history is put together.

A commit says by whom it is and perhaps under which id; which call of a verb made it is known from
the recording. Where a solution commits on threads of its own, without ids, it is known from what
the calls answered, and at last from what they meant.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Final

import orjson

from syncsim.contract import JSON, Document, Revision
from syncsim.lab.history.drawn_ids import DrawnIds
from syncsim.lab.history.expected_state import intended, mismatches, same
from syncsim.lab.history.records import Attempt, Commit, Operation
from syncsim.lab.recording.structural_sharing import sharing

_LOOKED_AT: Final = 16
"""How many operations of a user are compared with a commit that none was seen making;
so a history of any length is put together in linear time."""


class Owners:
    """Gives each commit of a template to an operation, by the first of these rules that applies.

    The operation that drew the commit's `update_id`; the operation seen making it, unless it is by
    another user, that operation answered another commit and exactly one other answered this one (a
    thread that commits for others); the one that answered its version; the one that meant it, of
    those left without a commit. A template's first commit has no operation: no verb creates one.
    """

    def __init__(
        self, operations: Iterable[Operation], attempts: Iterable[Attempt], ids: DrawnIds
    ) -> None:
        self._ids = ids
        self._won = {(a.template_id, a.actual): a for a in attempts if a.fate == "won"}
        self._answers: dict[tuple[str, str | None], list[str]] = defaultdict(list)
        self._answered: dict[str, str | None] = {}
        self._users: dict[str, str] = {}
        self._writers: dict[tuple[str, str], tuple[deque[Operation], ...]] = {}
        """By template and user: who answered committed, whose end is unknown, all others."""
        for operation in operations:
            self._users[operation.id] = operation.user
            if operation.kind in ("get", "probe"):
                continue
            template_id = operation.template_id
            if operation.ended == "committed":
                self._answers[template_id, operation.version].append(operation.id)
                self._answered[operation.id] = operation.version
            key = template_id, operation.user
            writers = self._writers.setdefault(key, (deque(), deque(), deque()))
            writers[_doubt(operation)].append(operation)

    def commits(
        self,
        revisions: Sequence[Revision],
        document_of: Callable[[Revision], Document] | None = None,
    ) -> list[Commit]:
        """The commits of one template, oldest first; `revisions` as `Store.history` answers.

        `document_of` decodes them where the caller knows many of the documents already.
        """
        ordered = list(reversed(revisions))
        versions = {revision.version: place for place, revision in enumerate(ordered)}
        documents = map(document_of, ordered) if document_of else _documents(ordered)
        owners = [None, *(self._owner(revision, versions) for revision in ordered[1:])]
        taken = set(owners)
        for place in range(1, len(ordered)):
            if owners[place] is None:
                owners[place] = self._claimant(ordered, place, versions, taken)
                taken.add(owners[place])
        return [
            Commit(
                revision.revision,
                revision.template_id,
                revision.version,
                revision.parent,
                owner,
                revision.by,
                revision.at,
                document,
                revision.update_id,
                revision.detail,
            )
            for revision, owner, document in zip(ordered, owners, documents, strict=True)
        ]

    def _owner(self, revision: Revision, versions: dict[str, int]) -> str | None:
        drawn = self._ids.owner(revision.update_id)
        if drawn is not None:
            return drawn
        answers = self._answers[revision.template_id, revision.version]
        won = self._won.get((revision.template_id, revision.version))
        seen = None if won is None else won.operation
        if seen is None:
            return answers[0] if len(answers) == 1 else None
        if self._users.get(seen) == revision.by:
            return seen
        answered = self._answered.get(seen)
        others = [operation for operation in answers if operation != seen]
        if len(others) == 1 and answered != revision.version and answered in versions:
            return others[0]
        return seen

    def _claimant(
        self,
        ordered: Sequence[Revision],
        place: int,
        versions: dict[str, int],
        taken: set[str | None],
    ) -> str | None:
        """An operation left without a commit that meant this one, of the commit's own user if any.

        Who answered committed owns one of their user's commits, in order where meaning does not
        tell. Who may have committed or not owns it if there is no other. Anybody else must have
        meant it.
        """
        revision = ordered[place]
        key = revision.template_id, revision.by
        for doubt, writers in enumerate(self._writers.get(key, ())):
            left = self._left(writers, revision, taken)
            meant = [o for o in left if _means(o, ordered, place, versions)]
            if meant:
                return meant[0].id
            if left and (doubt == 0 or (doubt == 1 and len(left) == 1)):
                return left[0].id
        if same(ordered[place - 1].document, revision.document):
            return None
        others = [
            operation
            for (template_id, user), groups in self._writers.items()
            if template_id == revision.template_id and user != revision.by
            for operation in self._left(groups[0], revision, taken)
            if _means(operation, ordered, place, versions)
        ]
        return others[0].id if len(others) == 1 else None

    def _left(
        self, writers: deque[Operation], revision: Revision, taken: set[str | None]
    ) -> list[Operation]:
        while writers and writers[0].id in taken:
            writers.popleft()
        won = self._won.get((revision.template_id, revision.version))
        free = (
            operation
            for operation in writers
            if operation.id not in taken and (won is None or operation.called <= won.ended)
        )
        return list(islice(free, _LOOKED_AT))


def _documents(ordered: Iterable[Revision]) -> Iterator[Document]:
    """The documents, each sharing with the one before it what they have in common.

    Decoded here, as a revision would keep a whole one of its own.
    """
    before: JSON = None
    for revision in ordered:
        before = sharing(before, orjson.loads(revision.body))
        yield before


def _doubt(operation: Operation) -> int:
    """0 for an operation that must have committed, 1 for one that may have, 2 for the others."""
    if operation.ended == "committed":
        return 0
    failure = operation.failure
    return 1 if operation.ended == "open" or (failure and not failure.definite) else 2


def _means(
    operation: Operation, ordered: Sequence[Revision], place: int, versions: dict[str, int]
) -> bool:
    """Whether a commit is what this operation makes of the one before it."""
    before, after = ordered[place - 1].document, ordered[place].document
    given = versions.get(operation.base_version or "")
    base: Document = before
    intent: Document = before
    if operation.kind == "rollback":
        intent = before if given is None else ordered[given].document
    elif operation.kind != "job":
        base = before if given is None else ordered[given].document
        intent = intended(base, operation.changes or {})
    return not any(mismatches(base, intent, before, after))
