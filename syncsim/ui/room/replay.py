"""The time slider: which run is shown, and up to which of its events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import ipywidgets  # type: ignore[import-untyped]

NONE: Final = -1
"""The choice of no run: what is being played, or nothing."""


class Replay:
    """`run` chooses among runs, `slider` an event: k = how many events have happened.

    `moved` is called after either was changed by a person (or a cell); not by `offer`.
    """

    def __init__(self, moved: Callable[[], object]) -> None:
        self._moved = moved
        self._is_offering = False
        self.run = ipywidgets.Dropdown(
            options=[("nothing yet", NONE)],
            description="Shown",
            tooltip="Which run the panels show",
            layout={"width": "330px", "max_width": "100%", "margin": "2px 0"},
            style={"description_width": "80px"},
        )
        self.play = ipywidgets.Play(
            value=0, min=0, max=0, interval=150, show_repeat=False, tooltip="Replay event by event"
        )
        self.slider = ipywidgets.IntSlider(
            value=0,
            min=0,
            max=0,
            description="Event",
            tooltip="The panels show what had happened after so many events",
            layout={"flex": "1 1 260px", "width": "auto"},
            style={"description_width": "50px"},
        )
        self._link = ipywidgets.jslink((self.play, "value"), (self.slider, "value"))
        self.widget = ipywidgets.Box(
            [self.run, self.play, self.slider],
            layout={"flex_flow": "row wrap", "align_items": "center", "width": "100%"},
        )
        self.run.observe(self._changed, names="value")
        self.slider.observe(self._changed, names="value")
        self.play.observe(self._started, names="playing")
        self.offer([], None, 0)

    @property
    def place(self) -> int | None:
        """The place of the run that is chosen; None for none."""
        return None if self.run.value == NONE else int(self.run.value)

    @property
    def k(self) -> int:
        """How many events are shown."""
        return int(self.slider.value)

    @property
    def is_at_end(self) -> bool:
        """Whether all events are shown."""
        return bool(self.slider.value >= self.slider.max)

    def offer(self, labels: Sequence[str], chosen: int | None, events: int) -> None:
        """Offer these runs, the `chosen` one with `events` events, and show all its events.

        The slider goes first: a page that hears of the other one's new value sets the slider to it
        and would tell us so, late enough to undo the next offer.
        """
        self._is_offering = True
        try:
            numbered = [(f"{place + 1}. {label}", place) for place, label in enumerate(labels)]
            if chosen is None:
                numbered.insert(0, ("what is being played" if labels else "nothing yet", NONE))
            if list(self.run.options) != numbered:
                self.run.options = numbered
            self.run.value = NONE if chosen is None else chosen
            for widget in (self.slider, self.play):
                if chosen is not None or not labels:
                    with widget.hold_trait_notifications():
                        widget.max = events
                        widget.value = events
                widget.disabled = not events
        finally:
            self._is_offering = False

    def close(self) -> None:
        """Take the widgets off the page."""
        self._link.unlink()
        for widget in (self.run, self.play, self.slider, self.widget):
            widget.close()

    def _changed(self, _: Any) -> None:
        if not self._is_offering:
            self._moved()

    def _started(self, change: Any) -> None:
        """Go to the beginning if the user presses Play at the end."""
        if change["new"] and self.is_at_end:
            self.play.value = self.slider.value = 0
