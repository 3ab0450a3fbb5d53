"""A small document to start from, and ways to spoil it."""

from __future__ import annotations

import pickle
import re
from typing import Any

import pytest

from syncsim.errors import InvalidTemplateError
from syncsim.template import encode
from syncsim.template.strict_json import shortened

GONE = object()


def named(value: object) -> str:
    """What a case is called after its value: alike in every process, so without addresses."""
    return re.sub(" at 0x[0-9a-f]+", "", shortened(value))


def good() -> dict[str, Any]:
    """A small document with a field of most types."""

    def field(name: str, kind: str, **more: Any) -> dict[str, Any]:
        return {"id": name, "section": "main", "label": name.title(), "type": kind, **more}

    few = {"max_items": 2}

    def options() -> list[dict[str, str]]:
        return [{"value": name, "label": name.title()} for name in ("red", "green", "blue")]

    return {
        "schema_version": 1,
        "name": "Example",
        "description": "For the tests.",
        "fields": [
            field("title", "text", default="Ab", validation={"min_length": 1, "max_length": 9}),
            field("code", "text", default="AB-1", validation={"pattern": "^[A-Z]+-[0-9]$"}),
            field("count", "integer", default=4, validation={"minimum": 2, "multiple_of": 2}),
            field("share", "number", default=0.3, validation={"maximum": 1, "multiple_of": 0.1}),
            field("agreed", "boolean", required=True, default=False, help="Please read first."),
            field("day", "date", default="2026-02-28", validation={"minimum": "2026-01-01"}),
            field("at", "datetime", default="2026-02-28T09:30:00Z"),
            field("mail", "email", default="a@example.org"),
            field("call", "phone", default="+43 1 555-0100"),
            field("color", "choice", options=options(), default="red"),
            field("colors", "multi_choice", options=options(), default=["red"], validation=few),
            field("plan", "file", required=False),
            field("sign", "signature"),
            field("hint", "note", help="Read this.", section="extra"),
        ],
        "sections": [
            {"id": "main", "title": "Main", "description": "All that matters."},
            {"id": "extra", "title": "Extra"},
        ],
        "settings": {"locale": "de-AT", "submit_label": "Go", "allow_drafts": True, "x_any": [1]},
        "metadata": {"owner": "ann", "tags": ["a"], "level": None, "derived": {"n": [{"a": 1}]}},
    }  # fmt: skip


def changed(path: str, value: object) -> dict[str, Any]:
    """The good document with another value at one place; `GONE` takes the key or element away."""
    document = good()
    parent: Any = document
    *way, last = path.split("/")[1:]
    for step in way:
        parent = parent[place(parent, step)]
    if value is GONE:
        del parent[place(parent, last)]
    else:
        parent[place(parent, last)] = value
    return document


def place(parent: Any, step: str) -> Any:
    if isinstance(parent, dict):
        return step
    return next(i for i, item in enumerate(parent) if step in (item.get("id"), item.get("value")))


def refusal(document: Any) -> InvalidTemplateError:
    with pytest.raises(InvalidTemplateError) as caught:
        encode(document, "t1")
    error = caught.value
    assert error.template_id == "t1"
    assert len(error.value) <= 80
    assert error.path in str(error)
    assert error.expected in str(error)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    return error
