"""The template document as bytes: validated, canonical, hashed; and how it is read from outside.

The rules themselves stand in `template_schema`. A commit encodes its document once, and nearly all
of it has been seen before: so fields and sections that passed are remembered by their bytes, and
only what is new is looked at in full.
"""

from __future__ import annotations

from hashlib import sha256
from threading import Lock
from typing import Final

import orjson

from syncsim import template_schema
from syncsim.contract import BACKGROUND, JSON, Document
from syncsim.errors import InvalidTemplateError, UsageError
from syncsim.rules import Rule, Schema
from syncsim.strict_json import (
    MAX_BYTES,
    MAX_DEPTH,
    NotAllowed,
    check_plain,
    element_path,
    excerpt,
    read,
)
from syncsim.template_schema import MAX_FIELDS, MAX_SECTIONS, TEMPLATE, check_references

__all__ = [
    "MAX_BYTES",
    "MAX_DEPTH",
    "MAX_FIELDS",
    "MAX_SECTIONS",
    "canonical",
    "check_template_id",
    "check_user",
    "encode",
    "json_schema",
    "parse",
    "validate",
    "version_token",
]

MAX_NAME: Final = 200
"""Length limit of template ids and user names, in characters."""

_AS_IS = (
    orjson.OPT_PASSTHROUGH_SUBCLASS
    | orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_DATETIME
)
_SORTED = _AS_IS | orjson.OPT_SORT_KEYS


def canonical(value: JSON) -> bytes:
    """Any JSON value as canonical bytes: sorted keys, UTF-8, no spaces. Equal bytes = equal values.

    Raises `InvalidTemplateError` for what JSON cannot hold. A tuple counts as a list here and NaN
    as null; `encode` refuses both.
    """
    try:
        return orjson.dumps(value, None, _SORTED)
    except TypeError as error:
        raise InvalidTemplateError(None, "", excerpt(value), f"plain JSON ({error})") from None


def version_token(revision: int, body: bytes) -> str:
    """The version of a revision with this body: `12-3f9a1c07`, opaque to everybody else."""
    return f"{revision}-{sha256(body).hexdigest()[:8]}"


# -- the document ----------------------------------------------------------------------------------


def encode(document: Document, template_id: str | None = None) -> bytes:
    """Canonical bytes of a document that keeps every rule; `InvalidTemplateError` for any other.

    What is judged is what is returned: every part is turned into bytes once and the rules look at
    what those bytes say, so a document that is changed meanwhile cannot slip in half-checked.
    Safe to call from any thread. (An `Enum` member that equals its value counts as that value.)
    """
    try:
        return _encode(document)
    except NotAllowed as broken:
        raise _invalid(template_id, broken) from None


def validate(document: Document, template_id: str | None = None) -> None:
    """Raise `InvalidTemplateError` unless the document keeps every rule; as costly as `encode`."""
    encode(document, template_id)


def parse(text: str | bytes, template_id: str | None = None) -> Document:
    """A valid document from JSON text that nobody vouches for; `InvalidTemplateError` otherwise.

    Refuses what lenient parsers let pass: keys that stand twice, NaN, a byte order mark, integers
    beyond 64 bits, text that is not UTF-8, nesting without end.
    """
    try:
        document: Document = read(text)
        _encode(document)
    except NotAllowed as broken:
        raise _invalid(template_id, broken) from None
    return document


def json_schema() -> Schema:
    """The rules as JSON Schema, 2020-12; the committed copy is `data/template.schema.json`."""
    return template_schema.json_schema()


def _invalid(template_id: str | None, broken: NotAllowed) -> InvalidTemplateError:
    return InvalidTemplateError(template_id, broken.path, excerpt(broken.value), broken.expected)


# -- remembering what is valid ---------------------------------------------------------------------


class _Memo:
    """Values that passed a rule, found again by their bytes: known ones are not checked again.

    The bytes tell 1 from 1.0 and true, which `==` does not; `==` tells a tuple from a list and NaN
    from null, which the bytes do not; a known value agrees in both. The bytes are taken in the
    order in which the keys stand, which is cheaper than sorting them; another order is another
    entry. Holds at most `limit_bytes` of text, about ten times that in memory; when full it starts
    afresh, which costs one full check of what is still in use.
    """

    def __init__(self, rule: Rule, limit_bytes: int = 2 * MAX_BYTES) -> None:
        self._rule = rule
        self._limit_bytes = limit_bytes
        self._size_bytes = 0
        self._known: dict[bytes, tuple[JSON, bytes]] = {}
        self._lock = Lock()

    def recall(self, values: list[JSON], path: str) -> tuple[list[JSON], list[bytes]]:
        """Private copies of the values and their canonical bytes; raises `NotAllowed`.

        `path` is that of the list; it is empty if the one value is the document itself.
        """
        copies: list[JSON] = []
        bodies: list[bytes] = []
        known = self._known
        for value in values:
            try:
                found = known.get(orjson.dumps(value, None, _AS_IS))
            except TypeError:
                found = None  # learning it will say why
            if found is None or found[0] != value:
                try:
                    found = self._learn(value)
                except NotAllowed as broken:
                    step = element_path(len(copies), value) if path else ""
                    raise broken.below(path + step) from None
            copies.append(found[0])
            bodies.append(found[1])
        return copies, bodies

    def _learn(self, value: JSON) -> tuple[JSON, bytes]:
        try:
            text = orjson.dumps(value, None, _AS_IS)
        except TypeError as error:
            check_plain(value)
            raise NotAllowed("", value, f"plain JSON ({error})") from None
        if len(text) > MAX_BYTES:
            raise NotAllowed("", value, f"a document of at most {MAX_BYTES} bytes")
        copy = orjson.loads(text)
        if copy != value:  # orjson wrote something else than it was given
            check_plain(value)
            raise NotAllowed("", value, "JSON that holds still while it is read")
        if not text.isascii() or text.count(b"{") + text.count(b"[") > MAX_DEPTH:
            check_plain(copy)  # otherwise it is in NFC, and cannot be too deep
        self._rule.check(copy)
        body = orjson.dumps(copy, None, _SORTED)
        size_bytes = len(text) + len(body)
        with self._lock:
            self._size_bytes += size_bytes
            if self._size_bytes > self._limit_bytes:
                self._known.clear()
                self._size_bytes = size_bytes
            self._known[text] = copy, body
        return copy, body


# The outline is the document with empty lists, which is a valid document itself. Only there can
# anything be deep: the rules of fields and sections leave no room for it.
_OUTLINES = _Memo(TEMPLATE)
_FIELDS = _Memo(template_schema.FIELDS.element)
_SECTIONS = _Memo(template_schema.SECTIONS.element)


def _encode(document: Document) -> bytes:
    if type(document) is not dict:
        raise NotAllowed("", document, TEMPLATE.expected)
    outline = document.copy()
    fields = _lift(outline, "fields", MAX_FIELDS)
    sections = _lift(outline, "sections", MAX_SECTIONS)
    (whole,), _ = _OUTLINES.recall([outline], "")
    fields, field_bodies = _FIELDS.recall(fields, "/fields")
    sections, section_bodies = _SECTIONS.recall(sections, "/sections")
    check_references(fields, sections)
    whole = {**whole, "fields": _joined(field_bodies), "sections": _joined(section_bodies)}
    body = orjson.dumps(whole, None, _SORTED)
    if len(body) > MAX_BYTES:
        raise NotAllowed("", document, f"a document of at most {MAX_BYTES} bytes")
    return body


def _lift(outline: Document, key: str, limit: int) -> list[JSON]:
    """Take the elements of a list out of the outline; a copy, so that their count is final."""
    elements = outline.get(key)
    if type(elements) is not list or len(elements) > limit:
        return []  # left where it is, for the rule of the outline to refuse
    outline[key] = []
    return elements.copy()


def _joined(bodies: list[bytes]) -> orjson.Fragment:
    return orjson.Fragment(b"[" + b",".join(bodies) + b"]")


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


_NAME = f"text of 1 to {MAX_NAME} characters, UTF-8, without NUL"


def _is_name(name: object) -> bool:
    try:
        return isinstance(name, str) and 0 < len(name) <= MAX_NAME and b"\0" not in name.encode()
    except UnicodeEncodeError:  # a lone surrogate, which no store, folder or log line can hold
        return False
