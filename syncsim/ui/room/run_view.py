"""The events up to the moment that is shown, and their versions: what every panel is drawn from.

Every panel is a pure function of a `RunView` and of what is selected, so a live room, a replay at
event k and a saved page show the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from syncsim.contract import Revision
from syncsim.events.kinds import Event
from syncsim.lab.checkers.policy import COOLDOWN_S
from syncsim.lab.history.records import Commit
from syncsim.lab.results.run import Run

Version: TypeAlias = Revision | Commit


def number_of(version: Version) -> int:
    """A version's place in its template's history, from 1: a parent has a lower one."""
    return version.number if isinstance(version, Commit) else version.revision


@dataclass(frozen=True, slots=True)
class RunView:
    """`events` in order; `versions` of all templates they tell of, oldest first; `run` if judged.

    `run` is None while something is played, and for a record that no checker judged.
    """

    events: Sequence[Event] = ()
    versions: Sequence[Version] = ()
    run: Run | None = None

    @classmethod
    def of(cls, run: Run) -> RunView:
        """The record of a run that is over: simulated, real, or saved and read again."""
        commits = sorted(run.history.commits, key=lambda commit: (commit.at, commit.number))
        return cls(run.events, commits, run)

    @property
    def cooldown_s(self) -> float:
        """How long the job has to keep away after a user's update."""
        return COOLDOWN_S if self.run is None else self.run.setting.cooldown_s

    def until(self, k: int) -> RunView:
        """The record as it stood after the first `k` events: what came later is not in it.

        A version is there from the first event that tells of it; one that no event tells
        of is there from its time on.
        """
        if k >= len(self.events):
            return self
        shown = self.events[: max(k, 0)]
        now = shown[-1].at if shown else float("-inf")
        told: dict[tuple[str, str], int] = {}
        for place, event in enumerate(self.events):
            told.setdefault((event.template_id or "", getattr(event, "version", None) or ""), place)

        def was_there(one: Version) -> bool:
            place = told.get((one.template_id, one.version))
            return one.parent is None or (one.at <= now if place is None else place < k)

        return replace(self, events=shown, versions=[v for v in self.versions if was_there(v)])

    @property
    def now(self) -> float:
        """When the newest event happened, in seconds since the epoch; 0 without events."""
        return self.events[-1].at if self.events else 0.0
