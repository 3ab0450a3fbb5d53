"""The background job: what it derives from a template, and the cooldown that keeps it polite.

The job owns `metadata.derived` and nothing else. Its decision to skip and its write are one: the
head it looked at is the head it swaps against, so a user who commits in between makes the swap fail
and the cooldown is looked at again, instead of being retried blindly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import Final

from syncsim.contract import BACKGROUND, JSON, Clock, Document, Row, Write

SKIPPED = "Skipped - recent user update"

CLOCK_GRAIN_S: Final = 1.0
"""How far a stamp may lie ahead of the clock before it is taken to come from another clock."""

STEP_S: Final = 0.01
"""By how much the wall clock must get ahead of the monotonic one between two looks to count."""

SLEW: Final = 0.001
"""Seconds a second that a wall clock may go wrong without a step; NTP slews by half of that."""

MOST_SIGHTS: Final = 10_000
"""Of how many templates a process remembers when it saw their last user update."""


def derive(document: Document) -> dict[str, JSON]:
    """What the job keeps under `metadata.derived`; a function of the document alone.

    ``{"fields": 16, "sections": 4, "required": 7, "required_share": 0.438, "options": 12,
    "types": {"text": 5, ...}, "reading_level": 4.1, "warnings": ["section 'x' has no fields"]}``.
    It holds no time, so running the job twice on one document changes nothing.
    """
    fields = document.get("fields") or []
    sections = document.get("sections") or []
    required = sum(1 for field in fields if field.get("required"))
    return {
        "fields": len(fields),
        "sections": len(sections),
        "required": required,
        "required_share": round(required / len(fields), 3) if fields else 0.0,
        "options": sum(len(field.get("options") or ()) for field in fields),
        "types": dict(sorted(Counter(field["type"] for field in fields).items())),
        "reading_level": reading_level([field["label"] for field in fields]),
        "warnings": _warnings(fields, sections),
    }


def reading_level(labels: list[str]) -> float:
    """The Automated Readability Index of the labels, each taken as one sentence; 0.0 without words.

    ARI = 4.71 characters/words + 0.5 words/sentences - 21.43, about the US school grade (E. A.
    Smith and R. J. Senter, Automated Readability Index, 1967). It counts characters and not
    syllables, so it works the same for every language written with spaces.
    """
    words = [word for label in labels for word in label.split()]
    if not words:
        return 0.0
    characters = sum(sum(map(str.isalnum, word)) for word in words)
    return round(4.71 * characters / len(words) + 0.5 * len(words) / len(labels) - 21.43, 1)


def _warnings(fields: list[JSON], sections: list[JSON]) -> list[str]:
    used = {field["section"] for field in fields}
    found = [f"section {s['id']!r} has no fields" for s in sections if s["id"] not in used]
    found += [
        f"field {field['id']!r} offers one option only"
        for field in fields
        if len(field.get("options") or ()) == 1
    ]
    labels = Counter((field["section"], field["label"]) for field in fields)
    found += [
        f"section {section!r} has {count} fields labelled {label!r}"
        for (section, label), count in labels.items()
        if count > 1
    ]
    return sorted(found)


@dataclass(slots=True)
class _FirstSeen:
    """What this process knows of the age of a user's update, by its monotonic clock.

    The update was made between `after` and `since`, which is when the process first saw it.
    """

    version: str
    stamp: float
    since: float
    after: float
    looked: float


class ClockSkewGuard:
    """How old the last user update of a template surely is, whatever became of the wall clock.

    A stamp is on the clock of its writer, and a wall clock may step, or stand otherwise on
    another host. What a process knows by its monotonic clock is exact: an update that it saw is at
    least that old, and younger than the last look that did not see it. The age by the stamps counts
    where it agrees with that; otherwise the update is as old as its first sight. So the job neither
    runs before the cooldown has passed nor waits for a clock to catch up. Of an update from before
    the process began nothing but its stamp is known.

    A clock without `monotonic()`, such as virtual time, never steps and rules alone.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._monotonic: Callable[[], float] | None = getattr(clock, "monotonic", None)
        self._seen: dict[str, _FirstSeen] = {}  # by template
        self._last: tuple[float, float] | None = None  # both clocks, at the last look
        self._gained_s = 0.0  # by how much stamps may look too old; for one cooldown from then on
        self._gained_at = -inf
        if clock is not None and self._monotonic is not None:
            self._look_at_clocks(clock.now, 0.0)

    def committed(self, row: Row) -> None:
        """A user's update that this process has just committed: its age is known from now on."""
        at = row.updated_at if self._monotonic is None else self._monotonic()
        if row.user_updated_at is not None and row.updated_by != BACKGROUND:
            self._keep(row.template_id, _FirstSeen(row.version, row.user_updated_at, at, at, at))

    def look(self, row: Row, now: Callable[[], float], cooldown_s: float) -> tuple[float, float]:
        """The age of the last user update, or the least it can be, and what the clock says."""
        stamp = row.user_updated_at
        assert stamp is not None
        moment, ticks = self._look_at_clocks(now, cooldown_s)
        by_stamp = moment - stamp - self._gained_s
        if 0 < stamp - moment <= CLOCK_GRAIN_S:
            return by_stamp, moment
        sight = self._sighted(row, stamp, ticks)
        least, most = ticks - sight.since, ticks - sight.after
        return (by_stamp if least <= by_stamp <= most else least), moment

    def _look_at_clocks(self, now: Callable[[], float], cooldown_s: float) -> tuple[float, float]:
        """The wall clock and the monotonic one, at one moment; notices what became of the first."""
        if self._monotonic is None:
            moment = now()
            return moment, moment
        before, moment, ticks = self._monotonic(), now(), self._monotonic()
        if ticks - self._gained_at >= cooldown_s:
            self._gained_s = 0.0
        if ticks - before < STEP_S / 2:  # else this thread had to wait between them
            last_moment, last_ticks = self._last or (moment, ticks)
            gained_s = (moment - last_moment) - (ticks - last_ticks)
            if abs(gained_s) > STEP_S + SLEW * (ticks - last_ticks):
                self._gained_s, self._gained_at = inf, ticks  # it may have stepped to and fro
            elif gained_s > STEP_S:
                self._gained_s, self._gained_at = self._gained_s + gained_s, ticks
            self._last = moment, ticks
        return moment, ticks

    def _sighted(self, row: Row, stamp: float, ticks: float) -> _FirstSeen:
        known = self._seen.get(row.template_id)
        is_known = (
            known is not None
            and known.stamp == stamp
            and (known.version == row.version or row.updated_by == BACKGROUND)
            and known.since <= ticks  # virtual time may begin anew
        )
        if known is None or not is_known:
            after = -inf if known is None or known.version == row.version else known.looked
            known = _FirstSeen(row.version, stamp, ticks, after, ticks)
            self._keep(row.template_id, known)
        known.version, known.looked = row.version, ticks
        return known

    def _keep(self, template_id: str, sight: _FirstSeen) -> None:
        if len(self._seen) >= MOST_SIGHTS:
            self._seen.clear()  # what is seen again counts from then, which is too young at worst
        self._seen[template_id] = sight


@dataclass(slots=True)
class MaintenanceRun:
    """One run of the job as a change of the head.

    After each application `reason` is set where the cooldown forbade a write, else `written` tells
    whether there was anything to write. `sights` is shared by the runs of a process.
    """

    cooldown_s: float
    now: Callable[[], float]
    sights: ClockSkewGuard = field(default_factory=ClockSkewGuard)
    reason: str | None = None
    written: bool = False

    def __call__(self, row: Row) -> Write | None:
        """The head with fresh derived data; None within the cooldown or where nothing changes."""
        self.written = False
        self.reason = self.too_recent(row)
        if self.reason is not None:
            return None
        document = dict(row.document)
        metadata = dict(document.get("metadata") or {})
        derived = derive(document)
        if metadata.get("derived") == derived:
            return None
        self.written = True
        metadata["derived"] = derived
        document["metadata"] = metadata
        return Write(document, {"kind": "job", "base": row.version})

    def too_recent(self, row: Row) -> str | None:
        """Why the job must not write now, or None.

        ``Skipped - recent user update (ann, 1.2 s ago, cooldown 5.0 s)``; the name is left out
        where somebody else has written since. Of a stamp that lies ahead of the clock it says so:
        ``(ann, stamped 60.0 s ahead of this clock, first seen 1.2 s ago, cooldown 5.0 s)``.
        """
        stamp = row.user_updated_at
        if stamp is None:
            return None
        age_s, now = self.sights.look(row, self.now, self.cooldown_s)
        if age_s >= self.cooldown_s:
            return None
        who = "" if row.updated_by == BACKGROUND else f"{row.updated_by}, "
        ahead_s = stamp - now
        if ahead_s > CLOCK_GRAIN_S:
            who += f"stamped {ahead_s:.1f} s ahead of this clock, first seen "
        return f"{SKIPPED} ({who}{max(age_s, 0.0):.1f} s ago, cooldown {self.cooldown_s:.1f} s)"
