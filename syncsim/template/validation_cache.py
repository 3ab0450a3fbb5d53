"""What is known to be valid: parts of documents, remembered, so that only what is new is checked.

A commit encodes its document once, and nearly all of it has been seen before. So the parts that
passed are kept read-only, one object for equal content, each with its canonical bytes as `proof`:
put into another document they are known at a glance, and two versions share what is the same in
both. A part in plain dicts and lists, which anybody may have changed, is found again by its bytes.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final, Generic, TypeAlias, TypeVar

import orjson

from syncsim.contract import JSON, Document
from syncsim.template.frozen import (
    FrozenDict,
    FrozenList,
    freeze,
    frozen_dict,
    frozen_list,
)
from syncsim.template.rules import ListOf, Rule
from syncsim.template.schema import (
    FIELDS,
    METADATA,
    SECTIONS,
    SETTINGS,
    TEMPLATE,
    check_references,
)
from syncsim.template.strict_json import (
    MAX_BYTES,
    MAX_DEPTH,
    RuleError,
    check_plain,
    element_path,
)

AS_IS: Final = (
    orjson.OPT_PASSTHROUGH_SUBCLASS
    | orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_DATETIME
)
SORTED: Final = AS_IS | orjson.OPT_SORT_KEYS

Part: TypeAlias = tuple[JSON, bytes]
"""A value that no caller can change, and its canonical bytes."""

T = TypeVar("T")


def thawed(value: Any) -> JSON:
    """What orjson is to write for a subclass that it was told to pass on: views are plain JSON."""
    if type(value) is FrozenDict:
        return dict(value)
    if type(value) is FrozenList:
        return list(value)
    raise TypeError(f"not {type(value).__name__}")


class Bounded(dict[bytes, T], Generic[T]):
    """A memory of at most so many bytes of keys; when full it starts afresh.

    It takes no lock, which a forked child or an interrupted thread might never give back: threads
    that keep at the same instant may count a key too little or too much until then.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._size_bytes = 0

    def keep(self, key: bytes, value: T) -> None:
        """Remember the value under the key."""
        self._size_bytes += 0 if key in self else len(key)
        if self._size_bytes > self._limit_bytes:
            self.clear()
            self._size_bytes = len(key)
        self[key] = value


def _compact(text: bytes) -> bytes:
    """The same bytes without the 4 KiB that orjson takes for each of its answers."""
    return bytes(memoryview(text))


# -- one part of a document ------------------------------------------------------------------------


class Validator:
    """Judges values by a rule; what is judged is what is returned.

    Every value is turned into bytes once and the rule looks at what those say, so one that is
    changed meanwhile cannot slip in half-checked. (An `Enum` member that equals its value counts as
    that value.)
    """

    def __init__(self, rule: Rule, levels: int = MAX_DEPTH) -> None:
        self._rule = rule
        self._levels = levels
        self._last: Part = (object(), b"")

    def recall(self, value: JSON) -> Part:
        """The value, which is a scalar, and its bytes; raises `RuleError`."""
        last = self._last
        if last[0] is value or (type(value) is str and last[0] == value):
            return last
        if type(value) is str and value.isascii():  # nothing but the rule can be broken
            self._rule.check(value)
            part: Part = value, orjson.dumps(value)
        else:
            part = self._judged(value)[1:]
        self._last = part
        return part

    def _judged(self, value: JSON) -> tuple[bytes, JSON, bytes]:
        """The value's bytes as its keys stand, a private copy, and its canonical bytes."""
        try:
            text = orjson.dumps(value, thawed, AS_IS)
        except TypeError as error:
            check_plain(value, "", self._levels)
            raise RuleError("", value, f"plain JSON ({error})") from None
        if len(text) > MAX_BYTES:
            raise RuleError("", value, f"a document of at most {MAX_BYTES} bytes")
        copy = orjson.loads(text)
        if copy != value:  # orjson wrote something else than it was given
            check_plain(value, "", self._levels)
            raise RuleError("", value, "JSON that holds still while it is read")
        if not text.isascii() or text.count(b"{") + text.count(b"[") > self._levels:
            check_plain(copy, "", self._levels)  # otherwise in NFC, and cannot be too deep
        self._rule.check(copy)
        return text, copy, orjson.dumps(copy, None, SORTED)


class CachingValidator(Validator):
    """Judges objects, and remembers those that passed: known ones are not checked again.

    One that it has handed out is known by its proof, any other by its bytes. The bytes tell 1 from
    1.0 and true, which `==` does not; `==` tells a tuple from a list and NaN from null, which the
    bytes do not; a known value agrees in both. The bytes are taken in the order in which the keys
    stand, which is cheaper than sorting them; every order leads to the same object. `limit_bytes`
    of keys are about twenty times that in memory.
    """

    def __init__(self, rule: Rule, levels: int = MAX_DEPTH, limit_bytes: int = MAX_BYTES) -> None:
        super().__init__(rule, levels)
        self._known = Bounded[Part](limit_bytes)

    def recall(self, value: JSON) -> Part:
        """The value, read-only, and its canonical bytes; raises `RuleError`."""
        if type(value) is FrozenDict and (proof := value.proof) and proof[0] is self:
            return value, proof[1]
        try:
            known = self._known.get(orjson.dumps(value, thawed, AS_IS))
        except TypeError:  # judging it will say why
            known = None
        return known if known is not None and known[0] == value else self._learn(value)

    def _learn(self, value: JSON) -> Part:
        text, copy, body = self._judged(value)
        known = self._known.get(body)
        if known is None:
            body = _compact(body)
            copy = freeze(copy if text == body else orjson.loads(body))
            copy.proof = self, body
            known = copy, body
            self._known.keep(body, known)
        if text != body:
            self._known.keep(_compact(text), known)
        return known


_PARTS: Final[dict[str, Validator]] = {
    "schema_version": Validator(TEMPLATE.known["schema_version"]),
    "name": Validator(TEMPLATE.known["name"]),
    "description": Validator(TEMPLATE.known["description"]),
    "settings": CachingValidator(SETTINGS, MAX_DEPTH - 1),
    "metadata": CachingValidator(METADATA, MAX_DEPTH - 1),
}
_FIELDS: Final = CachingValidator(FIELDS.element)
_SECTIONS: Final = CachingValidator(SECTIONS.element)


def is_field(value: JSON) -> bool:
    """Whether a value is a valid field; remembered, so a document with it is soon checked."""
    try:
        _FIELDS.recall(value)
    except RuleError:
        return False
    return True


# -- fields and sections, valid together -----------------------------------------------------------

_LISTS: Final = Bounded[tuple[FrozenList, FrozenList]](4 * MAX_BYTES)
"""Plain fields and sections that are valid together, by their bytes."""


def _elements(document: Document, key: str, rule: ListOf) -> JSON:
    """The elements of a list; a copy unless it is read-only, so that their count is final."""
    elements = document[key]
    kind = type(elements)
    if (kind is not list and kind is not FrozenList) or len(elements) > (rule.max_items or 0):
        raise RuleError(f"/{key}", elements, rule.expected)
    return elements if kind is FrozenList else list(elements)


def _lists(fields: JSON, sections: JSON) -> tuple[FrozenList, FrozenList]:
    """Both lists read-only, each element valid and each reference resolved.

    The proof of the fields names the sections beside which they are valid.
    """
    if type(fields) is FrozenList and fields.proof and fields.proof[0] is sections:
        return fields, sections
    text = None
    if type(fields) is list and type(sections) is list:
        with suppress(TypeError):  # the element that is to blame will be found
            text = orjson.dumps([fields, sections], thawed, AS_IS)
            known = _LISTS.get(text)
            if known is not None and known[0] == fields and known[1] == sections:
                return known
    joined = _joined(fields, sections)
    if text is not None:
        _LISTS.keep(_compact(text), joined)
    return joined


def _joined(fields: JSON, sections: JSON) -> tuple[FrozenList, FrozenList]:
    valid_fields, field_bodies = _recall_each(_FIELDS, fields, "/fields")
    if type(sections) is FrozenList and sections.proof and sections.proof[0] is _SECTIONS:
        valid_sections = sections
    else:
        elements, bodies = _recall_each(_SECTIONS, sections, "/sections")
        valid_sections = frozen_list(elements, (_SECTIONS, bodies))
    check_references(valid_fields, valid_sections)
    return frozen_list(valid_fields, (valid_sections, field_bodies)), valid_sections


def _recall_each(memo: CachingValidator, values: list[JSON], path: str) -> tuple[list[JSON], bytes]:
    """Every element of the list at this path, valid and read-only, and the bytes of the list."""
    elements: list[JSON] = []
    bodies: list[bytes] = []
    recall = memo.recall
    for value in values:
        try:
            if type(value) is FrozenDict and (proof := value.proof) and proof[0] is memo:
                element, body = value, proof[1]  # as `recall` would say
            else:
                element, body = recall(value)
        except RuleError as broken:
            raise broken.below(path + element_path(len(elements), value)) from None
        elements.append(element)
        bodies.append(body)
    return elements, b"[" + b",".join(bodies) + b"]"


# -- the whole -------------------------------------------------------------------------------------

_WHOLE: Final = object()
"""Who vouches for whole documents."""

_LABELS: Final = [(key, f',"{key}":'.encode()) for key in sorted(TEMPLATE.known)]

_VIEWS: Final = Bounded[FrozenDict](4 * MAX_BYTES)
"""Documents by their canonical bytes."""


def validated(document: JSON) -> FrozenDict:
    """The document read-only, with its canonical bytes as proof; raises `RuleError`.

    Costs nothing for one that was settled before, and little for one made of settled parts.
    """
    if type(document) is FrozenDict:
        whole: FrozenDict = document
        if whole.proof and whole.proof[0] is _WHOLE:
            return whole
    elif type(document) is not dict:
        raise RuleError("", document, TEMPLATE.expected)
    given = document.copy()  # so that its keys are final
    parts: dict[str, Part] = {}
    for key, value in given.items():
        judge = _PARTS.get(key)
        if type(key) is not str:
            check_plain({key: None})
        if judge is not None:
            try:
                parts[key] = judge.recall(value)
            except RuleError as broken:
                raise broken.below(f"/{key}") from None
    TEMPLATE.check_keys(given)
    fields, sections = _lists(
        _elements(given, "fields", FIELDS), _elements(given, "sections", SECTIONS)
    )
    parts["fields"] = fields, proven(fields)
    parts["sections"] = sections, proven(sections)
    return _composed(document, parts)


def _composed(document: Document, parts: dict[str, Part]) -> FrozenDict:
    members: Document = {}
    texts: list[bytes] = []
    for key, label in _LABELS:
        part = parts.get(key)
        if part is not None:
            members[key], text = part
            texts.append(label + text)
    body = b"{%b}" % b"".join(texts)[1:]  # no comma before the first
    if len(body) > MAX_BYTES:
        raise RuleError("", document, f"a document of at most {MAX_BYTES} bytes")
    return frozen_dict(members, (_WHOLE, body))


def proven(settled_value: FrozenDict | FrozenList) -> bytes:
    """The canonical bytes of a value that has a proof."""
    assert settled_value.proof is not None
    return settled_value.proof[1]


def remember(document: FrozenDict) -> None:
    """Make `view` return this settled document for its bytes."""
    _VIEWS.keep(proven(document), document)


def view(body: bytes) -> Document:
    """The document that a store keeps in these bytes: read-only, and shared by all who ask.

    One that the rules would refuse today is given all the same; it is what the store holds.
    """
    document = _VIEWS.get(body)
    if document is None:
        plain = orjson.loads(body)
        try:
            document = validated(plain)
            if proven(document) == body:
                document.proof = _WHOLE, body  # one copy of the bytes is enough
        except RuleError:
            document = freeze(plain)
        _VIEWS.keep(body, document)
    return document
