"""Faces for notebooks: pure charts, and a small panel of buttons; needs the `viz` extra.

What shows a run as a sequence diagram can be had from here: `SequenceDiagram` in a notebook cell,
`sequence_diagram` as a Plotly figure, `sequence_page` and `write_page` as a page of its own.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from syncsim.ui.sequence_figure import sequence_diagram
    from syncsim.ui.sequence_html import SequenceDiagram, sequence_page, write_page

__all__ = ["SequenceDiagram", "sequence_diagram", "sequence_page", "write_page"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'syncsim.ui' has no attribute {name!r}")
    room = "sequence_figure" if name == "sequence_diagram" else "sequence_html"
    return getattr(import_module(f"syncsim.ui.{room}"), name)
