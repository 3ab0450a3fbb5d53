"""Every SQL statement that a store in a file uses; the schema stands in `tables`.

Written out rather than composed, so that each can be read, explained and searched for as it runs.
Where whole commits are read, the columns are the fields of `records.Record`, in their order.
"""

from __future__ import annotations

from typing import Final

BEGIN: Final = "BEGIN IMMEDIATE"
"""Not BEGIN: a transaction that reads first and then writes is refused as soon as somebody commits
in between, however long it would have waited."""

MARK: Final = "PRAGMA data_version"

TEMPLATES: Final = "SELECT template_id FROM template ORDER BY template_id"

HEAD: Final = """
SELECT version, revision, user_updated_at
FROM revision WHERE template_id = ? ORDER BY revision DESC LIMIT 1
"""

TIP: Final = """
SELECT version, revision, at, user_updated_at
FROM revision WHERE template_id = ? ORDER BY revision DESC LIMIT 1
"""

HISTORY: Final = """
SELECT template_id, revision, version, parent, by, at, user_updated_at, update_id, detail, body
FROM revision WHERE template_id = ? ORDER BY revision DESC LIMIT ?
"""

AUDIT: Final = """
SELECT template_id, revision, version, parent, by, at, user_updated_at, update_id, detail, x''
FROM revision WHERE template_id = ? ORDER BY revision DESC LIMIT ?
"""

REVISION: Final = """
SELECT template_id, revision, version, parent, by, at, user_updated_at, update_id, detail, body
FROM revision WHERE template_id = ?1 AND revision = CAST(?2 AS INTEGER) AND version = ?2
"""
"""A version begins with its revision number, and that is what the index knows."""

FIND: Final = """
SELECT template_id, revision, version, parent, by, at, user_updated_at, update_id, detail, body
FROM revision WHERE update_id = ?
"""

USED: Final = """
SELECT update_id FROM revision WHERE update_id IN (SELECT value FROM json_each(?))
"""
"""Which of these update ids have committed; the parameter is a JSON array."""

FIRST: Final = "INSERT INTO template (template_id) VALUES (?)"

APPEND: Final = """
INSERT INTO revision
  (template_id, revision, version, parent, by, at, user_updated_at, update_id, detail, body)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (update_id) DO NOTHING
"""
"""No row where the update id was used before; a revision that was there before is an error."""
