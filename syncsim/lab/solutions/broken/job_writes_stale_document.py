"""D1: the job works on the document it cached in its first run and puts a user's leaf back."""

from __future__ import annotations

from syncsim.contract import Document, Environment
from syncsim.lab.solutions.textbook import Textbook


class JobWritesStaleDocument(Textbook):
    """The version is the head's, the document is not."""

    def __init__(self, env: Environment) -> None:
        super().__init__(env)
        self.known: Document | None = None

    def maintained(self, document: Document) -> Document:
        """Derive from the copy that is at hand."""
        if self.known is None:
            self.known = document
        return super().maintained(self.known)


build = JobWritesStaleDocument
