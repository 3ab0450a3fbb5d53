"""S2: ten retries, each after twice the time."""

from __future__ import annotations

from syncsim.lab.solutions.textbook import Textbook


class TenRetries(Textbook):
    """The last one comes after 51 seconds; the user has left by then."""

    attempts = 11

    def delay_s(self, retry: int) -> float:
        """100 ms, 200 ms, ..., 51.2 s."""
        return self.first_delay_s * 2.0 ** (retry - 1)


build = TenRetries
