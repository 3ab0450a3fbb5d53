"""Every SQL statement that a store in a file uses; the schema stands in `tables`.

Written out rather than composed, so that each can be read, explained and searched for as it runs.
Where whole commits are read, the columns are the fields of `records.CommitRow`, in their order.
What belongs to a template lies between two places, see `tables.RevisionTable`.

Placeholders are plain: from Python 3.12 on, a tuple for numbered ones (`?1`) is deprecated, and a
mapping for named ones costs a commit 1 us more than a value given twice.
"""

from __future__ import annotations

from typing import Final

BEGIN: Final = "BEGIN IMMEDIATE"
"""Not BEGIN: a transaction that reads first and then writes is refused as soon as somebody commits
in between, however long it would have waited."""

MARK: Final = "PRAGMA data_version"

TEMPLATES: Final = "SELECT template_id FROM template ORDER BY template_id"

HEAD: Final = """
SELECT version, revision, user_updated_at FROM template
JOIN revision ON place BETWEEN number << 32 AND (number + 1 << 32) - 1
WHERE template.template_id = ? ORDER BY place DESC LIMIT 1
"""

TIP: Final = """
SELECT version, revision, at, user_updated_at FROM template
JOIN revision ON place BETWEEN number << 32 AND (number + 1 << 32) - 1
WHERE template.template_id = ? ORDER BY place DESC LIMIT 1
"""

HISTORY: Final = """
SELECT revision.template_id, revision, version, parent, by, at, user_updated_at, update_id, detail,
  digest, body
FROM template JOIN revision ON place BETWEEN number << 32 AND (number + 1 << 32) - 1
WHERE template.template_id = ? ORDER BY place DESC LIMIT ?
"""

WHOLE_HEAD: Final = HISTORY.replace("LIMIT ?", "LIMIT 1")
"""The newest commit with everything in it."""

AUDIT: Final = HISTORY.replace("digest, body", "digest, x''")
"""The same without the documents."""

REVISION: Final = """
SELECT template_id, revision, version, parent, by, at, user_updated_at, update_id, detail,
  digest, body
FROM revision
WHERE place = (SELECT number << 32 FROM template WHERE template_id = ?) + CAST(? AS INTEGER)
  AND template_id = ? AND version = ?
"""
"""A version begins with its revision number, and that is where it lies. The two are given twice."""

FIND: Final = """
SELECT template_id, revision, version, parent, by, at, user_updated_at, update_id, detail,
  digest, body
FROM revision WHERE update_id = ?
"""

USED: Final = """
SELECT update_id FROM revision WHERE update_id IN (SELECT value FROM json_each(?))
"""
"""Which of these update ids have committed; the parameter is a JSON array."""

FIRST: Final = "INSERT INTO template (template_id) VALUES (?)"

APPEND: Final = """
INSERT INTO revision
  (template_id, revision, version, parent, by, at, user_updated_at, update_id, detail, digest, body,
   place)
VALUES
  (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,
   (SELECT number << 32 FROM template WHERE template_id = ?) + ?)
ON CONFLICT (update_id) DO NOTHING
"""
"""The record, then its template and revision once more, for its place.

No row where the update id was used before; a revision that was there before is an error.
"""

SWAP: Final = APPEND.replace(
    "(SELECT number << 32 FROM template WHERE template_id = ?) + ?",
    """ifnull((SELECT place + 1 FROM revision WHERE place =
             (SELECT number << 32 FROM template WHERE template_id = ?) + ? - 1
             AND version = ?), 'no parent')""",
)
"""`APPEND`, and an error too where its parent, given last, is not what lies before it: a text is no
place."""

EVERY_ROW: Final = """
SELECT place & 4294967295, template.template_id, revision.template_id, revision, version, parent,
  by, at, user_updated_at, update_id, detail, digest, body
FROM revision LEFT JOIN template ON number = place >> 32 ORDER BY place
"""
"""Every commit after the revision and the template that its place stands for, oldest first."""

ROW_COUNT: Final = "SELECT count(*) FROM revision"

EMPTY_TEMPLATES: Final = """
SELECT template_id FROM template
WHERE NOT EXISTS (SELECT 1 FROM revision
                  WHERE place BETWEEN number << 32 AND (number + 1 << 32) - 1)
"""

ATTACH: Final = "ATTACH ? AS restored"

GONE: Final = """
SELECT count(*) FROM (SELECT template_id, version FROM main.revision
                      EXCEPT SELECT template_id, version FROM restored.revision)
"""
"""How many versions are in the store and not in the attached one."""

PUT_BACK: Final = (
    "DELETE FROM main.revision",
    "DELETE FROM main.template",
    "INSERT INTO main.template SELECT * FROM restored.template",
    "INSERT INTO main.revision SELECT * FROM restored.revision ORDER BY place",
    "DROP VIEW main.store",
)
"""All that the attached store holds, in the place of all that this one holds, but for its id."""

MARKED: Final = "SELECT sql FROM sqlite_schema WHERE name = 'store'"
"""The statement that gave the store its id."""

OLD_ROWS: Final = """
SELECT template_id, revision, parent, by, at, user_updated_at, update_id, detail, body, version
FROM revision_old ORDER BY template_id, revision
"""
"""Every commit of a file of an older schema version, whose tables have been renamed."""
