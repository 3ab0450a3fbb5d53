"""D1: compares the version and then writes blindly; a commit between the two is lost."""

from __future__ import annotations

from typing import cast

from syncsim.contract import BACKGROUND, JSON, CandidateStore, Document, Row
from syncsim.errors import VersionConflictError
from syncsim.lab.solutions.textbook import Textbook


class CheckThenAct(Textbook):
    """For a user the check is one call and the write another."""

    def swap(
        self, head: Row, document: Document, user: str, update_id: str, detail: dict[str, JSON]
    ) -> Row:
        """Look whether anybody has come in between; if not, write."""
        if user == BACKGROUND:
            return super().swap(head, document, user, update_id, detail)
        found = self.env.store.head(head.template_id).version
        if found != head.version:
            raise VersionConflictError(head.template_id, head.version, found)
        return cast(CandidateStore, self.env.store).put(head.template_id, document, by=user)


build = CheckThenAct
