"""M1: a commit tells the writer's cache only; everybody else goes on reading theirs."""

from __future__ import annotations

from syncsim.contract import Environment
from syncsim.lab.correct.set_if_newer import SetIfNewer


class OwnCacheOnly(SetIfNewer):
    """Forgets that others read, too."""

    def readers(self, user: str) -> tuple[str, ...]:
        """The writer."""
        return (user,)


def build(env: Environment) -> OwnCacheOnly:
    """The mistake on an environment."""
    return OwnCacheOnly(env)
