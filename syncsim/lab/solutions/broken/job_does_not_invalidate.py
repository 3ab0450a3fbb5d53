"""M1: commits of the background job tell no cache."""

from __future__ import annotations

from syncsim.contract import BACKGROUND, Row
from syncsim.lab.solutions.correct.set_if_newer import SetIfNewer


class JobDoesNotInvalidate(SetIfNewer):
    """The job is written as if nobody looked at what it derives."""

    def committed(self, row: Row, user: str) -> None:
        """Tell the caches what users do."""
        if user != BACKGROUND:
            super().committed(row, user)


build = JobDoesNotInvalidate
