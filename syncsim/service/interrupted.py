"""An update that an interrupt cut short: the error and the log tell what can be known of it.

Its answer is lost, not its outcome: the history knows whether it was committed.
"""

from __future__ import annotations

from contextlib import suppress

from syncsim.contract import EventLog
from syncsim.errors import SyncError
from syncsim.service.history_reader import StoredHistory

ENDS = ("committed", "unchanged", "skipped", "failed")


def tell(
    interrupt: BaseException,
    events: EventLog,
    past: StoredHistory,
    *,
    topic: str,
    template_id: str,
    user: str,
    update_id: str,
    latency_s: float,
) -> None:
    """Put the update id on the interrupt; end the update in the log, if it has begun there.

    As committed where the history has it. Else as failed, and not for sure: another thread may have
    taken it from the commit queue, and be about to commit it.
    """
    with suppress(AttributeError):
        interrupt.update_id = update_id  # type: ignore[attr-defined]
    if not _is_open(events, topic, update_id):
        return
    said = {"template_id": template_id, "user": user, "update_id": update_id}
    found = None
    with suppress(SyncError):
        found = past.find_update(update_id)
    if found is not None:
        events.emit(f"{topic}.committed", version=found.version, latency_s=latency_s, **said)
        return
    events.emit(
        f"{topic}.failed",
        error=type(interrupt).__name__,
        message=str(interrupt),
        definite=False,
        latency_s=latency_s,
        **said,
    )


def _is_open(events: EventLog, topic: str, update_id: str) -> bool:
    """Whether the log, if it can be read, has the update begin more often than end."""
    kinds_of = getattr(events, "kinds_of", None)
    if kinds_of is None:
        return True
    kinds: list[str] = kinds_of(update_id)
    return kinds.count(f"{topic}.started") > sum(kinds.count(f"{topic}.{end}") for end in ENDS)
