"""M5: the cooldown runs from the last update of anyone, so the job postpones itself."""

from __future__ import annotations

from syncsim.contract import Row
from syncsim.lab.solutions.textbook import Textbook


class CooldownSinceAnyone(Textbook):
    """The job's own write counts as a user's."""

    def too_soon(self, head: Row) -> str | None:
        """Look at `updated_at`, where `user_updated_at` is meant."""
        if self.env.clock.now() - head.updated_at >= self.cooldown_s:
            return None
        return "Skipped - recent user update"


build = CooldownSinceAnyone
