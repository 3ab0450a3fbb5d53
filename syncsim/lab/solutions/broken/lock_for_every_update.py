"""M2: makes a lock for every update and keeps them all."""

from __future__ import annotations

import threading

from syncsim.contract import JSON, Document, Environment, Row
from syncsim.lab.solutions.textbook import Textbook


class LockForEveryUpdate(Textbook):
    """Locks by update id, where there are as many ids as updates."""

    def __init__(self, env: Environment) -> None:
        super().__init__(env)
        self.locks: dict[str, threading.Lock] = {}

    def swap(
        self, head: Row, document: Document, user: str, update_id: str, detail: dict[str, JSON]
    ) -> Row:
        """One write attempt under a lock of its own."""
        with self.locks.setdefault(update_id, threading.Lock()):
            return super().swap(head, document, user, update_id, detail)


build = LockForEveryUpdate
