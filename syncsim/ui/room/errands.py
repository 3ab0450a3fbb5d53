"""Work that a click starts, in a thread that ends with it: a slow store cannot freeze the page."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

_logger = logging.getLogger(__name__)


class Errands:
    """Runs one piece of work at a time; what it raises is given to `failed`, never lost."""

    def __init__(self, failed: Callable[[Exception], None]) -> None:
        self._failed = failed
        self._one = threading.Lock()
        self._thread: threading.Thread | None = None

    def run(self, work: Callable[[], None]) -> None:
        """Start the work and return; behind what is under way, it waits for its turn."""
        thread = threading.Thread(
            target=self._work, args=(work,), name="syncsim-room-errand", daemon=True
        )
        self._thread = thread
        thread.start()

    def wait(self, timeout_s: float = 10.0) -> bool:
        """Block until what was started last is done; False after `timeout_s`."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout_s)
        return thread is None or not thread.is_alive()

    def _work(self, work: Callable[[], None]) -> None:
        with self._one:
            try:
                work()
            except Exception as error:
                _logger.exception("a click could not be carried out")
                self._failed(error)
