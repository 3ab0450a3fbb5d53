"""nothing: merges under the store's write lock, so it can neither lose a swap nor a change."""

from __future__ import annotations

from syncsim.contract import BACKGROUND, JSON, Document, Outcome, Row, Write
from syncsim.errors import SyncError
from syncsim.lab.solutions.textbook import Textbook
from syncsim.merging import Merge, same


class WriteLock(Textbook):
    """Pessimistic: one transaction reads, decides and writes."""

    def write(
        self,
        template_id: str,
        origin: Document,
        wanted: Document,
        user: str,
        detail: dict[str, JSON],
    ) -> Outcome:
        """A single attempt, at the head that the lock holds still."""
        update_id = self.env.new_id()
        self.say("update.started", template_id, user, update_id=update_id)
        merge: Merge | None = None
        written = False

        def change(head: Row) -> Write | None:
            nonlocal merge, written
            merge = self.merged(origin, head, wanted)
            written = not same(merge.document, head.document)
            return Write(merge.document, detail) if written else None

        try:
            row = self.env.store.update_locked(template_id, change, by=user, update_id=update_id)
        except SyncError as error:
            name = type(error).__name__
            self.say("update.failed", template_id, user, update_id=update_id, error=name)
            raise
        conflicts = () if merge is None else merge.conflicts
        if not written:
            self.say("update.unchanged", template_id, user, update_id=update_id)
            return Outcome("unchanged", row.version, 1, conflicts=conflicts)
        self.committed(row, user)
        version = row.version
        self.say(
            "update.committed", template_id, user, update_id=update_id, version=version, attempts=1
        )
        return Outcome("committed", version, 1, conflicts=conflicts)

    def run_background_job(self, template_id: str) -> Outcome:
        """The cooldown is looked at under the lock, too."""
        update_id = self.env.new_id()
        self.say("job.started", template_id, BACKGROUND, update_id=update_id)
        written = False
        reason: str | None = None

        def change(head: Row) -> Write | None:
            nonlocal written, reason
            reason = self.too_soon(head)
            wanted = self.maintained(head.document)
            written = reason is None and not same(wanted, head.document)
            return Write(wanted, {"kind": "job"}) if written else None

        row = self.env.store.update_locked(template_id, change, by=BACKGROUND, update_id=update_id)
        if reason is not None:
            self.say("job.skipped", template_id, BACKGROUND, update_id=update_id, reason=reason)
            return Outcome("skipped", row.version, reason=reason)
        if not written:
            self.say("job.unchanged", template_id, BACKGROUND, update_id=update_id)
            return Outcome("unchanged", row.version)
        self.committed(row, BACKGROUND)
        self.say("job.committed", template_id, BACKGROUND, update_id=update_id, version=row.version)
        return Outcome("committed", row.version, 1)


build = WriteLock
