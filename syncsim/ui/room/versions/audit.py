"""The audit trail: who did what when, and why; as rows, for the page and for files. Pure.

A row per version, and one per update or run of the job that wrote nothing: refused, failed,
skipped, unchanged. Nothing in it is ever taken away; a rollback is one more row.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from syncsim import errors
from syncsim.contract import JSON
from syncsim.events import kinds
from syncsim.events.kinds import Event
from syncsim.merging import diff
from syncsim.ui.diagram_steps import cut
from syncsim.ui.drawing import counted, person
from syncsim.ui.room.run_view import RunView, Version
from syncsim.ui.room.versions.diff_view import in_words
from syncsim.ui.room.versions.resolutions import Resolution, resolutions

MOST_KIND: Final = 40
"""Characters of a kind that a solution made up."""


def audit_rows(
    record: RunView, template_id: str | None = None, *, most: int | None = None
) -> list[dict[str, JSON]]:
    """What happened to the templates, or to one of them, oldest first; at most the last `most`.

    Columns: when (ISO 8601, UTC), who, what, why, template, version, parent, base, kind,
    conflicts (values overridden), attempts, update_id, at (seconds since the epoch).
    """
    told = {(one.version.template_id, one.version.version): one for one in resolutions(record)}
    happened: list[Version | Event] = [*record.versions, *_wrote_nothing(record)]
    ours = [one for one in happened if template_id is None or one.template_id == template_id]
    ours.sort(key=lambda one: one.at)
    return [
        _event_row(one)
        if isinstance(one, Event)
        else _version_row(one, told.get((one.template_id, one.version)))
        for one in (ours if most is None else ours[-most:])
    ]


def count_of(record: RunView, template_id: str | None = None) -> int:
    """How many rows there are, without working them out."""
    happened: list[Version | Event] = [*record.versions, *_wrote_nothing(record)]
    return sum(template_id is None or one.template_id == template_id for one in happened)


def _wrote_nothing(record: RunView) -> list[Event]:
    return [event for event in record.events if isinstance(event, _WROTE_NOTHING)]


_WROTE_NOTHING = (kinds.Failed, kinds.Unchanged, kinds.JobSkipped)


def kind_of(version: Version) -> str:
    """What a version was written for: created, update, merge, rollback, job, or a word of its own.

    Of a solution that keeps nothing with its commits: update.
    """
    if version.parent is None:
        return "created"
    told = version.detail.get("kind") if isinstance(version.detail, dict) else None
    return cut(told, MOST_KIND) if isinstance(told, str) and told else "update"


def _version_row(version: Version, one: Resolution | None) -> dict[str, JSON]:
    detail = version.detail if isinstance(version.detail, dict) else {}
    what = "created the template"
    if one is not None and one.parent_document is not None:
        changes = diff(one.parent_document, version.document)
        what = in_words(changes, one.parent_document, version.document) or "changed nothing"
    elif version.parent is not None:
        what = "unknown: its parent is not in this record"
    return {
        "when": iso(version.at),
        "who": person(version.by),
        "what": what,
        "why": _why(version, one, detail),
        "template": version.template_id,
        "version": version.version,
        "parent": version.parent,
        "base": None if one is None or one.base is None else one.base.version,
        "kind": kind_of(version),
        "conflicts": 0 if one is None else len(one.conflicts),
        "attempts": detail.get("attempts") if type(detail.get("attempts")) is int else None,
        "update_id": version.update_id,
        "at": version.at,
    }


def _why(version: Version, one: Resolution | None, detail: dict[str, JSON]) -> str:
    kind = kind_of(version)
    if kind == "created":
        return "the first version"
    if kind == "rollback":
        return f"a return to version {detail.get('restored', '?')}"
    if kind == "job":
        return "the background job's derived data"
    told = "an update by its user"
    if one is None:
        return told
    if one.between:
        writers = list(dict.fromkeys(person(each.by) for each in one.between))
        told += f", merged with {counted(len(one.between), 'version')} by {', '.join(writers[:4])}"
        told += ", ..." if len(writers) > 4 else ""
    for conflict in one.conflicts[:3]:
        by = f" of {person(conflict.earlier_by)}" if conflict.earlier_by else ""
        lost = "earlier" if conflict.kept == "later" else "later"
        told += f"; {conflict.path}: the {conflict.kept} value kept, not the {lost} one{by}"
    more = len(one.conflicts) - 3
    return told + (f"; {counted(more, 'more conflict')}" if more > 0 else "")


def _event_row(event: Event) -> dict[str, JSON]:
    what, why = "wrote nothing: the head held it already", "nothing to change"
    version = None
    match event:
        case kinds.Failed():
            what = "wrote nothing" if _is_definite(event) else "failed, and may have written"
            why = f"{event.error or 'failed'}: {event.message or 'no reason was given'}"
        case kinds.JobSkipped():
            what, why = "wrote nothing", event.reason or "skipped"
        case kinds.Unchanged():
            version = event.version
    attempts = getattr(event, "attempts", None)
    return {
        "when": iso(event.at),
        "who": person(event.user or "?"),
        "what": what,
        "why": why,
        "template": event.template_id,
        "version": version,
        "parent": None,
        "base": None,
        "kind": event.kind.rpartition(".")[2],
        "conflicts": 0,
        "attempts": attempts,
        "update_id": event.update_id,
        "at": event.at,
    }


def _is_definite(event: kinds.Failed) -> bool:
    """Whether surely nothing was written: as the event says, else as its error always means."""
    if event.definite is not None:
        return event.definite
    return bool(getattr(getattr(errors, event.error or "", None), "definite", False))


def iso(at: float) -> str:
    """The moment in UTC to the millisecond; empty for one that no calendar has."""
    try:
        return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    except (OverflowError, ValueError, OSError):
        return ""
