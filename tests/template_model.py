"""The template schema said a second time, in pydantic, to compare the real check with.

Written from the specification and not from `template_schema`; slow, and says only yes or no.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

Id = Annotated[str, Field(pattern=r"\A[a-z][a-z0-9_]{0,63}\z")]
Label = Annotated[str, Field(min_length=1, max_length=200)]
Count = Annotated[int, Field(ge=0)]
TEXTS = {"text", "long_text", "email", "phone"}
CHOICES = {"choice", "multi_choice"}
LIMITS = {
    **{kind: {"min_length", "max_length", "pattern"} for kind in TEXTS},
    **{kind: {"minimum", "maximum", "multiple_of"} for kind in ("integer", "number")},
    **{kind: {"minimum", "maximum"} for kind in ("date", "datetime")},
    "multi_choice": {"min_items", "max_items"},
}


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def no_null(cls, value: Any) -> Any:
        if isinstance(value, dict) and any(item is None for item in value.values()):
            raise ValueError("a key that has no value is left out")
        return value


class Option(Strict):
    value: Annotated[str, Field(min_length=1, max_length=100)]
    label: Label


class Validation(Strict):
    min_length: Count | None = None
    max_length: Count | None = None
    pattern: Annotated[str, Field(max_length=200)] | None = None
    minimum: int | float | str | None = None
    maximum: int | float | str | None = None
    multiple_of: int | float | None = None
    min_items: Count | None = None
    max_items: Count | None = None


class TemplateField(Strict):
    id: Id
    section: Id
    label: Label
    type: Literal[
        "text", "long_text", "integer", "number", "boolean", "date", "datetime", "email", "phone",
        "choice", "multi_choice", "file", "signature", "note",
    ]  # fmt: skip
    required: bool | None = None
    help: Annotated[str, Field(max_length=500)] | None = None
    options: Annotated[list[Option], Field(min_length=1)] | None = None
    default: Any = None
    validation: Validation | None = None

    @model_validator(mode="after")
    def fits_its_type(self) -> TemplateField:
        given = self.model_fields_set
        assert (self.type in CHOICES) == ("options" in given)
        if self.options:
            values = [option.value for option in self.options]
            assert len(set(values)) == len(values)
        if self.type == "note":
            assert not given & {"required", "default"}
        limits = self.validation.model_dump(exclude_unset=True) if self.validation else {}
        assert limits.keys() <= LIMITS.get(self.type, set())
        for key in ("minimum", "maximum", "multiple_of"):
            if key in limits:
                assert is_a(self.type, limits[key])
        if "multiple_of" in limits:
            assert limits["multiple_of"] > 0
        if "pattern" in limits:
            re.compile(limits["pattern"])
        for low, high in (("min_length", "max_length"), ("minimum", "maximum")):
            if {low, high} <= limits.keys():
                assert order(limits[low]) <= order(limits[high])
        if {"min_items", "max_items"} <= limits.keys():
            assert limits["min_items"] <= limits["max_items"]
        if "default" in given:
            assert is_a(self.type, self.default)
            chosen = self.default if self.type == "multi_choice" else [self.default]
            if self.options:
                assert {*chosen} <= {*values}
                assert len({*chosen}) == len(chosen)
            for key, limit in limits.items():
                assert meets(key, limit, self.default)
        return self


def is_a(kind: str, value: Any) -> bool:
    """Whether a value is of a field type; every failure to find out is a no."""
    if kind in {"text", "long_text", "file", "signature", "choice"}:
        return type(value) is str
    if kind == "email":
        return type(value) is str and bool(re.fullmatch(r"[^@\s]+@[^@\s]+", value))
    if kind == "phone":
        return type(value) is str and bool(value) and not set(value) - set("0123456789 +()./x-")
    if kind == "multi_choice":
        return type(value) is list and all(type(item) is str for item in value)
    if kind == "date":
        return len(value) == 10 and value[4] == value[7] == "-" and bool(date.fromisoformat(value))
    if kind == "datetime":
        return value[10] == "T" and value[13] == ":" and bool(datetime.fromisoformat(value))
    types = {"integer": (int,), "number": (int, float), "boolean": (bool,)}
    return type(value) in types[kind]


def order(value: Any) -> Any:
    if type(value) is not str:
        return value
    moment = datetime.fromisoformat(value)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def meets(key: str, limit: Any, value: Any) -> bool:
    match key:
        case "min_length" | "min_items":
            return len(value) >= limit
        case "max_length" | "max_items":
            return len(value) <= limit
        case "minimum":
            return bool(order(value) >= order(limit))
        case "maximum":
            return bool(order(value) <= order(limit))
        case "multiple_of":
            return Decimal(str(value)) % Decimal(str(limit)) == 0
        case _:
            return bool(re.search(limit, value))


class Section(Strict):
    id: Id
    title: Label
    description: Annotated[str, Field(max_length=2000)] | None = None


class Settings(Strict):
    model_config = ConfigDict(extra="allow", strict=True)

    locale: (
        Annotated[str, Field(max_length=35, pattern=r"\A[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*\z")]
        | None
    ) = None
    submit_label: Annotated[str, Field(max_length=200)] | None = None
    allow_drafts: bool | None = None
    theme: Annotated[str, Field(max_length=200)] | None = None

    @model_validator(mode="before")
    @classmethod
    def no_null(cls, value: Any) -> Any:
        if isinstance(value, dict):
            for key, item in value.items():
                assert key.startswith("x_") or (key in cls.model_fields and item is not None)
        return value


class Template(Strict):
    schema_version: Annotated[int, Field(ge=1, le=1)]
    name: Annotated[str, Field(min_length=1, max_length=120)]
    description: Annotated[str, Field(max_length=2000)] | None = None
    fields: Annotated[list[TemplateField], Field(max_length=2000)]
    sections: Annotated[list[Section], Field(max_length=200)]
    settings: Settings | None = None
    metadata: dict[str, Any] | None = None

    @model_validator(mode="after")
    def holds_together(self) -> Template:
        assert self.name == self.name.strip()
        sections = [section.id for section in self.sections]
        fields = [field.id for field in self.fields]
        assert len(set(sections)) == len(sections)
        assert len(set(fields)) == len(fields)
        assert all(field.section in sections for field in self.fields)
        for key, value in (self.metadata or {}).items():
            if key == "derived":
                assert type(value) is dict
            elif type(value) is list:
                assert all(type(item) is str for item in value)
            else:
                assert type(value) is not dict
        return self


def is_valid(document: Any) -> bool:
    """The second opinion: whether the document is a valid template."""
    try:
        Template.model_validate(document)
        return is_plain(document, 1)
    except (ValidationError, ValueError, TypeError, LookupError, ArithmeticError, re.error):
        return False


def is_plain(value: Any, depth: int) -> bool:
    if type(value) is dict:
        return depth <= 8 and all(
            is_plain(key, depth) and is_plain(item, depth + 1) for key, item in value.items()
        )
    if type(value) is list:
        return depth <= 8 and all(is_plain(item, depth + 1) for item in value)
    if type(value) is str:
        return unicodedata.normalize("NFC", value).encode() == value.encode()
    if type(value) is int:
        return -(2**63) <= value < 2**64
    if type(value) is float:
        return value - value == 0
    return value is None or type(value) is bool
