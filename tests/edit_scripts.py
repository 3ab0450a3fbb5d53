"""Edit scripts: lists of small numbers that edit a template or a board step by step.

Made for Hypothesis, which shrinks a failing script to few steps with small numbers. A template
stays valid at each step. A board has lists in keyed elements, so cards move between columns.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, NamedTuple

import orjson
from hypothesis import strategies as st

from syncsim.errors import InvalidTemplateError
from syncsim.merging.identity import TEMPLATE_KEYS, KeyMap
from syncsim.template import validate

Step = tuple[int, int, int]
"""Which edit of the kind, and two numbers that choose what it works on."""


class Kind(NamedTuple):
    """A kind of document: its keyed lists, where scripts begin, and the edits they choose from."""

    keys: KeyMap
    start: Any
    edits: list[Callable[[Any, int, int], object]]
    is_template: bool


class Sides(NamedTuple):
    """A base and what two writers made of it."""

    keys: KeyMap
    base: Any
    earlier: Any
    later: Any


def edited(kind: Kind, document: Any, script: list[Step]) -> Any:
    """The document after the script; a step that would break a template is left out."""
    for which, a, b in script:
        candidate = orjson.loads(orjson.dumps(document))
        pick(kind.edits, which)(candidate, a, b)
        if kind.is_template:
            try:
                validate(candidate)
            except InvalidTemplateError:
                continue
        document = candidate
    return document


def grown(kind: Kind, base: list[Step], earlier: list[Step], later: list[Step]) -> Sides:
    document = edited(kind, kind.start, base)
    return Sides(
        kind.keys, document, edited(kind, document, earlier), edited(kind, document, later)
    )


def pick(values: list[Any], number: int) -> Any:
    return values[number % len(values)]


def insert(elements: list[Any], element: Any, number: int) -> None:
    elements.insert(number % (len(elements) + 1), element)


def relocate(elements: list[Any], a: int, b: int) -> None:
    if elements:
        insert(elements, elements.pop(a % len(elements)), b)


def unused(elements: list[Any], names: str, number: int) -> str | None:
    left = sorted(set(names) - {element["id"] for element in elements})
    return pick(left, number) if left else None


def edit_tags(tags: list[str], a: int, b: int) -> None:
    """Insert, remove, replace or move a plain value; none occurs twice."""
    word = pick(["red", "green", "blue", "cyan", "pink"], a // 4)
    if a % 4 == 0 and word not in tags:
        insert(tags, word, b)
    elif a % 4 == 1 and tags:
        tags.pop(b % len(tags))
    elif a % 4 == 2 and tags and word not in tags:
        tags[b % len(tags)] = word
    elif a % 4 == 3:
        relocate(tags, a, b)


# -- templates -------------------------------------------------------------------------------------

SHAPES: list[dict[str, Any]] = [
    {"type": "text"},
    {"type": "note"},
    {"type": "integer", "validation": {"minimum": 0}},
    {"type": "choice", "options": [{"value": "r", "label": "r"}, {"value": "g", "label": "g"}]},
    {"type": "multi_choice", "options": [{"value": "g", "label": "g"}], "default": ["g"]},
]
ATTRIBUTES: list[dict[str, Any]] = [
    {"label": "one"},
    {"label": "two"},
    {"help": "some"},
    {"required": True},
    {"required": False},
    {"default": "r"},
    {"default": "g"},
    {"default": 4},
    {"default": ["g"]},
    {"validation": {"minimum": 3}},
    {"validation": {"maximum": 2}},
    {"validation": {"minimum": 1, "maximum": 9}},
    {"validation": {"max_length": 1}},
]


def add_field(document: Any, a: int, b: int) -> None:
    name = unused(document["fields"], "abcdef", a)
    if name is not None and document["sections"]:
        section = pick(document["sections"], b)["id"]
        field = {"id": name, "label": name, "section": section, "type": "text"}
        insert(document["fields"], field, b)


def delete_field(document: Any, a: int, b: int) -> None:
    if document["fields"]:
        document["fields"].pop(a % len(document["fields"]))


def edit_field(document: Any, a: int, b: int) -> None:
    if document["fields"]:
        attributes = pick(ATTRIBUTES, b // 4)
        if b % 4:
            pick(document["fields"], a).update(copy.deepcopy(attributes))
        else:
            pick(document["fields"], a).pop(*attributes, None)


def reshape_field(document: Any, a: int, b: int) -> None:
    if document["fields"]:
        field = pick(document["fields"], a)
        for key in ("default", "required", "validation", "options"):
            field.pop(key, None)
        field.update(copy.deepcopy(pick(SHAPES, b)))


def edit_options(document: Any, a: int, b: int) -> None:
    lists = [field["options"] for field in document["fields"] if "options" in field]
    if not lists:
        return
    options, value = pick(lists, a), pick(["r", "g", "b"], b)
    known = [option for option in options if option["value"] == value]
    if not known:
        insert(options, {"value": value, "label": value}, a)
    elif a % 3 == 0:
        options.remove(known[0])
    elif a % 3 == 1:
        known[0]["label"] = f"{value}{b}"
    else:
        relocate(options, a, b)


def move_field(document: Any, a: int, b: int) -> None:
    if document["fields"] and document["sections"]:
        pick(document["fields"], a)["section"] = pick(document["sections"], b)["id"]


def add_section(document: Any, a: int, b: int) -> None:
    name = unused(document["sections"], "stuvw", a)
    if name is not None:
        insert(document["sections"], {"id": name, "title": name}, b)


def delete_section(document: Any, a: int, b: int) -> None:
    """With its fields; or, where there is another section, after moving them there."""
    sections, fields = document["sections"], document["fields"]
    if sections:
        gone = sections.pop(a % len(sections))["id"]
        inside = [field for field in fields if field["section"] == gone]
        for field in inside:
            if b % 2 and sections:
                field["section"] = pick(sections, b)["id"]
            else:
                fields.remove(field)


def rename(document: Any, a: int, b: int) -> None:
    name = f"name {b}"
    if a % 4 == 0:
        document["name"] = name
    elif a % 4 == 1:
        document["settings"]["theme"] = name
    elif a % 4 == 2:
        document["metadata"]["owner"] = name
    elif document["sections"]:
        pick(document["sections"], a)["title"] = name


TEMPLATES = Kind(
    TEMPLATE_KEYS,
    {
        "schema_version": 1,
        "name": "Form",
        "fields": [
            {"id": "a", "section": "s", "label": "A", **SHAPES[2]},
            {"id": "b", "section": "s", "label": "B", **SHAPES[3]},
            {"id": "c", "section": "t", "label": "C", **SHAPES[0]},
        ],
        "sections": [{"id": "s", "title": "S"}, {"id": "t", "title": "T"}],
        "settings": {"theme": "plain"},
        "metadata": {"tags": ["red", "green", "blue"]},
    },
    [
        *(add_field, delete_field, edit_field, edit_field, reshape_field, move_field),
        *(edit_options, edit_options, add_section, delete_section, rename),
        lambda document, a, b: relocate(document["fields"], a, b),
        lambda document, a, b: relocate(document["sections"], a, b),
        lambda document, a, b: edit_tags(document["metadata"]["tags"], a, b),
    ],
    is_template=True,
)


# -- boards ----------------------------------------------------------------------------------------


def card_lists(document: Any) -> list[list[Any]]:
    """The lists that cards stand in and move between: those of the columns, and two beside them."""
    beside = [document[key] for key in ("backlog", "archive") if key in document]
    return [*(column["cards"] for column in document["columns"]), *beside]


def cards(document: Any) -> list[Any]:
    return [card for elements in card_lists(document) for card in elements]


def add_card(document: Any, a: int, b: int) -> None:
    name = unused(cards(document), "abcdefgh", a)
    if name is not None and card_lists(document):
        insert(pick(card_lists(document), b), {"id": name}, b)


def take_card(document: Any, number: int) -> Any:
    chosen = pick(cards(document), number)
    for elements in card_lists(document):
        elements[:] = [card for card in elements if card is not chosen]
    return chosen


def delete_card(document: Any, a: int, b: int) -> None:
    if cards(document):
        take_card(document, a)


def move_card(document: Any, a: int, b: int) -> None:
    if cards(document):
        insert(pick(card_lists(document), b), take_card(document, a), a)


def edit_card(document: Any, a: int, b: int) -> None:
    if cards(document):
        value = pick([None, 1, 1.0, True, "one"], b // 2)
        pick(cards(document), a)[pick(["x", "y"], b)] = value


def add_column(document: Any, a: int, b: int) -> None:
    name = unused(document["columns"], "stu", a)
    if name is not None:
        insert(document["columns"], {"id": name, "cards": []}, b)


def edit_column(document: Any, a: int, b: int) -> None:
    if document["columns"]:
        edit_tags(pick(document["columns"], a).setdefault("tags", []), a, b)


def delete_column(document: Any, a: int, b: int) -> None:
    if document["columns"]:
        document["columns"].pop(a % len(document["columns"]))


BOARDS = Kind(
    {"/columns": "id", "/columns/*/cards": "id"},
    {
        "columns": [
            {"id": "s", "cards": [{"id": "a"}, {"id": "b", "x": 1}], "tags": ["red", "blue"]},
            {"id": "t", "cards": [{"id": "c"}, {"id": "d"}]},
        ]
    },
    [
        *(add_card, delete_card, move_card, move_card, edit_card, edit_card),
        *(add_column, edit_column, delete_column),
        lambda document, a, b: relocate(document["columns"], a, b),
    ],
    is_template=False,
)

BESIDE = Kind(
    {"/columns": "id", "/columns/*/cards": "id", "/backlog": "id", "/archive": "id"},
    {**BOARDS.start, "backlog": [{"id": "e", "y": 1}, {"id": "f"}], "archive": []},
    BOARDS.edits,
    is_template=False,
)
"""A board with lists of cards beside its columns: cards move between lists of other patterns."""


# -- trees -----------------------------------------------------------------------------------------

DEEPEST = 5
"""How many elements stand one inside the other in a tree at most."""


def nodes(document: Any) -> list[Any]:
    """The elements of a tree, each before what it holds."""
    pending, found = [*document["u"][::-1], *document["t"][::-1]], []
    while pending:
        found.append(pending.pop())
        pending += found[-1]["s"][::-1]
    return found


def node_lists(document: Any) -> list[list[Any]]:
    return [document["t"], document["u"], *(node["s"] for node in nodes(document))]


def take_node(document: Any, number: int) -> Any:
    chosen = pick(nodes(document), number)
    for elements in node_lists(document):
        elements[:] = [node for node in elements if node is not chosen]
    return chosen


def height(node: Any) -> int:
    return 1 + max(map(height, node["s"]), default=0)


def depth(document: Any, elements: list[Any]) -> int:
    """How many elements stand around a list."""
    around = {id(node["s"]): each for each in node_lists(document) for node in each}
    count = 0
    while id(elements) in around:
        elements, count = around[id(elements)], count + 1
    return count


def add_node(document: Any, a: int, b: int) -> None:
    name = unused(nodes(document), "ghijklmn", a)
    fitting = [each for each in node_lists(document) if depth(document, each) < DEEPEST]
    if name is not None:
        insert(pick(fitting, b), {"id": name, "s": []}, a)


def delete_node(document: Any, a: int, b: int) -> None:
    if nodes(document):
        take_node(document, a)


def move_node(document: Any, a: int, b: int, *, around: int = DEEPEST) -> None:
    """Into any list that is not its own or inside itself; `around` it are at most so many."""
    if nodes(document):
        node = take_node(document, a)
        most = min(around, DEEPEST - height(node))
        fitting = [each for each in node_lists(document) if depth(document, each) <= most]
        insert(pick(fitting, b), node, a)


def move_high_node(document: Any, a: int, b: int) -> None:
    """Into a list that keys lead to, with all that is in it."""
    move_node(document, a, b, around=1)


def edit_node(document: Any, a: int, b: int) -> None:
    if nodes(document):
        pick(nodes(document), a)[pick(["x", "y"], b)] = b


def reorder_nodes(document: Any, a: int, b: int) -> None:
    relocate(pick(node_lists(document), a), a, b)


def tree(text: str) -> list[Any]:
    """Elements from `a(b c) d`, where a holds b and c; `a:x` gives a an attribute v of x."""
    around: list[list[Any]] = [[]]
    for word in text.replace("(", " ( ").replace(")", " ) ").split():
        if word == "(":
            around.append(around[-1][-1]["s"])
        elif word == ")":
            around.pop()
        else:
            name, _, value = word.partition(":")
            around[-1].append({"id": name, **({"v": value} if value else {}), "s": []})
    return around[0]


TREES = Kind(
    {f"/{top}{'/*/s' * level}": "id" for top in "tu" for level in range(DEEPEST)},
    {"t": tree("a(b(c)) d"), "u": tree("e(f)")},
    [
        *(move_node, move_node, move_node, move_node),
        *(add_node, delete_node, edit_node, edit_node, reorder_nodes),
    ],
    is_template=False,
)
"""Lists inside the elements of lists, to a depth of five: elements move between all of them."""

SHALLOW = Kind(
    {"/t": "id", "/t/*/s": "id", "/t/*/s/*/s": "id", "/u": "id", "/u/*/s": "id"},
    TREES.start,
    [*[move_high_node] * 3, delete_node, edit_node, reorder_nodes],
    is_template=False,
)
"""The same with fewer keys, so that one move of an element takes it deeper than the keys go."""


# -- lists without ids -----------------------------------------------------------------------------


def edit_words(words: list[Any], a: int, b: int) -> None:
    """Insert, remove, replace or move a plain value, which may be there several times."""
    word = pick(["red", "green", "blue", "red", 1, True], a // 4)
    if a % 4 == 0:
        insert(words, word, b)
    elif a % 4 == 1 and words:
        words.pop(b % len(words))
    elif a % 4 == 2 and words:
        words[b % len(words)] = word
    else:
        relocate(words, a, b)


def edit_rows(rows: list[Any], a: int, b: int) -> None:
    """Insert, remove or move an object, or edit one attribute of it."""
    if a % 5 == 0:
        insert(rows, {"name": pick("pqr", b), "x": b % 3, "y": a % 3, "words": ["red"]}, b)
    elif a % 5 == 1 and rows:
        rows.pop(b % len(rows))
    elif a % 5 == 2:
        relocate(rows, a, b)
    elif a % 5 == 3 and rows:
        pick(rows, b)[pick(["x", "y"], a)] = b % 7
    elif rows:
        edit_words(pick(rows, b)["words"], a, b)


LISTS = Kind(
    {},
    {
        "words": ["red", "blue", "red"],
        "rows": [
            {"name": "p", "x": 0, "y": 0, "words": ["red", "red"]},
            {"name": "q", "x": 0, "y": 0, "words": []},
            {"name": "p", "x": 0, "y": 0, "words": ["red", "red"]},
        ],
    },
    [
        lambda document, a, b: edit_words(document["words"], a, b),
        lambda document, a, b: edit_rows(document["rows"], a, b),
    ],
    is_template=False,
)
"""Lists with repeated values, and lists of objects that have no ids."""


def edit_ports(ports: list[Any], a: int, b: int) -> None:
    """Insert, remove, move or edit a port; its number or its protocol may be missing."""
    if a % 4 == 0:
        port = pick(
            [{"port": 80}, {"port": 81}, {"port": 80, "proto": "udp"}, {"proto": "udp"}, {}], b
        )
        insert(ports, {**port, "name": pick("pq", b)}, a)
    elif a % 4 == 1 and ports:
        ports.pop(b % len(ports))
    elif a % 4 == 2:
        relocate(ports, a, b)
    elif ports:
        pick(ports, b)[pick(["name", "target"], a // 4)] = pick("xyz", a)


PORTS = Kind(
    {"/ports": ["port", "proto"]},
    {"ports": [{"port": 80, "name": "p"}, {"port": 80, "proto": "udp", "name": "q"}]},
    [lambda document, a, b: edit_ports(document["ports"], a, b)],
    is_template=False,
)
"""A list with a composite id, parts of which may be missing."""

_number = st.integers(0, 60)
scripts = st.lists(st.tuples(_number, _number, _number), max_size=7)
kinds = st.sampled_from([TEMPLATES, BOARDS, BESIDE])
sides = st.builds(
    grown, st.one_of(kinds, st.sampled_from([LISTS, PORTS])), scripts, scripts, scripts
)
nested = st.one_of(
    st.builds(grown, st.just(TREES), scripts, scripts, scripts),
    st.builds(grown, st.just(SHALLOW), st.just([]), *[scripts.map(lambda script: script[:1])] * 2),
)
templates = st.builds(grown, st.just(TEMPLATES), scripts, scripts, scripts)
