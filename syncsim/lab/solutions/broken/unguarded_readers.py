"""D3: walks over the readers to tell them of a commit while others join and leave, and crashes."""

from __future__ import annotations

from syncsim.contract import Environment, Row
from syncsim.lab.solutions.textbook import Textbook


class UnguardedReaders(Textbook):
    """A dictionary is shared by all threads, and nobody holds a lock."""

    def __init__(self, env: Environment) -> None:
        super().__init__(env)
        self.readers: dict[str, str] = {}

    def fill(self, row: Row, user: str) -> None:
        """Join the readers."""
        super().fill(row, user)
        self.readers[user] = row.version

    def committed(self, row: Row, user: str) -> None:
        """Tell every reader; who has written reads anew and is none until then."""
        for reader in self.readers:
            super().committed(row, reader)
        self.readers.pop(user, None)


build = UnguardedReaders
