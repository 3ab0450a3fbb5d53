"""A merged template is valid wherever its three sides are, and what that took is on record."""

from __future__ import annotations

from typing import Any

import pytest

from syncsim.contract import ABSENT, Conflict
from syncsim.merging import merge, same
from syncsim.template import validate


def template(*fields: dict[str, Any], sections: str = "main side") -> dict[str, Any]:
    """A valid template of these fields; each has an id and what differs from a text field."""
    document = {
        "schema_version": 1,
        "name": "Test",
        "fields": [{"section": "main", "label": "L", "type": "text", **field} for field in fields],
        "sections": [{"id": name, "title": name.title()} for name in sections.split()],
    }
    validate(document)
    return document


def text(**attributes: Any) -> dict[str, Any]:
    return {"id": "a", **attributes}


def number(**attributes: Any) -> dict[str, Any]:
    return {"id": "a", "type": "number", **attributes}


def limited(**limits: Any) -> dict[str, Any]:
    return number(validation=limits)


def choice(options: str, **attributes: Any) -> dict[str, Any]:
    listed = [{"value": value, "label": value.upper()} for value in options.split()]
    return {"id": "a", "type": "choice", "options": listed, **attributes}


SIDE = {"id": "b", "section": "side"}


@pytest.mark.parametrize(
    ("base", "earlier", "later", "kept"),
    [
        ([text(), "one main side"], [text(), "one main"], [text(), SIDE, "one main side"], "later"),
        ([text(), "side main"], [text(), SIDE, "side main"], [text(), "main"], "earlier"),
        ([text(), "main side"], [text(), "main"], [text(section="side"), "main side"], "later"),
        ([text(), "main side"], [text(section="side"), "main side"], [text(), "main"], "earlier"),
    ],
    ids=["then added to", "added to, then", "then moved to", "moved to, then"],
)
def test_a_deleted_section_comes_back_for_a_field_put_into_it(
    base: Any, earlier: Any, later: Any, kept: str
) -> None:
    """Whichever of the two came later."""
    was, first, second = (
        template(*fields, sections=sections) for *fields, sections in (base, earlier, later)
    )
    result = merge(was, first, second, earlier_by="ann")
    validate(result.document)
    assert same(result.document, second if kept == "later" else first)
    section = {"id": "side", "title": "Side"}
    sides = (ABSENT, section) if kept == "later" else (section, ABSENT)
    assert result.conflicts == (
        Conflict("/sections/side", "invariant", section, *sides, kept, "ann"),
    )


def test_a_section_comes_back_to_its_place_with_the_edits_it_had() -> None:
    base = template(text(), sections="one two main")
    earlier = template(text(), {"id": "b", "section": "two"}, sections="zero one two main")
    earlier["sections"][2]["title"] = "Retitled"
    result = merge(base, earlier, template(text(), sections="main one"))
    titles = [section["title"] for section in result.document["sections"]]
    assert titles == ["Zero", "Main", "One", "Retitled"]
    assert [(c.path, c.kind) for c in result.conflicts] == [("/sections/two", "invariant")]


def test_a_section_comes_back_for_a_field_that_an_edit_brought_back() -> None:
    base, earlier = template(text(), SIDE), template(text(), sections="main")
    later = template(text(), {**SIDE, "help": "h"})
    result = merge(base, earlier, later)
    assert same(result.document, later)
    told = [(c.path, c.kind) for c in result.conflicts]
    assert told == [("/fields/b", "delete-edit"), ("/sections/side", "invariant")]


@pytest.mark.parametrize(
    ("base", "earlier", "later", "field", "told"),
    [
        (choice("x y"), choice("x"), choice("y"), choice("y"), "/options/y"),
        (choice("x y z"), choice("x z"), choice("x y z", default="y"), None, "/options/y"),
        (choice("x y"), choice("x y", default="y"), choice("x"), None, "/default"),
        (number(), limited(minimum=5), limited(maximum=3), None, "/validation/minimum"),
        (text(), text(default="long"), text(validation={"max_length": 2}), None, "/default"),
        (text(), text(required=True), text(type="note"), None, "/required"),
        (text(), text(type="note"), text(required=True), None, "/type"),
        (text(), limited(minimum=5), text(default="d"), None, "/type /validation"),
        (choice("x"), text(), choice("x y"), None, "/type"),
    ],
    ids=[
        "both delete the last options",
        "option deleted that becomes the default",
        "option deleted that became the default",
        "minimum above maximum",
        "default beyond a new limit",
        "required and a note",
        "a note and required",
        "a type with its limits",
        "type changed under edited options",
    ],
)
def test_what_no_longer_fits_is_taken_back_and_told(
    base: Any, earlier: Any, later: Any, field: Any, told: str
) -> None:
    """The attributes end as later has them; no more of earlier's is taken back than it takes."""
    result = merge(template(base), template(earlier), template(later))
    validate(result.document)
    assert same(result.document, template(field or later)), result.document
    taken_back = [c.path for c in result.conflicts if c.kind == "invariant"]
    assert taken_back == [f"/fields/a{path}" for path in told.split()]


def test_what_was_taken_back_is_recorded_in_full() -> None:
    sides = (number(), limited(minimum=5), limited(maximum=3))
    (conflict,) = merge(*map(template, sides), earlier_by="ann").conflicts
    path = "/fields/a/validation/minimum"
    assert conflict == Conflict(path, "invariant", ABSENT, 5, ABSENT, "later", "ann")


def test_the_other_changes_of_a_mended_field_stay() -> None:
    earlier = limited(minimum=5, multiple_of=2) | {"help": "h", "required": True}
    later = limited(maximum=3) | {"label": "M"}
    result = merge(template(number()), template(earlier), template(later))
    wanted = limited(maximum=3, multiple_of=2) | {"help": "h", "required": True, "label": "M"}
    assert same(result.document, template(wanted))


def test_an_option_comes_back_to_its_place() -> None:
    sides = (choice("w x y z"), choice("z v w y"), choice("w x y z", default="x"))
    result = merge(*map(template, sides))
    values = [option["value"] for option in result.document["fields"][0]["options"]]
    assert values == ["z", "v", "w", "x", "y"]


def test_one_field_added_by_both_with_types_that_exclude_each_other() -> None:
    result = merge(template(), template(choice("x", help="h")), template(text()))
    assert same(result.document, template(text(help="h")))
    told = [(c.path, c.kind) for c in result.conflicts]
    assert told == [("/fields/a/options", "invariant"), ("/fields/a/type", "add-add")]


def test_many_deleted_options_are_mended_in_bounded_work() -> None:
    """More than are tried one by one: then the whole attribute is as later has it."""
    every = " ".join(f"v{number}" for number in range(200))
    sides = (choice(every), choice("v0 new"), choice(every, default="v150"))
    result = merge(*map(template, sides))
    assert same(result.document, template(sides[2]))
    (conflict,) = result.conflicts
    assert conflict.path == "/fields/a/options"
    assert conflict.earlier == sides[1]["options"]


def test_an_option_belongs_to_its_field() -> None:
    """Option x leaves one field and enters another: no move, a template's options are local."""
    other = choice("y") | {"id": "b"}
    base = template(choice("x z"), other)
    earlier = template(choice("z"), choice("y x") | {"id": "b"})
    later = template(choice("x z"), other)
    later["fields"][0]["options"][0]["label"] = "Mine"
    result = merge(base, earlier, later)
    assert result.document["fields"][0]["options"][0] == {"value": "x", "label": "Mine"}
    assert result.document["fields"][1]["options"][1] == {"value": "x", "label": "X"}
    told = [(c.path, c.kind) for c in result.conflicts]
    assert told == [("/fields/a/options/x", "delete-edit")]


def test_what_no_single_change_is_to_blame_for_is_left_to_the_store() -> None:
    help_text = "\n".join("x" * 40 for _ in range(10))
    sides = (help_text, "y" * 80 + "\n" + help_text, help_text + "\n" + "z" * 80)
    result = merge(*(template(text(help=each)) for each in sides), lines=True)
    assert len(result.document["fields"][0]["help"]) > 500
    assert result.conflicts == ()


@pytest.mark.parametrize(
    "odd",
    [
        {"fields": 1, "sections": None},
        {"fields": [1, "section"], "sections": [[]]},
        {"fields": [{"id": 5, "section": {}, "v": 1}], "sections": []},
        {"fields": [{"id": "a", "section": "s"}], "sections": []},
        {"fields": [{"id": "a", "section": "s"}], "sections": [{"id": "t"}, {"id": "t"}]},
    ],
)
def test_what_is_no_template_is_merged_all_the_same(odd: Any) -> None:
    earlier, later = {**odd, "x": 1}, {**odd, "y": 1}
    assert merge(odd, earlier, later).document == {**odd, "x": 1, "y": 1}
    assert merge({}, earlier, later).document == {**odd, "x": 1, "y": 1}
    assert merge(1, earlier, later).document == {**odd, "x": 1, "y": 1}


def test_fields_of_one_id_are_merged_all_the_same() -> None:
    def sides(x: int, y: int) -> Any:
        fields = [{"id": "a", "x": x, "y": y}, {"id": "a", "section": "gone"}]
        return {"fields": fields, "sections": []}

    assert merge(sides(0, 0), sides(1, 0), sides(0, 1)).document == sides(1, 1)
