"""S1: waits until a user has stopped typing, that is six seconds, before it writes at all."""

from __future__ import annotations

from syncsim.contract import Document, Outcome, Snapshot
from syncsim.lab.solutions.textbook import Textbook


class WaitsBeforeWriting(Textbook):
    """Every update is slow, whether anybody else is there or not."""

    quiet_s = 6.0

    def update_template(
        self, template_id: str, changes: Document, *, user: str, base: Snapshot | None = None
    ) -> Outcome:
        """Wait first."""
        base = base or self.get_template(template_id, user=user)
        self.env.clock.sleep(self.quiet_s)
        return super().update_template(template_id, changes, user=user, base=base)


build = WaitsBeforeWriting
