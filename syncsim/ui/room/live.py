"""The live widget: status, log and caches, and what a page finds that opens late.

The page's side is `live.js`. Rows, fields and cards go there as messages, which only pages that are
open hear; a synced trait holds the newest of them for a page that opens later. What belongs into a
message is decided in `feed`, not here.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypedDict

from syncsim.contract import JSON
from syncsim.errors import MissingExtraError
from syncsim.ui.drawing import STYLES

try:
    import anywidget
    import traitlets
except ImportError:
    raise MissingExtraError("viz", "the live panels") from None

TAIL: Final = 200
"""Rows that a page finds which opens later."""

KEPT_S: Final = 1.0
"""The synced state is at most this much older than what was sent."""

_HERE: Final = Path(__file__)


class LogRow(TypedDict):
    """One row of the log: text as typed, never markup.

    `at` is in milliseconds since the epoch; `look` a word of `drawing.STYLES` or ""; `kind` that of
    the event, "" for a heading; `user`, `update` (an update's id) and `detail` are "" for none.
    """

    at: float
    line: str
    look: str
    user: str
    kind: str
    update: str
    detail: str


class Card(TypedDict):
    """One cache: Fresh, Stale or Empty; `version` and `age_s` (seconds) are None when Empty."""

    user: str
    state: str
    version: str | None
    age_s: float | None
    hits: int
    misses: int


Fields = Mapping[str, JSON]
"""The status by name: texts, and lists of numbers, which are drawn as a line with a rate per
second. `Now` says what is being done."""


def stylesheet() -> str:
    """The CSS of the widget: `live.css` with the inks of `drawing.STYLES` for either theme."""
    inks = {
        ".syncsim-live": {"chosen": "#EEF6FD", "lit": "#BFE8D6"}
        | {word: look.ink for word, look in STYLES.items()},
        '[data-jp-theme-light="false"] .syncsim-live': {"chosen": "#24384A", "lit": "#1F5C49"}
        | {word: look.pale for word, look in STYLES.items()},
    }
    rules = [
        f"{place} {{ {' '.join(f'--sc-{name}: {color};' for name, color in named.items())} }}"
        for place, named in inks.items()
    ]
    rules += [f".syncsim-live .sc-{word} {{ color: var(--sc-{word}); }}" for word in STYLES]
    rules += [f".syncsim-live .sc-is-{word} {{ --sc-is: var(--sc-{word}); }}" for word in STYLES]
    return "\n".join([_HERE.with_suffix(".css").read_text("utf-8"), *rules])


class Live(anywidget.AnyWidget):
    """The panels on a page; every method may be called from any thread and sends one message.

    `selected` is the id of the update whose row was clicked last, "" for none: observe it, or set
    it. Messages cost the same whether a page is open or not. `opened_at`, in milliseconds since the
    epoch: a page that shows the panels within seconds after it scrolls to the output they are in.
    """

    _esm = _HERE.with_suffix(".js").read_text("utf-8")
    _css = stylesheet()

    selected = traitlets.Unicode("").tag(sync=True)
    looks = traitlets.Dict().tag(sync=True)
    state = traitlets.Dict().tag(sync=True)
    opened_at = traitlets.Float(0.0).tag(sync=True)

    _tail: deque[LogRow]
    _total: int
    _skipped: int
    _status: dict[str, JSON]
    _caches: dict[str, Any]
    _is_old: bool

    def __init__(self, **settings: Any) -> None:
        self._sending = threading.RLock()
        self._epoch = 0
        self._kept_at = float("-inf")
        self._forget()
        signs = {word: {"sign": look.sign} for word, look in STYLES.items()}
        super().__init__(looks=signs, state=self._now_held(), **settings)

    # -- what is shown -----------------------------------------------------------------------------

    def reset(self) -> None:
        """Forget rows, status and caches, on the page too."""
        with self._sending:
            self._epoch += 1
            self._forget()
            self.show(status={}, caches=())
            self.refresh(float("inf"))

    def show(
        self,
        *,
        rows: Sequence[LogRow] = (),
        skipped: int = 0,
        status: Fields | None = None,
        caches: Sequence[Card] | None = None,
        at: float = 0.0,
        ticking: bool = False,
        cut: int | None = None,
    ) -> None:
        """All of the above as one message; `skipped` is how many rows were left out before `rows`.

        `cut` is how many of the rows sent so far stay: the log goes back to there first. None for
        `status` or `caches` leaves them as they are.
        """
        with self._sending:
            message: dict[str, Any] = {"epoch": self._epoch, "rows": list(rows)}
            if cut is not None and cut < self._total:
                for _ in range(min(self._total - cut, len(self._tail))):
                    self._tail.pop()
                self._total = message["cut"] = cut
            self._tail.extend(rows)
            self._total += len(rows)
            self._skipped += skipped
            if status is not None:
                self._status = message["status"] = dict(status)
            if caches is not None:
                cards = {"cards": list(caches), "at": at, "ticking": ticking}
                self._caches = message["caches"] = cards
            message |= {"total": self._total, "skipped": self._skipped}
            self._is_old = True
            self.send(message)

    def refresh(self, now: float) -> None:
        """Bring the synced state up to date if it is more than a second old; `now` in seconds."""
        with self._sending:
            if self._is_old and now - self._kept_at >= KEPT_S:
                self._is_old = False
                self._kept_at = now if now < float("inf") else float("-inf")
                self.state = self._now_held()

    def __repr__(self) -> str:
        return f"<syncsim live panels, {self._total} rows; run the cell to see them>"

    # -- what is held for a page that opens later --------------------------------------------------

    def _forget(self) -> None:
        self._tail = deque(maxlen=TAIL)
        self._total = self._skipped = 0
        self._status = {}
        self._caches = {"cards": [], "at": 0.0, "ticking": False}
        self._is_old = False

    def _now_held(self) -> dict[str, Any]:
        return {
            "epoch": self._epoch,
            "rows": list(self._tail),
            "total": self._total,
            "skipped": self._skipped,
            "status": self._status,
            "caches": self._caches,
        }
