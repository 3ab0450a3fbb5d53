"""nothing: retries twice only, so a storm may be too much for it; that is a note."""

from __future__ import annotations

from syncsim.lab.solutions.textbook import Textbook


class TwoRetries(Textbook):
    """Three attempts in all."""

    attempts = 3


build = TwoRetries
