"""The schema as SQLModel tables: what migrations, reports and other engines start from.

The history is the store. `revision` holds every commit for ever: the document, who wrote it when,
under which update id, on which parent and why. Its newest row is the head, its rows are the audit
trail, and UNIQUE (template_id, revision) is the compare-and-swap; so head, history and audit cannot
disagree, and a commit is one row. (A head row updated beside it costs a sixth of the commit, and a
table for the audit a tenth.)

The store itself speaks plain SQL on these tables, see `statements`; `schema` keeps their version.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Dialect, MetaData, Text, UniqueConstraint
from sqlalchemy.schema import CreateTable
from sqlmodel import Field, SQLModel


class Tables(SQLModel):
    """The base of our tables, apart from whatever tables the host program declares."""

    metadata = MetaData()


class Template(Tables, table=True):
    """Which templates there are; a row is made with the first revision and never changed."""

    template_id: str = Field(primary_key=True)


class Revision(Tables, table=True):
    """Every commit. `detail` is JSON text, `body` the document in canonical bytes.

    `body` stands last, so that reading the other columns does not walk through it. An update id is
    unique over all templates: that is what makes a repeated update harmless.
    """

    __table_args__ = (UniqueConstraint("template_id", "revision"),)

    id: int | None = Field(default=None, primary_key=True)
    template_id: str = Field(foreign_key="template.template_id")
    revision: int
    version: str
    parent: str | None = None
    by: str
    at: float
    user_updated_at: float | None = None
    update_id: str | None = Field(default=None, unique=True)
    detail: str | None = Field(default=None, sa_type=Text)
    body: bytes


def create_statements(dialect: Dialect) -> Iterator[str]:
    """The CREATE TABLE statements in this dialect, referenced tables first."""
    for table in Tables.metadata.sorted_tables:
        yield str(CreateTable(table).compile(dialect=dialect))
