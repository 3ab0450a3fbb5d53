"""M3: gives up at the first conflict."""

from __future__ import annotations

from syncsim.lab.solutions.textbook import Textbook


class NoRetry(Textbook):
    """One attempt and no other."""

    attempts = 1


build = NoRetry
