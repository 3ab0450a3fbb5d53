"""The ids drawn during a run, and the operation that each belongs to."""

from __future__ import annotations

from collections.abc import Mapping


class DrawnIds:
    """Ids and the operation of each; an id that begins with one of them belongs there too."""

    def __init__(self, owners: Mapping[str, str] | None = None) -> None:
        self.owners: dict[str, str] = {}
        self._lengths: tuple[int, ...] = ()  # the longest first
        for drawn, operation in (owners or {}).items():
            self.add(drawn, operation)

    def add(self, drawn: str, operation: str) -> None:
        """Record that this id belongs to the operation."""
        self.owners[drawn] = operation
        if len(drawn) not in self._lengths:
            self._lengths = tuple(sorted({*self._lengths, len(drawn)}, reverse=True))

    def owner(self, update_id: str | None) -> str | None:
        """The operation this id belongs to; None for an id that no operation drew."""
        if update_id is None:
            return None
        for length in self._lengths:
            found = self.owners.get(update_id[:length])
            if found is not None:
                return found
        return None
