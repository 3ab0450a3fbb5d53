"""Rules for JSON values: each one checks a value, says what it allows, and is JSON Schema as well.

One statement of a rule serves the check, the error text and the published schema, so the three
cannot drift apart. Knows nothing of templates. Values are plain JSON already (`strict_json`).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Protocol

from syncsim.contract import JSON
from syncsim.template.strict_json import NOTHING, RuleError, element_path, segment

Schema = dict[str, JSON]


class Rule(Protocol):
    """What one place in a document may hold."""

    @property
    def expected(self) -> str:
        """What is allowed, as it follows the word "expected"."""

    def check(self, value: JSON) -> None:
        """Raise `RuleError`, with a path from the value on, if the value breaks the rule."""

    def schema(self) -> Schema:
        """The same as JSON Schema, 2020-12."""


@dataclass(frozen=True)
class AnyValue:
    """Any JSON value."""

    expected: str = "any JSON value"

    def check(self, value: JSON) -> None:
        """Allow it."""

    def schema(self) -> Schema:
        """The empty schema."""
        return {}


@dataclass(frozen=True)
class ScalarOrTexts:
    """A scalar or a list of texts: what fits on one line."""

    expected: str = "text, a number, true, false, null or a list of texts"

    def check(self, value: JSON) -> None:
        """Refuse objects and other lists."""
        if type(value) is dict or (
            type(value) is list and not all(type(item) is str for item in value)
        ):
            raise RuleError("", value, self.expected)

    def schema(self) -> Schema:
        """Every type but an object."""
        return {
            "type": ["string", "number", "boolean", "null", "array"],
            "items": {"type": "string"},
        }


@dataclass(frozen=True)
class Boolean:
    """True or false; 1 and 0 are neither."""

    expected: str = "true or false"

    def check(self, value: JSON) -> None:
        """Refuse all but booleans."""
        if type(value) is not bool:
            raise RuleError("", value, self.expected)

    def schema(self) -> Schema:
        """A boolean."""
        return {"type": "boolean"}


@dataclass(frozen=True)
class OneOf:
    """One of a few scalars; 1, 1.0 and true are three different ones."""

    values: tuple[str | int, ...]

    @property
    def expected(self) -> str:
        """The list of values, without quotes."""
        names = [str(value) for value in self.values]
        return "one of " + ", ".join(names) if names[1:] else names[0]

    def check(self, value: JSON) -> None:
        """Refuse what is not in the list with the same type."""
        for one in self.values:
            if value == one and type(value) is type(one):
                return
        raise RuleError("", value, self.expected)

    def schema(self) -> Schema:
        """An enumeration."""
        return {"enum": list(self.values)}


@dataclass(frozen=True)
class Text:
    """Text of a length in characters (code points), perhaps of one shape.

    `shape` is a regular expression for the whole text, in the subset that Python and ECMAScript
    share, and `called` says it in words.
    """

    min_length: int = 0
    max_length: int | None = None
    shape: str = ""
    called: str = "text"

    @property
    def expected(self) -> str:
        """For example `text of 1 to 120 characters`."""
        if self.max_length is None:
            return self.called
        return f"{self.called} of {self.min_length} to {self.max_length} characters"

    @cached_property
    def _shape(self) -> re.Pattern[str] | None:
        return re.compile(self.shape) if self.shape else None

    def check(self, value: JSON) -> None:
        """Refuse what is no text, too short, too long or of another shape."""
        if (
            type(value) is not str
            or len(value) < self.min_length
            or (self.max_length is not None and len(value) > self.max_length)
            or (self._shape is not None and not self._shape.fullmatch(value))
        ):
            raise RuleError("", value, self.expected)

    def schema(self) -> Schema:
        """A string."""
        schema: Schema = {"type": "string"}
        if self.min_length:
            schema["minLength"] = self.min_length
        if self.max_length is not None:
            schema["maxLength"] = self.max_length
        if self.shape:
            schema["pattern"] = f"^(?:{self.shape})$"
        return schema


_DATE = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME = r"[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?(?:Z|[+-][0-9]{2}:[0-9]{2})?"


@dataclass(frozen=True)
class DateTime:
    """A day, or with `timed` a day and a time, in ISO 8601 and on the calendar."""

    timed: bool = False

    @cached_property
    def _text(self) -> Text:
        if self.timed:
            return Text(shape=f"{_DATE}T{_TIME}", called="a time such as 2026-03-31T09:30:00Z")
        return Text(shape=_DATE, called="a day such as 2026-03-31")

    @property
    def expected(self) -> str:
        """An example of it."""
        return self._text.expected

    def check(self, value: JSON) -> None:
        """Refuse other shapes, and days and hours that do not exist."""
        self._text.check(value)
        try:
            datetime.fromisoformat(value)
        except ValueError:
            raise RuleError("", value, self.expected) from None

    def schema(self) -> Schema:
        """A string of that shape."""
        return self._text.schema()


@dataclass(frozen=True)
class Number:
    """A number, with `whole` an integer: 1.0 is none."""

    whole: bool = False
    minimum: int | None = None
    above: int | None = None

    @property
    def expected(self) -> str:
        """For example `an integer, at least 0`."""
        words = "an integer" if self.whole else "a number"
        if self.minimum is not None:
            words += f", at least {self.minimum}"
        return words + (f", above {self.above}" if self.above is not None else "")

    def check(self, value: JSON) -> None:
        """Refuse what is no number (true is none) or too small."""
        if (
            (type(value) is not int and (self.whole or type(value) is not float))
            or (self.minimum is not None and value < self.minimum)
            or (self.above is not None and value <= self.above)
        ):
            raise RuleError("", value, self.expected)

    def schema(self) -> Schema:
        """A number or an integer."""
        schema: Schema = {"type": "integer" if self.whole else "number"}
        if self.minimum is not None:
            schema["minimum"] = self.minimum
        if self.above is not None:
            schema["exclusiveMinimum"] = self.above
        return schema


@dataclass(frozen=True)
class ListOf:
    """A list of `noun`s that each pass `element`.

    With `key` no two elements have the same value there; with `distinct` no two are the same.
    """

    noun: str
    element: Rule
    key: str = ""
    min_items: int = 0
    max_items: int | None = None
    distinct: bool = False

    @property
    def expected(self) -> str:
        """For example `a list of at most 200 sections`."""
        least = f"at least {self.min_items} " if self.min_items else ""
        most = f"at most {self.max_items} " if self.max_items is not None else ""
        return f"a list of {least}{most}{self.noun}s"

    def check(self, value: JSON) -> None:
        """Refuse a wrong count, a bad element and two elements of one identity."""
        if (
            type(value) is not list
            or len(value) < self.min_items
            or (self.max_items is not None and len(value) > self.max_items)
        ):
            raise RuleError("", value, self.expected)
        for index, item in enumerate(value):
            try:
                self.element.check(item)
            except RuleError as broken:
                raise broken.below(element_path(index, item, self.key)) from None
        if self.key and len({item[self.key] for item in value}) < len(value):
            raise self.same_key(value)
        if self.distinct and len(set(value)) < len(value):
            raise RuleError("", value, f"{self.expected}, none of them twice")

    def same_key(self, elements: list[JSON]) -> RuleError:
        """What to raise where two elements have the same key."""
        counts = Counter(element[self.key] for element in elements)
        twice = next(key for key, count in counts.items() if count > 1)
        expected = f"a {self.key} that no other {self.noun} has"
        return RuleError(f"/{segment(twice)}/{self.key}", twice, expected)

    def schema(self) -> Schema:
        """An array; that keys are unique is beyond JSON Schema."""
        schema: Schema = {"type": "array", "items": self.element.schema()}
        if self.min_items:
            schema["minItems"] = self.min_items
        if self.max_items is not None:
            schema["maxItems"] = self.max_items
        if self.distinct:
            schema["uniqueItems"] = True
        return schema


@dataclass(frozen=True)
class ObjectRule:
    """An object with known keys; with `others`, further keys that begin with `prefix` as well."""

    noun: str
    required: Mapping[str, Rule] = field(default_factory=dict)
    optional: Mapping[str, Rule] = field(default_factory=dict)
    others: Rule | None = None
    prefix: str = ""

    @property
    def expected(self) -> str:
        """For example `an object (a section)`."""
        return f"an object ({self.noun})"

    @cached_property
    def known(self) -> dict[str, Rule]:
        """Every key that has a rule of its own."""
        return {**self.required, **self.optional}

    @cached_property
    def _checks(self) -> dict[str, Callable[[JSON], None]]:
        return {key: rule.check for key, rule in self.known.items()}

    def check(self, value: JSON) -> None:
        """Refuse what is no object, a missing or unknown key, and a bad value."""
        if type(value) is not dict:
            raise RuleError("", value, self.expected)
        self.check_keys(value)
        checks = self._checks
        key = ""
        try:
            for key, item in value.items():
                check = checks.get(key)
                if check is not None:
                    check(item)
                elif self.others is not None:
                    self.others.check(item)
        except RuleError as broken:
            raise broken.below(f"/{segment(key)}") from None

    def check_keys(self, value: Mapping[str, JSON]) -> None:
        """Refuse a missing and an unknown key."""
        keys = value.keys()
        if not keys >= self.required.keys():
            missing = next(key for key in self.required if key not in value)
            raise RuleError(f"/{missing}", NOTHING, f"{self.required[missing].expected}, required")
        if keys <= self._checks.keys() or (self.others is not None and not self.prefix):
            return
        for key in keys:
            if key in self._checks:
                continue
            if self.others is None or not key.startswith(self.prefix):
                names = [*self.known, f"{self.prefix}*"] if self.prefix else [*self.known]
                allowed = f"only the keys {', '.join(names)}" if names else "no keys"
                raise RuleError(f"/{segment(key)}", value[key], f"{allowed} in {self.noun}")

    def schema(self) -> Schema:
        """An object that refuses unknown keys."""
        schema: Schema = {
            "type": "object",
            "properties": {key: rule.schema() for key, rule in self.known.items()},
            "additionalProperties": False,
        }
        if self.required:
            schema["required"] = list(self.required)
        if self.others is not None and self.prefix:
            schema["patternProperties"] = {f"^{self.prefix}": self.others.schema()}
        elif self.others is not None:
            schema["additionalProperties"] = self.others.schema()
        return schema
