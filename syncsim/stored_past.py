"""A store's history as the service asks for it, whatever the store supports."""

from __future__ import annotations

from collections.abc import Sequence

from syncsim.contract import Revision, Store, SupportsLookup


class StoredPast:
    """A template's history as intents ask for it, from a store that may not support look-ups."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, template_id: str, version: str) -> Revision | None:
        """One version; None where the template never had it."""
        store = self._store
        if isinstance(store, SupportsLookup):
            return store.revision(template_id, version)
        return next((r for r in store.history(template_id) if r.version == version), None)

    def find_update(self, update_id: str) -> Revision | None:
        """What this update committed; None also where the store cannot say."""
        store = self._store
        return store.find_update(update_id) if isinstance(store, SupportsLookup) else None

    def newest(self, template_id: str, limit: int) -> Sequence[Revision]:
        """The newest versions, the head first."""
        return self._store.history(template_id, limit=limit)
