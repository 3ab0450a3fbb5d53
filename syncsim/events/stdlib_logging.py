"""The event log as records of the standard library's `logging`, under the logger "syncsim".

For a program that embeds syncsim: it sets handlers and levels, syncsim sets none. A record's text
is the message of the live log; its facts stand beside it as attributes, for a handler that writes
JSON: `syncsim_kind`, `syncsim_at`, `syncsim_user`, `syncsim_update_id`, `syncsim_template_id` and
`syncsim_<fact>` for each fact given. Template contents are never among them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Final

from syncsim.events import BoundedEventLog
from syncsim.events.kinds import Event
from syncsim.events.live_log import message

_ANSWERS = {
    "template.created",
    "rollback.committed",
    "update.committed",
    "update.unchanged",
    "job.committed",
    "job.unchanged",
    "job.skipped",
}
_FAILURES = {"update.failed", "job.failed", "cache.fault"}
_PER_READ = {"cache.hit", "read.sampled"}

LEVELS: Final = {
    logging.DEBUG: frozenset(Event.KINDS) - _ANSWERS - _FAILURES - _PER_READ,
    logging.INFO: frozenset(_ANSWERS),
    logging.WARNING: frozenset(_FAILURES),
}
"""The kinds of each level. What will be tried again is DEBUG; what comes with every read is not
logged at all, so that a read pays nothing for it."""

_logger = logging.getLogger("syncsim")
_logger.addHandler(logging.NullHandler())


def forward_to_logging(log: BoundedEventLog) -> Callable[[], None]:
    """Log every new event of the vocabulary at its level; returns the way to stop.

    Levels may change at any time. An event below the level costs one look at it.
    """
    stops = [
        log.subscribe(
            partial(_write, level), kinds=kinds, when=partial(_logger.isEnabledFor, level)
        )
        for level, kinds in LEVELS.items()
    ]

    def stop() -> None:
        for one in stops:
            one()

    return stop


def _write(level: int, event: Event) -> None:
    facts = {
        "kind": event.kind,
        "at": event.at,
        "user": event.user,
        "update_id": event.update_id,
        "template_id": event.template_id,
        **event.exportable(),
    }
    extra = {f"syncsim_{name}": value for name, value in facts.items()}
    _logger.log(level, "%s", message(event), extra=extra)
