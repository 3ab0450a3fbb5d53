"""What happens, said once: the bounded log of typed events, and those who listen to it.

`kinds` is the vocabulary, `log` keeps it; `live_log` renders a line, `metrics` counts, `tracing`
lays out one update, `stdlib_logging` and `telemetry` pass on to logging and OpenTelemetry.
"""

from __future__ import annotations

from syncsim.events.log import OTHER, BoundedEventLog, EventPage, OperationScope, Stamps

__all__ = ["OTHER", "BoundedEventLog", "EventPage", "OperationScope", "Stamps"]
