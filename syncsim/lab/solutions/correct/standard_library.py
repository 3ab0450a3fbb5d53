"""nothing: sleeps, draws and locks with the standard library, past its environment."""

from __future__ import annotations

import random
import threading
import time
from collections import defaultdict
from typing import Any

from syncsim.contract import JSON, Document, Environment, Outcome, Row
from syncsim.lab.solutions.textbook import Textbook


class StandardLibrary(Textbook):
    """As people write it who were not told of clocks that are handed in."""

    def __init__(self, env: Environment) -> None:
        super().__init__(env)
        self.guard = threading.Lock()
        self.locks: defaultdict[str, Any] = defaultdict(threading.RLock)
        self.started = time.monotonic()

    def write(
        self,
        template_id: str,
        origin: Document,
        wanted: Document,
        user: str,
        detail: dict[str, JSON],
    ) -> Outcome:
        """One writer of a template at a time, as far as this process goes."""
        with self.guard:
            lock = self.locks[template_id]
        with lock:
            return super().write(template_id, origin, wanted, user, detail)

    def wait(self, template_id: str, user: str, update_id: str, retry: int) -> None:
        """Sleep for real, as it seems."""
        delay_s = self.first_delay_s * 2.0 ** (retry - 1) * random.uniform(0.5, 1.5)
        facts: dict[str, JSON] = {"update_id": update_id, "attempt": retry, "delay_s": delay_s}
        self.say("update.retry", template_id, user, **facts)
        time.sleep(delay_s)

    def too_soon(self, head: Row) -> str | None:
        """The age of the last update by the time of day."""
        if head.user_updated_at is None or time.time() - head.user_updated_at >= self.cooldown_s:
            return None
        return f"Skipped - recent user update ({time.monotonic() - self.started:.1f} s after start)"


build = StandardLibrary
