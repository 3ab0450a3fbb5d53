"""M4: lets the error of the database driver out, which knows of no template."""

from __future__ import annotations

import sqlite3

from syncsim.contract import Outcome
from syncsim.errors import SyncError
from syncsim.lab.solutions.textbook import Textbook


class DriverErrorLeaks(Textbook):
    """Callers have to know which database lies underneath."""

    def give_up(self, template_id: str, user: str, update_id: str, lost: SyncError) -> Outcome:
        """Raise what the driver would have raised."""
        try:
            return super().give_up(template_id, user, update_id, lost)
        except SyncError:
            raise sqlite3.OperationalError("database is locked") from None


build = DriverErrorLeaks
