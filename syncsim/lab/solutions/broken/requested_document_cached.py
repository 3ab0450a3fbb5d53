"""M1: the writer's cache gets the document that was asked for, not the merged one."""

from __future__ import annotations

from contextlib import suppress

from syncsim.contract import JSON, Document, Outcome
from syncsim.errors import CacheError
from syncsim.lab.solutions.textbook import Textbook


class RequestedDocumentCached(Textbook):
    """Saves a read after writing, and shows the writer a document that never was."""

    def write(
        self,
        template_id: str,
        origin: Document,
        wanted: Document,
        user: str,
        detail: dict[str, JSON],
    ) -> Outcome:
        """Write, then keep the requested document under the version that was committed."""
        outcome = super().write(template_id, origin, wanted, user, detail)
        entry = {"version": outcome.version, "document": wanted, "at": self.env.clock.now()}
        with suppress(CacheError):
            self.env.cache(user).set(template_id, {**entry, "by": user})
        return outcome


build = RequestedDocumentCached
