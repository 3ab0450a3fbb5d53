"""S2: tries every ten milliseconds, a hundred times."""

from __future__ import annotations

from syncsim.lab.solutions.textbook import Textbook


class Hammering(Textbook):
    """Gets through, and everybody else does not."""

    attempts = 100

    def delay_s(self, retry: int) -> float:
        """Hardly any."""
        return 0.01 * self.env.random.uniform(2 / 3, 4 / 3)


build = Hammering
