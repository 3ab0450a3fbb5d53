"""One event as one line of the live log; pure text, without colour or markup.

    [14:34:56] ann: Starting update...
    [14:34:56] CONFLICT: Version mismatch
    [14:34:57] ann: Retry 1 (100ms backoff)
    [14:34:57] ann: SUCCESS ✓
    [14:34:59] Background: Skipped (recent user update)

The line says what a reader wants at a glance, with the nominal delay of a retry; `detail` says the
rest, with the actual one.
"""

from __future__ import annotations

import re
from datetime import datetime, tzinfo
from typing import Any, Final

from syncsim.contract import BACKGROUND
from syncsim.errors import excerpt
from syncsim.events import kinds
from syncsim.events.kinds import Event, is_finite

MAX_CHARS: Final = 300
"""A message or a detail longer than this ends in "..."."""

# Controls, line and paragraph separators, direction overrides, lone surrogates: what can end or
# reorder a line, or cannot be printed. Joiners stay, for names and emoji need them.
_UNPRINTABLE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)
_SKIP_REASON = re.compile(r"Skipped - ([^(]*[^( ])")


def render(event: Event, *, zone: tzinfo | None = None) -> str:
    """The event as one line of the live log, in local time unless a `zone` is given."""
    return f"[{clock_time(event.at, zone)}] {message(event)}"


def clock_time(at: float, zone: tzinfo | None = None) -> str:
    """`14:34:56` of seconds since the epoch, local by default; dashes if no calendar has it."""
    try:
        return datetime.fromtimestamp(at, zone).strftime("%H:%M:%S")
    except (OverflowError, ValueError, OSError):
        return "--:--:--"


def clock_zone(at: float, zone: tzinfo | None = None) -> str:
    """`times in UTC+01:00`, for the head of a log; "" where no calendar has the time."""
    try:
        offset = datetime.fromtimestamp(at, zone).astimezone(zone).strftime("%z")
    except (OverflowError, ValueError, OSError):
        return ""
    return f"times in UTC{offset[:3]}:{offset[3:5]}"


def message(event: Event) -> str:
    """The line without its time: who, and what happened."""
    if isinstance(event, kinds.Conflicted):
        return "CONFLICT: Version mismatch"
    who = "Background" if event.user == BACKGROUND else event.user
    return printable(_phrase(event) if who is None else f"{who}: {_phrase(event)}")


def detail(event: Event) -> str:
    """Every fact with its actual value: `attempt 1, nominal 100.0 ms, delay 97.1 ms`."""
    facts = event.facts.items()
    return printable(", ".join(_fact(name, value) for name, value in facts if value is not None))


def printable(text: str) -> str:
    """The text on one line: what would break or reorder it is escaped, what is too long is cut."""
    text = _UNPRINTABLE.sub(lambda found: ascii(found.group())[1:-1], text[: MAX_CHARS + 1])
    return text if len(text) <= MAX_CHARS else text[: MAX_CHARS - 3] + "..."


def _phrase(event: Event) -> str:
    match event:
        case kinds.UpdateStarted():
            return "Starting update..."
        case kinds.JobStarted():
            return "Starting job..."
        case kinds.Attempted():
            return f"Attempt {_shown(event.attempt)}"
        case kinds.Faulted():
            return f"FAULT: {_shown(event.error)}"
        case kinds.RetryScheduled():
            delay_s = event.delay_s if event.nominal_s is None else event.nominal_s
            return f"Retry {_shown(event.attempt)} ({_ms(delay_s)} backoff)"
        case kinds.RetryWaited():
            return f"Waited {_ms(event.slept_s)}"
        case kinds.UpdateQueued():
            return f"Queued (position {_shown(event.position)})"
        case kinds.UpdateDequeued():
            return f"Left the queue (batch of {_shown(event.batch)})"
        case kinds.Committed():
            return "SUCCESS ✓"
        case kinds.Unchanged():
            return "No change"
        case kinds.Failed():
            return f"FAILED ✗ {_shown(event.error)}"
        case kinds.JobSkipped():
            because = _SKIP_REASON.match(event.reason or "")
            return f"Skipped ({because.group(1) if because else _shown(event.reason)})"
        case kinds.TemplateCreated():
            return f"Created {_shown(event.template_id)}"
        case kinds.RollbackCommitted():
            return f"Rolled back to {_shown(event.restored)}"
        case kinds.CacheHit():
            return "Cache hit"
        case kinds.CacheMissed():
            return f"Cache miss ({_shown(event.reason)})"
        case kinds.CacheFilled():
            return "Cache filled"
        case kinds.CacheInvalidated():
            return "Cache invalidated"
        case kinds.CacheFaulted():
            return "Cache fault, store asked instead"
        case kinds.ReadSampled():
            return f"Read in {_ms(event.latency_s)}"
        case _:
            return event.kind


def _shown(value: Any) -> str:
    return "?" if value is None else str(value)


def _ms(seconds: float | None) -> str:
    return "?" if seconds is None else f"{seconds * 1000:.0f}ms"


def _fact(name: str, value: Any) -> str:
    if name.endswith("_s") and is_finite(value):
        time = f"{value * 1000:.1f} ms" if abs(value) < 1 else f"{value:.3f} s"
        return f"{name[:-2].replace('_', ' ')} {time}"
    text = value if isinstance(value, str) else excerpt(value)
    return f"{name.replace('_', ' ')} {text}"
