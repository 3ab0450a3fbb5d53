"""nothing: delays of 100, 200, 300 ms, which add up where they should double; a note says so."""

from __future__ import annotations

from syncsim.lab.solutions.textbook import Textbook


class LinearBackOff(Textbook):
    """Gentle to itself and not to the store."""

    def delay_s(self, retry: int) -> float:
        """Retry times 100 ms, a tenth less or more."""
        return self.first_delay_s * retry * self.env.random.uniform(0.9, 1.1)


build = LinearBackOff
