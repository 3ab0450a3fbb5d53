"""M1: commits tell no cache, and reads trust theirs for ever."""

from __future__ import annotations

from syncsim.lab.solutions.correct.set_if_newer import SetIfNewer


class NoInvalidation(SetIfNewer):
    """What was cached once is served from then on."""

    def invalidate(self, template_id: str, revision: int, user: str) -> None:
        """Nothing."""


build = NoInvalidation
