"""A cache in memory, for runs that have to be many: the contract's `Cache`, kept as bytes."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import orjson

from syncsim.contract import JSON
from syncsim.errors import UsageError


class MemoryCache:
    """For one thread at a time, so `transact` has nothing to exclude; what was set is copied."""

    def __init__(self) -> None:
        self._entries: dict[str, bytes] = {}

    def get(self, key: str) -> JSON:
        """The value, or None."""
        found = self._entries.get(key)
        return None if found is None else orjson.loads(found)

    def set(self, key: str, value: JSON) -> None:
        """Store a value; `UsageError` for what is no JSON."""
        self._entries[key] = _encoded(value)

    def delete(self, key: str) -> None:
        """Forget a key."""
        self._entries.pop(key, None)

    def add(self, key: str, value: JSON) -> bool:
        """Store only if the key is unknown; True if stored."""
        if key in self._entries:
            return False
        self._entries[key] = _encoded(value)
        return True

    def transact(self) -> AbstractContextManager[None]:
        """A block that excludes nothing; a caller with several threads has to exclude them."""
        return nullcontext()

    def clear(self) -> None:
        """Forget every key."""
        self._entries.clear()


def _encoded(value: JSON) -> bytes:
    try:
        # A copy, because orjson leaves the spare room of its buffer in what it returns: an entry of
        # 4 KB takes 32 KB (orjson 3.13.0), which is 300 MB for the users of a herd.
        return bytes(memoryview(orjson.dumps(value)))
    except TypeError as error:
        raise UsageError("value", value, f"plain JSON ({error})") from None
