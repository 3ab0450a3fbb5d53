"""Still pictures of a run for a page without scripts: retries, latency, the job on its time axis.

Each is an inline SVG with the table it is drawn from. What moves and can be zoomed is `ui.charts`;
these need no library and weigh a few kilobytes. All that users typed is escaped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from syncsim.contract import JSON
from syncsim.events.live_log import printable
from syncsim.lab.results.figures import percentile
from syncsim.ui.charts import SLOWEST_MS
from syncsim.ui.diagram_steps import cut
from syncsim.ui.drawing import STYLES, counted, person
from syncsim.ui.room.report.svg import (
    LEFT,
    LONGEST,
    RIGHT,
    WIDTH,
    Axis,
    mark,
    name,
    svg,
    text,
    ticks,
)
from syncsim.ui.room.run_view import RunView
from syncsim.ui.room.timing.moments import TimelineMoment, What, cooldowns, moments
from syncsim.ui.room.timing.speed import PERCENTILES, answers
from syncsim.ui.sequence_svg import escape
from syncsim.ui.updates import RetryWait, UpdateTrace, updates

LANE: Final = 40
MOST_LANES: Final = 40
"""Lanes drawn; a table has all rows up to `MOST_ROWS`."""

MOST_ROWS: Final = 400
MOST_MARKS: Final = 600
"""Points drawn in one picture."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A title, what is to be seen in a sentence, the SVG ("" if there is nothing), the table."""

    title: str
    sentence: str
    svg: str
    columns: tuple[str, ...]
    rows: tuple[tuple[JSON, ...], ...]


# -- retries ---------------------------------------------------------------------------------------


def retry_picture(record: RunView) -> Picture:
    """Each update's attempts and actual waits; the thin line below is the wait without chance."""
    rows = updates(record)
    shown = rows[:MOST_LANES]
    waits = [wait for row in rows for wait in row.waits]
    jobs = sum(row.is_job for row in rows)
    told = [counted(len(rows) - jobs, "update")]
    told += [f"{counted(jobs, 'run')} of the job"] if jobs else []
    told += [f"{counted(len(waits), 'wait')} before a retry"]
    told += [f"the first {MOST_LANES} are drawn"] if len(rows) > len(shown) else []
    return Picture(
        "Retry timeline",
        ", ".join(told) + "." if rows else "No update began.",
        _Timeline(shown).svg("Retry timeline: " + ", ".join(told)) if rows else "",
        _RETRY_COLUMNS,
        tuple(_retry_cells(row) for row in rows),
    )


_RETRY_COLUMNS: Final = (
    *("update", "result", "version", "attempts", "waits (ms)", "nominal (ms)"),
    *("in the queue (ms)", "began (ms)", "took (ms)", "error"),
)


def _retry_cells(row: UpdateTrace) -> tuple[JSON, ...]:
    return (
        *(row.label, row.status, row.version, row.attempts),
        ", ".join(f"{wait.lasted_ms:.0f}" for wait in row.waits),
        ", ".join(_nominal(wait) for wait in row.waits),
        *(round(row.queued_ms, 1), round(row.began_ms, 1), round(row.took_ms, 1), row.error),
    )


def _nominal(wait: RetryWait) -> str:
    return "?" if wait.nominal_ms is None else f"{wait.nominal_ms:.0f}"


class _Timeline:
    def __init__(self, rows: Sequence[UpdateTrace]) -> None:
        self.rows = rows
        self.axis = Axis(max(row.began_ms + row.took_ms for row in rows), "ms")

    def svg(self, label: str) -> str:
        height = LANE * len(self.rows)
        parts = [*self.axis.grid(height)]
        for lane, row in enumerate(self.rows):
            parts += self._lane(row, lane * LANE)
        return svg(label, height + Axis.HEIGHT, parts)

    def _lane(self, row: UpdateTrace, top: float) -> Iterator[str]:
        yield name(row.label, top)
        for step in row.steps:
            began_ms, length_ms = row.span_ms(step)
            kind = step.name if step.name in ("wait", "queue") else _attempt(row, step.status)
            x, width = self.axis.x(began_ms), self.axis.length(length_ms)
            told = f"{row.label}: {step.name}, {step.status}, {length_ms:.1f} ms"
            yield (
                f'<rect class="{_FILLS[kind]}" x="{x:.1f}" y="{top + 10}" width="{width:.1f}" '
                f'height="16"><title>{escape(printable(told))}</title></rect>'
            )
            if kind == "wait" and width > 48:
                yield text(x + 5, top + 22, f"↻ {length_ms:.0f} ms", "on-fill")
            if step.status == "conflict":
                yield text(x + width / 2, top + 8, "✗", "conflict", anchor="middle")
        for wait in row.waits:
            if wait.nominal_ms is not None:
                x, width = self.axis.x(wait.began_ms), self.axis.length(wait.nominal_ms)
                yield f'<path class="nominal" d="M{x:.1f} {top + 31}h{width:.1f}v-4"/>'
        sign, word, tone = _end(row)
        at = self.axis.x(row.began_ms + row.took_ms) + 8
        yield text(at, top + 22, f"{sign} {word}", tone)


_FILLS: Final = {
    "wait": "f-retry",
    "queue": "f-queue",
    "lost": "f-conflict",
    "won": "f-committed",
    "none": "f-idle",
}
RETRY_LEGEND: Final = (
    ("f-committed", "attempt that ended well"),
    ("f-conflict", "✗ attempt that lost its swap or failed"),
    ("f-retry", "↻ wait before a retry"),
    ("f-queue", "in the queue"),
    ("f-idle", "attempt that wrote nothing"),
    ("nominal", "the same wait as the policy has it without chance (100, 200, 400 ms)"),
)
"""Class of each mark in the retry picture, and what it means."""


def _attempt(row: UpdateTrace, status: str) -> str:
    if status in ("conflict", "fault", "failed"):
        return "lost"
    return "won" if row.status == "committed" else "none"


def _end(row: UpdateTrace) -> tuple[str, str, str]:
    match row.status:
        case "committed" if row.merged:
            return STYLES["merged"].sign, f"merged, {cut(row.version or '', 14)}", "merged"
        case "committed":
            return STYLES["committed"].sign, cut(row.version or "committed", 20), "committed"
        case "failed":
            return STYLES["conflict"].sign, cut(row.error or "failed"), "conflict"
        case other:
            return STYLES["idle"].sign, other, "idle"


# -- latency ---------------------------------------------------------------------------------------


def latency_picture(record: RunView) -> Picture:
    """How long each update took, by when it ended, with p50, p95 and p99; not the job."""
    labels = {row.update_id: row.label for row in updates(record)}
    rows = [
        _Took(labels.get(one.update_id or "", one.user), one.result, one.at_s * 1000, one.took_ms)
        for one in answers(record)
        if one.took_ms is not None
    ]
    took = [row.took_ms for row in rows]
    marks = [(percent, percentile(took, percent) or 0.0) for percent in PERCENTILES]
    words = ", ".join(f"p{percent} {value:.1f} ms" for percent, value in marks)
    slowest = f"the slowest took {max(took, default=0.0):.1f} ms of the {SLOWEST_MS:,} allowed"
    sentence = f"{counted(len(rows), 'update')}: {words}; {slowest}"
    return Picture(
        "Latency",
        f"{sentence}." if rows else "No update ended.",
        _latency_svg(rows, marks, f"Latency of {sentence}") if rows else "",
        ("update", "result", "ended (ms)", "took (ms)"),
        tuple(
            (row.label, row.result, round(row.ended_ms, 1), round(row.took_ms, 1)) for row in rows
        ),
    )


@dataclass(frozen=True, slots=True)
class _Took:
    label: str
    result: str
    ended_ms: float
    took_ms: float


def _latency_svg(rows: Sequence[_Took], marks: Sequence[tuple[int, float]], label: str) -> str:
    height = 190
    axis = Axis(max(row.ended_ms for row in rows), "ms")
    highest = min(max(row.took_ms for row in rows), LONGEST) or 1.0

    def y(took_ms: float) -> float:
        return 14 + (height - 24) * (1 - min(took_ms, highest) / highest)

    parts = [*axis.grid(height)]
    for value in ticks(highest, 4):
        parts.append(text(LEFT - 8, y(value) + 4, f"{value:g} ms", "soft", anchor="end"))
    for percents, value in _together(marks, highest / 12):
        at, end = y(value), WIDTH - RIGHT
        parts.append(f'<path class="mark" d="M{LEFT} {at:.1f}H{end}"/>')
        parts.append(text(end + 6, at + 4, f"{', '.join(percents)}: {value:.1f} ms"))
    for row in rows[:MOST_MARKS]:
        tone = {"committed": "committed", "failed": "conflict"}.get(row.result, "idle")
        said = f"{row.label}: {row.result} after {row.took_ms:.1f} ms"
        parts.append(mark(axis.x(row.ended_ms), y(row.took_ms), tone, said))
    return svg(label, height + Axis.HEIGHT, parts)


def _together(
    marks: Sequence[tuple[int, float]], least: float
) -> Iterator[tuple[list[str], float]]:
    """The marks, those closer to each other than `least` as one, named by all of them."""
    group: list[str] = []
    for number, (percent, value) in enumerate(marks):
        group.append(f"p{percent}")
        if number + 1 == len(marks) or marks[number + 1][1] - value >= least:
            yield group, value
            group = []


# -- the job ---------------------------------------------------------------------------------------


def job_picture(record: RunView) -> Picture:
    """Commits of users and runs of the job on one axis of seconds, with the cooldown after each.

    Of the same `moments` as the chart in the control room.
    """
    cooldown_s = record.cooldown_s
    told = moments(record, cooldown_s)
    first = told[0].at if told else 0.0
    ran = [one for one in told if one.what not in ("created", "commit")]
    skipped = sum(one.what == "skipped" for one in ran)
    commits = sum(one.what == "commit" for one in told)
    sentence = (
        f"{counted(commits, 'commit')} by users, {counted(len(ran), 'run')} of the job, "
        f"{skipped} skipped; it keeps away for {cooldown_s:g} s after the last user update."
    )
    rows = tuple(
        (round(one.at - first, 3), person(one.who), _happened(one), one.version) for one in told
    )
    return Picture(
        "Background job",
        sentence if ran else "The job did not run.",
        _job_svg(told, ran, first, cooldown_s, sentence) if ran else "",
        ("at (s)", "who", "what", "version"),
        rows if ran else (),
    )


_TONES: Final[Mapping[What, tuple[str, str]]] = {
    "created": ("idle", "☆ created"),
    "commit": ("committed", "✓ committed"),
    "wrote": ("committed", "✓ processed"),
    "violation": ("conflict", "✗ wrote within the cooldown"),
    "skipped": ("idle", "○"),
    "unchanged": ("idle", "○ nothing to write"),
    "failed": ("conflict", "✗"),
}
"""The colour, and sign and word, of what happened; those of a skip and a failure say it."""


def _happened(one: TimelineMoment) -> str:
    word = _TONES[one.what][1]
    return f"{word} {one.text}" if one.what in ("skipped", "failed") else word


def _job_svg(
    told: Sequence[TimelineMoment],
    ran: Sequence[TimelineMoment],
    first: float,
    cooldown_s: float,
    label: str,
) -> str:
    bands = [(begin - first, end - first) for begin, end in cooldowns(told, cooldown_s)]
    axis = Axis(max([told[-1].at - first, *(end for _, end in bands[-1:])]), "s")
    height, top = 92 + 18 * min(len(ran), MOST_LANES), 92
    parts = [*axis.grid(height)]
    for begin, end in bands:
        x, width = axis.x(begin), axis.length(end - begin)
        parts.append(
            f'<rect class="band" x="{x:.1f}" y="6" width="{width:.1f}" height="{top - 16}">'
            f"<title>cooldown after a user update, {begin:.2f} s to {end:.2f} s</title></rect>"
        )
        if width > 120:
            parts.append(text(x + 5, 20, f"{cooldown_s:g} s cooldown", "soft"))
    parts += [name("Users", 18), name("Background", 48)]
    for one in told[:MOST_MARKS]:
        is_user = one.what in ("created", "commit")
        said = f"{one.at - first:.2f} s, {person(one.who)}: {_happened(one)} {one.version or ''}"
        at, y = axis.x(one.at - first), 36.0 if is_user else 66.0
        parts.append(mark(at, y, _TONES[one.what][0], said, square=not is_user))
    for lane, one in enumerate(ran[:MOST_LANES]):
        said = f"{one.at - first:.2f} s  {cut(_happened(one), 90)} {cut(one.version or '')}"
        parts.append(text(LEFT, top + 12 + 18 * lane, said.rstrip(), _TONES[one.what][0]))
    return svg(label, height + Axis.HEIGHT, parts)
