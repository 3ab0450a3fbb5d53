"""What users type, as data: an edit knows what to change in whatever document it is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from syncsim.contract import Document


@dataclass(frozen=True, slots=True)
class NumberedEdit:
    """The `number`-th edit of a user; its text tells whose it is, so a lost one is seen by eye.

    `kind` is one of `EDITS` or `REMOVALS`, or "spoil" for one that every store refuses. `which`
    picks the field, section or key, counted round; `salt` makes the text of one seed differ from
    that of another.
    """

    kind: str
    user: str
    number: int
    which: int
    salt: int = 0

    def changes(self, document: Document) -> Document:
        """Top-level keys to whole new values, as `update_template` takes them."""
        return _CHANGES[self.kind](document, self)

    @property
    def text(self) -> str:
        """The words this edit writes: `ann 1 (412)`."""
        return f"{self.user} {self.number} ({self.salt})"


def _rename(document: Document, edit: NumberedEdit) -> Document:
    return {"name": f"Renamed by {edit.text}"}


def _relabel(document: Document, edit: NumberedEdit) -> Document:
    return {"fields": _with(document["fields"], edit.which, label=f"Label by {edit.text}")}


def _retitle(document: Document, edit: NumberedEdit) -> Document:
    sections = document["sections"]
    return {"sections": _with(sections, edit.which, title=f"Title by {edit.text}")}


def _set(document: Document, edit: NumberedEdit) -> Document:
    key = f"x_note_{edit.which % PLACES}"
    return {"settings": {**document.get("settings", {}), key: edit.text}}


def _explain(document: Document, edit: NumberedEdit) -> Document:
    return {"fields": _with(document["fields"], edit.which, help=f"Help by {edit.text}")}


def _add_field(document: Document, edit: NumberedEdit) -> Document:
    name, fields, sections = (
        f"x_field_{edit.which % PLACES}",
        document["fields"],
        document["sections"],
    )
    added = {
        "id": name,
        "section": sections[edit.which % len(sections)]["id"],
        "label": f"Field by {edit.text}",
        "type": "text",
    }
    return {"fields": [*(field for field in fields if field["id"] != name), added]}


def _remove_field(document: Document, edit: NumberedEdit) -> Document:
    name = f"x_field_{edit.which % PLACES}"
    return {"fields": [field for field in document["fields"] if field["id"] != name]}


def _unset(document: Document, edit: NumberedEdit) -> Document:
    settings = document.get("settings", {})
    key = f"x_note_{edit.which % PLACES}"
    return {"settings": {name: settings[name] for name in settings if name != key}}


def _spoil(document: Document, edit: NumberedEdit) -> Document:
    """Give a field a type that does not exist: no store takes it."""
    return {"fields": _with(document["fields"], edit.which, type=f"type by {edit.text}")}


def _with(elements: list[Document], which: int, **attributes: str) -> list[Document]:
    """A copy of the list in which one element, counted round, has other attributes."""
    place = which % max(len(elements), 1)
    return [{**e, **attributes} if i == place else e for i, e in enumerate(elements)]


PLACES: Final = 12
"""How many fields and settings are added at most: a storm of thousands leaves a usual template."""

_CHANGES: Final[Mapping[str, Callable[[Document, NumberedEdit], Document]]] = {
    "rename": _rename,
    "relabel": _relabel,
    "retitle": _retitle,
    "add-field": _add_field,
    "explain": _explain,
    "set": _set,
    "remove-field": _remove_field,
    "unset": _unset,
    "spoil": _spoil,
}

REMOVALS: Final = ("remove-field", "unset")
"""The kinds that take away what an "add-field" or a "set" of the same `which` has added."""

EDITS: Final = tuple(kind for kind in _CHANGES if kind not in (*REMOVALS, "spoil"))
"""The kinds of valid edit, in the order in which users take turns at them."""
