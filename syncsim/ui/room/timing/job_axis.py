"""The background job on one axis with the users' commits and the cooldown that follows each.

The judge's rule is drawn, not another one: a commit of the job within the cooldown of the user
commit before it, in the store's order, is a violation.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from syncsim.contract import BACKGROUND, JSON
from syncsim.events import kinds
from syncsim.events.kinds import Event
from syncsim.lab.checkers.conduct import COOLDOWN_S
from syncsim.ui.drawing import INK, LOOKS, Look, counted, lanes, new_figure, person, typed
from syncsim.ui.room.record import Record, Version, number_of

if TYPE_CHECKING:
    import plotly.graph_objects as go  # type: ignore[import-untyped]

What: TypeAlias = Literal[
    "created", "commit", "wrote", "violation", "skipped", "unchanged", "failed"
]

MOST_POINTS: Final = 300
"""Marks of one meaning, and bands, that are drawn: the newest; the table has all."""

MOST_TEXTS: Final = 5
"""Skip messages written out, the newest; the others show on hover and in the table."""

COLUMNS: Final = (
    *("at_s", "template", "who", "what", "version", "since_user_s", "text", "update_id"),
)
_GRAIN_S: Final = 1e-6
"""An epoch in a float resolves 0.2 microseconds."""

_LOOKS: Final[Mapping[What, tuple[str, Look]]] = {
    "created": ("template created", Look("created", "☆", "#FFFFFF", INK, "star")),
    "commit": ("commit of a user", LOOKS["committed"]),
    "wrote": ("job wrote", Look("wrote", "■", INK, INK, "square")),
    "violation": ("job wrote within the cooldown: violation", LOOKS["conflict"]),
    "skipped": ("job skipped", LOOKS["idle"]),
    "unchanged": ("job found nothing to write", Look("unchanged", "=", "#595959", INK, "line-ew")),
    "failed": ("job failed", Look("failed", "!", "#B34700", "#B34700", "cross-thin")),
}
_BAND: Final = Look("cooldown", "░", "#FBE3B5", "#8A5A00", "square")

_JOB_ENDS: Final[Mapping[type[Event], What]] = {
    kinds.JobSkipped: "skipped",
    kinds.JobUnchanged: "unchanged",
    kinds.JobFailed: "failed",
}


@dataclass(frozen=True, slots=True)
class Moment:
    """A commit, or the end of a run of the job; `at` is in seconds since the epoch.

    `since_user_s` is the time since the last user commit of that template, None before any.
    """

    at: float
    template_id: str
    who: str
    what: What
    version: str | None = None
    since_user_s: float | None = None
    text: str = ""
    update_id: str | None = None


def moments(record: Record, cooldown_s: float = COOLDOWN_S) -> list[Moment]:
    """What users committed and what became of each run of the job, in order of time.

    Commits are those of the store, and those that only events tell of so far.
    """
    told: list[Moment] = []
    user_at: dict[str, float] = {}
    for one in _commits(record):
        since_s = None
        if one.template_id in user_at:
            since_s = one.at - user_at[one.template_id]
        what: What = "commit"
        if one.what == "created":
            what = "created"
        elif one.who == BACKGROUND:
            is_early = since_s is not None and since_s < cooldown_s - _GRAIN_S
            what = "violation" if is_early else "wrote"
        if one.who != BACKGROUND:
            user_at[one.template_id] = one.at
        told.append(
            Moment(
                *(one.at, one.template_id, one.who, what, one.version, since_s),
                text=_judged(what, since_s, cooldown_s),
                update_id=one.update_id,
            )
        )
    told += _runs_without_commit(record, told)
    return sorted(told, key=lambda moment: moment.at)


def job_axis(
    record: Record, selected: str | None = None, *, cooldown_s: float = COOLDOWN_S
) -> go.Figure:
    """User commits, cooldown bands of `cooldown_s` seconds and runs of the job, on one axis.

    Table: a row per commit and per run: at_s (since the first), template, who, what (created,
    commit, wrote, violation, skipped, unchanged, failed), version, since_user_s, text, update_id.
    """
    told = moments(record, cooldown_s)
    first = told[0].at if told else 0.0
    figure = new_figure(
        _title(told, cooldown_s),
        COLUMNS,
        [_cells(moment, first) for moment in told],
        height=400,
        empty="Nobody has committed, and the job has not run yet",
        barmode="overlay",
        hovermode="closest",
        legend_traceorder="normal",
    )
    if not told:
        return figure
    now_s = max(record.now, told[-1].at) - first
    _draw_bands(figure, told, first, cooldown_s)
    _draw_marks(figure, told, first, selected)
    end_s = max(now_s, min(told[-1].at - first + cooldown_s, now_s + cooldown_s))
    _draw_texts(figure, told, first, end_s)
    lanes(figure, ["users", "Background", *([""] * _TEXT_LANES)])
    figure.update_xaxes(
        title="time since the first commit or run (s)",
        range=[-0.03 * end_s - 0.05, 1.03 * end_s + 0.05],
        zeroline=False,
    )
    return figure


# -- what happened ---------------------------------------------------------------------------------


def _commits(record: Record) -> Iterable[Moment]:
    """Each template's commits in the store's order, then those of events that no version tells."""
    found = [_of_version(version) for version in sorted(record.versions, key=_place)]
    known = {(one.template_id, one.version) for one in found}
    stored = {one.update_id for one in found if one.update_id is not None}
    for event in record.events:
        if not isinstance(event, kinds.Committed | kinds.TemplateCreated):
            continue
        template_id, version = event.template_id or "?", event.version
        if (template_id, version) in known or event.update_id in stored:
            continue
        if version is None and found:
            continue
        if getattr(event, "attempts", None) == 0:  # an earlier call had committed it
            continue
        who = event.user or "?"
        found.append(
            Moment(event.at, template_id, who, "commit", version, None, "", event.update_id)
        )
        known.add((template_id, version))
    return found


def _place(version: Version) -> tuple[str, int]:
    return version.template_id, number_of(version)


def _of_version(version: Version) -> Moment:
    return Moment(
        *(version.at, version.template_id, version.by),
        "created" if version.parent is None else "commit",
        version.version,
        update_id=version.update_id,
    )


def _judged(what: What, since_s: float | None, cooldown_s: float) -> str:
    if since_s is None or what in ("created", "commit"):
        return ""
    verdict = f"; the cooldown is {cooldown_s:.1f} s" if what == "violation" else ""
    return f"wrote {since_s:.3f} s after a user{verdict}"


def _runs_without_commit(record: Record, commits: Sequence[Moment]) -> list[Moment]:
    """Runs of the job that left nothing in the store, with the message of each."""
    users: dict[str, list[float]] = {}
    for one in sorted(commits, key=lambda moment: moment.at):
        if one.who != BACKGROUND:
            users.setdefault(one.template_id, []).append(one.at)
    told = []
    for event in record.events:
        what = _JOB_ENDS.get(type(event))
        if what is None:
            continue
        template_id = event.template_id or "?"
        times = users.get(template_id, [])
        earlier = bisect_right(times, event.at)
        text = ""
        if isinstance(event, kinds.JobSkipped):
            text = event.reason or "Skipped"
        elif isinstance(event, kinds.JobFailed):
            text = f"{event.error or 'failed'}: {event.message or 'no message'}"
        told.append(
            Moment(
                *(event.at, template_id, event.user or BACKGROUND, what, None),
                since_user_s=event.at - times[earlier - 1] if earlier else None,
                text=text,
                update_id=event.update_id,
            )
        )
    return told


def _cells(moment: Moment, first: float) -> list[JSON]:
    since_s = moment.since_user_s
    return [
        *(round(moment.at - first, 6), moment.template_id, moment.who, moment.what),
        *(moment.version, None if since_s is None else round(since_s, 6), moment.text),
        moment.update_id,
    ]


def _title(told: Sequence[Moment], cooldown_s: float) -> str:
    if not told:
        return "Background job"
    counts = Counter[str](moment.what for moment in told)
    runs = sum(counts.values()) - counts["commit"] - counts["created"]
    ends = ", ".join(
        f"{counts[what]} {word}"
        for what, word in (
            ("wrote", "wrote"),
            ("skipped", "skipped"),
            ("unchanged", "found nothing to write"),
            ("failed", "failed"),
        )
        if counts[what]
    )
    broken = counts["violation"]
    verdict = f"{broken} within the cooldown of {cooldown_s:g} s: violation" if broken else ""
    told_runs = ", ".join(part for part in (ends, verdict) if part)
    return f"Background job: {counted(counts['commit'], 'user commit')}, {counted(runs, 'run')}" + (
        f": {told_runs}" if told_runs else ""
    )


# -- drawing ---------------------------------------------------------------------------------------

_USERS, _JOB = 0, 1
_TEXT_LANES: Final = 2


def _draw_bands(figure: go.Figure, told: Sequence[Moment], first: float, cooldown_s: float) -> None:
    """Bands that touch are one: a bar for each stretch in which the job must not write."""
    bands: list[tuple[float, float]] = []
    for moment in told:
        if moment.what not in ("created", "commit") or moment.who == BACKGROUND:
            continue
        began_s = moment.at - first
        if bands and began_s <= bands[-1][1]:
            bands[-1] = (bands[-1][0], began_s + cooldown_s)
        else:
            bands.append((began_s, began_s + cooldown_s))
    bands = bands[-MOST_POINTS:]
    if bands:
        figure.add_bar(
            name=f"{_BAND.sign} cooldown, {cooldown_s:g} s after each user commit",
            orientation="h",
            y=[_JOB] * len(bands),
            base=[began_s for began_s, _ in bands],
            x=[ended_s - began_s for began_s, ended_s in bands],
            width=0.8,
            hovertext=[f"cooldown until {ended_s:.2f} s" for _, ended_s in bands],
            hoverinfo="text",
            marker={"color": _BAND.fill, "line": {"color": _BAND.ink, "width": 1}},
        )


def _draw_marks(
    figure: go.Figure, told: Sequence[Moment], first: float, selected: str | None
) -> None:
    for what, (name, look) in _LOOKS.items():
        mine = [moment for moment in told if moment.what == what][-MOST_POINTS:]
        if mine:
            figure.add_scatter(
                name=f"{look.sign} {name}",
                mode="markers",
                x=[moment.at - first for moment in mine],
                y=[_lane(moment) for moment in mine],
                hovertext=[_told(moment, first) for moment in mine],
                hoverinfo="text",
                cliponaxis=False,
                marker={
                    "symbol": look.symbol,
                    "size": 16 if what == "violation" else 12,
                    "color": look.fill,
                    "line": {"color": look.ink, "width": 2},
                },
            )
    chosen = [moment for moment in told if selected and moment.update_id == selected]
    if chosen:
        figure.add_scatter(
            name=f"▶ selected: {typed(person(chosen[-1].who))}",
            mode="markers",
            x=[chosen[-1].at - first],
            y=[_lane(chosen[-1])],
            hovertext=[_told(chosen[-1], first)],
            hoverinfo="text",
            marker={"symbol": "circle-open", "size": 24, "color": INK, "line": {"width": 3}},
        )


def _draw_texts(figure: go.Figure, told: Sequence[Moment], first: float, end_s: float) -> None:
    """What the job said, below its lane; to the left of a mark where the right has no room."""
    said = [m for m in told if m.what in ("skipped", "violation", "failed")][-MOST_TEXTS:]
    if not said:
        return
    figure.add_scatter(
        mode="text",
        x=[moment.at - first for moment in said],
        y=[_JOB + 0.7 + 0.36 * place for place in range(len(said))],
        text=[_line(moment) for moment in said],
        textposition=[
            "middle left" if moment.at - first > 0.5 * end_s else "middle right" for moment in said
        ],
        textfont={"size": 12, "color": [_LOOKS[moment.what][1].ink for moment in said]},
        hoverinfo="skip",
        showlegend=False,
        cliponaxis=False,
    )


def _lane(moment: Moment) -> int:
    return _USERS if moment.what in ("created", "commit") else _JOB


def _line(moment: Moment) -> str:
    return f"{_LOOKS[moment.what][1].sign} {typed(moment.text, 80)}"


def _told(moment: Moment, first: float) -> str:
    name = _LOOKS[moment.what][0]
    version = f" {typed(moment.version)}" if moment.version else ""
    text = f"; {typed(moment.text, 80)}" if moment.text else ""
    at_s = moment.at - first
    who, where = typed(person(moment.who)), typed(moment.template_id)
    return f"{who}: {name}{version} of {where} at {at_s:.3f} s{text}"
