"""The schema as SQLModel tables: what migrations, reports and other engines start from.

The history is the store. `revision` keeps every commit, always: the document, who wrote it when,
under which update id, on which parent and why. Its newest row is the head, its rows are the audit
trail, and its primary key is the compare-and-swap; so head, history and audit cannot disagree, and
a commit is one row. (A head row updated beside it costs a sixth of the commit, and a table for the
audit a tenth.)

The primary key is a place: the template's number and the revision in one integer. The table is kept
in that order, so the history of a template lies together and needs no index beside it. (An index
over template and revision costs a seventh of the commit.)

The store itself speaks plain SQL on these tables, see `statements`; `schema` keeps their version.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from sqlalchemy import BigInteger, Dialect, Integer, MetaData, Text
from sqlalchemy.schema import CreateTable
from sqlmodel import Field, SQLModel

_PLACE: Final = BigInteger().with_variant(Integer(), "sqlite")  # an INTEGER there is the row id


class Tables(SQLModel):
    """The base of our tables, apart from whatever tables the host program declares."""

    metadata = MetaData()


class TemplateTable(Tables, table=True):
    """Which templates there are; a row is made with the first revision and never changed."""

    __tablename__ = "template"
    number: int | None = Field(default=None, primary_key=True)
    template_id: str = Field(unique=True)


class RevisionTable(Tables, table=True):
    """Every commit. `detail` is JSON text, `body` the document in canonical bytes.

    `place` is ``template.number * 2**32 + revision``. `digest` proves every other column (see
    `records`), so that a bit that the disk turned round is not served. `body` stands last, so
    that reading the other columns does not walk through it. An update id is unique over all
    templates: that is what makes a repeated update harmless.
    """

    __tablename__ = "revision"
    place: int = Field(primary_key=True, sa_type=_PLACE)
    template_id: str = Field(foreign_key="template.template_id")
    revision: int
    version: str
    parent: str | None = None
    by: str
    at: float
    user_updated_at: float | None = None
    update_id: str | None = Field(default=None, unique=True)
    detail: str | None = Field(default=None, sa_type=Text)
    digest: bytes
    body: bytes


def create_statements(dialect: Dialect) -> Iterator[str]:
    """The CREATE TABLE statements in this dialect, referenced tables first."""
    for table in Tables.metadata.sorted_tables:
        yield str(CreateTable(table).compile(dialect=dialect))
