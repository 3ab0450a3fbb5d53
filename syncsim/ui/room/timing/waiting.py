"""The queue: which updates have begun and not ended, who waits since when, in which order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from syncsim.events import kinds
from syncsim.events.kinds import Event
from syncsim.events.live_log import printable
from syncsim.ui.drawing import INK, STYLES, Style, counted, new_figure, person
from syncsim.ui.room.run_view import RunView
from syncsim.ui.timeline import QUEUE

if TYPE_CHECKING:
    import plotly.graph_objects as go  # type: ignore[import-untyped]

State: TypeAlias = Literal["queued", "waiting", "writing"]

MOST_POINTS: Final = 300
"""Changes of the queue's length that are drawn, the newest; the table has all."""

_WORDS: Final[Mapping[State, str]] = {
    "queued": "in the queue",
    "waiting": "waits before a retry",
    "writing": "is writing",
}
_LOOKS: Final[Mapping[State, Style]] = {
    "queued": QUEUE,
    "waiting": STYLES["retry"],
    "writing": Style("writing", "✎", INK, INK, "circle"),
}
_ENDS: Final = (kinds.Committed, kinds.Unchanged, kinds.Failed, kinds.JobSkipped)
_LEAVES: Final = (*_ENDS, kinds.UpdateDequeued)


@dataclass(frozen=True, slots=True)
class Pending:
    """An update, or a run of the job, that has begun and not ended.

    `place` is its place in its template's queue, the front is 1; None outside. `since_s` is how
    long it has been in its state, `behind` whose change is right before it in the queue.
    """

    place: int | None
    user: str
    template: str
    state: State
    since_s: float
    behind: str | None
    attempts: int
    update_id: str | None


def pending(record: RunView) -> list[Pending]:
    """Who waits when the record ends: each queue in its order, then who waits to retry or writes.

    A run that is over holds no update, unless no event told of its end.
    """
    open_: dict[str, _Open] = {}
    for event in record.events:
        if event.update_id is None or not event.kind.startswith(("update.", "job.")):
            continue
        if isinstance(event, _ENDS):
            open_.pop(event.update_id, None)
        elif event.update_id in open_ or isinstance(event, _BEGINNINGS):
            open_[event.update_id] = _after(open_.get(event.update_id), event)
    return _in_order(open_, record.now)


def queue_list(told: Sequence[Pending], selected: str | None = None) -> str:
    """Who waits, as an HTML list; user names and templates are text."""
    queued = sum(one.state == "queued" for one in told)
    head = f"Queue: {queued} waiting, {counted(len(told) - queued, 'other')} under way"
    if not told:
        head = "Queue: nobody waits"
    items = "".join(_item(one, selected) for one in told)
    return (
        f'<div class="syncsim" role="region" aria-label="{escape(head)}">'
        f"<b>{escape(head)}</b>" + (f"<ol>{items}</ol>" if items else "") + "</div>"
    )


def queue_length(record: RunView, selected: str | None = None) -> go.Figure:
    """How many changes waited in the queue, over time, as steps.

    Table: a row per change of the number: at_s (since the first event), waiting, update (whose
    coming or going it was), user, update_id.
    """
    first = min((event.at for event in record.events), default=0.0)
    inside: set[str] = set()
    steps: list[tuple[float, int, Event]] = []
    for event in record.events:
        if event.update_id is None:
            continue
        if isinstance(event, kinds.UpdateQueued) and event.update_id not in inside:
            inside.add(event.update_id)
        elif isinstance(event, _LEAVES) and event.update_id in inside:
            inside.remove(event.update_id)
        else:
            continue
        steps.append((event.at - first, len(inside), event))
    longest = max((waiting for _, waiting, _ in steps), default=0)
    came = sum(isinstance(event, kinds.UpdateQueued) for _, _, event in steps)
    figure = new_figure(
        f"Queue: {counted(came, 'change')} waited, at most {longest} at once, now {len(inside)}"
        if steps
        else "Queue",
        ("at_s", "waiting", "what", "user", "update_id"),
        [
            [
                round(at_s, 6),
                waiting,
                "came" if isinstance(event, kinds.UpdateQueued) else "left",
                event.user,
                event.update_id,
            ]
            for at_s, waiting, event in steps
        ],
        height=400,
        empty="Nobody has had to queue",
        hovermode="closest",
    )
    if not steps:
        return figure
    drawn = steps[-MOST_POINTS + 1 :]
    end_s = max(record.now - first, drawn[-1][0])
    figure.add_scatter(
        name=f"{QUEUE.sign} in the queue",
        mode="lines",
        x=[*(at_s for at_s, _, _ in drawn), end_s],
        y=[*(waiting for _, waiting, _ in drawn), drawn[-1][1]],
        line={"shape": "hv", "color": STYLES["retry"].ink, "width": 2},
        fill="tozeroy",
        fillcolor="rgba(230,159,0,0.25)",
    )
    mine = [(at_s, waiting) for at_s, waiting, e in drawn if selected and e.update_id == selected]
    if mine:
        figure.add_scatter(
            name="▶ selected",
            mode="markers",
            x=[at_s for at_s, _ in mine],
            y=[waiting for _, waiting in mine],
            marker={"symbol": "circle-open", "size": 16, "color": INK, "line": {"width": 3}},
        )
    figure.update_xaxes(title="time since the first event (s)", zeroline=False)
    figure.update_yaxes(
        title="changes in the queue", rangemode="tozero", dtick=1 if longest <= 10 else None
    )
    return figure


# -- from events -----------------------------------------------------------------------------------

_BEGINNINGS: Final = (
    kinds.UpdateStarted,
    kinds.JobStarted,
    kinds.UpdateQueued,
    kinds.RetryScheduled,
    kinds.Attempted,
    kinds.Conflicted,
)
"""Of an update whose beginning is not remembered, these tell that it goes on."""


@dataclass(frozen=True, slots=True)
class _Open:
    user: str
    template: str
    state: State
    since: float
    seq: int
    attempts: int


def _after(before: _Open | None, event: Event) -> _Open:
    """The state of an update after one more of its events."""
    state: State = "writing" if before is None else before.state
    attempts = 0 if before is None else before.attempts
    match event:
        case kinds.UpdateQueued():
            state = "queued"
        case kinds.RetryScheduled():
            state = "waiting"
        case kinds.Attempted() | kinds.RetryWaited() | kinds.UpdateDequeued():
            state = "writing"
    match event:
        case kinds.Conflicted() | kinds.Faulted() | kinds.Attempted():
            said = event.attempt
            attempts = max(attempts, said if said is not None else 0)
    is_new = before is None or state != before.state
    since, seq = (event.at, event.seq) if is_new or before is None else (before.since, before.seq)
    user = event.user or (before.user if before else "?")
    template = event.template_id or (before.template if before else "?")
    return _Open(user, template, state, since, seq, attempts)


def _in_order(open_: Mapping[str, _Open], now: float) -> list[Pending]:
    ranks = {"queued": 0, "waiting": 1, "writing": 2}
    ordered = sorted(
        open_.items(),
        key=lambda item: (ranks[item[1].state], item[1].template, item[1].seq),
    )
    fronts: dict[str, tuple[int, str]] = {}
    found = []
    for update_id, one in ordered:
        place, behind = None, None
        if one.state == "queued":
            before, behind = fronts.get(one.template, (0, None))
            place = before + 1
            fronts[one.template] = (place, one.user)
        since_s = max(now - one.since, 0.0)
        found.append(
            Pending(
                place, one.user, one.template, one.state, since_s, behind, one.attempts, update_id
            )
        )
    return found


def _item(one: Pending, selected: str | None) -> str:
    look = _LOOKS[one.state]
    mark = "▶ " if selected is not None and one.update_id == selected else ""
    place = f"{one.place}. " if one.place is not None else ""
    behind = f", behind {person(one.behind)}" if one.behind is not None else ""
    tries = f", {counted(one.attempts, 'attempt')} so far" if one.attempts else ""
    text = (
        f"{mark}{look.sign} {place}{person(one.user)} {_WORDS[one.state]} of {one.template}"
        if one.state == "queued"
        else f"{mark}{look.sign} {person(one.user)} {_WORDS[one.state]}: {one.template}"
    )
    rest = f" since {one.since_s:.2f} s{behind}{tries}"
    return f'<li style="list-style: none; color: {look.ink}">{escape(printable(text + rest))}</li>'
