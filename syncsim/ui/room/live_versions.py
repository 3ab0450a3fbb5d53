"""The versions of what is being played, read from its store while it plays.

For looking only: what is judged is the history that the run itself hands over at its end.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from syncsim.contract import Revision
from syncsim.errors import SyncError
from syncsim.events.kinds import Event
from syncsim.runtime.environment import SystemClock
from syncsim.store.engines import locate

READ_S: Final = 1.0
"""A store is read this often at most."""

_logger = logging.getLogger(__name__)


class LiveVersions:
    """`see` events of a run whose templates are at a URL; `read` gives the versions so far.

    From one thread. The store is opened when the first new version was told, so that nothing is
    made where the run has made nothing yet.
    """

    _url: str | None
    _told: set[tuple[str, str]]
    _is_old: bool
    _read_at: float
    _versions: Sequence[Revision]

    def __init__(self) -> None:
        self._store: Any = None
        self._forget()

    def begin(self, url: str | None) -> None:
        """Begin another run; `url` is None where no store with its templates can be read."""
        self.close()
        self._url = url

    def see(self, event: Event) -> None:
        """Take in one more event; one that tells of a new version makes the next `read` look."""
        if event.template_id is not None and getattr(event, "version", None) is not None:
            told = (event.template_id, str(getattr(event, "version", "")))
            if told not in self._told:
                self._told.add(told)
                self._is_old = True

    def read(self, now: float, *, at_once: bool = False) -> Sequence[Revision]:
        """All versions of the templates that were told of, oldest first; `now` in seconds.

        The same object as long as nothing new was read. A store that cannot be read leaves what was
        read before: its run will say what is wrong with it.
        """
        is_time = at_once or not 0 <= now - self._read_at < READ_S
        if self._url is not None and self._is_old and is_time:
            self._is_old, self._read_at = False, now
            try:
                self._versions = self._found(self._url)
            except SyncError as error:
                _logger.debug("the versions of what is being played were not read: %r", error)
                self._is_old = True
        return self._versions

    def close(self) -> None:
        """Close the store and forget the run; a second call does nothing."""
        if self._store is not None:
            with suppress(SyncError):
                self._store.close()
        self._store = None
        self._forget()

    def _forget(self) -> None:
        self._url = None
        self._told = set()
        self._is_old = False
        self._read_at = float("-inf")
        self._versions = ()

    def _found(self, url: str) -> Sequence[Revision]:
        if self._store is None:
            self._store, _ = locate(url).open(SystemClock())
        names = dict.fromkeys(template_id for template_id, _ in sorted(self._told))
        found = [one for name in names for one in self._store.history(name)]
        return sorted(found, key=lambda one: (one.at, one.revision))
