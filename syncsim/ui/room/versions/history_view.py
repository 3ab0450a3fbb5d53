"""What the history panel shows of a record: templates, versions, the audit trail. Pure."""

from __future__ import annotations

from syncsim.ui.room.run_view import RunView, Version
from syncsim.ui.room.versions.audit import audit_rows, count_of
from syncsim.ui.room.versions.tables import MOST_ROWS, html_table

PAGE_COLUMNS = ("when", "who", "what", "why", "version", "base", "conflicts")
"""Columns of the audit trail on a page; the files have them all."""


def audit_table(record: RunView, template_id: str | None = None) -> str:
    """The audit trail as an HTML table."""
    newest = audit_rows(record, template_id, most=MOST_ROWS)
    rows = [{name: row[name] for name in PAGE_COLUMNS} for row in newest]
    total = count_of(record, template_id)
    return html_table(rows, "Audit trail", empty="Nothing has happened yet", total=total)


def templates(record: RunView) -> list[str]:
    """The templates that the record holds versions of, by their first one."""
    return list(dict.fromkeys(one.template_id for one in record.versions))


def versions_of(record: RunView, template_id: str) -> list[Version]:
    """The versions of one template, oldest first."""
    return [one for one in record.versions if one.template_id == template_id]
