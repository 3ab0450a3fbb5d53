"""M5: the time of the last update is kept in memory, so after a restart nobody has ever written."""

from __future__ import annotations

from syncsim.contract import Environment, Row
from syncsim.lab.solutions.textbook import Textbook


class CooldownInMemory(Textbook):
    """What the store knows is kept a second time, in a process that ends."""

    def __init__(self, env: Environment) -> None:
        super().__init__(env)
        self.written_at: dict[str, float] = {}

    def committed(self, row: Row, user: str) -> None:
        """Take down when a user wrote."""
        super().committed(row, user)
        if row.user_updated_at is not None:
            self.written_at[row.template_id] = row.user_updated_at

    def too_soon(self, head: Row) -> str | None:
        """Ask the notes, not the store."""
        written_at = self.written_at.get(head.template_id)
        if written_at is None or self.env.clock.now() - written_at >= self.cooldown_s:
            return None
        return "Skipped - recent user update"


build = CooldownInMemory
