"""What a forked child must not go on with: connections of its parent, locks of threads it lacks.

Guarded, not encouraged: SQLite's own locks may be held by another thread when a process forks, and
then the child hangs in it for good. Start workers by spawn.
"""

from __future__ import annotations

import os
from typing import Final, Protocol
from weakref import WeakSet


class Forkable(Protocol):
    """Something that can start anew in a forked child."""

    def start_after_fork(self) -> None:
        """Let go of what is the parent's, without closing it."""


_parts: Final[WeakSet[Forkable]] = WeakSet()


def start_after_fork(part: Forkable) -> None:
    """Have the part told, as long as it lives, in every child that this process forks."""
    _parts.add(part)


def _tell() -> None:
    for part in list(_parts):
        part.start_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_tell)
