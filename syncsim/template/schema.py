"""What a template is: schema version 1 as one table of rules, for the check and the JSON Schema.

A document has `fields` as one flat list; a field names its section, a section lists no fields.
Version, times and authors live outside of the document. `metadata.derived` is the background job's.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from functools import cached_property
from typing import Final

from syncsim.contract import JSON, Document
from syncsim.template.patterns import compile_quietly, ends_soon
from syncsim.template.rules import (
    AnyValue,
    Boolean,
    DateTime,
    ListOf,
    Number,
    ObjectRule,
    OneOf,
    Rule,
    ScalarOrTexts,
    Schema,
    Text,
)
from syncsim.template.strict_json import NOTHING, RuleError

MAX_FIELDS: Final = 2000
MAX_SECTIONS: Final = 200
MAX_PATTERN: Final = 200

ID: Final = Text(shape="[a-z][a-z0-9_]{0,63}", called="an id ([a-z][a-z0-9_]{0,63})")
OPTION_VALUE: Final = Text(1, 100)
OPTIONS: Final = ListOf(
    "option",
    ObjectRule("an option", {"value": OPTION_VALUE, "label": Text(1, 200)}),
    key="value",
    min_items=1,
)


# -- fields: what each type allows -----------------------------------------------------------------


class Pattern:
    """A regular expression of at most 200 characters that Python's `re` compiles."""

    expected: Final = f"a regular expression of at most {MAX_PATTERN} characters"

    def check(self, value: JSON) -> None:
        """Refuse what does not compile."""
        if type(value) is not str or len(value) > MAX_PATTERN:
            raise RuleError("", value, self.expected)
        try:
            compile_quietly(value)
        except (re.error, OverflowError, RecursionError) as error:
            raise RuleError("", value, f"{self.expected} ({error})") from None

    def schema(self) -> Schema:
        """A string; that it compiles is beyond JSON Schema."""
        return {"type": "string", "maxLength": MAX_PATTERN}


def _order(value: JSON) -> JSON:
    """A number as it is; a day or time as a point in time, UTC where it names no offset."""
    if type(value) is not str:
        return value
    moment = datetime.fromisoformat(value)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


FITS: Final[Mapping[str, Callable[[JSON, JSON], bool]]] = {
    "min_length": lambda value, limit: len(value) >= limit,
    "max_length": lambda value, limit: len(value) <= limit,
    "pattern": lambda value, limit: (
        not ends_soon(limit, value) or compile_quietly(limit).search(value) is not None
    ),
    "minimum": lambda value, limit: bool(_order(value) >= _order(limit)),
    "maximum": lambda value, limit: bool(_order(value) <= _order(limit)),
    "multiple_of": lambda value, limit: Fraction(str(value)) % Fraction(str(limit)) == 0,
    "min_items": lambda value, limit: len(value) >= limit,
    "max_items": lambda value, limit: len(value) <= limit,
}
"""Whether a default meets a validation key. A pattern that might be slow counts as met."""

PAIRS: Final = (("min_length", "max_length"), ("minimum", "maximum"), ("min_items", "max_items"))


@dataclass(frozen=True)
class FieldType:
    """What a field of one type may hold besides the keys that every field has."""

    default: Rule | None
    limits: Mapping[str, Rule] = dataclasses.field(default_factory=dict)
    has_options: bool = False

    @cached_property
    def validation(self) -> ObjectRule:
        """The rule of the key `validation`."""
        return ObjectRule("the validation of a field of this type", optional=self.limits)

    @cached_property
    def forbidden(self) -> tuple[str, ...]:
        """The keys that other types may have."""
        options = () if self.has_options else ("options",)
        return options if self.default is not None else (*options, "required", "default")


def _range(of: Rule) -> dict[str, Rule]:
    return {"minimum": of, "maximum": of}


_COUNT = Number(whole=True, minimum=0)
_LENGTHS: dict[str, Rule] = {"min_length": _COUNT, "max_length": _COUNT, "pattern": Pattern()}
_COUNTS: dict[str, Rule] = {"min_items": _COUNT, "max_items": _COUNT}
_WHOLE = {**_range(Number(whole=True)), "multiple_of": Number(whole=True, above=0)}
_NUMBER = {**_range(Number()), "multiple_of": Number(above=0)}
_CHOSEN = ListOf("option value", OPTION_VALUE, distinct=True)

FIELD_TYPES: Final[Mapping[str, FieldType]] = {
    "text": FieldType(Text(), _LENGTHS),
    "long_text": FieldType(Text(), _LENGTHS),
    "integer": FieldType(Number(whole=True), _WHOLE),
    "number": FieldType(Number(), _NUMBER),
    "boolean": FieldType(Boolean()),
    "date": FieldType(DateTime(), _range(DateTime())),
    "datetime": FieldType(DateTime(timed=True), _range(DateTime(timed=True))),
    "email": FieldType(Text(shape=r"[^@\s]+@[^@\s]+", called="an e-mail address"), _LENGTHS),
    "phone": FieldType(Text(shape="[0-9 +()./x-]+", called="a phone number"), _LENGTHS),
    "choice": FieldType(OPTION_VALUE, has_options=True),
    "multi_choice": FieldType(_CHOSEN, _COUNTS, has_options=True),
    "file": FieldType(Text()),
    "signature": FieldType(Text()),
    "note": FieldType(None),
}


class Field:
    """A field: the keys that all types share, then what its type adds or forbids.

    A `default` passes the field's own rules: its type, `validation` and `options`. It is matched
    against `pattern` only where that surely ends soon.
    """

    expected: Final = "an object (a field)"
    shape: Final = ObjectRule(
        "a field",
        {
            "id": ID,
            "section": ID,
            "label": Text(1, 200),
            "type": OneOf(tuple(FIELD_TYPES)),
        },
        {
            "required": Boolean(),
            "help": Text(0, 500),
            "options": OPTIONS,
            "default": AnyValue(),
            "validation": AnyValue(),
        },
    )

    def check(self, value: JSON) -> None:
        """Refuse what breaks a rule of all fields or of the field's type."""
        self.shape.check(value)
        kind = FIELD_TYPES[value["type"]]
        if kind.has_options and "options" not in value:
            raise RuleError("/options", NOTHING, f"{OPTIONS.expected}, required by {value['type']}")
        for key in kind.forbidden:
            if key in value:
                raise RuleError(
                    f"/{key}", value[key], f"no {key} in a field of type {value['type']}"
                )
        if "validation" in value:
            self._check_validation(value["validation"], kind.validation)
        if "default" in value and kind.default is not None:
            try:
                self._check_default(value, kind.default)
            except RuleError as broken:
                raise broken.below("/default") from None

    def _check_validation(self, limits: JSON, rule: ObjectRule) -> None:
        try:
            rule.check(limits)
        except RuleError as broken:
            raise broken.below("/validation") from None
        for low, high in PAIRS:
            if low in limits and high in limits and _order(limits[low]) > _order(limits[high]):
                least = f"at least {low}, which is {limits[low]}"
                raise RuleError(f"/validation/{high}", limits[high], least)

    def _check_default(self, value: Document, rule: Rule) -> None:
        default = value["default"]
        rule.check(default)
        if "options" in value:
            values = {option["value"]: None for option in value["options"]}
            for chosen in default if type(default) is list else [default]:
                if chosen not in values:
                    raise RuleError("", chosen, _listing("the value of an option", [*values]))
        for key, limit in value.get("validation", {}).items():
            if not FITS[key](default, limit):
                raise RuleError("", default, f"what the field's own {key} ({limit}) allows")

    def schema(self) -> Schema:
        """The shared keys, then a condition for each type."""
        conditions = []
        for name, kind in FIELD_TYPES.items():
            allowed: Schema = dict.fromkeys(kind.forbidden, False)
            allowed["validation"] = kind.validation.schema()
            if kind.default is not None:
                allowed["default"] = kind.default.schema()
            then: Schema = {"properties": allowed}
            if kind.has_options:
                then["required"] = ["options"]
            when = {"properties": {"type": {"const": name}}, "required": ["type"]}
            conditions.append({"if": when, "then": then})
        return {**self.shape.schema(), "allOf": conditions}


# -- the whole document ----------------------------------------------------------------------------

FIELDS: Final = ListOf("field", Field(), key="id", max_items=MAX_FIELDS)
SECTIONS: Final = ListOf(
    "section",
    ObjectRule("a section", {"id": ID, "title": Text(1, 200)}, {"description": Text(0, 2000)}),
    key="id",
    max_items=MAX_SECTIONS,
)
SETTINGS: Final = ObjectRule(
    "the settings",
    optional={
        "locale": Text(
            max_length=35,
            shape="[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*",
            called="a BCP 47 language tag such as de-AT,",
        ),
        "submit_label": Text(0, 200),
        "allow_drafts": Boolean(),
        "theme": Text(0, 200),
    },
    others=AnyValue(),
    prefix="x_",
)
METADATA: Final = ObjectRule(
    "the metadata",
    optional={"derived": ObjectRule("what the background job derived", others=AnyValue())},
    others=ScalarOrTexts(),
)
TEMPLATE: Final = ObjectRule(
    "a template",
    {
        "schema_version": OneOf((1,)),
        "name": Text(1, 120, shape=r"\S(?:[\s\S]*\S)?", called="text without space at its ends,"),
        "fields": FIELDS,
        "sections": SECTIONS,
    },
    {"description": Text(0, 2000), "settings": SETTINGS, "metadata": METADATA},
)


def check_references(fields: list[Document], sections: list[Document]) -> None:
    """Refuse equal ids, and a field whose section does not exist; raises `RuleError`.

    The elements have passed their own rules.
    """
    field_ids = {field["id"] for field in fields}
    section_ids = {section["id"] for section in sections}
    if len(field_ids) < len(fields):
        raise FIELDS.same_key(fields).below("/fields")
    if len(section_ids) < len(sections):
        raise SECTIONS.same_key(sections).below("/sections")
    if not section_ids.issuperset([field["section"] for field in fields]):
        lost = next(field for field in fields if field["section"] not in section_ids)
        what = _listing("the id of a section", [section["id"] for section in sections])
        raise RuleError(f"/fields/{lost['id']}/section", lost["section"], what)


def _listing(what: str, names: list[str]) -> str:
    """`what`, and the names that there are as far as they fit into a message."""
    if not names:
        return f"{what}, and there is none"
    more = f" and {len(names) - 20} more" if names[20:] else ""
    return f"{what}: {', '.join(names[:20])}{more}"


def json_schema() -> Schema:
    """The rules as JSON Schema (2020-12), as far as JSON Schema can say them.

    Not in it: unique ids, references to sections, a default that meets its validation, the order
    of minimum and maximum, the size and depth of the document, Unicode form, 1.0 against 1.
    """
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "syncsim template, schema version 1",
        "description": "Necessary, not sufficient: unique ids and references are checked in code.",
        **TEMPLATE.schema(),
    }
