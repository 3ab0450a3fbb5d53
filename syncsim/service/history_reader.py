"""A store's history as the service asks for it, whatever the store supports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from syncsim.contract import Revision, Row, Store, supports_lookup

READ_ANEW: Final = 8
"""Versions at the end of a history that are read each time it is asked for."""

KEPT_BYTES: Final = 2**21
"""How much may be kept of one template's history, in bytes of its documents."""

KEPT_TEMPLATES: Final = 8


class StoredHistory:
    """A template's history as intents ask for it, from a store that may not support look-ups.

    `written` gives the heads that a transaction under way has stood on (`Past.written`).
    """

    def __init__(self, store: Store, written: Callable[[str], Sequence[Row]]) -> None:
        self._store = store
        self.written = written
        self._known: dict[str, tuple[Revision, ...]] = {}
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
        """The newest versions, the head first.

        Of a longer history only the end is read anew: it is append-only, and in a storm each writer
        asks for the same of it.
        """
        rows = self._store.history(template_id, limit=min(limit, READ_ANEW))
        if limit > READ_ANEW and rows[-1].parent is not None:
            known = self._known.get(template_id, ())
            older = (n for n, row in enumerate(known, 1) if row.version == rows[-1].version)
            rows = (*rows, *known[next(older, len(known)) :])
            if len(rows) < limit and rows[-1].parent is not None:
                rows = self._store.history(template_id, limit=limit)
            self._keep(template_id, rows)
        return rows[:limit]

    def _keep(self, template_id: str, rows: Sequence[Revision]) -> None:
        known = self._known
        if sum(len(row.body) for row in rows) <= KEPT_BYTES:
            known[template_id] = tuple(rows)
        while len(known) > KEPT_TEMPLATES:
            with suppress(KeyError, StopIteration, RuntimeError):  # another thread was faster
                del known[next(iter(known))]
