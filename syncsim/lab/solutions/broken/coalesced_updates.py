"""D1: of a user's updates in the queue only the newest is written; all are answered."""

from __future__ import annotations

from syncsim.contract import Document, Environment, Outcome, Snapshot
from syncsim.lab.solutions.textbook import Textbook


class CoalescedUpdates(Textbook):
    """Takes an update for a whole new state, of which the last one says everything."""

    def __init__(self, env: Environment) -> None:
        super().__init__(env)
        self.newest: dict[str, str] = {}

    def update_template(
        self, template_id: str, changes: Document, *, user: str, base: Snapshot | None = None
    ) -> Outcome:
        """Queue up; who finds at their turn that the same user has sent more is done."""
        ticket = self.newest[user] = self.env.new_id()
        with self.env.lock(f"queue of {template_id}"):
            if self.newest[user] != ticket:
                return Outcome("committed", self.head(template_id).version, 1)
            return super().update_template(template_id, changes, user=user, base=base)


build = CoalescedUpdates
