"""Charts of what happened, as Plotly figures: pure, so the same ones serve live, saved, replayed.

A chart takes values (events, a run, cache states, revisions), never a widget, and answers with a
`go.Figure`; `as_frame(figure)` is the same as a table. Plotly is loaded when the first chart is
drawn. Nothing to show is a chart that says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final, TypeAlias

from syncsim.contract import BACKGROUND, JSON, Revision
from syncsim.events.live_log import clock_time
from syncsim.lab.history.records import Commit, History
from syncsim.lab.results.run import Run
from syncsim.service.reads import CacheState
from syncsim.ui.drawing import (
    INK,
    STYLES,
    Style,
    as_frame,
    counted,
    lanes,
    new_figure,
    person,
    typed,
)
from syncsim.ui.timeline import retry_timeline
from syncsim.ui.updates import Source, UpdateTrace, updates

if TYPE_CHECKING:
    import plotly.graph_objects as go  # type: ignore[import-untyped]

__all__ = [
    "as_frame",
    "attempts_histogram",
    "cache_ages",
    "retry_timeline",
    "version_history",
]

Version: TypeAlias = Revision | Commit

LABELLED_VERSIONS: Final = 16
"""With more versions than these a version history tells them on hover only."""

MOST_ATTEMPTS: Final = 20
"""Updates with more attempts than these share a bar; the table has a row for each number."""

SLOWEST_MS: Final = 3000
"""Within this an update must be done, by the mission."""


# -- caches ----------------------------------------------------------------------------------------


def cache_ages(states: Mapping[str, CacheState]) -> go.Figure:
    """A bar per user and System: Fresh, Stale or Empty, the version held and its age in seconds.

    `states` as `Connection.cache_states` answers. Table: user, state, version, age_s, hits, misses.
    """
    users = sorted(states, key=lambda user: (user == BACKGROUND, user))
    counts = Counter[str](state.state for state in states.values())
    told = ", ".join(f"{counts[word]} {word}" for word in _CACHE_LOOKS if counts[word])
    figure = new_figure(
        f"Caches: {told}" if told else "Caches",
        ("user", "state", "version", "age_s", "hits", "misses"),
        [[person(user, "System"), *_cache_cells(states[user])] for user in users],
        height=130 + 40 * max(len(users), 3),
        empty="Nobody has read the template yet",
        barmode="overlay",
    )
    if not states:
        return figure
    longest_s = max((state.age_s or 0.0 for state in states.values()), default=0.0)
    for word, look in _CACHE_LOOKS.items():
        held = [(lane, states[user]) for lane, user in enumerate(users)]
        held = [(lane, state) for lane, state in held if state.state == word]
        if held:
            figure.add_bar(
                name=f"{look.sign} {word}",
                orientation="h",
                y=[lane for lane, _ in held],
                x=[state.age_s or 0.0 for _, state in held],
                width=0.65,
                text=[f" {_cache_text(state, look)}" for _, state in held],
                textposition="outside",
                textfont={"color": look.ink},
                cliponaxis=False,
                hoverinfo="skip",
                marker={"color": look.fill, "line": {"color": look.ink, "width": 1}},
            )
    lanes(figure, [typed(person(user, "System")) for user in users])
    figure.update_xaxes(
        title="age of the entry (s)", range=[0, longest_s * 1.6 or 1.0], zeroline=False
    )
    return figure


_CACHE_LOOKS: Final[Mapping[str, Style]] = {
    "Fresh": STYLES["committed"],
    "Stale": STYLES["stale"],
    "Empty": STYLES["idle"],
}


def _cache_cells(state: CacheState) -> list[JSON]:
    age_s = None if state.age_s is None else round(state.age_s, 3)
    return [state.state, state.version, age_s, state.hits, state.misses]


def _cache_text(state: CacheState, look: Style) -> str:
    read = state.hits + state.misses
    reads = f"{state.hits} of {counted(read, 'read')} hit" if read else "no reads"
    if state.version is None or state.age_s is None:
        return f"{look.sign} {state.state}, {reads}"
    return f"{look.sign} {state.state}: {typed(state.version)}, {state.age_s:.1f} s, {reads}"


# -- versions --------------------------------------------------------------------------------------


def version_history(source: Iterable[Version] | Run | History) -> go.Figure:
    """Every version by time, author and kind: created, update, merge, rollback, job.

    `source`: what `Connection.history` answers, or a run. Table: template, version, parent, by,
    kind, at (seconds since the epoch), since_s (the first one), conflicts (values overridden).
    """
    versions = _versions(source)
    authors = list(dict.fromkeys(version.by for version in versions))
    began = versions[0].at if versions else 0.0
    lasted_s = max((version.at for version in versions), default=0.0) - began
    scale, unit = (1000, "ms") if lasted_s < 2 else (1, "s")
    figure = new_figure(
        f"Version history: {counted(len(versions), 'version')} by {counted(len(authors), 'author')}"
        if versions
        else "Version history",
        ("template", "version", "parent", "by", "kind", "at", "since_s", "conflicts"),
        [_version_cells(version, began) for version in versions],
        height=150 + 46 * max(len(authors), 3),
        empty="No version has been written yet",
    )
    if not versions:
        return figure
    places = {author: lane for lane, author in enumerate(authors)}
    points = [(v, (v.at - began) * scale, places[v.by], _kind(v)) for v in versions]
    for template_id in dict.fromkeys(version.template_id for version in versions):
        mine = [(x, lane) for v, x, lane, _ in points if v.template_id == template_id]
        figure.add_scatter(
            mode="lines",
            x=[x for x, _ in mine],
            y=[lane for _, lane in mine],
            line={"color": STYLES["idle"].fill, "width": 1, "dash": "dot"},
            hoverinfo="skip",
            showlegend=False,
        )
    has_labels = len(versions) <= LABELLED_VERSIONS
    for kind, (color, symbol) in _KINDS.items():
        told = [(v, x, lane) for v, x, lane, its in points if its == kind]
        if told:
            figure.add_scatter(
                name=kind,
                mode="markers+text" if has_labels else "markers",
                x=[x for _, x, _ in told],
                y=[lane for _, _, lane in told],
                text=[typed(v.version) for v, _, _ in told] if has_labels else None,
                textposition="top center",
                textfont={"size": 11, "color": INK},
                hovertext=[_version_text(v, kind) for v, _, _ in told],
                hoverinfo="text",
                cliponaxis=False,
                marker={
                    "symbol": symbol,
                    "size": 13,
                    "color": color,
                    "line": {"color": INK, "width": 1},
                },
            )
    lanes(figure, [typed(person(author)) for author in authors])
    longest = max(x for _, x, _, _ in points) or 1.0
    figure.update_xaxes(
        title=f"time since the first version ({unit})",
        range=[-0.08 * longest, 1.08 * longest],
        zeroline=False,
    )
    return figure


_KINDS: Final[Mapping[str, tuple[str, str]]] = {
    "created": ("#FFFFFF", "star"),
    "update": (STYLES["committed"].fill, STYLES["committed"].symbol),
    "merge": (STYLES["merged"].fill, STYLES["merged"].symbol),
    "rollback": ("#56B4E9", "triangle-left"),
    "job": (INK, "square"),
}
"""What a version was written for, with the colour and the shape of its mark."""


def _versions(source: Iterable[Version] | Run | History) -> list[Version]:
    if isinstance(source, Run):
        source = source.history
    found = source.commits if isinstance(source, History) else source
    return sorted(found, key=lambda version: (version.at, _number(version)))


def _number(version: Version) -> int:
    return version.number if isinstance(version, Commit) else version.revision


def _kind(version: Version) -> str:
    if version.parent is None:
        return "created"
    told = version.detail.get("kind") if isinstance(version.detail, dict) else None
    return next((kind for kind in _KINDS if kind == told), "update")


def _overridden(version: Version) -> int:
    told = version.detail.get("conflicts") if isinstance(version.detail, dict) else None
    return len(told) if isinstance(told, list) else 0


def _version_cells(version: Version, began: float) -> list[JSON]:
    return [
        *(version.template_id, version.version, version.parent, version.by, _kind(version)),
        *(version.at, round(version.at - began, 6), _overridden(version)),
    ]


def _version_text(version: Version, kind: str) -> str:
    at = clock_time(version.at)
    lost = f", {counted(_overridden(version), 'value')} overridden" if _overridden(version) else ""
    return f"{typed(version.version)}: {kind} by {typed(person(version.by))} at {at}{lost}"


# -- attempts --------------------------------------------------------------------------------------


def attempts_histogram(source: Source, *, selected: str | None = None) -> go.Figure:
    """How many updates took one write attempt, two, three, ...; runs of the job are not counted.

    The bar of the update whose id is `selected` gets a mark. Table: a row per number of attempts
    with attempts, committed, unchanged, failed, and unknown, which is also said of what still runs.
    """
    rows = [row for row in updates(source) if not row.is_job]
    counts = Counter((row.attempts, _result(row)) for row in rows)
    numbers = [row.attempts for row in rows]
    places = list(range(min([1, *numbers]), min(max(numbers, default=0), MOST_ATTEMPTS) + 1))
    beyond = sorted({n for n in numbers if n > MOST_ATTEMPTS})
    first_time = sum(row.attempts <= 1 for row in rows)
    figure = new_figure(
        f"Write attempts: {first_time} of {counted(len(rows), 'update')} needed no retry"
        if rows
        else "Write attempts",
        ("attempts", *_RESULTS),
        [[n, *(counts[n, result] for result in _RESULTS)] for n in [*places, *beyond]],
        height=340,
        empty="No update has begun yet",
        barmode="stack",
        legend_traceorder="normal",
    )
    bars = [*places, MOST_ATTEMPTS + 1] if beyond else places
    for result, look in _RESULTS.items():
        heights = [counts[n, result] for n in places]
        if beyond:
            heights.append(sum(counts[n, result] for n in beyond))
        if any(heights):
            figure.add_bar(
                name=f"{look.sign} {result}",
                x=bars,
                y=heights,
                text=[str(height) if height else "" for height in heights],
                marker={"color": look.fill, "line": {"color": look.ink, "width": 1}},
            )
    for row in rows:
        if row.update_id == selected:
            figure.add_annotation(
                text=f"▶ {typed(row.label)}",
                x=min(row.attempts, MOST_ATTEMPTS + 1),
                y=sum(
                    min(n, MOST_ATTEMPTS + 1) == min(row.attempts, MOST_ATTEMPTS + 1)
                    for n in numbers
                ),
                ay=-22,
            )
    figure.update_xaxes(
        title="write attempts (1 = no retry)",
        tickvals=bars,
        ticktext=[f"more than {MOST_ATTEMPTS}" if n > MOST_ATTEMPTS else str(n) for n in bars],
    )
    figure.update_yaxes(title="updates", rangemode="tozero", dtick=1 if len(rows) <= 10 else None)
    return figure


_RESULTS: Final[Mapping[str, Style]] = {
    "committed": STYLES["committed"],
    "unchanged": STYLES["idle"],
    "failed": STYLES["conflict"],
    "unknown": Style("unknown", "?", "#FFFFFF", STYLES["idle"].ink, "circle-open"),
}


def _result(row: UpdateTrace) -> str:
    return row.status if row.status in _RESULTS else "unknown"
