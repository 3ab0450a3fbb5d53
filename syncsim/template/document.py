"""The template document as bytes: validated, canonical, hashed; and how it is read from outside.

The rules themselves stand in `schema`, and `known` remembers what has passed them before.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

import orjson

from syncsim.contract import BACKGROUND, JSON, Document
from syncsim.errors import InvalidTemplateError, UsageError
from syncsim.template import schema as template_schema
from syncsim.template.known import SORTED, proven, remember, settled, thawed, view
from syncsim.template.rules import Schema
from syncsim.template.schema import MAX_FIELDS, MAX_SECTIONS
from syncsim.template.strict_json import MAX_BYTES, MAX_DEPTH, NotAllowed, excerpt, read

__all__ = [
    "MAX_BYTES",
    "MAX_DEPTH",
    "MAX_FIELDS",
    "MAX_SECTIONS",
    "canonical",
    "check_template_id",
    "check_update_id",
    "check_user",
    "content_hash",
    "encode",
    "json_schema",
    "parse",
    "validate",
    "version_token",
    "view",
]

MAX_NAME: Final = 200
"""Length limit of template ids and user names, in characters."""


def canonical(value: JSON) -> bytes:
    """Any JSON value as canonical bytes: sorted keys, UTF-8, no spaces. Equal bytes = equal values.

    Raises `InvalidTemplateError` for what JSON cannot hold. A tuple counts as a list here and NaN
    as null; `encode` refuses both.
    """
    try:
        return orjson.dumps(value, thawed, SORTED)
    except TypeError as error:
        raise InvalidTemplateError(None, "", excerpt(value), f"plain JSON ({error})") from None


def content_hash(body: bytes) -> bytes:
    """SHA-256 of a document's canonical bytes."""
    return sha256(body).digest()


def version_token(revision: int, content: bytes) -> str:
    """The version of a revision whose body has this `content_hash`: `12-3f9a1c07`, opaque."""
    return f"{revision}-{content[:4].hex()}"


# -- the document ----------------------------------------------------------------------------------


def encode(document: Document, template_id: str | None = None) -> bytes:
    """Canonical bytes of a document that keeps every rule; `InvalidTemplateError` for any other.

    Safe to call from any thread, and while another changes the document: what is judged is what is
    returned. Costs next to nothing for what `validate` or `view` returned.
    """
    try:
        return proven(settled(document))
    except NotAllowed as broken:
        raise _invalid(template_id, broken) from None


def validate(document: Document, template_id: str | None = None) -> Document:
    """The document, deeply read-only; `InvalidTemplateError` unless it keeps every rule.

    It shares what it has in common with other documents that were validated or viewed.
    """
    try:
        valid = settled(document)
    except NotAllowed as broken:
        raise _invalid(template_id, broken) from None
    remember(valid)
    return valid


def parse(text: str | bytes, template_id: str | None = None) -> Document:
    """A valid document from JSON text that nobody vouches for; `InvalidTemplateError` otherwise.

    Refuses what lenient parsers let pass: keys that stand twice, NaN, a byte order mark, integers
    beyond 64 bits, text that is not UTF-8, nesting without end.
    """
    try:
        document: Document = read(text)
        settled(document)
    except NotAllowed as broken:
        raise _invalid(template_id, broken) from None
    return document


def json_schema() -> Schema:
    """The rules as JSON Schema, 2020-12; the committed copy is `data/template.schema.json`."""
    return template_schema.json_schema()


def _invalid(template_id: str | None, broken: NotAllowed) -> InvalidTemplateError:
    return InvalidTemplateError(template_id, broken.path, excerpt(broken.value), broken.expected)


# -- names -----------------------------------------------------------------------------------------


def check_template_id(template_id: str) -> None:
    """Raise `UsageError` unless this can be the id of a template: 1 to 200 characters, no NUL."""
    if not _is_name(template_id):
        raise UsageError("template_id", template_id, _NAME)


def check_user(user: str, *, reserved_ok: bool = False) -> None:
    """Raise `UsageError` unless this can be the name of a user: 1 to 200 characters, no NUL.

    The name `background` belongs to the job and is refused too, unless `reserved_ok`.
    """
    if not _is_name(user):
        raise UsageError("user", user, _NAME)
    if user == BACKGROUND and not reserved_ok:
        raise UsageError("user", user, f"another name; {BACKGROUND!r} is reserved for the job")


def check_update_id(update_id: str) -> None:
    """Raise `UsageError` unless this can be the id of an update: 1 to 200 characters, no NUL."""
    if not _is_name(update_id):
        raise UsageError("update_id", update_id, _NAME)


_NAME = f"text of 1 to {MAX_NAME} characters, UTF-8, without NUL"


def _is_name(name: object) -> bool:
    try:
        return (
            isinstance(name, str)
            and 0 < len(name) <= MAX_NAME
            and "\0" not in name
            and (name.isascii() or bool(name.encode()))
        )
    except UnicodeEncodeError:  # a lone surrogate, which no store, folder or log line can hold
        return False
