"""nothing: every read asks the store whether the cached version is still the head."""

from __future__ import annotations

from syncsim.contract import Environment
from syncsim.lab.textbook import Textbook


class ValidateOnRead(Textbook):
    """The textbook as it is: commits need to tell nobody."""


def build(env: Environment) -> ValidateOnRead:
    """The solution on an environment."""
    return ValidateOnRead(env)
