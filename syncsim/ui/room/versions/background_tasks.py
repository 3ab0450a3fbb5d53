"""Work that a click starts, in a thread that ends with it: a slow store cannot freeze the page."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from syncsim.ui import panels

_logger = logging.getLogger(__name__)


class BackgroundTasks:
    """Runs one piece of work at a time; what it raises is given to `failed`, never lost."""

    def __init__(self, failed: Callable[[Exception], None]) -> None:
        self._failed = failed
        self._one = threading.Lock()
        self._thread: threading.Thread | None = None

    def run(self, work: Callable[[], None], after: Callable[[], None] | None = None) -> None:
        """Start the work and return; behind what is under way, it waits for its turn.

        `after` is called when the work is done without an error; what it raises is logged only, as
        it says nothing about the work.
        """
        thread = threading.Thread(
            target=self._work, args=(work, after), name="syncsim-room-errand", daemon=True
        )
        self._thread = thread
        thread.start()

    def wait(self, timeout_s: float = 10.0) -> bool:
        """Block until what was started last is done; False after `timeout_s`."""
        thread = self._thread
        if thread is not None:
            thread.join(timeout_s)
        return thread is None or not thread.is_alive()

    def _work(self, work: Callable[[], None], after: Callable[[], None] | None) -> None:
        with self._one:
            try:
                work()
            except Exception as error:
                _logger.exception("a click could not be carried out")
                self._failed(error)
                return
            try:
                if after is not None:
                    after()
            except Exception:
                _logger.exception("what a click changed could not be shown")


def failure(undone: str, unsure: str, error: Exception) -> str:
    """An alert that says what was not done, or that this is unknown, and what to do; as HTML.

    `undone` and `unsure` say it in words, such as "The value was not restored".
    """
    is_definite = getattr(error, "definite", False)
    what = undone if is_definite else unsure
    todo = (
        "Nothing was written. Look at the newest version, and try again."
        if is_definite
        else "It may have been written. Look at the newest version before trying again."
    )
    return panels.alert(f"{what}: {type(error).__name__}", str(error), todo)
