"""M1: caches are emptied before the commit; who reads in between fills in the old again."""

from __future__ import annotations

from contextlib import suppress

from syncsim.contract import JSON, Document, Row
from syncsim.errors import CacheError
from syncsim.lab.solutions.correct.set_if_newer import SetIfNewer


class InvalidatesBeforeCommit(SetIfNewer):
    """The right calls in the wrong order."""

    def swap(
        self, head: Row, document: Document, user: str, update_id: str, detail: dict[str, JSON]
    ) -> Row:
        """Empty the caches, then write."""
        for reader in self.readers(user):
            with suppress(CacheError):
                self.env.cache(reader).delete(head.template_id)
        self.say("cache.invalidated", head.template_id, user, version=head.version)
        return super().swap(head, document, user, update_id, detail)

    def committed(self, row: Row, user: str) -> None:
        """Nothing more to do, it seems."""


build = InvalidatesBeforeCommit
