"""Each user's cache over time: Fresh, Stale or Empty, as the events tell.

An entry is Fresh while its version is the newest one that any event has told, in the store's order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from syncsim.contract import BACKGROUND, JSON
from syncsim.events import kinds
from syncsim.events.kinds import Event
from syncsim.ui.drawing import STYLES, Style, counted, lanes, new_figure, person, typed
from syncsim.ui.room.run_view import RunView
from syncsim.ui.room.timing.moments import commits

if TYPE_CHECKING:
    import plotly.graph_objects as go  # type: ignore[import-untyped]

State: TypeAlias = Literal["Fresh", "Stale", "Empty"]
_Owner: TypeAlias = tuple[str, str]
"""A template, and the user whose cache it is in."""

MOST_SPANS: Final = 300
"""Spans of one state that are drawn, the newest; the table has all."""

MOST_LANES: Final = 100
"""Caches that are drawn, the first ones; the table has all."""

COLUMNS: Final = ("user", "template", "state", "version", "from_s", "to_s", "is_now")

_LOOKS: Final[Mapping[State, Style]] = {
    "Fresh": STYLES["committed"],
    "Stale": STYLES["stale"],
    "Empty": Style("empty", "○", "#E3E3E3", STYLES["idle"].ink, "square"),
}


@dataclass(slots=True)
class CacheSpan:
    """A cache in one state; `begin` and `end` are places in the record, the first event is 0.

    `is_now` says that the cache is still so when the record ends.
    """

    template_id: str
    user: str
    state: State
    version: str | None
    begin: int
    end: int
    is_now: bool = False


def spans(record: RunView) -> list[CacheSpan]:
    """What was in each user's cache, from the record's first event to its last.

    A user has a cache from the first event that names that user; until an event puts a version
    there, it is Empty.
    """
    fold = _Fold(record)
    for place, event in enumerate(record.events):
        fold.see(place, event)
    return fold.ended(max(len(record.events) - 1, 0))


class _Fold:
    """The span of each cache that is open, and the newest version of each template."""

    def __init__(self, record: RunView) -> None:
        self._closed: list[CacheSpan] = []
        self._open: dict[_Owner, CacheSpan] = {}
        self._newest: dict[str, str] = {}
        self._holders: dict[tuple[str, str], set[str]] = {}
        self._numbers: dict[tuple[str, str], int] = {}
        for number, one in enumerate(commits(record), 1):
            self._numbers.setdefault((one.template_id, one.version or ""), number)

    def see(self, place: int, event: Event) -> None:
        template_id, version = event.template_id, getattr(event, "version", None)
        if template_id is None or event.user is None:
            return
        owner = (template_id, event.user)
        if owner not in self._open:
            self._open[owner] = CacheSpan(template_id, event.user, "Empty", None, 0, place)
        if not isinstance(version, str) or not isinstance(event, _TELL_OF_A_VERSION):
            return
        if isinstance(event, kinds.CacheFilled):
            self._hold(owner, version)
        self._learn(place, template_id, version)
        if isinstance(event, kinds.CacheFilled):
            self._turn(place, owner, version)

    def ended(self, place: int) -> list[CacheSpan]:
        for one in self._open.values():
            one.end, one.is_now = place, True
        return [*self._closed, *self._open.values()]

    def _learn(self, place: int, template_id: str, version: str) -> None:
        """A version exists; one newer than all before makes the entries of the others stale."""
        before = self._newest.get(template_id)
        number = self._number(template_id, version)
        if before is not None and number <= self._number(template_id, before):
            return
        self._newest[template_id] = version
        for held in (before, version):
            for user in sorted(self._holders.get((template_id, held or ""), ())):
                self._turn(place, (template_id, user), held)

    def _hold(self, owner: _Owner, version: str) -> None:
        template_id, user = owner
        held = self._open[owner].version
        if held is not None:
            self._holders[template_id, held].discard(user)
        self._holders.setdefault((template_id, version), set()).add(user)

    def _turn(self, place: int, owner: _Owner, version: str | None) -> None:
        state: State = "Fresh" if version == self._newest.get(owner[0]) else "Stale"
        before = self._open[owner]
        if (before.state, before.version) != (state, version):
            before.end = place
            self._closed.append(before)
            self._open[owner] = CacheSpan(*owner, state, version, place, place)

    def _number(self, template_id: str, version: str) -> int:
        return self._numbers.get((template_id, version), 0)


_TELL_OF_A_VERSION: Final = (
    kinds.Committed,
    kinds.TemplateCreated,
    kinds.CacheHit,
    kinds.CacheFilled,
    kinds.CacheInvalidated,
)


# -- drawing ---------------------------------------------------------------------------------------


def caches(record: RunView, selected: str | None = None) -> go.Figure:
    """A lane for each cache with what it held when, and in words what it holds at the end.

    Table: a row per span: user, template, state, version, from_s and to_s (since the first event),
    is_now (whether it lasts to the end).
    """
    told = spans(record)
    times = [event.at - record.events[0].at for event in record.events]
    owners = list(dict.fromkeys((one.template_id, one.user) for one in told))
    owners.sort(key=lambda owner: (owner[0], owner[1] == BACKGROUND, owner[1]))
    shown = {owner: lane for lane, owner in enumerate(owners[:MOST_LANES])}
    figure = new_figure(
        _title(told, len(shown), len(owners)),
        COLUMNS,
        [_cells(one, times) for one in told],
        height=140 + 26 * max(len(shown), 4),
        empty="Nobody has read or written a template yet",
        barmode="overlay",
        hovermode="closest",
        legend_traceorder="normal",
    )
    if not told:
        return figure
    axis = _Axis.of(times)
    for state, look in _LOOKS.items():
        mine = [one for one in told if one.state == state and (one.template_id, one.user) in shown]
        _draw(figure, mine, shown, axis, look)
    _say(figure, [one for one in told if one.is_now], shown, axis)
    doer = _doer(record, selected)
    lanes(figure, [_name(owner, owners, doer) for owner in shown])
    figure.update_xaxes(
        title=axis.title, range=[-0.01 * axis.length, 1.4 * axis.length], zeroline=False
    )
    return figure


@dataclass(frozen=True, slots=True)
class _Axis:
    """Where each event lies: at its time, or by its place in a record that takes no time at all."""

    places: Sequence[float]
    length: float
    title: str
    unit: str

    @classmethod
    def of(cls, times: Sequence[float]) -> _Axis:
        if max(times) > min(times):
            highest = list(accumulate(times, max))
            return cls(highest, 1.03 * highest[-1], "time since the first event (s)", " s")
        places = list(range(len(times)))
        return cls(places, len(times), "events in order: they all happened at one time", "")

    def end(self, one: CacheSpan) -> float:
        return self.length if one.is_now else self.places[one.end]


def _draw(
    figure: go.Figure,
    told: Sequence[CacheSpan],
    shown: Mapping[_Owner, int],
    axis: _Axis,
    look: Style,
) -> None:
    """The bars of one state; a span that took no time has none."""
    mine = [one for one in told if axis.end(one) > axis.places[one.begin]][-MOST_SPANS:]
    if mine:
        figure.add_bar(
            name=f"{look.sign} {mine[0].state}",
            orientation="h",
            y=[shown[one.template_id, one.user] for one in mine],
            base=[axis.places[one.begin] for one in mine],
            x=[axis.end(one) - axis.places[one.begin] for one in mine],
            width=0.66,
            hovertext=[_hover(one, axis) for one in mine],
            hoverinfo="text",
            marker={"color": look.fill, "line": {"color": look.ink, "width": 1}},
        )


def _say(
    figure: go.Figure, told: Sequence[CacheSpan], shown: Mapping[_Owner, int], axis: _Axis
) -> None:
    """Write the state at the end to the right of each lane."""
    mine = [one for one in told if (one.template_id, one.user) in shown]
    figure.add_scatter(
        mode="text",
        x=[axis.length] * len(mine),
        y=[shown[one.template_id, one.user] for one in mine],
        text=[f" {_words(one)}" for one in mine],
        textposition="middle right",
        textfont={"size": 12, "color": [_LOOKS[one.state].ink for one in mine]},
        hoverinfo="skip",
        showlegend=False,
        cliponaxis=False,
    )


def _title(told: Sequence[CacheSpan], shown: int, caches: int) -> str:
    if not told:
        return "Caches"
    counts = Counter(one.state for one in told if one.is_now)
    ends = ", ".join(f"{counts[state]} {state}" for state in _LOOKS if counts[state])
    some = f" (the first {shown} drawn)" if shown < caches else ""
    staled = sum(one.state == "Stale" for one in told)
    return f"Caches: {ends} at the end{some}; an entry went stale {counted(staled, 'time')}"


def _cells(one: CacheSpan, times: Sequence[float]) -> list[JSON]:
    return [
        *(person(one.user, "System"), one.template_id, one.state, one.version),
        *(round(times[one.begin], 6), round(times[one.end], 6), one.is_now),
    ]


def _words(one: CacheSpan) -> str:
    look = _LOOKS[one.state]
    return f"{look.sign} {one.state}" + (f": {typed(one.version)}" if one.version else "")


def _hover(one: CacheSpan, axis: _Axis) -> str:
    begin, end = axis.places[one.begin], axis.places[one.end]
    who = typed(person(one.user, "System"))
    until = "now" if one.is_now else f"{end:g}{axis.unit}"
    return f"{who}: {_words(one)}, from {begin:g} to {until}"


def _doer(record: RunView, selected: str | None) -> str | None:
    """The user of the selected update."""
    told = (event.user for event in record.events if event.update_id == selected)
    return None if selected is None else next(told, None)


def _name(owner: _Owner, owners: Sequence[_Owner], doer: str | None) -> str:
    """The user, with the template where the record tells of several."""
    template_id, user = owner
    sign = "▶ " if user == doer else ""
    is_one = all(other == template_id for other, _ in owners)
    where = "" if is_one else f", {typed(template_id, 20)}"
    return f"{sign}{typed(person(user, 'System'))}{where}"
