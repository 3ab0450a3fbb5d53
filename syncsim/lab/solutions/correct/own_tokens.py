"""nothing: callers see random version tokens; those of the store are nobody's business.

The token of a commit lies in its detail, written in the same transaction. What has none goes by the
store's version: the first one, and commits that others made.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from syncsim.contract import JSON, Document, Outcome, Revision, Row, Snapshot
from syncsim.errors import StoreUnavailableError, VersionConflictError
from syncsim.lab.solutions.textbook import Textbook


class OwnTokens(Textbook):
    """The textbook between two translations."""

    def new_token(self, document: Document) -> str:
        """A token that no other commit has."""
        return self.env.new_id()

    def token(self, template_id: str, version: str | None) -> str | None:
        """What callers call a version of the store: as the store does, if it cannot be asked."""
        with suppress(StoreUnavailableError):
            for past in self.env.store.history(template_id):
                if past.version == version:
                    return shown_as(past)
        return version

    def version(self, template_id: str, token: str) -> str:
        """What the store calls a token; its own name for a version will do as well."""
        history = self.env.store.history(template_id)
        return next((past.version for past in history if shown_as(past) == token), token)

    def told(self, template_id: str, outcome: Outcome) -> Outcome:
        """An outcome as callers get it."""
        return replace(outcome, version=self.token(template_id, outcome.version))

    # -- the verbs ---------------------------------------------------------------------------------

    def get_template(self, template_id: str, *, user: str) -> Snapshot:
        """A snapshot under a token of ours."""
        read = super().get_template(template_id, user=user)
        return replace(read, version=self.token(template_id, read.version) or read.version)

    def update_template(
        self, template_id: str, changes: Document, *, user: str, base: Snapshot | None = None
    ) -> Outcome:
        """An update whose base bears a token of ours."""
        outcome = super().update_template(template_id, changes, user=user, base=base)
        return self.told(template_id, outcome)

    def origin(self, template_id: str, base: Snapshot | None) -> Document:
        """The document of the base."""
        if base is not None:
            base = replace(base, version=self.version(template_id, base.version))
        return super().origin(template_id, base)

    def swap(
        self, head: Row, document: Document, user: str, update_id: str, detail: dict[str, JSON]
    ) -> Row:
        """One write attempt, with the token it will be known by."""
        detail = {**detail, "token": self.new_token(document)}
        return super().swap(head, document, user, update_id, detail)

    def update_with_version(
        self, template_id: str, changes: Document, version: str, *, user: str
    ) -> Outcome:
        """A strict update against a token of ours."""
        expected = self.version(template_id, version)
        try:
            outcome = super().update_with_version(template_id, changes, expected, user=user)
        except VersionConflictError as conflict:
            actual = self.token(template_id, conflict.actual)
            raise VersionConflictError(template_id, version, actual) from None
        return self.told(template_id, outcome)

    def run_background_job(self, template_id: str) -> Outcome:
        """The job's outcome, told in our tokens."""
        return self.told(template_id, super().run_background_job(template_id))

    def rollback(self, template_id: str, version: str, *, user: str) -> Outcome:
        """Back to what a token of ours stands for."""
        restored = self.version(template_id, version)
        return self.told(template_id, super().rollback(template_id, restored, user=user))


def shown_as(revision: Revision) -> str:
    """The token a revision goes by."""
    token: str = (revision.detail or {}).get("token", revision.version)
    return token


build = OwnTokens
