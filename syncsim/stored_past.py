"""A store's history as the service asks for it, whatever the store supports."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from syncsim.contract import Revision, Row, Store, supports_lookup


class StoredPast:
    """A template's history as intents ask for it, from a store that may not support look-ups.

    `written` gives the heads that a transaction under way has stood on (`Past.written`).
    """

    def __init__(self, store: Store, written: Callable[[str], Sequence[Row]]) -> None:
        self._store = store
        self.written = written
        self._lookup = store if supports_lookup(store) else None

    def find(self, template_id: str, version: str) -> Revision | None:
        """One version; None where the template never had it."""
        if self._lookup is not None:
            return self._lookup.revision(template_id, version)
        return next((r for r in self._store.history(template_id) if r.version == version), None)

    def find_update(self, update_id: str) -> Revision | None:
        """What this update committed; None also where the store cannot say."""
        return None if self._lookup is None else self._lookup.find_update(update_id)

    def newest(self, template_id: str, limit: int) -> Sequence[Revision]:
        """The newest versions, the head first."""
        return self._store.history(template_id, limit=limit)
