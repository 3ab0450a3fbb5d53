"""Documents seen before are kept, as a simulation's runs commit the same few again and again.

Decoding each anew, and comparing equal parts of different versions as text, cost the judges more
than judging. Here a body is decoded once, and parts that are equal as text are one object, which
the judges see at a glance (`is`). For reading only: histories of many runs share what is here.
"""

from __future__ import annotations

from typing import Final

import orjson

from syncsim.contract import JSON, Document
from syncsim.lab.history.records import digest

MOST: Final = 2_000
"""Documents, and parts, after which memory is emptied; what was handed out stays as it is."""


class KnownDocuments:
    """Maps bodies, as a store keeps them, to documents and digests; at most `most` at a time."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._documents: dict[bytes, Document] = {}
        self._digests: dict[bytes, str] = {}
        self._parts: dict[bytes, JSON] = {}

    def document(self, body: bytes) -> Document:
        """The document of this body; the same object each time, which no caller may change."""
        known = self._documents.get(body)
        if known is None:
            self._forget_if_full()
            decoded: Document = orjson.loads(body)
            known = {key: self._shared(value) for key, value in decoded.items()}
            self._documents[body] = known
        return known

    def digest(self, body: bytes) -> str:
        """The digest of the document of this body, as `history.digest` has it."""
        known = self._digests.get(body)
        if known is None:
            self._forget_if_full()
            known = self._digests[body] = digest(self.document(body))
        return known

    def _shared(self, value: JSON) -> JSON:
        """The shared object for a value; a list is shared as a whole, or if new by its elements."""
        if not isinstance(value, list):
            return self._shared_part(value)
        text = orjson.dumps(value)
        known = self._parts.get(text)
        if known is None:
            known = self._parts[text] = [self._shared_part(element) for element in value]
        return known

    def _shared_part(self, part: JSON) -> JSON:
        if not isinstance(part, dict | list):
            return part
        return self._parts.setdefault(orjson.dumps(part), part)

    def _forget_if_full(self) -> None:
        for memory in (self._documents, self._digests, self._parts):
            if len(memory) >= self._most:
                memory.clear()
