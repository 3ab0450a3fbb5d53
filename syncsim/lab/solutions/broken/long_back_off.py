"""S1: backs off for 2, 4 and 8 seconds."""

from __future__ import annotations

from syncsim.lab.solutions.textbook import Textbook


class LongBackOff(Textbook):
    """Two conflicts, and the user has waited for six seconds."""

    first_delay_s = 2.0

    def delay_s(self, retry: int) -> float:
        """2, 4, 8 s and a little chance."""
        return self.first_delay_s * 2.0 ** (retry - 1) + 0.1 * self.env.random.random()


build = LongBackOff
