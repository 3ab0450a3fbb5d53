"""The background job: what it derives from a template, and the cooldown that keeps it polite.

The job owns `metadata.derived` and nothing else. Its decision to skip and its write are one: the
head it looked at is the head it swaps against, so a user who commits in between makes the swap fail
and the cooldown is looked at again, instead of being retried blindly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from syncsim.contract import BACKGROUND, JSON, Document, Row, Write

SKIPPED = "Skipped - recent user update"

CLOCK_GRAIN_S: Final = 1.0
"""How far a stamp may lie ahead of the clock before it is taken to come from another clock."""


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


class FirstSights:
    """When this process first saw a head that a user stamped with a time yet to come.

    After the clock has stepped back, or on a host whose clock is behind, such a stamp says nothing
    of the age. But whoever wrote it wrote it before it was seen, so the time since then is an age
    that the true one surely exceeds: the job neither holds still until the clock has caught up nor
    overwrites what is a second old. A process that has just begun starts counting again.
    """

    def __init__(self) -> None:
        self._seen: dict[str, tuple[str, float]] = {}  # version and time, by template

    def age_s(self, row: Row, stamp: float, now: float) -> float:
        """The age of the last user update, or the least it can be; in seconds on this clock."""
        if stamp - now <= CLOCK_GRAIN_S:
            self._seen.pop(row.template_id, None)
            return now - stamp
        version, since = self._seen.get(row.template_id, (None, now))
        if version != row.version or since >= now:  # the clock may step back again
            self._seen[row.template_id] = (row.version, now)
            return 0.0
        return now - since


@dataclass(slots=True)
class MaintenanceRun:
    """One run of the job as a change of the head.

    After each application `reason` is set where the cooldown forbade a write, else `written` tells
    whether there was anything to write. `sights` is shared by the runs of a process.
    """

    cooldown_s: float
    now: Callable[[], float]
    sights: FirstSights = field(default_factory=FirstSights)
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
        """Why the job must not write now, or None; ages on the store's clock.

        ``Skipped - recent user update (ann, 1.2 s ago, cooldown 5.0 s)``; the name is left out
        where somebody else has written since. Of a stamp that lies ahead of the clock it says so:
        ``(ann, stamped 60.0 s ahead of this clock, first seen 1.2 s ago, cooldown 5.0 s)``.
        """
        stamp = row.user_updated_at
        if stamp is None:
            return None
        now = self.now()
        age_s = self.sights.age_s(row, stamp, now)
        if age_s >= self.cooldown_s:
            return None
        who = "" if row.updated_by == BACKGROUND else f"{row.updated_by}, "
        ahead_s = stamp - now
        if ahead_s > CLOCK_GRAIN_S:
            who += f"stamped {ahead_s:.1f} s ahead of this clock, first seen "
        return f"{SKIPPED} ({who}{max(age_s, 0.0):.1f} s ago, cooldown {self.cooldown_s:.1f} s)"
