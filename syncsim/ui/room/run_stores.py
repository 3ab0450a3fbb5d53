"""Where the templates of a run are when it is over: a file of the room's, or a store of the user's.

While they are there, lost values can be restored and versions rolled back. The files of the room
go with it; a store of the user's is never emptied.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import count
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from syncsim.store.engines import locate_by_name
from syncsim.ui.room.run_session import FinishedRun
from syncsim.ui.room.run_view import RunView
from syncsim.ui.room.versions.store_past import NO_STORE, StorePast
from syncsim.ui.run_buttons import RunRequest

T = TypeVar("T")

STILL_PLAYED = (
    "This run has not come to its end, so nothing is written to its store from here. "
    "Values can be restored and versions rolled back when it is over."
)


class RunStores:
    """Gives live runs a file that outlasts them, and writes to it afterwards."""

    def __init__(self) -> None:
        self._numbers = count(1)
        self._folder: TemporaryDirectory[str] | None = None

    def kept(self, order: RunRequest) -> RunRequest:
        """The order; one that names no store and is played for real gets a store of the room's."""
        if order.store is not None or order.on == "simulation":
            return order
        if self._folder is None:
            self._folder = TemporaryDirectory(prefix="syncsim-room-", ignore_cleanup_errors=True)
        return replace(order, store=f"sqlite:///{self._folder.name}/{next(self._numbers)}.db")

    def url(self, order: RunRequest) -> str | None:
        """The URL of the order's templates after it was played; None where they are gone."""
        if order.on == "simulation" or order.store is None:
            return None
        return order.store if locate_by_name(order.store).engine.outlives_process else None

    def forbid(self, conflicts: Any, history: Any) -> None:
        """Have these panels write nowhere: what they show is being played."""
        for panel in (conflicts, history):
            panel.allow(None, why_not=STILL_PLAYED)

    def allow(self, played: FinishedRun, conflicts: Any, history: Any) -> None:
        """Have these panels write to where the run's templates are, or say why they cannot."""
        url = played.store
        if url is None:
            conflicts.allow(None, why_not=NO_STORE)
            history.allow(None, why_not=NO_STORE)
        else:
            conflicts.allow(lambda lost: _on(url, lambda past: past.restore(lost)))
            history.allow(
                lambda template_id, version: _on(
                    url, lambda past: past.rollback(template_id, version)
                )
            )

    def reread(self, played: FinishedRun) -> RunView:
        """The record of a run with the versions that its store holds now."""
        templates = dict.fromkeys(version.template_id for version in played.record.versions)

        def read(past: StorePast) -> RunView:
            found = [one for name in templates for one in past.record(name).versions]
            return replace(played.record, versions=sorted(found, key=lambda one: one.at))

        return played.record if played.store is None else _on(played.store, read)

    def forget(self) -> None:
        """Delete the room's own files."""
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def close(self) -> None:
        """Delete the room's own files for good."""
        self.forget()


def _on(url: str, act: Callable[[StorePast], T]) -> T:
    with StorePast(url) as past:
        return act(past)
