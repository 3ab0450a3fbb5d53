"""M5: the job knows no cooldown and writes right after a user."""

from __future__ import annotations

from syncsim.contract import Row
from syncsim.lab.solutions.textbook import Textbook


class RudeJob(Textbook):
    """Every moment is a good one for the job."""

    def too_soon(self, head: Row) -> str | None:
        """Never."""
        return None


build = RudeJob
