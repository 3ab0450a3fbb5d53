"""The control room: buttons, selectors, the live panels, a time slider, and tabs, on one page.

A click starts work and returns. One thread plays (`player`); another shows, ten times a second,
what the first has told, and is the only one that touches a widget. So a slow scenario cannot freeze
the page. Everything the room shows can be read as values too.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from os import PathLike
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, Final

from syncsim.errors import MissingExtraError, StoreUnavailableError, UsageError
from syncsim.events.kinds import Event
from syncsim.events.live_log import clock_zone
from syncsim.lab.history.findings import Finding
from syncsim.lab.results.run import Run
from syncsim.runtime.environment import SystemClock
from syncsim.ui import panels
from syncsim.ui.run_buttons import PLAYS, RunRequest
from syncsim.ui.run_queue import Began, Ended, RunQueue, drained
from syncsim.ui.runs_table import played_frame

try:
    import ipywidgets  # type: ignore[import-untyped]
except ImportError:
    raise MissingExtraError("viz", "the control room") from None

from syncsim.ui.pressing import Buttons, below
from syncsim.ui.room.feed import Feed
from syncsim.ui.room.figures import FiguresPanel
from syncsim.ui.room.live import Live
from syncsim.ui.room.live_versions import LiveVersions
from syncsim.ui.room.panel_tabs import Panel, PanelTabs, VerdictPanel
from syncsim.ui.room.replay import Replay
from syncsim.ui.room.run_session import FinishedRun, RunSession, saved_run
from syncsim.ui.room.run_stores import RunStores
from syncsim.ui.room.run_view import RunView
from syncsim.ui.room.selectors import Selectors
from syncsim.ui.room.versions.conflict_panel import ConflictPanel
from syncsim.ui.room.versions.history_panel import HistoryPanel
from syncsim.ui.room.versions.look import GROUNDS, INKS

if TYPE_CHECKING:
    import pandas

RESET: Final = "Reset"
STOP: Final = "Stop"
FRAME_S: Final = 0.1
TICK_S: Final = 1.0
"""While something plays, the page says its progress this often: a screen reader reads it aloud."""

_logger = logging.getLogger(__name__)
_ABOUT_A_SETTING: Final = (UsageError, StoreUnavailableError)
_SETTING: Final = "Change this setting, then press the button again."
_UNEXPECTED: Final = (
    "Nothing is running any more. Press the button again, or Reset; the traceback is in the log "
    "(in JupyterLab: View > Show Log Console)."
)


class ControlRoom(ipywidgets.VBox):  # type: ignore[misc]
    """The page as a widget. `buttons`, `selectors` and `panels` have their parts by name.

    `live` is status, log and caches; `replay.slider` the time slider.
    """

    def __init__(self, chosen: Selectors) -> None:
        self._clock = SystemClock()
        self._closing = threading.Event()
        self._wishes: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self._stage = RunSession()
        self._keeping = RunStores()
        self._versions = LiveVersions()
        self._alarm = self._selected = self._notice = ""
        self._is_replaying = False
        self._drawn: tuple[int, str] | None = None
        self._told: tuple[str, float] = ("", 0.0)
        self._chosen = chosen
        self.selectors = self._chosen.by_name
        self._make_widgets()
        super().__init__(
            [
                ipywidgets.HTML(panels.STYLE + _STYLE, layout={"margin": "0"}),
                ipywidgets.Box(list(self.buttons.values()), layout=_WRAPPING),
                self._chosen.widget,
                self._progress,
                self._error,
                self.live,
                self.replay.widget,
                self._shelf.widget,
            ],
            layout={"width": "100%", "overflow": "hidden"},
        )
        self.add_class("syncsim-room")
        self._draw(self._clock.now())
        self._player = RunQueue("syncsim-room")
        self._thread = threading.Thread(
            target=self._show_frames, name="syncsim-room-show", daemon=True
        )
        self._thread.start()

    # -- as values ---------------------------------------------------------------------------------

    @property
    def events(self) -> tuple[Event, ...]:
        """What happened since the last reset, the newest 10,000 events."""
        return tuple(self._stage.events)

    @property
    def runs(self) -> tuple[Run, ...]:
        """The runs played or opened since the last reset, oldest first."""
        return tuple(played.run for played in self._stage.played)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was found in them; empty if all passed."""
        return self._stage.findings

    @property
    def record(self) -> RunView:
        """What the panels show: the run, up to where the slider stands."""
        return self._stage.record(self.replay.k)

    @property
    def alert(self) -> str:
        """The error panel as HTML; "" if there is nothing to say."""
        return self._alarm

    def as_frame(self) -> pandas.DataFrame:
        """A row per run since the last reset, with its figures; see `runs_table.played_frame`."""
        return played_frame((played.title, played.run) for played in self._stage.played)

    def wait(self, timeout_s: float = 60.0) -> bool:
        """Block until everything clicked is done and shown; False after `timeout_s` seconds."""
        return self._buttons.wait(timeout_s)

    def open_run(self, path: str | PathLike[str]) -> None:
        """Replay a run that `syncsim run --save` wrote; `UsageError` for another file."""
        run, title = saved_run(path), Path(path).name
        self._later(lambda: self._add(title, run, None, is_replay=True))

    def close(self) -> None:
        """End the threads and take the page away; a second call does nothing.

        What is being played is stopped; a solution that cannot be stopped is not waited for.
        """
        if self._closing.is_set():
            return
        self.end()
        self.replay.close()
        self._shelf.close()
        for widget in below(self):
            widget.close()
        super().close()

    def end(self) -> None:
        """End the threads and delete the room's files; what the page shows stays as it is."""
        self._closing.set()
        self._player.close(5 * FRAME_S)
        self._thread.join(5 * FRAME_S)
        self._buttons.give_up()
        self._versions.close()
        self._keeping.close()

    def __repr__(self) -> str:
        count = len(self._stage.played)
        return f"<syncsim control room, {count} runs played; run the cell to see its buttons>"

    # -- clicks: they start something and return ---------------------------------------------------

    def _pressed(self, name: str) -> None:
        if self._closing.is_set():
            self._buttons.free(1)
        elif name == RESET:
            self._player.click(name)
        else:
            try:
                order = self._keeping.kept(self._chosen.order(name))
            except Exception as error:
                self._fail(name, error)
                self._error.value = self._alarm
                self._buttons.free(1)
            else:
                self._player.click(name, order)

    def _stopped(self, _: object) -> None:
        if not self._closing.is_set():
            self._notice = "stopping..." if self._stage.playing else "nothing is being played"
            self._player.stop()
            self._later(_nothing)

    def _moved(self) -> None:
        """Show another record: the user moved the slider or chose another run."""
        self._later(self._choose)

    def _selected_one(self, change: Any) -> None:
        selected = change["new"]
        self._later(lambda: self._select(selected))

    def _later(self, wish: Callable[[], object]) -> None:
        """Have the thread that shows carry out the wish; `wait` waits for it."""
        if not self._closing.is_set():
            self._buttons.expect()
            self._wishes.put(wish)

    # -- showing: in a thread of its own -----------------------------------------------------------

    def _show_frames(self) -> None:
        while not self._closing.wait(FRAME_S):
            self._frame()

    def _frame(self) -> None:
        done = 0
        try:
            for wish in drained(self._wishes):
                done += 1
                wish()
            for news in drained(self._player.news):
                done += isinstance(news, Ended)
                self._take(news)
            self._draw(self._clock.now())
        except Exception as error:
            _logger.exception("the control room could not show what happened")
            self._fail("The room", error)
            self._error.value = self._alarm
        finally:
            if done:
                self._buttons.free(done)

    def _take(self, news: Began | Event | Ended) -> None:
        match news:
            case Event():
                self._stage.see(news)
                self._versions.see(news)
                playing = self._stage.playing
                if playing is not None and playing[0].on == "threads":
                    self._feed.put(news)
            case Began(order):
                self._begin(order)
            case Ended(button, None, None) if button == RESET:
                self._forget()
            case Ended(button, order, result):
                self._stage.end()
                if not isinstance(result, Run):
                    self._stage.versions = self._versions.read(self._clock.now(), at_once=True)
                self._versions.close()
                if isinstance(result, Run):
                    url = None if order is None else self._keeping.url(order)
                    self._add(button, result, url, is_replay=result.token is not None)
                elif isinstance(result, Exception):
                    self._fail(button, result)
                else:
                    self._notice = f"{button} was called off"

    def _begin(self, order: RunRequest) -> None:
        now = self._clock.now()
        self._alarm = self._notice = ""
        self._stage.begin(order, now)
        self._versions.begin(self._keeping.url(order))
        self._keeping.forbid(self._conflicts, self._history)
        self._offer()
        if order.on == "threads":
            self._is_replaying = False
            told = (f"{order.button}: {order.play.scenario}", f"seed {order.seed}", clock_zone(now))
            title = ", ".join(filter(None, told))
            self._feed.begin(title, order.plan.users)

    def _add(self, title: str, run: Run, store: str | None, *, is_replay: bool) -> None:
        """Take up a run that is to be shown."""
        self._notice = run.findings[0].message if run.inconclusive else ""
        played = self._stage.add(title, run, store)
        self._verdicts.add(title, run)
        self._alarm = panels.refused(title, run)
        self._is_replaying = is_replay or run.setting.on == "simulation"
        self._settle(played)
        self._offer()

    def _settle(self, played: FinishedRun) -> None:
        """Let the panels write to the run's store; outside a replay, settle its newest version."""
        self._keeping.allow(played, self._conflicts, self._history)
        if not self._is_replaying:
            for final in played.run.history.finals[-1:]:
                self._feed.standing.settle(final.template_id, final.version)

    def _offer(self) -> None:
        """Have the slider go over the shown run from its first to its last event."""
        played, shown = self._stage.played, self._stage.shown
        chosen = None if shown is None else played.index(shown)
        events = 0 if shown is None else len(shown.record.events)
        self.replay.offer([one.label for one in played], chosen, events)
        self._drawn = None

    def _choose(self) -> None:
        """Take up a move of the slider, or the choice of another run."""
        place = self.replay.place
        if self._stage.playing is None and place is not None:
            self._is_replaying = True
            if self._stage.played[place] is not self._stage.shown:
                self._stage.shown = self._stage.played[place]
                self._settle(self._stage.shown)
                self._offer()

    def _select(self, selected: str) -> None:
        self._selected = selected

    def _changed(self) -> None:
        """A panel has written to the store of the run that is shown; from any thread."""
        self._later(self._reread)

    def _reread(self) -> None:
        shown = self._stage.shown
        if shown is not None and shown.store is not None:
            changed = replace(shown, record=self._keeping.reread(shown))
            self._stage.refresh(changed)
            newest = changed.record.versions[-1]
            self._feed.standing.settle(newest.template_id, newest.version)

    def _forget(self) -> None:
        self._stage.forget()
        self._verdicts.forget()
        self._feed.reset()
        self._keeping.forget()
        self._is_replaying = False
        self._alarm = ""
        self._notice = "forgotten what was played; what is in a store of your own is still there"
        self._offer()
        self.live.selected = ""

    def _fail(self, what: str, error: Exception) -> None:
        _logger.debug("shown: %r", error)
        todo = _SETTING if isinstance(error, _ABOUT_A_SETTING) else _UNEXPECTED
        self._alarm = panels.alert(f"{what}: {type(error).__name__}", str(error), todo)

    # -- the widgets -------------------------------------------------------------------------------

    def _make_widgets(self) -> None:
        tooltips = {name: play.button.tooltip for name, play in PLAYS.items()}
        self._buttons = Buttons(tooltips | {RESET: "Forget what was played"}, self._pressed)
        stop = ipywidgets.Button(
            description=STOP,
            tooltip="End what is being played, and what waits for its turn",
            layout={"width": "auto"},
            disabled=True,
        )
        stop.on_click(self._stopped)
        self.buttons: dict[str, Any] = {**self._buttons.by_name, STOP: stop}
        self.buttons["Trigger All"].button_style = "primary"
        self._progress = ipywidgets.FloatProgress(
            min=0, max=1, layout={"width": "100%", "height": "8px", "margin": "2px 0"}
        )
        self._error = ipywidgets.HTML(layout={"width": "auto", "margin": "0"})
        self.live = Live(opened_at=self._clock.now() * 1000)
        self._feed = Feed(self.live)
        self.live.observe(self._selected_one, names="selected")
        self.replay = Replay(self._moved)
        self._verdicts = VerdictPanel()
        self._conflicts = ConflictPanel(changed=self._changed)
        self._history = HistoryPanel(changed=self._changed)
        self.panels: dict[str, Panel] = {
            "Verdicts": self._verdicts,
            "Conflicts": self._conflicts,
            "History": self._history,
            "Charts": FiguresPanel(),
        }
        self._shelf = PanelTabs(self.panels, lambda: self._later(_nothing))

    def open_tab(self, title: str) -> None:
        """Open a tab by its title, as a click on it does."""
        self._shelf.open(title)

    def _draw(self, now: float) -> None:
        """Bring the widgets up to date; what has not changed is not sent again."""
        self._error.value = self._alarm
        playing = self._stage.playing
        self.buttons[STOP].disabled = playing is None
        done, total = self._player.done if playing is not None else (0, 0)
        self._progress.value = done / total if total else 0.0
        self._progress.layout.visibility = "hidden" if playing is None else "visible"
        if playing is not None:
            self._stage.versions = self._versions.read(now)
        record = self.record
        if self._is_replaying and playing is None:
            self._replay_until(record)
        else:
            self._drawn = None
            self._feed.activity = self._activity(now)
            self._feed.frame(now)
        self._shelf.show(record, self._selected or None, now, is_playing=playing is not None)

    def _replay_until(self, record: RunView) -> None:
        shown = self._stage.shown
        label = "" if shown is None else shown.label
        told = f"{label}: event {self.replay.k} of {self.replay.slider.max}"
        told = f"{told}; {self._notice}" if self._notice else told
        drawn = (id(record.versions), told)
        if drawn != self._drawn:
            self._drawn = drawn
            self._feed.activity = told
            self._feed.show(record.events, record.now, users=_users(shown))

    def _activity(self, now: float) -> str:
        """What is being done, in words that change once a second."""
        playing = self._stage.playing
        if playing is None:
            return self._notice or "idle; press a button"
        order, began = playing
        said, at = self._told
        if not said.startswith(f"playing {order.button},") or not 0 <= now - at < TICK_S:
            said = f"playing {order.button}, {now - began:.0f} s, {self._player.progress}"
            self._told = (said, now)
        return f"{said}; {self._notice}" if self._notice else said


_WRAPPING: Final = {"flex_flow": "row wrap", "align_items": "center", "width": "100%"}
_DARK: Final = '[data-jp-theme-light="false"] .syncsim-room'
_PALE_ARROW: Final = (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 18 18'%3E"
    "%3Cpath fill='%23e8e8e8' d='M5.2 6.9 9 10.7l3.8-3.8 1.2 1.2-5 5-5-5z'/%3E%3C/svg%3E"
)
_STYLE: Final = f"""<style>
.syncsim-room .syncsim-error {{ margin: 2px 0; }}
{_DARK} .syncsim {{ color: {INKS["ink"][1]}; background: {GROUNDS[1]}; }}
{_DARK} .syncsim-error {{ border-color: {INKS["conflict"][1]}; }}
{_DARK} .syncsim-error b {{ color: {INKS["conflict"][1]} !important; }}
.syncsim-room .widget-checkbox label {{ display: flex; align-items: center; height: 100%; }}
.syncsim-room .widget-checkbox input {{ margin-top: 0; margin-bottom: 0; }}
{_DARK} {{ --jp-widgets-dropdown-arrow: url("{_PALE_ARROW}"); }}
</style>"""


def _users(shown: FinishedRun | None) -> tuple[str, ...]:
    operations = () if shown is None else shown.run.history.operations
    return tuple(dict.fromkeys(o.user for o in operations if o.user != "background"))


def _nothing() -> None:
    """Do nothing: the caller wishes only for something that `wait` waits for."""
