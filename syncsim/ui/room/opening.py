"""Open the control room; that closes the one before, and so does the end of the process."""

from __future__ import annotations

import atexit
from typing import Any

from syncsim.ui.room.control_room import ControlRoom
from syncsim.ui.room.selectors import Selectors

_open: list[ControlRoom] = []


def control_room(**settings: Any) -> ControlRoom:
    """The control room, to be shown as the last line of a cell; the one opened before is closed.

    Settings choose what the selectors say at first: `template` (a shipped one), `solution` (a path,
    None for the reference), `retry` (a policy by name with its queue, `full/queue=2`, None for the
    solution's own), `users` (2 to 50, None for as many as a scenario usually has), `mode` ("live
    threads" or "simulation"), `seed`, `store` (a URL, "" for a file of the run's own).

    Raises `UsageError` for what cannot be chosen.
    """
    chosen = Selectors(**settings)
    while _open:
        _open.pop().close()
    _open.append(ControlRoom(chosen))
    return _open[-1]


@atexit.register
def _end_all() -> None:
    """Close no widget: a page whose kernel ends has forgotten its widgets and would complain."""
    while _open:
        _open.pop().end()
