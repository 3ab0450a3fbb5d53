"""The background job: what it derives from a template, and the cooldown that keeps it polite.

The job owns `metadata.derived` and nothing else. Its decision to skip and its write are one: the
head it looked at is the head it swaps against, so a user who commits in between makes the swap fail
and the cooldown is looked at again, instead of being retried blindly.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from syncsim.contract import BACKGROUND, JSON, Document, Row, Write

SKIPPED = "Skipped - recent user update"


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
class MaintenanceRun:
    """One run of the job as a change of the head.

    After each application `reason` is set where the cooldown forbade a write, else `written` tells
    whether there was anything to write.
    """

    cooldown_s: float
    now: Callable[[], float]
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
        where somebody else has written since.
        """
        if row.user_updated_at is None:
            return None
        age_s = self.now() - row.user_updated_at
        if age_s >= self.cooldown_s:
            return None
        who = "" if row.updated_by == BACKGROUND else f"{row.updated_by}, "
        return f"{SKIPPED} ({who}{age_s:.1f} s ago, cooldown {self.cooldown_s:.1f} s)"
