"""nothing: takes a lock around read, merge and swap, and swaps against a version all the same."""

from __future__ import annotations

from syncsim.contract import JSON, Document, Outcome
from syncsim.lab.solutions.textbook import Textbook


class LockAndSwap(Textbook):
    """One writer of a template at a time; the job and other programs are met by the swap."""

    def write(
        self,
        template_id: str,
        origin: Document,
        wanted: Document,
        user: str,
        detail: dict[str, JSON],
    ) -> Outcome:
        """All attempts under one lock."""
        with self.env.lock(f"write {template_id}"):
            return super().write(template_id, origin, wanted, user, detail)


build = LockAndSwap
