"""History as one HTML text, for a page without widgets: versions, a change, audit trail. Pure."""

from __future__ import annotations

from syncsim.ui.room.past.audit import audit_rows, count_of
from syncsim.ui.room.past.diff_view import diff_view
from syncsim.ui.room.past.resolutions import chosen
from syncsim.ui.room.past.tables import MOST_ROWS, html_table
from syncsim.ui.room.past.version_line import version_line
from syncsim.ui.room.record import Record, Version

PAGE_COLUMNS = ("when", "who", "what", "why", "version", "base", "conflicts")
"""Columns of the audit trail on a page; the files have them all."""


def history_view(record: Record, selected: str | None = None) -> str:
    """Every template's version line, what the selected version changed, and the audit trail.

    `selected` as in `conflict_view`; without one, the newest version of each template. Needs
    `look.STYLE` once a page.
    """
    parts = []
    for template_id in templates(record):
        versions = versions_of(record, template_id)
        picked = [one.version for one in chosen(record, selected)] if selected else versions[-1:]
        ours = [one for one in picked if one.template_id == template_id]
        marked = [one.version for one in ours]
        parts.append(f'<section class="sync-past">{version_line(versions, marked)}</section>')
        parts += [_changed(one, versions) for one in ours if one.parent is not None]
    table = audit_table(record)
    return "".join([*parts, f'<section class="sync-past">{table}</section>'])


def audit_table(record: Record, template_id: str | None = None) -> str:
    """The audit trail as an HTML table."""
    newest = audit_rows(record, template_id, most=MOST_ROWS)
    rows = [{name: row[name] for name in PAGE_COLUMNS} for row in newest]
    total = count_of(record, template_id)
    return html_table(rows, "Audit trail", empty="Nothing has happened yet", total=total)


def templates(record: Record) -> list[str]:
    """The templates that the record holds versions of, by their first one."""
    return list(dict.fromkeys(one.template_id for one in record.versions))


def versions_of(record: Record, template_id: str) -> list[Version]:
    """The versions of one template, oldest first."""
    return [one for one in record.versions if one.template_id == template_id]


def _changed(one: Version, versions: list[Version]) -> str:
    parent = next((each for each in versions if each.version == one.parent), None)
    if parent is None:
        return ""
    return diff_view(parent.document, one.document, parent.version, one.version)
