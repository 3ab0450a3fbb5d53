"""nothing: retries three times at once, without any delay; a note says so."""

from __future__ import annotations

from syncsim.lab.solutions.textbook import Textbook


class ImmediateRetries(Textbook):
    """Four attempts in a row."""

    def delay_s(self, retry: int) -> float:
        """None."""
        return 0.0


build = ImmediateRetries
