"""nothing: after a lost swap it merges under the store's write lock, where it cannot lose again."""

from __future__ import annotations

from syncsim.contract import JSON, Document, Outcome, Row, Write
from syncsim.errors import SyncError, VersionConflictError
from syncsim.lab.solutions.textbook import Textbook
from syncsim.merging import Merge, same


class LockAfterConflict(Textbook):
    """Two attempts at most, the second at once: fifty rivals in a row make no difference."""

    def write(
        self,
        template_id: str,
        origin: Document,
        wanted: Document,
        user: str,
        detail: dict[str, JSON],
    ) -> Outcome:
        """Swap, and if that is lost read, merge and write in one."""
        update_id = self.env.new_id()
        self.say("update.started", template_id, user, update_id=update_id)
        head = self.head(template_id)
        merged, attempts = self.merged(origin, head, wanted), 1
        try:
            row = head
            if not same(merged.document, head.document):
                try:
                    row = self.swap(head, merged.document, user, update_id, detail)
                except VersionConflictError as conflict:
                    self.conflict(conflict, user, update_id, attempts)
                    row, merged, attempts = self.locked(
                        template_id, origin, wanted, user, update_id, detail
                    )
        except SyncError as error:
            return self.give_up(template_id, user, update_id, error)
        if row.version == head.version or attempts == 0:
            self.say("update.unchanged", template_id, user, update_id=update_id)
            return Outcome("unchanged", row.version, conflicts=merged.conflicts)
        self.committed(row, user)
        facts = {"version": row.version, "attempts": attempts}
        self.say("update.committed", template_id, user, update_id=update_id, **facts)
        return Outcome("committed", row.version, attempts, conflicts=merged.conflicts)

    def locked(
        self,
        template_id: str,
        origin: Document,
        wanted: Document,
        user: str,
        update_id: str,
        detail: dict[str, JSON],
    ) -> tuple[Row, Merge, int]:
        """The row, the merge, and how many attempts were made; 0 if there was nothing to write."""
        merges: list[tuple[Merge, int]] = []

        def change(row: Row) -> Write | None:
            merged = self.merged(origin, row, wanted)
            is_there = same(merged.document, row.document)
            merges.append((merged, 0 if is_there else 2))
            return None if is_there else Write(merged.document, detail)

        row = self.env.store.update_locked(template_id, change, by=user, update_id=update_id)
        return row, *merges[-1]


build = LockAfterConflict
