"""The panels below the log, in tabs: only the one that is seen is brought up to date."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import ipywidgets  # type: ignore[import-untyped]

from syncsim.lab.results.run import Run
from syncsim.ui.room.run_view import RunView
from syncsim.ui.room.verdicts import STYLE, verdict_card, verdict_cards

REDRAW_S: Final = 1.0
"""While something plays, the panel that is seen is redrawn this often."""


class Panel(Protocol):
    """What stands in a tab; `show` answers False if it wants to be asked again."""

    @property
    def widget(self) -> Any:
        """What is shown."""

    def show(self, record: RunView, selected: str | None = None) -> bool | None:
        """Bring it up to date with a record and an `update_id`, None for no choice."""


class PanelTabs:
    """`panels` by title; `widget` shows them. `chose` is called when another tab is opened."""

    def __init__(self, panels: Mapping[str, Panel], chose: Callable[[], object]) -> None:
        self.panels = dict(panels)
        self.widget = ipywidgets.Tab(
            [panel.widget for panel in self.panels.values()], layout={"width": "100%"}
        )
        for place, title in enumerate(self.panels):
            self.widget.set_title(place, title)
        self.widget.selected_index = 0
        self._shown: tuple[str, RunView, str | None] | None = None
        self._shown_at = float("-inf")
        self.widget.observe(lambda _: chose(), names="selected_index")

    @property
    def seen(self) -> str:
        """The title of the tab that is open."""
        return list(self.panels)[self.widget.selected_index or 0]

    def open(self, title: str) -> None:
        """Open a tab by its title."""
        self.widget.selected_index = list(self.panels).index(title)

    def show(self, record: RunView, selected: str | None, now: float, *, is_playing: bool) -> None:
        """Bring the open tab up to date, if anything is new and it is time; seconds."""
        wanted = (self.seen, record, selected)
        if self._is(wanted):
            return
        if is_playing and self._shown is not None and self._shown[0] == self.seen:
            if not 0 <= now - self._shown_at < REDRAW_S:
                self._draw(wanted, now)
        else:
            self._draw(wanted, now)

    def _is(self, wanted: tuple[str, RunView, str | None]) -> bool:
        shown = self._shown
        if shown is None or (shown[0], shown[2]) != (wanted[0], wanted[2]):
            return False
        old, new = shown[1], wanted[1]
        if old is new:
            return True
        parts = (old.run is new.run, old.versions is new.versions or old.versions == new.versions)
        return all(parts) and len(old.events) == len(new.events) and old.now == new.now

    def _draw(self, wanted: tuple[str, RunView, str | None], now: float) -> None:
        title, record, selected = wanted
        self._shown, self._shown_at = wanted, now
        if self.panels[title].show(record, selected) is False:
            self._shown = None

    def forget(self) -> None:
        """Draw anew at the next chance, whatever was shown."""
        self._shown = None

    def close(self) -> None:
        """Close the panels that can be closed."""
        for panel in self.panels.values():
            close = getattr(panel, "close", None)
            if close is not None:
                close()
        self.widget.close()


class VerdictPanel:
    """The newest verdict of each button, in the order of `add`."""

    def __init__(self) -> None:
        self.widget = ipywidgets.HTML(layout={"width": "100%"})
        self._cards: dict[str, str] = {}
        self.forget()

    def add(self, title: str, run: Run) -> None:
        """Add a verdict; it replaces that of an earlier run of the title."""
        self._cards.pop(title, None)
        self._cards = {title: verdict_card(title, run), **self._cards}
        self._draw()

    def forget(self) -> None:
        """Remove every verdict."""
        self._cards = {}
        self._draw()

    def show(self, record: RunView, selected: str | None = None) -> bool | None:
        """A verdict is of a whole run, so there is nothing to do at event k."""
        return None

    def _draw(self) -> None:
        self.widget.value = STYLE + verdict_cards(self._cards.values())
