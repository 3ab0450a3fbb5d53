"""The description of one scenario: its plan, usual size, button, and how examinations ask it.

Code that lists, offers or asks scenarios reads the entries, so a new scenario is one entry.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from syncsim.lab.scenarios.steps import Part

Plan: TypeAlias = Callable[[Sequence[str], int, int], tuple[Part, ...]]
"""Users, number of updates and seed to the parts of a scenario."""


@dataclass(frozen=True, slots=True)
class Button:
    """A button of the control room; `place` is its place in the row.

    `updates`: how many, whatever the number of users; `grows`: or as many as there are users.
    """

    place: int
    label: str
    tooltip: str
    updates: int | None = None
    grows: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """How an examination asks a scenario: in which size, in how many interleavings.

    `share`: of the schedules that are given, how many it gets; at least one. A scenario whose
    actors never meet needs one run and not hundreds. None: the usual size.
    """

    share: float = 1.0
    users: int | None = None
    updates: int | None = None
    work_ms: float | None = None
    strategy: str = "portfolio"


ONCE = Asked(share=0.0)
"""Asked in a single run."""


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """A scenario in its usual size; `updates` None = as many as users.

    What must hold at its end stands in the `Expectations` of its parts. `button` and `asked` are
    None where no button plays it and no examination asks it.
    """

    title: str
    plan: Plan
    users: int
    updates: int | None = None
    work_ms: float = 0.0
    button: Button | None = None
    asked: Asked | None = None
