"""The template document as bytes: validated, canonical, hashed; and how it is read from outside.

The rules themselves stand in `schema`, and `known` remembers what has passed them before.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final

import orjson

from syncsim import exact
from syncsim.contract import BACKGROUND, JSON, Document
from syncsim.errors import InvalidTemplateError, UsageError
from syncsim.template import schema as template_schema
from syncsim.template.frozen import FrozenDict
from syncsim.template.rules import Schema
from syncsim.template.schema import MAX_FIELDS, MAX_SECTIONS
from syncsim.template.strict_json import (
    MAX_BYTES,
    MAX_DEPTH,
    RuleError,
    check_plain,
    read,
    shortened,
)
from syncsim.template.validation_cache import SORTED, proven, remember, thawed, validated, view

__all__ = [
    "MAX_BYTES",
    "MAX_DEPTH",
    "MAX_FIELDS",
    "MAX_SECTIONS",
    "canonical",
    "check_json",
    "check_template_id",
    "check_update_id",
    "check_user",
    "content_hash",
    "encode",
    "json_schema",
    "parse",
    "read_json",
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
        raise InvalidTemplateError(None, "", shortened(value), f"plain JSON ({error})") from None


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
    return proven(_settled(document, template_id))


def validate(document: Document, template_id: str | None = None) -> Document:
    """The document, deeply read-only; `InvalidTemplateError` unless it keeps every rule.

    It shares what it has in common with other documents that were validated or viewed.
    """
    valid = _settled(document, template_id)
    remember(valid)
    return valid


def parse(text: str | bytes, template_id: str | None = None) -> Document:
    """A valid document from untrusted JSON text; `InvalidTemplateError` otherwise.

    Refuses what lenient parsers let pass: keys that stand twice, NaN, a byte order mark, integers
    beyond 64 bits, text that is not UTF-8, nesting without end.
    """
    document: Document = read_json(text, template_id)
    _settled(document, template_id)
    return document


def read_json(text: str | bytes, template_id: str | None = None, levels: int = MAX_DEPTH) -> JSON:
    """Any JSON value, read as strictly as `parse` does; `levels`: how deep it may be nested."""
    try:
        return read(text, levels)
    except RuleError as broken:
        raise _invalid(template_id, broken) from None


def json_schema() -> Schema:
    """The rules as JSON Schema, 2020-12; the committed copy is `data/template.schema.json`."""
    return template_schema.json_schema()


def check_json(value: JSON, template_id: str | None = None) -> None:
    """Raise `InvalidTemplateError` for what is no plain JSON; runs no method of the values."""
    try:
        check_plain(value)
    except RuleError as broken:
        raise _invalid(template_id, broken) from None


def _settled(document: Document, template_id: str | None) -> FrozenDict:
    try:
        return validated(document)
    except RuleError as broken:
        raise _invalid(template_id, broken) from None
    except Exception:  # of a value's own methods
        check_json(document, template_id)
        raise


def _invalid(template_id: str | None, broken: RuleError) -> InvalidTemplateError:
    return InvalidTemplateError(template_id, broken.path, shortened(broken.value), broken.expected)


# -- names -----------------------------------------------------------------------------------------


def check_template_id(template_id: str) -> str:
    """The id of a template as plain text: 1 to 200 characters, no NUL; `UsageError` otherwise."""
    return _name("template_id", template_id)


def check_user(user: str, *, reserved_ok: bool = False) -> str:
    """The name of a user as plain text: 1 to 200 characters, no NUL; `UsageError` otherwise.

    The name `background` belongs to the job and is refused too, unless `reserved_ok`.
    """
    name = _name("user", user)
    if name == BACKGROUND and not reserved_ok:
        raise UsageError("user", name, f"another name; {BACKGROUND!r} is reserved for the job")
    return name


def check_update_id(update_id: str) -> str:
    """The id of an update as plain text: 1 to 200 characters, no NUL; `UsageError` otherwise."""
    return _name("update_id", update_id)


_NAME = f"text of 1 to {MAX_NAME} characters, UTF-8, without NUL"


def _name(argument: str, value: object) -> str:
    name = value if type(value) is str else exact.text(value)
    try:
        if (
            name
            and len(name) <= MAX_NAME
            and "\0" not in name
            and (name.isascii() or name.encode())
        ):
            return name
    except UnicodeEncodeError:  # a lone surrogate, which no store, folder or log line can hold
        pass
    raise UsageError(argument, value, _NAME)
