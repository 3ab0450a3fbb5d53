"""M1: a commit tells the writer's cache only; everybody else goes on reading theirs."""

from __future__ import annotations

from syncsim.lab.solutions.correct.set_if_newer import SetIfNewer


class OwnCacheOnly(SetIfNewer):
    """Forgets that others read, too."""

    def readers(self, user: str) -> tuple[str, ...]:
        """The writer."""
        return (user,)


build = OwnCacheOnly
