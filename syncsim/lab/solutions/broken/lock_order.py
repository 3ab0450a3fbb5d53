"""D3: writers take the lock of the template and then that of the caches, readers the other way."""

from __future__ import annotations

from syncsim.contract import JSON, Row, Snapshot
from syncsim.lab.solutions.textbook import Textbook


class LockOrder(Textbook):
    """Each of them is careful, both together are stuck."""

    def get_template(self, template_id: str, *, user: str) -> Snapshot:
        """The caches first, then the template."""
        with self.env.lock("caches"), self.env.lock(f"template {template_id}"):
            return super().get_template(template_id, user=user)

    def swap(self, head: Row, *write: JSON) -> Row:
        """The template first, then the caches."""
        with self.env.lock(f"template {head.template_id}"):
            row = super().swap(head, *write)
            with self.env.lock("caches"):
                self.env.cache(row.updated_by).delete(row.template_id)
            return row


build = LockOrder
