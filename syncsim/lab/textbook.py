"""The former name of `syncsim.lab.solutions.textbook`; it goes with the next release."""

from warnings import warn

from syncsim.lab.solutions.textbook import Textbook, build

__all__ = ["Textbook", "build"]

warn(
    "syncsim.lab.textbook is now syncsim.lab.solutions.textbook",
    DeprecationWarning,
    stacklevel=2,
)
