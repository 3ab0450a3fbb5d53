"""Still pictures of a run for a page without scripts: retries, latency, the job on its time axis.

Each is an inline SVG with the table it is drawn from. What moves and can be zoomed is `ui.charts`;
these need no library and weigh a few kilobytes. All that users typed is escaped.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from syncsim.contract import BACKGROUND, JSON
from syncsim.events import kinds
from syncsim.lab.checkers.conduct import COOLDOWN_S
from syncsim.lab.figures import percentile
from syncsim.ui.drawing import LOOKS, counted, person
from syncsim.ui.happenings import cut
from syncsim.ui.room.record import Record
from syncsim.ui.sequence_svg import escape
from syncsim.ui.updates import Update, Wait, updates

WIDTH: Final = 960
LEFT: Final = 150
"""Pixels for the names of the lanes, left of the axis."""

RIGHT: Final = 170
"""Pixels for how each update ended, right of the longest bar."""

LANE: Final = 40
MOST_LANES: Final = 40
"""Lanes drawn; a table has all rows up to `MOST_ROWS`."""

MOST_ROWS: Final = 400
MOST_MARKS: Final = 600
"""Points drawn in one picture."""

SLOWEST_MS: Final = 3000
"""Within this an update must be done, by the mission."""

Span = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Picture:
    """A title, what is to be seen in a sentence, the SVG ("" if there is nothing), the table."""

    title: str
    sentence: str
    svg: str
    columns: tuple[str, ...]
    rows: tuple[tuple[JSON, ...], ...]


# -- retries ---------------------------------------------------------------------------------------


def retry_picture(record: Record) -> Picture:
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


def _retry_cells(row: Update) -> tuple[JSON, ...]:
    return (
        *(row.label, row.status, row.version, row.attempts),
        ", ".join(f"{wait.lasted_ms:.0f}" for wait in row.waits),
        ", ".join(_nominal(wait) for wait in row.waits),
        *(round(row.queued_ms, 1), round(row.began_ms, 1), round(row.took_ms, 1), row.error),
    )


def _nominal(wait: Wait) -> str:
    return "?" if wait.nominal_ms is None else f"{wait.nominal_ms:.0f}"


class _Timeline:
    def __init__(self, rows: Sequence[Update]) -> None:
        self.rows = rows
        self.axis = _Axis((0.0, max(row.began_ms + row.took_ms for row in rows)), "ms")

    def svg(self, label: str) -> str:
        height = LANE * len(self.rows)
        parts = [*self.axis.grid(height)]
        for lane, row in enumerate(self.rows):
            parts += self._lane(row, lane * LANE)
        return _svg(label, height + _Axis.HEIGHT, parts)

    def _lane(self, row: Update, top: float) -> Iterator[str]:
        yield _name(row.label, top)
        for step in row.steps:
            began_ms, length_ms = row.span_ms(step)
            kind = step.name if step.name in ("wait", "queue") else _attempt(row, step.status)
            x, width = self.axis.x(began_ms), self.axis.length(length_ms)
            told = f"{row.label}: {step.name}, {step.status}, {length_ms:.1f} ms"
            yield (
                f'<rect class="{_FILLS[kind]}" x="{x:.1f}" y="{top + 10}" width="{width:.1f}" '
                f'height="16"><title>{escape(told)}</title></rect>'
            )
            if kind == "wait" and width > 48:
                yield _text(x + 5, top + 22, f"↻ {length_ms:.0f} ms", "on-fill")
            if step.status == "conflict":
                yield _text(x + width / 2, top + 8, "✗", "conflict", anchor="middle")
        for wait in row.waits:
            if wait.nominal_ms is not None:
                x, width = self.axis.x(wait.began_ms), self.axis.length(wait.nominal_ms)
                yield f'<path class="nominal" d="M{x:.1f} {top + 31}h{width:.1f}v-4"/>'
        sign, word, tone = _end(row)
        at = self.axis.x(row.began_ms + row.took_ms) + 8
        yield _text(at, top + 22, f"{sign} {word}", tone)


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


def _attempt(row: Update, status: str) -> str:
    if status in ("conflict", "fault", "failed"):
        return "lost"
    return "won" if row.status == "committed" else "none"


def _end(row: Update) -> tuple[str, str, str]:
    match row.status:
        case "committed" if row.merged:
            return LOOKS["merged"].sign, f"merged, {cut(row.version or '', 14)}", "merged"
        case "committed":
            return LOOKS["committed"].sign, cut(row.version or "committed", 20), "committed"
        case "failed":
            return LOOKS["conflict"].sign, cut(row.error or "failed"), "conflict"
        case other:
            return LOOKS["idle"].sign, other, "idle"


# -- latency ---------------------------------------------------------------------------------------


def latency_picture(record: Record) -> Picture:
    """How long each update took, by when it ended, with p50, p95 and p99; not the job."""
    rows = [row for row in updates(record) if not row.is_job and row.status != "running"]
    took = [row.took_ms for row in rows]
    marks = [(percent, percentile(took, percent) or 0.0) for percent in (50, 95, 99)]
    told = ", ".join(f"p{percent} {value:.1f} ms" for percent, value in marks)
    slowest = f"the slowest took {max(took, default=0.0):.1f} ms of the {SLOWEST_MS:,} allowed"
    sentence = f"{counted(len(rows), 'update')}: {told}; {slowest}"
    return Picture(
        "Latency",
        f"{sentence}." if rows else "No update ended.",
        _latency_svg(rows, marks, f"Latency of {sentence}") if rows else "",
        ("update", "result", "ended (ms)", "took (ms)"),
        tuple(
            (row.label, row.status, round(row.began_ms + row.took_ms, 1), round(row.took_ms, 1))
            for row in rows
        ),
    )


def _latency_svg(rows: Sequence[Update], marks: Sequence[tuple[int, float]], label: str) -> str:
    height = 190
    axis = _Axis((0.0, max(row.began_ms + row.took_ms for row in rows)), "ms")
    highest = max(row.took_ms for row in rows) or 1.0

    def y(took_ms: float) -> float:
        return 14 + (height - 24) * (1 - took_ms / highest)

    parts = [*axis.grid(height)]
    for value in _ticks(0.0, highest, 4):
        parts.append(_text(LEFT - 8, y(value) + 4, f"{value:g} ms", "soft", anchor="end"))
    for percents, value in _together(marks, highest / 12):
        at, end = y(value), WIDTH - RIGHT
        parts.append(f'<path class="mark" d="M{LEFT} {at:.1f}H{end}"/>')
        parts.append(_text(end + 6, at + 4, f"{', '.join(percents)}: {value:.1f} ms"))
    for row in rows[:MOST_MARKS]:
        tone = {"committed": "committed", "failed": "conflict"}.get(row.status, "idle")
        told = f"{row.label}: {row.status} after {row.took_ms:.1f} ms"
        x = axis.x(row.began_ms + row.took_ms)
        parts.append(_mark(x, y(row.took_ms), tone, told))
    return _svg(label, height + _Axis.HEIGHT, parts)


def _together(
    marks: Sequence[tuple[int, float]], least: float
) -> Iterator[tuple[list[str], float]]:
    """Those that lie closer to each other than `least` as one, named by all of them."""
    group: list[str] = []
    for number, (percent, value) in enumerate(marks):
        group.append(f"p{percent}")
        if number + 1 == len(marks) or marks[number + 1][1] - value >= least:
            yield group, value
            group = []


# -- the job ---------------------------------------------------------------------------------------


def job_picture(record: Record) -> Picture:
    """Commits of users and runs of the job on one axis of seconds, with the 5 s that follow each.

    A commit of the job within those is marked as a violation; judged from the versions.
    """
    commits = [version for version in record.versions if version.parent is not None]
    by_users = [version for version in commits if version.by != BACKGROUND]
    told = [event for event in record.events if isinstance(event, _JOB_ENDS)]
    began = min([*(version.at for version in commits), *(event.at for event in told)], default=0.0)
    rows: list[tuple[float, str, str, str]] = []
    user_at: dict[str, float] = {}  # when a user last committed, by template
    for one in commits:
        word = "✓ committed"
        if one.by == BACKGROUND:
            is_rude = one.at - user_at.get(one.template_id, -math.inf) < COOLDOWN_S
            word = "✗ wrote within the cooldown" if is_rude else "✓ processed"
        else:
            user_at[one.template_id] = one.at
        rows.append((one.at - began, person(one.by), word, one.version))
    for event in told:
        word = "○ " + (event.reason or "Skipped") if isinstance(event, kinds.JobSkipped) else ""
        word = word or ("✗ " + (event.error or "failed") if isinstance(event, kinds.Failed) else "")
        rows.append((event.at - began, person(BACKGROUND), word or "○ nothing to write", ""))
    rows.sort(key=lambda row: row[0])
    ran = [row for row in rows if row[1] == person(BACKGROUND)]
    skipped = sum("Skipped" in word for _, _, word, _ in ran)
    sentence = (
        f"{counted(len(by_users), 'commit')} by users, {counted(len(ran), 'run')} of the job, "
        f"{skipped} skipped; it keeps away for {COOLDOWN_S:.0f} s after the last user update."
    )
    return Picture(
        "Background job",
        sentence if ran else "The job did not run.",
        _job_svg(rows, [version.at - began for version in by_users], sentence) if ran else "",
        ("at (s)", "who", "what", "version"),
        tuple((round(at, 3), *rest) for at, *rest in rows) if ran else (),
    )


_JOB_ENDS: Final = (kinds.JobSkipped, kinds.JobFailed, kinds.JobUnchanged)


def _job_svg(
    rows: Sequence[tuple[float, str, str, str]], by_users: Sequence[float], label: str
) -> str:
    ran = [row for row in rows if row[1] == person(BACKGROUND)]
    last = max([row[0] for row in rows] + [at + COOLDOWN_S for at in by_users])
    axis = _Axis((0.0, last), "s")
    height, top = 92 + 18 * min(len(ran), MOST_LANES), 92
    parts = [*axis.grid(height)]
    for begin, end in _union([(at, at + COOLDOWN_S) for at in by_users]):
        x, width = axis.x(begin), axis.length(end - begin)
        parts.append(
            f'<rect class="band" x="{x:.1f}" y="6" width="{width:.1f}" height="{top - 16}">'
            f"<title>cooldown after a user update, {begin:.2f} s to {end:.2f} s</title></rect>"
        )
        if width > 120:
            parts.append(_text(x + 5, 20, f"{COOLDOWN_S:.0f} s cooldown", "soft"))
    parts += [_name("Users", 18), _name("Background", 48)]
    for at_s, who, word, version in rows[:MOST_MARKS]:
        is_job = who == person(BACKGROUND)
        tone = {"✓": "committed", "✗": "conflict"}.get(word[0], "idle")
        told = f"{at_s:.2f} s, {who}: {word} {version}"
        parts.append(_mark(axis.x(at_s), 66.0 if is_job else 36.0, tone, told, square=is_job))
    for lane, (at_s, _, word, version) in enumerate(ran[:MOST_LANES]):
        tone = {"✓": "committed", "✗": "conflict"}.get(word[0], "idle")
        text = f"{at_s:.2f} s  {cut(word, 90)} {cut(version)}"
        parts.append(_text(LEFT, top + 12 + 18 * lane, text.rstrip(), tone))
    return _svg(label, height + _Axis.HEIGHT, parts)


def _union(spans: Sequence[Span]) -> Iterator[Span]:
    """The spans, in order, those that touch as one."""
    begin = end = -math.inf
    for one, other in sorted(spans):
        if one <= end:
            end = max(end, other)
            continue
        if end > begin:
            yield begin, end
        begin, end = one, other
    if end > begin:
        yield begin, end


# -- what they share -------------------------------------------------------------------------------


class _Axis:
    """The common axis of time, with as many pixels as there are between `LEFT` and `RIGHT`."""

    HEIGHT: Final = 44

    def __init__(self, span: Span, unit: str) -> None:
        self.begin, end = span
        self.unit = unit
        self.long = max(end - self.begin, 1.0)
        self.scale = (WIDTH - LEFT - RIGHT) / self.long

    def x(self, at: float) -> float:
        return LEFT + (at - self.begin) * self.scale

    def length(self, long: float) -> float:
        return max(long * self.scale, 1.5)

    def grid(self, height: float) -> Iterator[str]:
        for value in _ticks(self.begin, self.begin + self.long, 8):
            x = self.x(value)
            yield f'<path class="grid" d="M{x:.1f} 4V{height + 4}"/>'
            yield _text(x, height + 20, f"{value:g}", "soft", anchor="middle")
        middle = LEFT + (WIDTH - LEFT - RIGHT) / 2
        yield _text(
            middle, height + 38, f"time since the beginning ({self.unit})", "soft", anchor="middle"
        )


def _ticks(begin: float, end: float, most: int) -> list[float]:
    """At most `most` round numbers from `begin` to `end`."""
    long = end - begin
    power = 10.0 ** math.floor(math.log10(long / most))
    step = next((power * n for n in (1, 2, 5, 10) if long / (power * n) <= most), power * 20)
    first = math.ceil(begin / step)
    return [number * step for number in range(first, math.floor(end / step + 1e-9) + 1)]


def _svg(label: str, height: float, parts: Sequence[str]) -> str:
    return (
        f'<svg role="img" aria-label="{escape(label)}" width="{WIDTH}" height="{height:g}" '
        f'viewBox="0 0 {WIDTH} {height:g}">' + "".join(parts) + "</svg>"
    )


def _text(x: float, y: float, text: str, tone: str = "ink", *, anchor: str = "start") -> str:
    return (
        f'<text class="t-{tone}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">'
        f"{escape(text)}</text>"
    )


def _name(label: str, top: float) -> str:
    return _text(LEFT - 8, top + 22, cut(label, 20), anchor="end")


def _mark(x: float, y: float, tone: str, told: str, *, square: bool = False) -> str:
    """A point: a cross for what failed, a square for the job, else a circle."""
    title = f"<title>{escape(told)}</title>"
    if tone == "conflict":
        path = f"M{x - 5:.1f} {y - 5:.1f}l10 10m0 -10l-10 10"
        return f'<path class="cross" d="{path}">{title}</path>'
    if square:
        return (
            f'<rect class="f-{tone}" x="{x - 5:.1f}" y="{y - 5:.1f}" width="10" height="10">'
            f"{title}</rect>"
        )
    return f'<circle class="f-{tone}" cx="{x:.1f}" cy="{y:.1f}" r="5">{title}</circle>'
