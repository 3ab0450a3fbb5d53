"""A memory store that forgets: for loads of hours, which need only the newest versions.

The contract promises an append-only history, so this is no store for anything but such a load.
"""

from __future__ import annotations

from collections.abc import Callable

from syncsim.contract import Clock
from syncsim.store.memory import MemoryStore
from syncsim.store.records import CommitRow


class RecentStore(MemoryStore):
    """The newest `keep` to 2 x `keep` versions of each template; `seen` is shown every commit."""

    def __init__(self, *, clock: Clock, keep: int, seen: Callable[[CommitRow], object]) -> None:
        super().__init__(clock=clock)
        self._keep = keep
        self._seen = seen

    @property
    def remembered(self) -> int:
        """How many versions and update ids it holds."""
        return len(self._by_version) + len(self._by_update_id)

    def _publish(self, record: CommitRow) -> None:
        super()._publish(record)
        history = self._histories[record.template_id]
        if len(history) > 2 * self._keep:
            for old in history[: -self._keep]:
                del self._by_version[old.template_id, old.version]
                if old.update_id is not None:
                    del self._by_update_id[old.update_id]
            del history[: -self._keep]
        self._seen(record)
