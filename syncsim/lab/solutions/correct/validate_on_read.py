"""nothing: every read asks the store whether the cached version is still the head."""

from __future__ import annotations

from syncsim.lab.solutions.textbook import Textbook


class ValidateOnRead(Textbook):
    """The textbook as it is: commits need to tell nobody."""


build = ValidateOnRead
