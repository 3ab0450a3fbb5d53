"""D2: waits under the write lock for a commit of somebody else, who cannot write meanwhile."""

from __future__ import annotations

from syncsim.contract import Document, Row
from syncsim.lab.solutions.textbook import Textbook


class WaitsUnderLock(Textbook):
    """What it waits for needs the lock that it holds."""

    def wait(self, template_id: str, user: str, update_id: str, retry: int) -> None:
        """Let somebody else go first, and make sure that they did."""

        def change(head: Row) -> Document | None:
            while self.env.store.head(template_id).version == head.version:
                self.env.store.history(template_id, limit=1)
            return None

        super().wait(template_id, user, update_id, retry)
        self.env.store.update_locked(template_id, change, by=user)


build = WaitsUnderLock
