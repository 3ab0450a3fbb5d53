"""D1: the token is a hash of the content, so after a rollback an old one is the head's again."""

from __future__ import annotations

import hashlib

from syncsim.contract import Document
from syncsim.lab.solutions.correct.own_tokens import OwnTokens
from syncsim.template import canonical


class TokenUsedAgain(OwnTokens):
    """A to B and back to A: whoever still holds A believes that nothing has happened."""

    def new_token(self, document: Document) -> str:
        """Twelve hex digits of the content."""
        return hashlib.sha256(canonical(document)).hexdigest()[:12]


build = TokenUsedAgain
