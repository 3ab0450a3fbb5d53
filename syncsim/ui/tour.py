"""The former panel of the first notebook; goes in the next release. Use `control_room`."""

from __future__ import annotations

import warnings

from syncsim.lab.scenarios import DEFAULT_TEMPLATE
from syncsim.ui.room.control_room import ControlRoom
from syncsim.ui.room.opening import control_room


def tour(*, template: str = DEFAULT_TEMPLATE, seed: int = 7) -> ControlRoom:
    """Open the control room, with a `DeprecationWarning`; a copy of an old notebook still runs."""
    warnings.warn(
        "syncsim.ui.tour opens the control room and goes in the next release; "
        "use syncsim.ui.control_room",
        DeprecationWarning,
        stacklevel=2,
    )
    return control_room(template=template, seed=seed)
