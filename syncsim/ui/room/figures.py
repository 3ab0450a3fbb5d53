"""The room's charts in one place: one Plotly widget for all of them, a choice, and a table of each.

Every `go.FigureWidget` sends its script of 5 MB to the page, so there is one, made when a page
first shows a chart; what it shows is changed, never its model. Without a page there is none.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from syncsim.contract import JSON, Clock
from syncsim.errors import MissingExtraError, UsageError
from syncsim.runtime.environment import SystemClock
from syncsim.ui import charts, panels
from syncsim.ui.room.run_view import RunView
from syncsim.ui.room.timing import chart_table
from syncsim.ui.room.timing.cache_states import caches
from syncsim.ui.room.timing.job_axis import job_axis
from syncsim.ui.room.timing.retries import attempts, retries
from syncsim.ui.room.timing.revisions import versions
from syncsim.ui.room.timing.speed import latency, throughput
from syncsim.ui.room.timing.trace_view import waterfall
from syncsim.ui.room.timing.waiting import pending, queue_length, queue_list

try:
    import anywidget
    import ipywidgets  # type: ignore[import-untyped]
    import traitlets
except ImportError:
    raise MissingExtraError("viz", "the charts of the control room") from None

if TYPE_CHECKING:
    import pandas
    import plotly.graph_objects as go  # type: ignore[import-untyped]

Chart: TypeAlias = "Callable[[RunView, str | None], go.Figure]"

CHARTS: Final[Mapping[str, tuple[Chart, str]]] = {
    "Retries": (retries, "Each update's attempts and waits, against 100, 200 and 400 ms"),
    "Attempts": (attempts, "How many updates took one write attempt, two, three, ..."),
    "Queue": (queue_length, "How many changes waited for their turn"),
    "Trace": (waterfall, "The spans of the selected update, or of the slowest one"),
    "Latency": (latency, "Time from call to answer: median, p95 and p99 over time"),
    "Throughput": (throughput, "Answers a second over time"),
    "Job": (job_axis, "User commits, cooldown bands and runs of the background job"),
    "Versions": (versions, "The version's number over time, by who committed: users or the job"),
    "Caches": (caches, "Each user's cache over time: Fresh, Stale or Empty"),
}
"""Name of a chart to what draws it and what it shows."""

MOST_POINTS: Final = 300
"""Points of a trace; each change sends all of them again."""

REDRAW_S: Final = 1.0
BOX_HEIGHT: Final = 440
_LEAST_HEIGHT: Final = 420
_BELOW_LANES: Final = 150
"""Pixels that the axis and the legend of a chart take."""


class ChartBox(anywidget.AnyWidget):
    """Gives the box of the chart beside it an accessible name, and the chart the width of its box.

    `label` is that name, `height` that of the chart in pixels, `scroll_to` how far down a chart
    that is higher than its box is looked at; `is_on_page` becomes true when a page shows it.
    """

    _esm = Path(__file__).with_name("chart_box.js")
    label = traitlets.Unicode().tag(sync=True)
    height = traitlets.Int(0).tag(sync=True)
    scroll_to = traitlets.Int(0).tag(sync=True)
    is_on_page = traitlets.Bool(False).tag(sync=True)


class FiguresPanel:
    """A chart of the record, chosen by name, as a picture or as a table; `widget` is what to show.

    `show` may be called as often as one likes: while something is played a chart is drawn once a
    second at most, and a record that was judged, another selection or another choice at once. Safe
    from any thread, but its widgets are to be shown by one.
    """

    def __init__(self, *, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._lock = threading.RLock()
        self._record = RunView()
        self._selected: str | None = None
        self._drawn: tuple[str, str | None, bool] | None = None
        self._drawn_at = float("-inf")
        self._drawn_record: RunView | None = None
        self._figure: go.Figure | None = None
        self._picture: go.FigureWidget | None = None
        self.choice = ipywidgets.ToggleButtons(
            options=list(CHARTS),
            tooltips=[told for _, told in CHARTS.values()],
            style={"button_width": "auto"},
        )
        self.as_table = ipywidgets.Checkbox(
            description="as a table", indent=False, layout={"width": "auto"}
        )
        self._sentence = ipywidgets.HTML(layout={"width": "auto"})
        self._waiting = ipywidgets.HTML(layout={"width": "auto", "display": "none"})
        self._table = ipywidgets.HTML(layout={"width": "auto", "display": "none"})
        self._box = ipywidgets.Box(
            layout={
                "width": "100%",
                "height": f"{BOX_HEIGHT}px",
                "overflow": "hidden auto",
                "display": "block",
            }
        )
        self._box.add_class("syncsim-chart")
        self.chart_box = ChartBox()
        self.widget = ipywidgets.VBox(
            [
                ipywidgets.HTML(panels.STYLE + chart_table.TABLE_STYLE + _STYLE),
                ipywidgets.Box([self.choice, self.as_table], layout=_WRAPPING),
                self._sentence,
                self._waiting,
                self._box,
                self._table,
                self.chart_box,
            ],
            layout={"width": "100%"},
        )
        self.widget.add_class("syncsim-charts")
        self.choice.observe(self._chose, names="value")
        self.as_table.observe(self._chose, names="value")
        self.chart_box.observe(self._came_on_page, names="is_on_page")

    # -- as values ---------------------------------------------------------------------------------

    @property
    def figure(self) -> go.Figure:
        """The chart that was drawn last, as a value that nothing changes."""
        return self.chart(self.choice.value) if self._figure is None else self._figure

    def chart(self, name: str) -> go.Figure:
        """A chart of `CHARTS` of what is shown now; `UsageError` for another name."""
        if name not in CHARTS:
            raise UsageError("chart", name, f"one of {', '.join(CHARTS)}")
        draw, _ = CHARTS[name]
        return draw(self._record, self._selected)

    def rows(self, name: str | None = None) -> list[dict[str, JSON]]:
        """The table of a chart, of the chosen one unless named: a dict per row."""
        return chart_table.rows(self.chart(name or self.choice.value))

    def as_frame(self, name: str | None = None) -> pandas.DataFrame:
        """The table of a chart as a frame."""
        return charts.as_frame(self.chart(name or self.choice.value))

    # -- showing -----------------------------------------------------------------------------------

    def show(self, record: RunView, selected: str | None = None, *, at_once: bool = False) -> bool:
        """Bring the widgets up to date with a record and the selected `update_id`.

        Answers whether what is shown is up to date now: False where the last drawing is less than
        a second ago, so that the room asks again. `at_once` draws all the same: a replay's slider.
        """
        with self._lock:
            self._record, self._selected = record, selected or None
            return self._show(at_once or record.run is not None)

    def close(self) -> None:
        """Take the widgets off the page; a second call does nothing."""
        with self._lock:
            self.choice.unobserve_all()
            self.as_table.unobserve_all()
            self.chart_box.unobserve_all()
            for child in (*self._box.children, *self.widget.children, self.choice, self.as_table):
                child.close()
            self.widget.close()
            self._picture = None

    def _chose(self, _: object) -> None:
        with self._lock:
            self._show(at_once=True)

    def _came_on_page(self, _: object) -> None:
        """Paint only now: a widget made while the kernel started took no further change."""
        with self._lock:
            if self._figure is not None and not self.as_table.value:
                self._paint(self._figure)

    def _show(self, at_once: bool) -> bool:
        wanted = (self.choice.value, self._selected, bool(self.as_table.value))
        if wanted == self._drawn and self._record is self._drawn_record:
            return True
        now = self._clock.now()
        is_new = self._drawn is None or wanted != self._drawn
        if not (at_once or is_new or not 0 <= now - self._drawn_at < REDRAW_S):
            return False
        self._draw(*wanted)
        self._drawn, self._drawn_at, self._drawn_record = wanted, now, self._record
        return True

    def _draw(self, name: str, selected: str | None, as_table: bool) -> None:
        figure = self.chart(name)
        self._figure = figure
        self._sentence.value = chart_table.sentence_line(figure)
        self.chart_box.label = chart_table.label(figure)
        self._waiting.value = queue_list(pending(self._record), selected) if name == "Queue" else ""
        self._waiting.layout.display = None if name == "Queue" else "none"
        self._table.value = chart_table.table(figure, selected=selected) if as_table else ""
        self._table.layout.display = None if as_table else "none"
        self._box.layout.display = "none" if as_table else "block"
        if not as_table:
            self._paint(figure)

    def _paint(self, figure: go.Figure) -> None:
        """Make the one widget show this chart: new at first, later by what differs."""
        if not self.chart_box.is_on_page:
            return
        data, layout = _sendable(figure)
        self.chart_box.height = layout["height"]
        self.chart_box.scroll_to = _where(layout)
        if self._picture is None:
            self._picture = _figure_widget(data, layout)
            self._box.children = (self._picture,)
            return
        picture = self._picture
        if [trace["type"] for trace in data] != [trace.type for trace in picture.data]:
            with picture.batch_update():
                picture.data = []
            picture.add_traces(data)
        else:
            with picture.batch_update():
                for trace, wanted in zip(picture.data, data, strict=True):
                    _assign(trace, _differences(_plain(trace), wanted))
        with picture.batch_update():
            _assign(picture.layout, _differences(_plain(picture.layout), layout))
        # What a page that loads its script only now, or is loaded again, will show.
        picture._widget_data, picture._widget_layout = deepcopy(picture._data), layout


_WRAPPING: Final = {"flex_flow": "row wrap", "align_items": "center", "width": "100%"}
_STYLE: Final = """<style>
.syncsim-chart > * { width: 100%; max-width: 100%; margin: 0; }
.syncsim-chart:empty::before { content: "Drawing the chart...";
  color: var(--jp-ui-font-color2, #555); }
</style>"""


def _figure_widget(data: Sequence[Mapping[str, Any]], layout: Mapping[str, Any]) -> Any:
    """The one widget, announced to the page in a single message that holds all it shows.

    Plotly announces it empty and tells the rest in messages of their own; of those a busy page has
    been seen to lose the first ones, after which it takes no other.
    """
    try:
        import plotly.graph_objects as go
    except ImportError:
        raise MissingExtraError("viz", "the charts of the control room") from None

    class Picture(go.FigureWidget):  # type: ignore[misc]
        is_complete = False

        def open(self) -> None:
            if self.is_complete:
                super().open()

    picture = Picture(data=list(data), layout=dict(layout))
    picture._config = {"responsive": True, "displaylogo": False}
    picture.is_complete = True
    picture.open()
    return picture


def _sendable(figure: go.Figure) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The figure as plain JSON for the page: without its table, as wide as its box, bounded."""
    told = figure.to_plotly_json()
    layout = {key: value for key, value in told["layout"].items() if key not in ("meta", "title")}
    for name in [name for name in layout if name.startswith(("xaxis", "yaxis"))]:
        layout[name] = {**layout[name], "tickmode": _tick_mode(layout[name])}
    layout |= {
        "autosize": True,
        "height": max(layout.get("height") or 0, _LEAST_HEIGHT),
        "margin": {**layout.get("margin", {}), "t": 20},
    }
    return [_bounded(trace) for trace in told["data"]], layout


def _tick_mode(axis: Mapping[str, Any]) -> str:
    """How the page finds the places of an axis.

    Said always: where one chart replaces another that gave a distance, the page keeps to that, and
    writes numbers for the names of lanes.
    """
    if axis.get("tickvals"):
        return "array"
    return "auto" if axis.get("dtick") is None else "linear"


def _where(layout: Mapping[str, Any]) -> int:
    """How far down the selected lane is, so that it stands in the middle of the box; else 0."""
    bands = [shape["y0"] for shape in layout.get("shapes", ()) if shape.get("xref") == "paper"]
    if not bands:
        return 0
    lanes = len(layout["yaxis"]["ticktext"])
    down = (bands[0] + 0.5) / lanes * (layout["height"] - _BELOW_LANES)
    return max(int(down - BOX_HEIGHT / 2), 0)


def _bounded(value: Any) -> Any:
    """The value with no array of more than `MOST_POINTS`, in case a chart does not see to it."""
    if isinstance(value, dict):
        return {key: _bounded(item) for key, item in value.items() if key != "uid"}
    if isinstance(value, list | tuple):
        return list(value[-MOST_POINTS:])
    return value


def _plain(part: Any) -> dict[str, Any]:
    """A trace or a layout of the widget as JSON, without its `uid` and `type`."""
    told: dict[str, Any] = part.to_plotly_json()
    return {key: value for key, value in told.items() if key not in ("uid", "type")}


def _differences(old: Any, new: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """What to assign, by dotted path, so that `old` becomes `new`; None takes a value away."""
    told: dict[str, Any] = {}
    for key in {*old, *new} - {"type", "template"} if not path else {*old, *new}:
        before, after = old.get(key), new.get(key)
        where = f"{path}.{key}" if path else key
        if isinstance(before, dict) and isinstance(after, dict):
            told |= _differences(before, after, where)
        elif isinstance(before, dict) and after is None:
            told |= _differences(before, {}, where)
        elif _listed(before) != _listed(after):
            told[where] = after
    return told


def _listed(value: Any) -> Any:
    """The value; None for an empty list, as both say the same."""
    return (list(value) or None) if isinstance(value, tuple | list) else value


def _assign(part: Any, told: Mapping[str, Any]) -> None:
    for path, value in told.items():
        part[path] = value
