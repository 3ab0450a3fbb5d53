"""Faces for notebooks: pure charts, sequence diagrams, the control room; needs `viz`.

`control_room()` is the control room, to be shown as the last line of a cell. A run as a sequence
diagram: `SequenceDiagram` in a notebook cell, whose `diagram` is a table too (`rows`, `as_frame`);
`sequence_page` and `write_page` as a page of its own.
"""

import warnings
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from syncsim.ui.room.opening import control_room
    from syncsim.ui.sequence_html import SequenceDiagram, sequence_page, write_page

_LAZY_NAMES = {
    "SequenceDiagram": "sequence_html",
    "control_room": "room.opening",
    "sequence_page": "sequence_html",
    "write_page": "sequence_html",
}
_RENAMED = {"sequence_diagram": "SequenceDiagram"}
"""Names that go in the next release, with what to use."""

__all__ = ["SequenceDiagram", "control_room", "sequence_page", "write_page"]


def __getattr__(name: str) -> object:
    if name in _RENAMED:
        new = _RENAMED[name]
        warnings.warn(
            f"syncsim.ui.{name} goes in the next release; use {new}",
            DeprecationWarning,
            stacklevel=2,
        )
        name = new
    if name not in __all__:
        raise AttributeError(f"module 'syncsim.ui' has no attribute {name!r}")
    return getattr(import_module(f"syncsim.ui.{_LAZY_NAMES[name]}"), name)
