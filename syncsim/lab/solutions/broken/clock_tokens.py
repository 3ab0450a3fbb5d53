"""D1: the token is the time in milliseconds; two commits within one share it."""

from __future__ import annotations

from syncsim.contract import Document
from syncsim.lab.solutions.correct.own_tokens import OwnTokens


class ClockTokens(OwnTokens):
    """Versions from a clock that is coarser than the commits are close."""

    def new_token(self, document: Document) -> str:
        """Milliseconds since the epoch."""
        return str(int(self.env.clock.now() * 1000))


build = ClockTokens
