"""nothing: keeps what it did lately, in a deque that has an end."""

from __future__ import annotations

from collections import deque

from syncsim.contract import JSON, Environment
from syncsim.lab.solutions.textbook import Textbook


class RecentOperations(Textbook):
    """It grows while it fills and then no more, so it is no leak."""

    def __init__(self, env: Environment) -> None:
        super().__init__(env)
        self.recent: deque[tuple[str, str, str]] = deque(maxlen=1_000)

    def say(self, kind: str, template_id: str, user: str, **facts: JSON) -> None:
        """Tell the log, and keep what was told for a while."""
        self.recent.append((kind, template_id, user))
        super().say(kind, template_id, user, **facts)


build = RecentOperations
