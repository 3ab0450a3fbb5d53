"""The template document as bytes: validated, canonical, hashed; and how it is read from outside.

The rules themselves stand in `template_schema`. A commit encodes its document once, and nearly all
of it has been seen before: so fields and sections that passed are remembered by their bytes, and
only what is new is looked at in full.
"""

from __future__ import annotations

from contextlib import suppress
from hashlib import sha256
from threading import Lock
from typing import Any, Final

import orjson

from syncsim.contract import BACKGROUND, JSON, Document
from syncsim.errors import InvalidTemplateError, UsageError
from syncsim.template import schema as template_schema
from syncsim.template.frozen import FrozenDict, FrozenList
from syncsim.template.rules import Rule, Schema
from syncsim.template.schema import MAX_FIELDS, MAX_SECTIONS, TEMPLATE, check_references
from syncsim.template.strict_json import (
    MAX_BYTES,
    MAX_DEPTH,
    NotAllowed,
    check_plain,
    element_path,
    excerpt,
    read,
)

__all__ = [
    "MAX_BYTES",
    "MAX_DEPTH",
    "MAX_FIELDS",
    "MAX_SECTIONS",
    "canonical",
    "check_template_id",
    "check_update_id",
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
        return orjson.dumps(value, _thawed, _SORTED)
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


class _Bounded(dict[bytes, Any]):
    """A memory of at most so many bytes of keys; when full it starts afresh. Reads take no lock."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._size_bytes = 0
        self._lock = Lock()

    def keep(self, key: bytes, value: Any) -> None:
        with self._lock:
            self._size_bytes += len(key)
            if self._size_bytes > self._limit_bytes:
                self.clear()
                self._size_bytes = len(key)
            self[key] = value


class _Memo:
    """Values that passed a rule, found again by their bytes: known ones are not checked again.

    The bytes tell 1 from 1.0 and true, which `==` does not; `==` tells a tuple from a list and NaN
    from null, which the bytes do not; a known value agrees in both. The bytes are taken in the
    order in which the keys stand, which is cheaper than sorting them; another order is another
    entry. `limit_bytes` of keys are about twenty times that in memory.
    """

    def __init__(self, rule: Rule, levels: int = MAX_DEPTH, limit_bytes: int = MAX_BYTES) -> None:
        self._rule = rule
        self._levels = levels
        self._known = _Bounded(limit_bytes)

    def recall(self, value: JSON) -> tuple[JSON, bytes]:
        """A private copy of the value and its canonical bytes; raises `NotAllowed`."""
        try:
            known: tuple[JSON, bytes] | None = self._known.get(orjson.dumps(value, _thawed, _AS_IS))
        except TypeError:  # learning it will say why
            known = None
        return known if known is not None and known[0] == value else self._learn(value)

    def recall_each(self, values: list[JSON], path: str) -> tuple[list[JSON], bytes]:
        """The same for every element of the list at this path, the bytes joined to a list."""
        copies: list[JSON] = []
        bodies: list[bytes] = []
        known: tuple[JSON, bytes] | None
        recalled = self._known.get
        for value in values:
            try:
                known = recalled(orjson.dumps(value, _thawed, _AS_IS))
            except TypeError:
                known = None
            if known is None or known[0] != value:
                try:
                    known = self._learn(value)
                except NotAllowed as broken:
                    raise broken.below(path + element_path(len(copies), value)) from None
            copies.append(known[0])
            bodies.append(known[1])
        return copies, b"[" + b",".join(bodies) + b"]"

    def _learn(self, value: JSON) -> tuple[JSON, bytes]:
        try:
            text = orjson.dumps(value, _thawed, _AS_IS)
        except TypeError as error:
            check_plain(value, "", self._levels)
            raise NotAllowed("", value, f"plain JSON ({error})") from None
        if len(text) > MAX_BYTES:
            raise NotAllowed("", value, f"a document of at most {MAX_BYTES} bytes")
        copy = orjson.loads(text)
        if copy != value:  # orjson wrote something else than it was given
            check_plain(value, "", self._levels)
            raise NotAllowed("", value, "JSON that holds still while it is read")
        if not text.isascii() or text.count(b"{") + text.count(b"[") > self._levels:
            check_plain(copy, "", self._levels)  # otherwise in NFC, and cannot be too deep
        self._rule.check(copy)
        known = copy, orjson.dumps(copy, None, _SORTED)
        self._known.keep(text, known)
        return known


_OBJECT_TYPES: Final = (dict, FrozenDict)
_LIST_TYPES: Final = (list, FrozenList)

# What is left of a document without the parts below, with empty ones in their places.
_OUTLINES = _Memo(TEMPLATE)
_FIELDS = _Memo(template_schema.FIELDS.element)
_SECTIONS = _Memo(template_schema.SECTIONS.element)
_OBJECTS = {
    "settings": _Memo(template_schema.SETTINGS, MAX_DEPTH - 1),
    "metadata": _Memo(template_schema.METADATA, MAX_DEPTH - 1),
}
_LISTS = _Bounded(4 * MAX_BYTES)
"""Fields and sections that are valid together, by their bytes: most commits change neither."""


def _encode(document: Document) -> bytes:
    if type(document) not in _OBJECT_TYPES:
        raise NotAllowed("", document, TEMPLATE.expected)
    outline = document.copy()
    fields = _lift(outline, "fields", MAX_FIELDS)
    sections = _lift(outline, "sections", MAX_SECTIONS)
    parts: dict[str, orjson.Fragment] = {}
    for key, memo in _OBJECTS.items():
        part = outline.get(key)
        if type(part) in _OBJECT_TYPES:
            try:
                parts[key] = orjson.Fragment(memo.recall(part)[1])
            except NotAllowed as broken:
                raise broken.below(f"/{key}") from None
            outline[key] = {}
    whole = {**_OUTLINES.recall(outline)[0], **parts}
    whole["fields"], whole["sections"] = _lists(fields, sections)
    body = orjson.dumps(whole, None, _SORTED)
    if len(body) > MAX_BYTES:
        raise NotAllowed("", document, f"a document of at most {MAX_BYTES} bytes")
    return body


def _lift(outline: Document, key: str, limit: int) -> list[JSON]:
    """Take the elements of a list out of the outline; a copy, so that their count is final."""
    elements: Any = outline.get(key)
    if type(elements) not in _LIST_TYPES or len(elements) > limit:
        return []  # left where it is, for the rule of the outline to refuse
    outline[key] = []
    return list(elements)


def _lists(fields: list[JSON], sections: list[JSON]) -> tuple[orjson.Fragment, orjson.Fragment]:
    """Both lists as canonical JSON, each element valid and each reference resolved."""
    lists = [fields, sections]
    text = None
    with suppress(TypeError):  # the element that is to blame will be found
        text = orjson.dumps(lists, _thawed, _AS_IS)
        known = _LISTS.get(text)
        if known is not None and known[0] == lists:
            found: tuple[orjson.Fragment, orjson.Fragment] = known[1]
            return found
    field_copies, field_bodies = _FIELDS.recall_each(fields, "/fields")
    section_copies, section_bodies = _SECTIONS.recall_each(sections, "/sections")
    check_references(field_copies, section_copies)
    bodies = orjson.Fragment(field_bodies), orjson.Fragment(section_bodies)
    if text is not None:
        _LISTS.keep(text, ([field_copies, section_copies], bodies))
    return bodies


def _thawed(value: Any) -> JSON:
    """What orjson is to write for a subclass that it was told to pass on: views are plain JSON."""
    if type(value) is FrozenDict:
        return dict(value)
    if type(value) is FrozenList:
        return list(value)
    raise TypeError(f"not {type(value).__name__}")


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
        return isinstance(name, str) and 0 < len(name) <= MAX_NAME and b"\0" not in name.encode()
    except UnicodeEncodeError:  # a lone surrogate, which no store, folder or log line can hold
        return False
