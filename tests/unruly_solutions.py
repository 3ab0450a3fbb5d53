"""Solutions that do not keep to the frame: they crash, leave, hang, die, or are none at all.

The laboratory has to end and report each of them. Mistakes in what a solution does are in
`syncsim/lab/solutions/broken/`.
"""

from __future__ import annotations

import os
import threading
from typing import Any

from syncsim.contract import Document, Outcome, Row, Snapshot
from syncsim.lab.solutions.correct.no_cache import NoCache


class Crashing(NoCache):
    """Lets a KeyError out."""

    def update_template(
        self, template_id: str, changes: Document, *, user: str, base: Snapshot | None = None
    ) -> Outcome:
        answers: dict[str, Outcome] = {}
        return answers[user]


class Leaving(NoCache):
    """Means to end the program, inside a verb."""

    def update_template(
        self, template_id: str, changes: Document, *, user: str, base: Snapshot | None = None
    ) -> Outcome:
        raise SystemExit(3)


class Unspeakable(Exception):
    """Cannot be shown."""

    def __str__(self) -> str:
        raise RuntimeError("no words")

    __repr__ = __str__


class Wordless(NoCache):
    """Lets an exception out that raises when it is looked at."""

    def update_template(
        self, template_id: str, changes: Document, *, user: str, base: Snapshot | None = None
    ) -> Outcome:
        raise Unspeakable


class Halving(NoCache):
    """Shows documents without their fields, on which no user can go on."""

    def get_template(self, template_id: str, *, user: str) -> Snapshot:
        read = super().get_template(template_id, user=user)
        del read.document["fields"]
        return read


class Hanging(NoCache):
    """Waits for what never comes."""

    def swap(self, head: Row, document: Document, user: str, *rest: Any) -> Row:
        threading.Event().wait()
        raise AssertionError


class Dying(NoCache):
    """Takes its process down."""

    def swap(self, head: Row, document: Document, user: str, *rest: Any) -> Row:
        os._exit(9)


class ReadOnly:
    """Has one verb of four."""

    def __init__(self, env: Any) -> None: ...

    def get_template(self, template_id: str, *, user: str) -> Snapshot:
        raise NotImplementedError


def built_to_nothing(env: Any) -> None:
    """Forgets to return what it made."""
    NoCache(env)


def built_by_leaving(env: Any) -> NoCache:
    """Means to end the program while it is built."""
    raise SystemExit(3)


def never_built(env: Any) -> NoCache:
    """Does not come back from build."""
    threading.Event().wait()
    raise AssertionError
