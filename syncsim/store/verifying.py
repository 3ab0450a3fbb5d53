"""Whether a database holds what was committed: its pages, its rows, the chain of each template.

It reads, and changes nothing. It works on a bare connection, so that a copy can be verified before
it is put in place, and a file that is too damaged to be opened as a store can still be examined.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from syncsim.store.records import CommitRow
from syncsim.store.statements import EMPTY_TEMPLATES, EVERY_ROW, ROW_COUNT

MAX_PROBLEMS: Final = 20
"""Sentences kept; a file that is damaged all over needs no more of them."""

ALTERED: Final = "is not what was committed"

REPORT_EVERY: Final = 256
"""Rows between two reports of progress."""

Progress: TypeAlias = Callable[[int, int], object] | None
"""Called with how much is done and how much there is, in one unit (rows, pages); None: none."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What was read, and what is wrong with it.

    `problems` are sentences, at most `MAX_PROBLEMS`; none means that every row is the one that was
    committed and stands on the one before it, that every index agrees with its table, and that each
    template's newest row is its head.
    """

    templates: int
    versions: int
    problems: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def verify(connection: sqlite3.Connection, progress: Progress = None) -> Verification:
    """Read everything, as of one moment; any number of others may write meanwhile."""
    seen = _Seen()
    problems: list[str] = []
    connection.execute("BEGIN")
    try:
        for problem in _problems(connection, seen, progress):
            problems.append(problem)
            if len(problems) == MAX_PROBLEMS:
                break
    except sqlite3.DatabaseError as error:
        problems.append(f"the file cannot be read further ({error})")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    return Verification(seen.templates, seen.versions, tuple(problems))


@dataclass(slots=True)
class _Seen:
    templates: int = 0
    versions: int = 0


def _problems(connection: sqlite3.Connection, seen: _Seen, progress: Progress) -> Iterator[str]:
    for (finding,) in connection.execute(f"PRAGMA integrity_check({MAX_PROBLEMS})").fetchall():
        if finding != "ok":
            yield finding.splitlines()[-1]
    if connection.execute("PRAGMA foreign_key_check").fetchone() is not None:
        yield "a version belongs to no template"
    for (template_id,) in connection.execute(EMPTY_TEMPLATES):
        yield f"template {template_id!r} has no version"
    (total,) = connection.execute(ROW_COUNT).fetchone()
    name: object = None  # of the template
    last: CommitRow | None = None
    for row in connection.execute(EVERY_ROW):
        if progress is not None and seen.versions % REPORT_EVERY == 0:
            progress(seen.versions, total)
        record = CommitRow._make(row[2:])
        is_first = seen.versions == 0 or record.template_id != name
        name = record.template_id
        seen.templates += is_first
        seen.versions += 1
        problem = _problem(row, record, None if is_first else last, is_first)
        if problem is not None:
            yield f"version {record.version!r} of template {record.template_id!r} {problem}"
        last = None if problem == ALTERED else record
    if progress is not None:
        progress(total, total)


def _problem(
    row: tuple[Any, ...], record: CommitRow, last: CommitRow | None, is_first: bool
) -> str | None:
    """What is wrong with a row that follows `last` in its template.

    None for a row that was altered: what it says is no measure for the next.
    """
    revision, template_id, *_ = row
    if not record.is_intact():
        return ALTERED
    if (revision, template_id) != (record.revision, record.template_id):
        return "lies at the place of another version"
    if is_first and (record.revision, record.parent) != (1, None):
        return "has no parent"
    if last is not None and (last.version, last.revision + 1) != (record.parent, record.revision):
        return f"does not follow version {last.version!r}"
    return None
