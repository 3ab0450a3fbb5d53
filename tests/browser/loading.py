"""In the kernel of a browser test: the live panels, and threads that bring them events at a rate.

Imported by a notebook that a test writes beside it; the buttons do what a test asks for, the last
line is what the kernel has counted, as JSON.
"""

from __future__ import annotations

import json
import threading
import time
from itertools import count
from typing import Any

import ipywidgets

from syncsim.events.kinds import Event
from syncsim.ui.room.feed import Feed
from syncsim.ui.room.live import Live

USERS = ("ann", "ben", "cleo", "background")
STEPS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("update.started", {"base": "1-0a0b0c0d"}),
    ("update.conflict", {"attempt": 1, "expected": "1-0a0b0c0d", "actual": "2-1a1b1c1d"}),
    ("update.retry", {"attempt": 1, "nominal_s": 0.1, "delay_s": 0.0971}),
    ("update.queued", {"position": 1}),
    ("update.committed", {"attempts": 2, "conflicts": 1, "merged": 3, "latency_s": 0.104}),
    ("cache.hit", {}),
    ("cache.miss", {"reason": "stale"}),
    ("cache.filled", {}),
)
"""What an update says; versions are added. The last is no row of the log."""


def told() -> Any:
    """Events without end: updates of four users, one after the other."""
    numbers = count(1)
    for update in count(1):
        user = USERS[update % len(USERS)]
        for kind, facts in STEPS:
            facts = facts | {"version": f"{update}-{update * 2654435761 % 2**32:08x}"}
            yield Event.of(next(numbers), kind, time.time(), user, f"u{update}", "form", facts)


class Loaded(ipywidgets.VBox):  # type: ignore[misc]
    """Live panels with buttons: 100 or 1,000 events a second, and one that only answers."""

    def __init__(self, seconds: float = 30.0) -> None:
        self.live = Live()
        self.feed = Feed(self.live, users=USERS)
        self.figures = ipywidgets.Label("{}")
        self.figures.add_class("figures")
        self.seconds = seconds
        self.clicks = self.made = 0
        self.events = told()
        self.rates = {f"{rate} a second": rate for rate in (100, 1000)}
        names = (*self.rates, "Answer")
        self.buttons = {name: ipywidgets.Button(description=name) for name in names}
        for name in self.rates:
            self.buttons[name].on_click(lambda _, name=name: self.start(self.rates[name]))
        self.buttons["Answer"].on_click(self.answer)
        self.buttons["Answer"].add_class("answer")
        self.live.observe(self.tell_selected, names="selected")
        threading.Thread(target=self.show_frames, name="frames", daemon=True).start()
        super().__init__([ipywidgets.HBox(list(self.buttons.values())), self.figures, self.live])

    def answer(self, button: ipywidgets.Button) -> None:
        self.clicks += 1
        button.description = f"Answer {self.clicks}"

    def tell_selected(self, change: Any) -> None:
        self.figures.value = f"selected: {change['new']}"

    def start(self, rate: int) -> None:
        threading.Thread(target=self.load, args=(rate,), name="load", daemon=True).start()

    def show_frames(self) -> None:
        pause = threading.Event()
        while not pause.wait(0.1):
            self.feed.frame(time.time())

    def load(self, rate: int) -> None:
        """For so many seconds; what the kernel spent on it, the making of events left out."""
        self.feed.activity = f"{rate} events a second"
        pause, made = threading.Event(), 0
        began, cpu, own = time.perf_counter(), time.process_time(), time.thread_time()
        while (passed := time.perf_counter() - began) < self.seconds:
            for _ in range(int(passed * rate) - made):
                self.feed.put(next(self.events))
                made += 1
            pause.wait(0.01)
        spent = time.process_time() - cpu - (time.thread_time() - own)
        self.made += made
        while self.feed.totals.events < self.made and passed < self.seconds + 10:
            pause.wait(0.05)
            passed = time.perf_counter() - began
        self.feed.activity = "idle"
        totals = self.feed.totals
        self.figures.value = json.dumps(
            {
                "rate": rate,
                "made": self.made,
                "events": totals.events,
                "rows": totals.rows,
                "skipped": totals.skipped,
                "cpu_share": spent / self.seconds,
            }
        )
