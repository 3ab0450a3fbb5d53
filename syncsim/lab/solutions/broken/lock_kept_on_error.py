"""D3: an update that fails keeps the lock, and the next one waits for ever."""

from __future__ import annotations

import threading

from syncsim.contract import JSON, Environment, Row
from syncsim.lab.solutions.textbook import Textbook


class LockKeptOnError(Textbook):
    """Takes and releases by hand, and forgets that a line between may raise."""

    def __init__(self, env: Environment) -> None:
        super().__init__(env)
        self.lock = threading.Lock()

    def swap(self, head: Row, *write: JSON) -> Row:
        """One write attempt at a time."""
        self.lock.acquire()
        row = super().swap(head, *write)
        self.lock.release()
        return row


build = LockKeptOnError
