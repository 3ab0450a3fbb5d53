"""nothing: tells the standard library's logging what happens, and the event log nothing."""

from __future__ import annotations

import logging

from syncsim.contract import JSON
from syncsim.lab.solutions.textbook import Textbook

logger = logging.getLogger(__name__)


class StdlibLogging(Textbook):
    """A record counts as an event; the operation it belongs to is known from where it was made."""

    def say(self, kind: str, template_id: str, user: str, **facts: JSON) -> None:
        """One line a record: ``update.retry event_registration by ann: attempt=1 delay_s=0.1``."""
        told = " ".join(f"{name}={value}" for name, value in facts.items())
        logger.info("%s %s by %s: %s", kind, template_id, user, told)


build = StdlibLogging
