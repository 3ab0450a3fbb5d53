"""The chart of waits: each beside the policy's 100, 200, 400 ms; and of attempts an update."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncsim.ui.charts import attempts_histogram
from syncsim.ui.room.run_view import RunView
from syncsim.ui.timeline import retry_timeline

if TYPE_CHECKING:
    import plotly.graph_objects as go  # type: ignore[import-untyped]


def retries(record: RunView, selected: str | None = None) -> go.Figure:
    """The timeline of attempts, waits, queue and end, the newest updates if they are many.

    Table: as `charts.retry_timeline`.
    """
    return retry_timeline(record.events, selected=selected, newest=True)


def attempts(record: RunView, selected: str | None = None) -> go.Figure:
    """The histogram of write attempts, the bar of the selected update marked.

    Table: as `charts.attempts_histogram`.
    """
    return attempts_histogram(record.events, selected=selected)
