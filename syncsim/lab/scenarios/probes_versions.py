"""Small scenarios about merges, versions and caches, each for a mistake that large runs miss.

Two or three actors and a few steps: what has to be found is found in the first schedules, or in all
the schedules there are. Their size is fixed, so the usual parameters change nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from syncsim.contract import BACKGROUND
from syncsim.lab.scenarios.edits import NumberedEdit
from syncsim.lab.scenarios.entry import Asked, CatalogueEntry, Plan
from syncsim.lab.scenarios.mission import START
from syncsim.lab.scenarios.steps import (
    Actor,
    Barrier,
    Expectations,
    Job,
    Part,
    Read,
    Rival,
    Rollback,
    Step,
    Update,
    UpdateWithVersion,
    Wait,
)

_WRITTEN, _SEEN, _BACK = Barrier("written"), Barrier("seen"), Barrier("back")
_MAY_FAIL: Final = Expectations(success_over=None)


def _played_by(*actors: Actor, rival: Rival | None = None) -> tuple[Part, ...]:
    return (Part("", actors, _MAY_FAIL, rival=rival),)


def _same_element(users: Sequence[str], total: int, seed: int) -> tuple[Part, ...]:
    """Two users change different attributes of one field, then different settings; both read."""

    def steps(user: str, kind: str, key: int) -> tuple[Step, ...]:
        again = Barrier("again")
        first, second = NumberedEdit(kind, user, 1, 0), NumberedEdit("set", user, 2, key)
        return (Read(), START, Update(first), Read(), again, Update(second), _WRITTEN, Read())

    return _played_by(
        Actor("ann", steps("ann", "relabel", 1)), Actor("ben", steps("ben", "explain", 2))
    )


def _removals(users: Sequence[str], total: int, seed: int) -> tuple[Part, ...]:
    """One user takes away a field and a setting, while another edits others."""
    ann = (
        Update(NumberedEdit("add-field", "ann", 1, 1)),
        Update(NumberedEdit("set", "ann", 2, 1)),
        Read(),
        START,
        Update(NumberedEdit("remove-field", "ann", 3, 1)),
        Update(NumberedEdit("unset", "ann", 4, 1)),
        _WRITTEN,
        Read(),
    )
    ben = (
        START,
        Read(),
        Update(NumberedEdit("relabel", "ben", 1, 0)),
        Update(NumberedEdit("set", "ben", 2, 2)),
    )
    return _played_by(Actor("ann", ann), Actor("ben", (*ben, _WRITTEN, Read())))


def _strict_versions(users: Sequence[str], total: int, seed: int) -> tuple[Part, ...]:
    """Two strict updates with one version at once, then one with a version that surely is stale."""
    ann = (Read(), START, UpdateWithVersion(NumberedEdit("rename", "ann", 1, 0)), _WRITTEN)
    ben = (Read(), START, UpdateWithVersion(NumberedEdit("retitle", "ben", 1, 0)), _WRITTEN)
    cleo = (
        Read(),
        START,
        _WRITTEN,
        UpdateWithVersion(NumberedEdit("explain", "cleo", 1, 0)),
        Read(),
        UpdateWithVersion(NumberedEdit("explain", "cleo", 2, 0)),
        Read(),
    )
    return _played_by(Actor("ann", ann), Actor("ben", ben), Actor("cleo", cleo))


def _there_and_back(users: Sequence[str], total: int, seed: int) -> tuple[Part, ...]:
    """The content of a version comes back; a user of that version must not take it for the head."""
    ann = (
        Update(NumberedEdit("rename", "ann", 1, 0)),  # reads first: read 0
        Read(),  # read 1
        _WRITTEN,
        _SEEN,
        Update(NumberedEdit("rename", "ann", 2, 0)),
        Rollback(1),
        Rollback(0),
        Rollback(1),
        _BACK,
        Read(),
    )
    ben = (
        _WRITTEN,
        Read(),
        _SEEN,
        _BACK,
        UpdateWithVersion(NumberedEdit("retitle", "ben", 1, 0)),
        Read(),
    )
    return _played_by(Actor("ann", ann), Actor("ben", ben))


def _two_tabs(users: Sequence[str], total: int, seed: int) -> tuple[Part, ...]:
    """One user saves in two tabs at once."""
    saved = Barrier("saved")
    first = (Read(), START, Update(NumberedEdit("relabel", "ann", 1, 0)), saved, Read())
    second = (Read(), START, Update(NumberedEdit("retitle", "ann", 2, 0)), saved, Read())
    return _played_by(Actor("ann", first), Actor("ann", second, tab=2))


def _read_while_written(users: Sequence[str], total: int, seed: int) -> tuple[Part, ...]:
    """A user reads while another updates, and again when that is acknowledged."""
    ann = (Read(), START, Update(NumberedEdit("rename", "ann", 1, 0)), _WRITTEN, Read())
    ben = (START, Read(), _WRITTEN, Read())
    return _played_by(Actor("ann", ann), Actor("ben", ben))


def _read_after_job(users: Sequence[str], total: int, seed: int) -> tuple[Part, ...]:
    """A user has a warm cache, the background job commits, the user reads again."""
    done = Barrier("done")
    ann = (Read(), START, done, Read())
    return _played_by(Actor("ann", ann), Actor(BACKGROUND, (START, Job(), done)))


def _late_invalidation(users: Sequence[str], total: int, seed: int) -> tuple[Part, ...]:
    """Two updates and a read at once in one user's tabs: one cache, invalidated twice, then filled.

    No base is read before, so the cache is empty and the read has to ask the store. Who comes last
    to the start goes on first: the update that is to be late begins without a pre-emption.
    """
    late = (
        Wait(0.001),
        START,
        Update(NumberedEdit("rename", "ann", 1, 0), based=False),
        _WRITTEN,
        Read(),
    )
    early = (START, Update(NumberedEdit("rename", "ann", 2, 0), based=False), _WRITTEN)
    reader = (START, Read(), _WRITTEN)
    return _played_by(Actor("ann", reader), Actor("ann", early, tab=2), Actor("ann", late, tab=3))


def _entry(title: str, plan: Plan, users: int, asked: Asked) -> CatalogueEntry:
    return CatalogueEntry(title, plan, users=users, asked=asked)


VERSIONS_PROBES: Final[Mapping[str, CatalogueEntry]] = {
    "same-element": _entry("Same Element", _same_element, 2, Asked(0.05)),
    "removals": _entry("Removals", _removals, 2, Asked(0.02)),
    "strict-versions": _entry("Strict Versions", _strict_versions, 3, Asked(0.1)),
    "there-and-back": _entry("There and Back", _there_and_back, 2, Asked(0.01)),
    "two-tabs": _entry("Two Tabs", _two_tabs, 1, Asked(0.05, strategy="priorities")),
    "read-while-written": _entry(
        "Read While Written", _read_while_written, 2, Asked(strategy="few-preemptions")
    ),
    "read-after-job": _entry("Read After Job", _read_after_job, 1, Asked(0.02)),
    # What is to be found here shows in 2 of the 794 schedules with two pre-emptions at most.
    "late-invalidation": _entry(
        "Late Invalidation", _late_invalidation, 1, Asked(4.0, strategy="few-preemptions")
    ),
}
