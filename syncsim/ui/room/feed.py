"""Pass events from workers to the live widget, one message a frame.

Workers only append. A frame drains what has come, folds it, renders the rows, and sends one message
if anything has changed. A replay goes the same way, at event k instead of now.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from syncsim.contract import JSON
from syncsim.events.kinds import Event
from syncsim.events.live_log import detail, printable, render
from syncsim.ui.dashboard_state import DashboardState
from syncsim.ui.drawing import person
from syncsim.ui.panels import is_left_out, look_of, status_facts
from syncsim.ui.room.live import Card, Live, LogRow

CAPACITY: Final = 100_000
"""Events that may wait for a frame; those beyond are counted as skipped."""

ROWS_A_FRAME: Final = 1_000
"""Rows that one message carries; older ones of the same frame are counted as skipped."""

KEPT_ROWS: Final = 10_000
"""Rows that the page keeps."""

TICK_S: Final = 1.0
"""Without events the status is looked at this often: throughput falls while nothing happens."""


@dataclass(frozen=True, slots=True)
class Totals:
    """What was counted since the last reset.

    `events` were folded, `rows` sent, `skipped` rows left out because they came too fast.
    """

    events: int
    rows: int
    skipped: int


@dataclass(frozen=True, slots=True)
class _Beginning:
    title: str
    users: tuple[str, ...]


class Feed:
    """Brings a `Live` up to date; `put` and `begin` from any thread, the rest from one.

    `activity` says what is being done, as typed; `standing` is the fold that is shown.
    """

    standing: DashboardState
    _users: tuple[str, ...]
    _events: int
    _rows: int
    _skipped: int
    _replayed: Sequence[Event] | None
    _status: dict[str, JSON]
    _drawn: str | None
    _told: tuple[str | None, str | None]
    _looked_at: float

    def __init__(self, live: Live, *, users: Iterable[str] = (), capacity: int = CAPACITY) -> None:
        self.live = live
        self.activity = ""
        self._capacity = capacity
        self._overflow = threading.Lock()
        self._waiting: deque[Event | _Beginning] = deque()
        self._lost = 0
        self._forget(users)

    @property
    def totals(self) -> Totals:
        """Events, rows and skipped rows since the last reset."""
        return Totals(self._events, self._rows, self._skipped)

    # -- from any thread ---------------------------------------------------------------------------

    def put(self, event: Event) -> None:
        """Hand over an event; never blocks, and costs a worker one append."""
        if len(self._waiting) < self._capacity:
            self._waiting.append(event)
        else:
            with self._overflow:
                self._lost += 1

    def begin(self, title: str, users: Iterable[str] = ()) -> None:
        """Begin something new, to which all later events belong: a heading, a state from scratch.

        `users` have a card before they do anything.
        """
        self._waiting.append(_Beginning(title, tuple(users)))

    # -- from the frame loop -----------------------------------------------------------------------

    def frame(self, now: float) -> bool:
        """Show what has come since the last frame; False if there was nothing to send.

        `now` is in seconds since the epoch. Call it ten times a second.
        """
        came = [self._waiting.popleft() for _ in range(len(self._waiting))]
        if came and self._replayed is not None:
            self.reset()
        with self._overflow:
            lost, self._lost = self._lost, 0
        lines = [news for news in came if self._fold(news)]
        rows = [_row_of(news, now) for news in lines[-ROWS_A_FRAME:]]
        skipped = lost + len(lines) - len(rows)
        self._rows += len(rows)
        self._skipped += skipped
        sent = False
        are_caches_old = bool(came) or self._newest() != self._told
        is_time = now - self._looked_at >= TICK_S and self._replayed is None
        if are_caches_old or lost or is_time or self._drawn != self.activity:
            is_live = self._replayed is None
            at = now if is_live else self._looked_at
            sent = self._send(rows, skipped, at, are_caches_old=are_caches_old, ticking=is_live)
        self.live.refresh(now)
        return sent

    def show(self, events: Sequence[Event], now: float, *, users: Iterable[str] = ()) -> None:
        """Show these events and no others, as things stood at `now`: a replay at event k.

        Going on or back within one record sends only the difference. Ages stand still. What is put
        afterwards begins anew. Frames go on meanwhile: they keep what a late page finds.
        """
        shown, k = self._replayed, len(events)
        cut = None
        if shown is None or not _is_one_record(shown, events):
            self.reset(users)
        elif k < len(shown):
            cut = self._go_back(events)
        lines = [event for event in events[self._events :] if self._fold(event)]
        rows = [_row_of(event, now) for event in lines[-KEPT_ROWS:]]
        skipped = len(lines) - len(rows)
        self._rows += len(rows)
        self._skipped += skipped
        self._replayed = events
        self._send(rows, skipped, now, are_caches_old=True, ticking=False, cut=cut)

    def reset(self, users: Iterable[str] = ()) -> None:
        """Forget everything shown, on the page too; what waits for a frame stays."""
        self._forget(users)
        self.live.reset()

    # -- state -------------------------------------------------------------------------------------

    def _forget(self, users: Iterable[str]) -> None:
        self.standing = DashboardState()
        self._users = tuple(users)
        self._events = self._rows = self._skipped = 0
        self._replayed = None
        self._status = {}
        self._drawn = None
        self._told = self._newest()
        self._looked_at = float("-inf")

    def _newest(self) -> tuple[str | None, str | None]:
        """The template and version that the store may correct: `DashboardState.settle`."""
        return self.standing.template_id, self.standing.version

    def _fold(self, news: Event | _Beginning) -> bool:
        """Take the news into account; return whether it is a row of the log."""
        if isinstance(news, _Beginning):
            self.standing = DashboardState()
            self._users = news.users
            return True
        self._events += 1
        self.standing.see(news)
        return not is_left_out(news)

    def _go_back(self, events: Sequence[Event]) -> int | None:
        """Go back in the same record; return how many rows stay, None if the page starts anew.

        The page has the newest rows only, so what it dropped would be missing.
        """
        stay = sum(not is_left_out(event) for event in events)
        if self._skipped or self._rows > KEPT_ROWS:
            self.reset(self._users)
            return None
        self.standing = DashboardState(events)
        self._events, self._rows = len(events), stay
        return stay

    def _send(
        self,
        rows: Sequence[LogRow],
        skipped: int,
        now: float,
        *,
        are_caches_old: bool,
        ticking: bool,
        cut: int | None = None,
    ) -> bool:
        self._drawn, self._looked_at, self._told = self.activity, now, self._newest()
        status: dict[str, JSON] = {
            **status_facts(self.standing),
            "Queue length": str(self.standing.queued),
            "Throughput": self.standing.throughput(now),
            "Now": self.activity,
        }
        is_same = status == self._status
        if is_same and not (rows or skipped or are_caches_old or cut is not None):
            return False
        self._status = status
        self.live.show(
            rows=rows,
            skipped=skipped,
            status=None if is_same else status,
            caches=self._cards(now) if are_caches_old else None,
            at=now,
            ticking=ticking,
            cut=cut,
        )
        return True

    def _cards(self, now: float) -> list[Card]:
        return [
            {
                "user": printable(person(user, "System")),
                "state": cache.state,
                "version": None if cache.version is None else printable(cache.version),
                "age_s": cache.age_s,
                "hits": cache.hits,
                "misses": cache.misses,
            }
            for user, cache in self.standing.caches(now, self._users).items()
        ]


def _is_one_record(shown: Sequence[Event], events: Sequence[Event]) -> bool:
    """Whether both are cut from one sequence, so that one goes on where the other ends."""
    k = min(len(shown), len(events))
    return not k or (shown[0] is events[0] and shown[k - 1] is events[k - 1])


def _row_of(news: Event | _Beginning, now: float) -> LogRow:
    if isinstance(news, _Beginning):
        return _row(now * 1000, printable(news.title))
    look = look_of(news)
    return _row(
        news.at * 1000,
        render(news),
        "" if look is None else look.word,
        printable(news.user or ""),
        printable(news.kind),
        printable(news.update_id or ""),
        detail(news),
    )


def _row(
    at: float,
    line: str,
    look: str = "",
    user: str = "",
    kind: str = "",
    update: str = "",
    detail: str = "",
) -> LogRow:
    return LogRow(at=at, line=line, look=look, user=user, kind=kind, update=update, detail=detail)
