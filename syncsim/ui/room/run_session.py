"""What has been played and what is being played, as values: the room's memory, without widgets.

A record is made of it for the panels: while something plays of the events so far, afterwards of the
run.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Final

from syncsim.errors import UsageError
from syncsim.events.kinds import Event
from syncsim.lab.history.findings import Finding
from syncsim.lab.results.run import Run
from syncsim.lab.results.saved_run import read_run
from syncsim.ui.room.run_view import RunView, Version
from syncsim.ui.run_buttons import RunRequest

MOST_EVENTS: Final = 10_000


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A run under a name: that of its button, or of the file it was read from.

    `store` is the URL where its templates still are, None where they are gone.
    """

    title: str
    run: Run
    record: RunView
    store: str | None = None

    @property
    def label(self) -> str:
        """The title and what tells it from others."""
        setting = self.run.setting
        return f"{self.title}: {setting.solution.rpartition('/')[2]}, seed {setting.seed}"


class RunSession:
    """`see` events, `begin` and `end` runs; `shown` is the run that panels show, if one is.

    `versions` are those of what is being played, as far as somebody has read them.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Forget everything, as if nothing had been played."""
        self.events: deque[Event] = deque(maxlen=MOST_EVENTS)
        self.played: list[FinishedRun] = []
        self.shown: FinishedRun | None = None
        self.playing: tuple[RunRequest, float] | None = None
        self.versions: Sequence[Version] = ()
        self._events_now: deque[Event] = deque(maxlen=MOST_EVENTS)
        self._cut = (RunView(), 0, RunView())

    def see(self, event: Event) -> None:
        """Take in one more event of what is being played."""
        self.events.append(event)
        self._events_now.append(event)

    def begin(self, order: RunRequest, at: float) -> None:
        """Take up an order; `at` in seconds since the epoch."""
        self.playing = (order, at)
        self.shown = None
        self.versions = ()
        self._events_now.clear()

    def end(self) -> None:
        """End what was being played, with or without a run."""
        self.playing = None

    def add(self, title: str, run: Run, store: str | None = None) -> FinishedRun:
        """Add a run, which panels show from now on."""
        self.shown = FinishedRun(title, run, RunView.of(run), store)
        self.played.append(self.shown)
        return self.shown

    def refresh(self, changed: FinishedRun) -> None:
        """Replace a run by the same one with a record that was brought up to date."""
        self.played = [changed if p.run is changed.run else p for p in self.played]
        if self.shown is not None and self.shown.run is changed.run:
            self.shown = changed

    def record(self, k: int) -> RunView:
        """What panels show: the run after `k` events, or what is being played, as far as it is.

        Asked again for the same, it gives the same object.
        """
        if self.shown is None:
            return RunView(tuple(self._events_now), self.versions)
        whole = self.shown.record
        kept, its_k, record = self._cut
        if kept is not whole or its_k != k:
            record = whole.until(k)
            self._cut = (whole, k, record)
        return record

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was found in all runs, oldest first."""
        return tuple(finding for played in self.played for finding in played.run.findings)


def saved_run(path: str | PathLike[str]) -> Run:
    """A run as `syncsim run --save` wrote it; `UsageError` for what cannot be read as one."""
    try:
        body = Path(path).read_bytes()
    except OSError as error:
        why = f"the path of a file that can be read ({error.strerror})"
        raise UsageError("the saved run", str(path), why) from error
    return read_run(body, f"the saved run {path}")
