"""What a solution says through the standard library's `logging`, taken down as events of the run.

A record from INFO on, made while an operation is under way, counts as an event of that operation.
Its kind is what `extra` gives as `kind` or `event`, else "log"; the text is the fact `message`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, Final

from syncsim.contract import JSON
from syncsim.events.kinds import Event
from syncsim.lab.recording.call_log import CallLog

PLAIN_KIND: Final = "log"
"""The kind of a record that gives none."""

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"asctime", "message", "taskName"}
_SOLUTIONS: Final = ("syncsim.lab.solutions.broken.", "syncsim.lab.solutions.correct.")
_PREFIX: Final = "syncsim_"  # how `events.stdlib_logging` marks its own facts


class LogRecords(logging.Handler):
    """Listens at the root logger, whose level is INFO meanwhile, until `close`.

    Records of the package itself are left out. So are those made outside every operation of
    `call_log`, unless they name one in `extra`, as `update_id` or `operation`.
    """

    def __init__(self, call_log: CallLog, now: Callable[[], float]) -> None:
        super().__init__(logging.INFO)
        self._call_log = call_log
        self._now = now
        _root.begin(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Take down one record."""
        name = record.name + "."
        if name.startswith("syncsim.") and not name.startswith(_SOLUTIONS):
            return
        try:
            event = self._event(record)
        except Exception:
            self.handleError(record)
            return
        if event is not None:
            self._call_log.hear(event)

    def close(self) -> None:
        """Stop listening; the root logger gets its level back when no handler listens."""
        _root.end(self)
        super().close()

    def _event(self, record: logging.LogRecord) -> Event | None:
        extra = {
            name.removeprefix(_PREFIX): value
            for name, value in vars(record).items()
            if name not in _STANDARD
        }
        given = extra.pop("update_id", None) or extra.pop("operation", None)
        call = self._call_log.concerned(given if isinstance(given, str) else None)
        if call is None or not self._call_log.has(call):
            return None
        operation = call.operation
        kind = extra.pop("kind", None) or extra.pop("event", None) or PLAIN_KIND
        facts: dict[str, JSON] = {name: value for name, value in extra.items() if _is_plain(value)}
        template_id = facts.pop("template_id", operation.template_id)
        return Event.of(
            0,
            str(kind),
            self._now(),
            str(facts.pop("user", operation.user)),
            operation.id,
            str(template_id),
            {**facts, "message": record.getMessage(), "logger": record.name},
        )


class _Root:
    """The root logger's level, lowered to INFO as long as anybody listens."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listening: list[logging.Handler] = []
        self._level = logging.NOTSET

    def begin(self, handler: logging.Handler) -> None:
        root = logging.getLogger()
        with self._lock:
            if not self._listening:
                self._level = root.level
                if root.level > logging.INFO:
                    root.setLevel(logging.INFO)
            self._listening.append(handler)
            root.addHandler(handler)

    def end(self, handler: logging.Handler) -> None:
        root = logging.getLogger()
        with self._lock:
            if handler in self._listening:
                self._listening.remove(handler)
                root.removeHandler(handler)
                if not self._listening:
                    root.setLevel(self._level)


_root: Final = _Root()


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, str | int | float | bool)
