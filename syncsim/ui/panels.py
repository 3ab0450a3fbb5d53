"""What the panels share: the status in words, the look of an event, the alert. Pure.

The alert is HTML, and escapes what users, templates and solutions wrote. Meaning is in a sign and a
word, colour repeats it; a white card with dark words can be read on a dark page too.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Final

from syncsim.events import kinds
from syncsim.events.kinds import Event
from syncsim.events.live_log import clock_time, printable
from syncsim.lab.results.run import Run
from syncsim.ui.dashboard_state import DashboardState
from syncsim.ui.drawing import INK, STYLES, Style

STYLE: Final = f"""<style>
.syncsim {{ color: {INK}; background: #fff; border: 1px solid #ccc; border-radius: 4px;
  padding: 6px 10px; line-height: 1.4; font-size: 13px; box-sizing: border-box;
  overflow-wrap: anywhere; }}
.syncsim-error {{ border: 2px solid {STYLES["conflict"].fill}; }}
</style>"""

_LOOK_OF_EVENT: Final[Mapping[type[Event], Style]] = {
    kinds.Conflicted: STYLES["conflict"],
    kinds.Faulted: STYLES["conflict"],
    kinds.Failed: STYLES["conflict"],
    kinds.RetryScheduled: STYLES["retry"],
    kinds.Committed: STYLES["committed"],
    kinds.RollbackCommitted: STYLES["committed"],
    kinds.JobSkipped: STYLES["idle"],
    kinds.CacheInvalidated: STYLES["stale"],
}

_LEFT_OUT: Final = (
    kinds.Attempted,
    kinds.RetryWaited,
    kinds.UpdateDequeued,
    kinds.CacheFilled,
    kinds.ReadSampled,
)
"""Events that the log leaves out: each says again what a line beside it has said."""


def status_facts(standing: DashboardState) -> dict[str, str]:
    """The current state by name, each value in words and not escaped."""
    at = standing.updated_at
    last = "" if at is None else f"{clock_time(at)} by {standing.updated_by}"
    ended = standing.succeeded + standing.failed
    return {
        "Template version": standing.version or "none yet",
        "Last updated": last or "not yet",
        "Active updates": str(standing.active),
        "Conflicts resolved": str(standing.resolved),
        "Cache hit rate": _share(standing.hit_rate, standing.hits, "reads", standing.reads),
        "Success rate": _share(standing.success_rate, standing.succeeded, "updates", ended),
    }


def is_left_out(event: Event) -> bool:
    """Whether the log has no line for the event, because a line beside it says the same."""
    return isinstance(event, _LEFT_OUT)


def look_of(event: Event) -> Style | None:
    """The style of what the event means; None for a meaning without a colour and a sign."""
    kind = type(event)
    try:
        return _look_of_class[kind]
    except KeyError:
        look = next((its for base, its in _LOOK_OF_EVENT.items() if issubclass(kind, base)), None)
        return _look_of_class.setdefault(kind, look)


_look_of_class: Final[dict[type[Event], Style | None]] = {}


def alert(what: str, message: str, todo: str) -> str:
    """What happened, with its values, and what to do; announced at once by a screen reader."""
    look = STYLES["conflict"]
    return (
        '<div class="syncsim syncsim-error" role="alert">'
        f'<b style="color:{look.ink}">{look.sign} {escape(what)}</b>'
        f"<div>{escape(printable(message))}</div><div>{escape(todo)}</div></div>"
    )


def refused(button: str, run: Run) -> str:
    """The alert about the last caller of a run that got an error; "" if none did."""
    failed = [one for one in run.history.operations if one.failure is not None]
    if not failed:
        return ""
    last = failed[-1]
    assert last.failure is not None
    todo = (
        "This scenario is about that: the caller was told, and nothing was written."
        if run.passed
        else "The verdict below says what is wrong with it."
    )
    return alert(f"{button}: {last.user} got {last.failure.name}", last.failure.message, todo)


def verdict_of(run: Run) -> tuple[Style, str]:
    """The look and the word of a verdict."""
    if run.passed:
        return STYLES["committed"], "PASSED"
    return (STYLES["idle"], "INCONCLUSIVE") if run.inconclusive else (STYLES["conflict"], "FAILED")


def _share(rate: float | None, part: int, things: str, whole: int) -> str:
    return f"no {things} yet" if rate is None else f"{rate:.0%} ({part} of {whole} {things})"
