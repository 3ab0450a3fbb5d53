"""M5 + S4: its job does not wait for users, and its log is silent on conflicts and retries."""

from __future__ import annotations

from syncsim.contract import JSON, Row
from syncsim.lab.solutions.textbook import Textbook


class RudeJobAndQuietLog(Textbook):
    """The job writes at any time, and the conflicts that it causes are not logged."""

    def too_soon(self, head: Row) -> str | None:
        """Never."""
        return None

    def say(self, kind: str, template_id: str, user: str, **facts: JSON) -> None:
        """Tell the log, unless it would be embarrassing."""
        if not kind.endswith((".conflict", ".retry")):
            super().say(kind, template_id, user, **facts)


build = RudeJobAndQuietLog
