"""nothing: delays without chance, so who lost together comes back together; a note says so."""

from __future__ import annotations

from syncsim.lab.solutions.textbook import Textbook


class NoJitter(Textbook):
    """100, 200, 400 ms, everybody."""

    def delay_s(self, retry: int) -> float:
        """Twice the delay before, to the millisecond."""
        return self.first_delay_s * 2.0 ** (retry - 1)


build = NoJitter
