"""What judging costs: operations a second, and whether a long history costs more for each."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from benchmarks.table import Row
from syncsim import sample
from syncsim.contract import BACKGROUND, Document
from syncsim.lab.checkers import check
from syncsim.lab.history.records import Attempt, Commit, Final, History, Operation, digest
from syncsim.lab.scenarios import user_names
from syncsim.lab.scenarios.edits import EDITS, NumberedEdit

WANTED_PER_S = 50_000
TEMPLATES = ("event_registration", "bug_report", "contact_card", "patient_intake")
USERS = 16
READS_PER_UPDATE = 9


@dataclass
class _Template:
    """A template while its history is made up: every document shares what its edit left alone."""

    name: str
    documents: list[Document]
    digests: list[str]
    commits: list[Commit]

    def version(self, position: int) -> str:
        return self.commits[position].version


def recorded(operations: int, seed: int = 7) -> History:
    """A right history of so many calls, as a run of many users would leave it.

    16 users on 4 templates, nine reads to an update; an update is based on one of the last three
    versions, one in eight loses a swap first, and calls overlap by up to the number of users.
    """
    random = Random(seed)
    templates = [_created(f"{name}-{n}", name) for n, name in enumerate(TEMPLATES)]
    users = user_names(USERS)
    edits = [0] * USERS
    calls: list[Operation] = []
    attempts: list[Attempt] = []
    for number in range(operations):
        user = number % USERS
        template = templates[random.randrange(len(templates))]
        called = number * 10
        # The answer comes while others are at work, before this user's next call.
        returned = called + 5 + 10 * random.randrange(USERS - 1)
        call = f"{users[user]}-{number // USERS + 1}"
        if random.randrange(READS_PER_UPDATE + 1):
            calls.append(_read(template, call, users[user], called, returned))
            continue
        edits[user] += 1
        edit = NumberedEdit(EDITS[edits[user] % len(EDITS)], users[user], edits[user], user)
        calls.append(_update(template, call, edit, called, returned, attempts, random))
    commits = [commit for template in templates for commit in template.commits]
    return History(tuple(calls), tuple(attempts), tuple(commits), _finals(templates))


def _created(name: str, kind: str) -> _Template:
    document = sample(kind)
    first = Commit(1, name, "v1", None, None, BACKGROUND, 0.0, document)
    return _Template(name, [document], [digest(document)], [first])


def _read(template: _Template, call: str, user: str, called: int, returned: int) -> Operation:
    return Operation(
        call,
        "get",
        user,
        template.name,
        called,
        returned,
        "read",
        called / 1e4,
        0.001,
        version=template.version(-1),
        digest=template.digests[-1],
    )


def _update(
    template: _Template,
    call: str,
    edit: NumberedEdit,
    called: int,
    returned: int,
    attempts: list[Attempt],
    random: Random,
) -> Operation:
    """The edit as made to an older version, committed on top of the head."""
    head, expected = template.documents[-1], template.version(-1)
    base = max(len(template.commits) - random.randint(1, 3), 0)
    if edit.kind == "add-field" or _places(template.documents[base]) != _places(head):
        base = len(template.commits) - 1  # an edit picks its field by place
    document = {**head, **edit.changes(head)}
    number = len(template.commits) + 1
    version = f"v{number}"
    lost = random.randrange(8) == 0
    if lost:
        before = template.version(-2) if number > 2 else "v0"
        attempts.append(
            Attempt(call, template.name, "swap", "lost", called + 1, called + 2, before, expected)
        )
    waited_s = 0.1 if lost else 0.0
    attempts.append(
        Attempt(
            call,
            template.name,
            "swap",
            "won",
            called + 3,
            called + 4,
            expected,
            version,
            waited_s,
        )
    )
    template.commits.append(
        Commit(number, template.name, version, expected, call, edit.user, called / 1e4, document)
    )
    template.documents.append(document)
    template.digests.append(digest(document))
    return Operation(
        call,
        "update",
        edit.user,
        template.name,
        called,
        returned,
        "committed",
        called / 1e4,
        0.001 + waited_s,
        edit.changes(template.documents[base]),
        template.version(base),
        version,
        attempts=1 + lost,
    )


def _places(document: Document) -> list[str]:
    return [field["id"] for field in document["fields"]]


def _finals(templates: Sequence[_Template]) -> tuple[Final, ...]:
    return tuple(
        Final(
            template.name,
            template.version(-1),
            template.digests[-1],
            tuple(commit.version for commit in template.commits),
        )
        for template in templates
    )


def checks(rounds: int, sizes: Sequence[int]) -> Iterator[Row]:
    """The smallest size is measured before and after each of the others, for the ratio."""
    small = recorded(sizes[0])
    for size in sizes:
        history = small if size == sizes[0] else recorded(size)
        taken, ratios = [], []
        for _ in range(rounds if size < 1_000_000 else 1):
            before = _per_operation(small)
            taken.append(_per_operation(history))
            ratios.append(taken[-1] / statistics.median((before, _per_operation(small))))
        per_s, ratio = 1 / statistics.median(taken), statistics.median(ratios)
        yield Row(
            f"judging {size:,} operations",
            f"{sizes[0]:,} operations: {ratio:.2f} x the time for each",
            f"{per_s:,.0f} operations/s",
            f">= {WANTED_PER_S:,}/s, < 2 x",
            per_s >= WANTED_PER_S and ratio < 2,
            statistics.median(taken) * 1e6,
        )
        del history
        gc.collect()


def _per_operation(history: History) -> float:
    began = time.process_time()
    assert check(history) == []
    return (time.process_time() - began) / len(history.operations)
