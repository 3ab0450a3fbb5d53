"""Templates and recorded edits to try things with; read from the wheel or the checkout's `data/`.

All of it is our own wording under CC0-1.0; `data/SOURCES.md` says what each one is modelled on.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

import orjson

from syncsim import exact
from syncsim.contract import JSON, Document
from syncsim.errors import UsageError
from syncsim.template import canonical, encode, parse
from syncsim.template.generating import generate

__all__ = ["changes_of", "edit_trace", "edit_trace_names", "generate", "sample", "sample_names"]

_SAMPLES: Final = (
    "contact_card",
    "bug_report",
    "event_registration",
    "taxpayer_id",
    "patient_intake",
    "employment_eligibility",
    "building_elevation",
    "background_questionnaire",
)
_TRACES: Final = (
    "office-hour",
    "rapid-fire",
    "bulk-job-against-editor",
    "reorder-war",
    "delete-against-edit",
    "undo-storm",
)


def sample(name: str) -> Document:
    """A shipped template, `event_registration` for example: a fresh copy that is the caller's own.

    Raises `UsageError`, which lists the names, for any other name.
    """
    document: Document = orjson.loads(_sample_body(_known("sample", name, _SAMPLES)))
    return document


def sample_names() -> list[str]:
    """The names that `sample` knows, from 3 fields to 300."""
    return [*_SAMPLES]


def edit_trace(name: str) -> list[dict[str, JSON]]:
    """A recorded session of several users on one template, in order of time; the caller's own copy.

    A row is `{"template_id", "user", "at_ms", "base", "edits"}`: at `at_ms` after the start the
    user saves `edits`, made in the document as it was after `base - 1` rows; 1 is the sample as
    created. `changes_of(row["edits"], that document)` is what to hand to `update_template`. An
    edit is one of

    - `{"set": "/fields/email/label", "to": "E-mail"}`, which also adds a key,
    - `{"insert": "/fields", "after": "email", "to": {"id": "fax", ...}}`, null for the front,
    - `{"move": "/fields/email", "after": "phone"}`,
    - `{"remove": "/fields/email"}`.

    Raises `UsageError`, which lists the names, for an unknown name.
    """
    text = (_folder() / "edits" / f"{_known('edit trace', name, _TRACES)}.jsonl").read_bytes()
    return [orjson.loads(line) for line in text.splitlines()]


def edit_trace_names() -> list[str]:
    """The names that `edit_trace` knows."""
    return [*_TRACES]


def changes_of(edits: list[dict[str, JSON]], base: Document) -> Document:
    """What edits of a trace make of `base`: the top-level keys they touch with their new values.

    `base` is left as it is. Raises `UsageError` if an edit names something that is not in it.
    """
    document = orjson.loads(canonical(base))
    for edit in edits:
        try:
            _apply(edit, document)
        except (LookupError, StopIteration):
            raise UsageError("edit", edit, "a path to something that is in the base") from None
    touched = {_path(edit)[0] for edit in edits}
    return {key: document[key] for key in sorted(touched)}


def _apply(edit: dict[str, JSON], document: Document) -> None:
    *way, last = _path(edit)
    parent: JSON = document
    for step in way:
        parent = parent[_place(parent, step)]
    if "set" in edit:
        parent[last] = edit["to"]
    elif "insert" in edit:
        siblings = parent[_place(parent, last)]
        siblings.insert(_behind(siblings, edit["after"]), edit["to"])
    elif "move" in edit:
        element = parent.pop(_place(parent, last))
        parent.insert(_behind(parent, edit["after"]), element)
    else:
        del parent[_place(parent, last)]


def _path(edit: dict[str, JSON]) -> list[str]:
    kind = next(kind for kind in ("set", "insert", "move", "remove") if kind in edit)
    steps: list[str] = edit[kind].split("/")[1:]
    return steps


def _place(parent: JSON, step: str) -> JSON:
    """Where a step leads: the key itself in an object, the index of the element in a list."""
    if isinstance(parent, dict):
        return step
    return next(
        index
        for index, element in enumerate(parent)
        if step in (element.get("id"), element.get("value"))
    )


def _behind(siblings: list[JSON], name: str | None) -> int:
    return 0 if name is None else int(_place(siblings, name)) + 1


def _known(what: str, name: str, names: tuple[str, ...]) -> str:
    return exact.one_of(what, name, names)


@cache
def _sample_body(name: str) -> bytes:
    return encode(parse((_folder() / f"{name}.json").read_bytes(), name), name)


def _folder() -> Path:
    here = Path(__file__).parents[1]
    shipped = here / "_shipped" / "data"
    return shipped if shipped.is_dir() else here.parent / "data"
