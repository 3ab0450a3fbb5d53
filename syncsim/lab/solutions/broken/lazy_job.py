"""M5: the job always finds a reason to skip."""

from __future__ import annotations

from syncsim.contract import Row
from syncsim.lab.solutions.textbook import Textbook


class LazyJob(Textbook):
    """Nothing is ever derived."""

    def too_soon(self, head: Row) -> str | None:
        """Always."""
        return "Skipped - recent user update"


build = LazyJob
