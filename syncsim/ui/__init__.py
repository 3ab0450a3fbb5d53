"""Faces for notebooks: pure charts, a small panel of buttons, the control room; needs `viz`.

`control_room()` is the control room, to be shown as the last line of a cell. A run as a sequence
diagram: `SequenceDiagram` in a notebook cell, `sequence_diagram` as a Plotly figure,
`sequence_page` and `write_page` as a page of its own.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from syncsim.ui.room.opening import control_room
    from syncsim.ui.sequence_figure import sequence_diagram
    from syncsim.ui.sequence_html import SequenceDiagram, sequence_page, write_page

_ROOMS = {
    "SequenceDiagram": "sequence_html",
    "control_room": "room.opening",
    "sequence_diagram": "sequence_figure",
    "sequence_page": "sequence_html",
    "write_page": "sequence_html",
}

__all__ = ["SequenceDiagram", "control_room", "sequence_diagram", "sequence_page", "write_page"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'syncsim.ui' has no attribute {name!r}")
    return getattr(import_module(f"syncsim.ui.{_ROOMS[name]}"), name)
