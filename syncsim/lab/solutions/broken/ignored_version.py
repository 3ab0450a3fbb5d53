"""D1: update_with_version ignores the version and merges like any update."""

from __future__ import annotations

from syncsim.contract import Document, Outcome
from syncsim.lab.solutions.textbook import Textbook


class IgnoredVersion(Textbook):
    """There is no strict update."""

    def update_with_version(
        self, template_id: str, changes: Document, version: str, *, user: str
    ) -> Outcome:
        """An update as of the head, whatever the caller had read."""
        return self.update_template(template_id, changes, user=user)


build = IgnoredVersion
