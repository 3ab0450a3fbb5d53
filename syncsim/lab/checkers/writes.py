"""Is anything lost? Each commit is compared with the one before it and its operation's intent.

If each commit is the intent of its operation applied to the commit before it, then the head is all
intents folded in commit order: nothing is lost, nothing appears that no operation meant, and the
first commit that breaks this names its culprit. The rest is bookkeeping: acknowledged = committed
once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

from syncsim.contract import ABSENT, JSON, Document
from syncsim.errors import excerpt
from syncsim.lab.checkers.entry import Checker, Proof
from syncsim.lab.checkers.history_index import NEVER, HistoryIndex, VersionLine
from syncsim.lab.history.expected_state import (
    Mismatch,
    intended,
    is_plain_list,
    mismatches,
    pointer,
    same,
    value_at,
)
from syncsim.lab.history.findings import Finding
from syncsim.lab.history.records import Commit, Operation

CODE: Final = "D1"
_SHOWN: Final = 3  # leaves that one message names


def judge_writes(index: HistoryIndex) -> Iterator[Finding]:
    """Every D1 finding of a history. O(commits x fields touched), plus O(operations)."""
    for timeline in index.timelines.values():
        yield from _judge_chain(timeline)
        for position in range(1, len(timeline.commits)):
            yield from _judge_commit(index, timeline, position)
    for operation in index.history.operations:
        if operation.kind not in ("get", "probe"):
            yield from _judge_answer(index, operation)
    yield from _judge_finals(index)


# -- one commit ------------------------------------------------------------------------------------


def _judge_commit(index: HistoryIndex, timeline: VersionLine, position: int) -> Iterator[Finding]:
    commit = timeline.commits[position]
    operation = index.operations.get(commit.operation or "")
    if operation is None:
        yield Finding(
            CODE,
            "unasked-commit",
            f"version {commit.version} by {commit.by!r} belongs to no operation: nobody asked for "
            "this change",
        )
        return
    faults: dict[tuple[str, str | None], list[Mismatch]] = defaultdict(list)
    for deviation in _deviations(index, timeline, position, operation):
        if not (
            _is_repair(timeline, position, operation, deviation)
            or _is_overridden(timeline, position, operation, deviation)
        ):
            faults[_classify(timeline, position, deviation)].append(deviation)
    for (kind, victim), found in faults.items():
        operations = (operation.id,) if victim is None else (operation.id, victim)
        yield Finding(CODE, kind, _explain(kind, victim, operation, commit, found), operations)


def _deviations(
    index: HistoryIndex, timeline: VersionLine, position: int, operation: Operation
) -> list[Mismatch]:
    """The mismatches with the base that explains the commit best; empty = the commit is right."""
    before, after = timeline.document(position - 1), timeline.document(position)
    if operation.kind == "job":
        before, after = {"metadata": {}, **before}, {"metadata": {}, **after}
        return list(mismatches(before, before, before, after))
    best: list[Mismatch] | None = None
    for base, intent in _meanings(index, timeline, operation):
        found = list(mismatches(base, intent, before, after))
        if not found:
            return []
        if best is None or len(found) < len(best):
            best = found
    return best or []


def _meanings(
    index: HistoryIndex, timeline: VersionLine, operation: Operation
) -> Iterator[tuple[Document, Document]]:
    """Base and wanted document, a pair for each base the operation can have had.

    Without a base it is a document that the store held between the call and the first write
    attempt; the newest comes first, as it is nearly always the one. A rollback to a token that
    the index cannot place may mean any version there was.
    """
    given = index.position(operation.template_id, operation.base_version)
    is_rollback = operation.kind == "rollback"
    if given is not None and not is_rollback:
        positions: Sequence[int] = (given,)
    else:
        attempts = index.attempts.get(operation.id)
        until = attempts[0].began - 1 if attempts else _end(operation)
        positions = timeline.heads(operation.called, until)
    for position in reversed(positions):
        base = timeline.document(position)
        if not is_rollback:
            yield base, intended(base, operation.changes or {})
        elif given is not None:
            yield base, timeline.document(given)
        else:
            yield from ((base, timeline.document(old)) for old in range(positions[-1] + 1))


def _is_repair(
    timeline: VersionLine, position: int, operation: Operation, deviation: Mismatch
) -> bool:
    """Whether the leaf was restored because the merge would have broken an invariant.

    One deletes a section, another adds a field to it: the section comes back, recorded as a
    conflict of kind `invariant`. The refused deletion is no loss then, nor the section a phantom.
    Restoring alone is excused: the value must have stood there in some version.
    """
    repaired = {
        tuple(conflict["path"].split("/")[1:3])
        for conflict in _recorded(timeline, position, operation)
        if conflict.get("kind") == "invariant"
    }
    path = deviation.path
    if not any(path[: len(place)] == place[: len(path)] for place in repaired):
        return False
    return _stood_before(timeline, position, deviation)


def _is_overridden(
    timeline: VersionLine, position: int, operation: Operation, deviation: Mismatch
) -> bool:
    """Whether the commit set aside others' change of a list without ids, and a record says so.

    Where two writers rewrote one run of such a list, no merge can tell which element is which, so
    the later one may win the run, or the whole list. What it meant itself must be there all the
    same.
    """
    path = deviation.path[:-1]
    before = value_at(timeline.document(position - 1), path)
    return (
        not deviation.intended
        and is_plain_list(before, path)
        and any(
            conflict["path"] == pointer(path)
            for conflict in _recorded(timeline, position, operation)
        )
        and (
            same(value_at(operation.changes or {}, deviation.path), deviation.found)
            or _stood_before(timeline, position, deviation)
        )
    )


def _recorded(
    timeline: VersionLine, position: int, operation: Operation
) -> Sequence[dict[str, JSON]]:
    """The conflicts that were answered, and those that were stored with the commit."""
    detail = timeline.commits[position].detail
    stored = detail.get("conflicts", ()) if isinstance(detail, dict) else ()
    return (*operation.conflicts, *stored)


def _stood_before(timeline: VersionLine, position: int, deviation: Mismatch) -> bool:
    """Whether the value found at the place stood there in an earlier version."""
    return any(
        same(value_at(timeline.document(earlier), deviation.path), deviation.found)
        for earlier in range(position)
    )


def _classify(timeline: VersionLine, position: int, deviation: Mismatch) -> tuple[str, str | None]:
    """The kind of fault, and the operation whose change was undone where there is one."""
    path, found = deviation.path, deviation.found
    before = value_at(timeline.document(position - 1), path)
    if deviation.intended:
        return "missing-change" if same(before, found) else "altered-change", None
    writer = timeline.last_change(path, position)
    if writer is None or not same(value_at(timeline.document(writer - 1), path), found):
        return "phantom-change", None
    return "lost-update", timeline.commits[writer].operation


def _explain(
    kind: str, victim: str | None, operation: Operation, commit: Commit, found: list[Mismatch]
) -> str:
    leaves = ", ".join(
        f"{pointer(d.path)} is {_shown(d.found)}, not {_shown(d.wanted)}" for d in found[:_SHOWN]
    )
    if len(found) > _SHOWN:
        leaves += f", and {len(found) - _SHOWN} more"
    who = f"{operation.id} ({operation.kind} by {operation.user!r}), committed as {commit.version}"
    what = {
        "lost-update": f"undoes what {victim} had committed",
        "phantom-change": "changes what it did not mean to",
        "missing-change": "lacks a change it was asked for",
        "altered-change": "holds something else than it was asked for",
    }[kind]
    return f"{who}, {what}: {leaves}"


def _shown(value: JSON) -> str:
    return "absent" if value is ABSENT else excerpt(value, 40)


# -- one answer ------------------------------------------------------------------------------------


def _judge_answer(index: HistoryIndex, operation: Operation) -> Iterator[Finding]:
    commits = index.commits.get(operation.id, [])
    found = _contradiction(operation, [commit for _, commit in commits])
    if found is None and operation.kind == "update_with_version" and _is_stale(index, operation):
        found = (
            "stale-version-accepted",
            f"answered {operation.ended} although {operation.base_version} was no longer the head",
        )
    if found is None and operation.ended == "unchanged" and not _held(index, operation):
        found = (
            "unchanged-without-change",
            "answered unchanged although the head held its change at no moment of the call",
        )
    if found is None:
        yield from _judge_version(index, operation)
    else:
        kind, text = found
        yield Finding(
            CODE,
            kind,
            f"{operation.id} ({operation.kind} by {operation.user!r}) {text}",
            (operation.id,),
        )


def _contradiction(operation: Operation, commits: list[Commit]) -> tuple[str, str] | None:
    """The contradiction between answer and commits, or None. An open answer may be either."""
    versions = ", ".join(commit.version for commit in commits)
    if len(commits) > 1:
        return "applied-twice", f"committed {len(commits)} times: {versions}"
    if operation.ended == "committed" and not commits:
        return (
            "acknowledged-without-commit",
            f"answered committed ({operation.version}) and the store has no commit of it",
        )
    if operation.ended in ("unchanged", "skipped") and commits:
        return "silent-commit", f"answered {operation.ended} and committed {versions}"
    failure = operation.failure
    if failure is not None and failure.expected and failure.definite and commits:
        return "failed-but-committed", f"raised {failure.name} and committed {versions}"
    return None


def _judge_version(index: HistoryIndex, operation: Operation) -> Iterator[Finding]:
    """A `committed` answer names the commit of its own operation.

    A solution may have tokens of its own: one that the store does not know stands for the commit
    of the operation that answered it, unless reads show the store's token for that commit, or for
    those of other operations of this kind. Then the answer names nothing that anybody ever sees.
    """
    own = index.commits.get(operation.id)
    token, template_id = operation.version, operation.template_id
    if not own or operation.ended != "committed" or token in (None, own[0][1].version):
        return
    commit = own[0][1]
    position = index.position(template_id, token)
    other = None if position is None else index.timelines[template_id].commits[position]
    if other is not None and other.version == token:
        author = other.operation
        whose = f"that of {author}" if author else "another one"
        operations = (operation.id,) if author is None else (operation.id, author)
    elif (template_id, commit.version) in index.shown or (
        template_id,
        operation.kind,
    ) in index.shown_kinds:
        whose, operations = "none at all, while reads show the store's versions", (operation.id,)
    else:
        return
    yield Finding(
        CODE,
        "false-version",
        f"{operation.id} ({operation.kind} by {operation.user!r}) answered committed with "
        f"{token}, a version that is not that commit but {whose}; it committed {commit.version}",
        operations,
    )


def _is_stale(index: HistoryIndex, operation: Operation) -> bool:
    """Whether a strict update went through although its version was not the head."""
    given = index.position(operation.template_id, operation.base_version)
    if operation.ended == "committed":
        return given is None or any(p != given + 1 for p, _ in index.commits[operation.id])
    timeline = index.timelines[operation.template_id]
    return operation.ended == "unchanged" and given not in timeline.heads(
        operation.called, _end(operation)
    )


def _held(index: HistoryIndex, operation: Operation) -> bool:
    """Whether a head during the call already was what the operation meant.

    For the job, only the solution can tell what there was to derive.
    """
    timeline = index.timelines.get(operation.template_id)
    if timeline is None or operation.kind == "job":
        return True
    meanings = list(_meanings(index, timeline, operation))
    for position in reversed(timeline.heads(operation.called, _end(operation))):
        head = timeline.document(position)
        for base, intent in meanings:
            if not any(mismatches(base, intent, head, head)):
                return True
    return False


def _end(operation: Operation) -> float:
    return NEVER if operation.returned is None else operation.returned


# -- the store's own books -------------------------------------------------------------------------


def _judge_chain(timeline: VersionLine) -> Iterator[Finding]:
    """Versions are unique, and each names the one before it as its parent."""
    commits = timeline.commits
    seen: set[str] = set()
    for previous, commit in zip((None, *commits), commits, strict=False):
        where = f"version {commit.version} (commit {commit.number} of {commit.template_id!r})"
        operations = () if commit.operation is None else (commit.operation,)
        if commit.version in seen:
            yield Finding(CODE, "version-reused", f"{where} was used before", operations)
        seen.add(commit.version)
        parent = None if previous is None else previous.version
        if commit.parent != parent:
            yield Finding(
                CODE,
                "broken-chain",
                f"{where} names {commit.parent} as its parent, the one before it is {parent}",
                operations,
            )


def _judge_finals(index: HistoryIndex) -> Iterator[Finding]:
    """The head is the last commit, and the audit trail lists every commit."""
    for final in index.history.finals:
        timeline = index.timelines.get(final.template_id)
        if timeline is None:
            continue
        last = timeline.commits[-1]
        if (final.version, final.digest) != (
            last.version,
            timeline.digest(len(timeline.commits) - 1),
        ):
            yield Finding(
                CODE,
                "head-differs",
                f"the store answers {final.version} for {final.template_id!r}, its history ends "
                f"with {last.version}, or their contents differ",
            )
        if final.audited is not None:
            missing = {commit.version for commit in timeline.commits} ^ set(final.audited)
            if missing:
                yield Finding(
                    CODE,
                    "audit-incomplete",
                    f"audit trail and history of {final.template_id!r} do not agree on "
                    + ", ".join(sorted(missing)[:_SHOWN]),
                )
    for (template_id, token), operations in index.reused.items():
        yield Finding(
            CODE,
            "version-reused",
            f"version {token!r} of {template_id!r} was answered for {len(operations)} different "
            "commits: whoever holds it cannot know which one they read",
            operations,
        )


CHECKER: Final = Checker(
    (CODE,),
    lambda index, cooldown_s: judge_writes(index),
    {
        "lost-update": Proof.OVERWRITTEN,
        "acknowledged-without-commit": Proof.FALSE_ANSWER,
        "applied-twice": Proof.TWICE,
        "missing-change": Proof.WRONG_COMMIT,
        "altered-change": Proof.WRONG_COMMIT,
        "phantom-change": Proof.WRONG_COMMIT,
        "silent-commit": Proof.WRONG_COMMIT,
        "stale-version-accepted": Proof.WRONG_COMMIT,
        "failed-but-committed": Proof.WRONG_COMMIT,
    },
)
