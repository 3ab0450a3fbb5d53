"""M2: keeps every operation in a list for ever."""

from __future__ import annotations

from syncsim.contract import JSON, Environment
from syncsim.lab.solutions.textbook import Textbook


class KeepsEveryOperation(Textbook):
    """An audit trail in memory, though the store keeps one."""

    def __init__(self, env: Environment) -> None:
        super().__init__(env)
        self.operations: list[tuple[str, str, str]] = []

    def say(self, kind: str, template_id: str, user: str, **facts: JSON) -> None:
        """Tell the log, and keep what was told."""
        self.operations.append((kind, template_id, user))
        super().say(kind, template_id, user, **facts)


build = KeepsEveryOperation
