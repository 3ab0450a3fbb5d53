"""The tour's panel: a button per scenario, with its live log, its verdict and its charts.

A click queues work and returns. One thread plays (`player`); another shows, ten times a second,
what the first has told. So a slow scenario cannot freeze the page, and what is shown is decided in
one place. Everything the panel shows can be read as values too.
"""

from __future__ import annotations

import atexit
import json
import logging
import threading
from collections import deque
from itertools import count
from typing import TYPE_CHECKING, Final

from syncsim.contract import JSON
from syncsim.environment import SystemClock
from syncsim.errors import MissingExtraError
from syncsim.events.kinds import Event
from syncsim.events.live_log import clock_zone
from syncsim.lab.result import Run
from syncsim.lab.scenarios import DEFAULT_TEMPLATE
from syncsim.template.samples import sample
from syncsim.ui import charts, panels
from syncsim.ui.played import played_frame
from syncsim.ui.player import Began, Ended, News, Player, drained
from syncsim.ui.plays import PLAYS, Order
from syncsim.ui.pressing import Buttons, below
from syncsim.ui.standing import Standing

try:
    import ipywidgets  # type: ignore[import-untyped]
except ImportError:
    raise MissingExtraError("viz", "the tour's panel") from None

if TYPE_CHECKING:
    import pandas
    import plotly.graph_objects as go  # type: ignore[import-untyped]

RESET: Final = "Reset"
CHART: Final = "Chart"
FRAME_S: Final = 0.1
TICK_S: Final = 1.0
"""While a scenario plays, its status is told this often: a screen reader reads it aloud."""

MOST_EVENTS: Final = 10_000

_logger = logging.getLogger(__name__)
_CHARTS: Final = ("Retries", "Versions", "Caches", "Attempts", "Latency")
_UNEXPECTED: Final = (
    "Nothing is running any more. Press the button again, or Reset; the traceback is in the log "
    "(in JupyterLab: View > Show Log Console)."
)


class Tour(ipywidgets.VBox):  # type: ignore[misc]
    """The panel as a widget; `buttons` has its buttons by name, `close()` ends its threads.

    Every click plays with a seed of its own: `seed`, `seed` + 1, ... The longest scenario,
    Background Job, takes six seconds of real time.
    """

    _events: deque[Event]
    _runs: list[tuple[str, Run]]
    _lines: deque[str]
    _cards: dict[str, str]
    _standing: Standing
    _playing: tuple[str, float] | None
    _alarm: str

    def __init__(self, *, template: str = DEFAULT_TEMPLATE, seed: int = 7) -> None:
        self._clock = SystemClock()
        self._closing = threading.Event()
        self._template = template
        self._seeds = count(seed)
        self._forget()
        self._make_widgets()
        super().__init__(
            [
                ipywidgets.HTML(panels.STYLE),
                ipywidgets.Box(list(self.buttons.values()), layout=_WRAPPING),
                self._status,
                self._error,
                self._log,
                self._verdicts,
                ipywidgets.Box([self._choice, self._as_table], layout=_WRAPPING),
                self._picture,
            ]
        )
        self._draw(self._clock.now())
        self._player = Player("syncsim-tour")
        self._thread = threading.Thread(
            target=self._show_frames, name="syncsim-tour-show", daemon=True
        )
        self._thread.start()

    # -- as values ---------------------------------------------------------------------------------

    @property
    def events(self) -> tuple[Event, ...]:
        """What happened in the scenarios since the last reset, the newest 10,000 events."""
        return tuple(self._events)

    @property
    def runs(self) -> tuple[Run, ...]:
        """The scenarios played since the last reset, oldest first."""
        return tuple(played for _, played in self._runs)

    def as_frame(self) -> pandas.DataFrame:
        """A row per scenario played since the last reset; see `played.played_frame`."""
        return played_frame(self._runs)

    def wait(self, timeout_s: float = 60.0) -> bool:
        """Block until everything clicked has been played and is shown; False after `timeout_s`."""
        return self._buttons.wait(timeout_s)

    def close(self) -> None:
        """End the threads and take the panel off the page; a second call does nothing.

        A scenario that is being played is stopped.
        """
        if self._closing.is_set():
            return
        self._closing.set()
        self._player.close(5 * FRAME_S)
        self._thread.join(5 * FRAME_S)
        for widget in below(self):
            widget.close()
        super().close()

    def __repr__(self) -> str:
        return (
            f"<syncsim tour, {len(self._runs)} scenarios played; run the cell to see its buttons>"
        )

    # -- showing: in a thread of its own -----------------------------------------------------------

    def _show_frames(self) -> None:
        while not self._closing.wait(FRAME_S):
            self._show_news()

    def _show_news(self) -> None:
        ended = 0
        try:
            for news in drained(self._player.news):
                ended += isinstance(news, Ended)
                self._is_old = True
                self._take(news)
            now = self._clock.now()
            if self._is_old or now - self._drawn_at >= TICK_S:
                self._draw(now)
        except Exception as error:
            _logger.exception("the tour could not show what happened")
            self._alarm = panels.alert(type(error).__name__, str(error), _UNEXPECTED)
            self._error.value = self._alarm
        finally:
            if ended:
                self._buttons.free(ended)

    def _take(self, news: News) -> None:
        """Add one piece of news to what is to be shown."""
        match news:
            case Event():
                self._events.append(news)
                self._standing.see(news)
                line = panels.log_line(news)
                if line is not None:
                    self._lines.append(line)
            case Began(order):
                self._standing = Standing()
                self._alarm = ""
                now = self._clock.now()
                self._playing = (order.button, now)
                self._status_at = 0.0
                told = (f"{order.button}: {order.play.scenario}", f"seed {order.seed}")
                title = ", ".join(filter(None, (*told, clock_zone(now))))
                self._lines.append(panels.heading_line(title))
            case Ended(button, _, None) if button == RESET:
                self._forget()
            case Ended(_, _, None):
                self._chart_is_old = True
            case Ended(button, _, Run() as played):
                self._ended(button, played)
            case Ended(button, _, error):
                self._playing = None
                what = f"{button}: {type(error).__name__}"
                self._alarm = panels.alert(what, str(error), _UNEXPECTED)

    def _ended(self, button: str, played: Run) -> None:
        self._playing = None
        self._runs.append((button, played))
        self._cards[button] = panels.verdict(button, played)
        self._chart_is_old = True
        for final in played.history.finals[-1:]:
            self._standing.settle(final.template_id, final.version)
        self._alarm = panels.refused(button, played)

    def _forget(self) -> None:
        self._events = deque(maxlen=MOST_EVENTS)
        self._runs = []
        self._lines = deque(maxlen=panels.LOG_LINES)
        self._cards = {}
        self._standing = Standing()
        self._playing = None
        self._alarm = ""
        self._is_old = self._chart_is_old = True
        self._drawn_at = self._status_at = 0.0

    # -- the widgets -------------------------------------------------------------------------------

    def _make_widgets(self) -> None:
        tooltips = {name: play.button.tooltip for name, play in PLAYS.items()}
        self._buttons = Buttons(tooltips | {RESET: "Forget what was played"}, self._pressed)
        self.buttons = self._buttons.by_name
        self.buttons["Trigger All"].button_style = "primary"
        self._status, self._error, self._log, self._verdicts = (
            ipywidgets.HTML(layout={"width": "auto"}) for _ in range(4)
        )
        self._choice = ipywidgets.ToggleButtons(
            options=_CHARTS, style={"button_width": "auto"}, tooltips=["Chart of the last run"] * 5
        )
        self._as_table = ipywidgets.Checkbox(description="as a table", indent=False)
        self._picture = ipywidgets.Output()
        for widget in (self._choice, self._as_table):
            widget.observe(self._chose, names="value")

    def _pressed(self, name: str) -> None:
        """Queue the work; a click from a cell takes the same way."""
        if self._closing.is_set():
            self._buttons.free(1)
        elif name in PLAYS:
            self._player.click(name, Order(name, self._template, next(self._seeds)))
        else:
            self._player.click(name)

    def _chose(self, _: object) -> None:
        """Another chart is wanted; there is nothing to play for that."""
        self._buttons.expect()
        self._player.news.put(Ended(CHART, None, None))

    def _draw(self, now: float) -> None:
        """Bring the widgets up to date; what has not changed is not sent again."""
        self._is_old, self._drawn_at = False, now
        self._error.value = self._alarm
        self._log.value = panels.log(self._lines)
        self._verdicts.value = panels.verdicts(self._cards[n] for n in PLAYS if n in self._cards)
        if self._playing is None or now - self._status_at >= TICK_S:
            self._status_at = now
            self._status.value = panels.status(self._standing, self._activity(now))
        if self._chart_is_old:
            self._chart_is_old = False
            self._picture.outputs = (self._chart(now),)

    def _activity(self, now: float) -> str:
        if self._playing is None:
            return "idle; press a button"
        button, began = self._playing
        return f"playing {button}, {now - began:.0f} s, {self._player.progress}"

    def _chart(self, now: float) -> dict[str, JSON]:
        """The chart as the output of a cell: no widget of its own, so it costs the page little."""
        last = self.runs[-1] if self._runs else None
        figure: go.Figure
        match self._choice.value:
            case "Versions":
                figure = charts.version_history(last or ())
            case "Caches":
                figure = charts.cache_ages(self._standing.caches(now) if last else {})
            case "Attempts":
                figure = charts.attempts_histogram(last or ())
            case "Latency":
                figure = charts.latency_chart(last or ())
            case _:
                figure = charts.retry_timeline(last or ())
        if self._as_table.value:
            table = charts.as_frame(figure).to_html(index=False, na_rep="")
            shown = {"text/html": f'<div style="overflow-x: auto">{table}</div>'}
        else:
            shown = {"application/vnd.plotly.v1+json": json.loads(figure.to_json())}
        shown["text/plain"] = figure.layout.title.text
        return {"output_type": "display_data", "data": shown, "metadata": {}}


_WRAPPING: Final = {"flex_flow": "row wrap", "align_items": "center"}


# -- one panel at a time ---------------------------------------------------------------------------

_open: list[Tour] = []


def tour(*, template: str = DEFAULT_TEMPLATE, seed: int = 7) -> Tour:
    """The panel, to be shown as the last line of a cell; the one opened before is closed.

    `template` is a shipped one (`samples.sample_names`), `seed` that of the first click.
    Raises `UsageError` for a template that is not shipped.
    """
    sample(template)
    _close_all()
    _open.append(Tour(template=template, seed=seed))
    return _open[-1]


@atexit.register
def _close_all() -> None:
    while _open:
        _open.pop().close()
