"""nothing: draws each delay between zero and its bound, so it may be next to nothing."""

from __future__ import annotations

from syncsim.lab.solutions.textbook import Textbook


class FullJitter(Textbook):
    """Spreads the herd as far as it can be spread."""

    def delay_s(self, retry: int) -> float:
        """Up to 200, 400, 800 ms."""
        return self.env.random.uniform(0.0, 2 * self.first_delay_s * 2.0 ** (retry - 1))


build = FullJitter
