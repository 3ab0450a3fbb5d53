"""The rules of the merge as a table of named cases: three sides, the document, the conflicts."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from syncsim.contract import ABSENT, Conflict
from syncsim.errors import UsageError
from syncsim.merging import TEMPLATE_KEYS, merge, overlay, same
from tests.edit_scripts import tree

BIG = 2**80
KEYS = {"": "id", "/l": "id", "/l/*/o": "value", "/p": ["r", "n"], "/g/*": "id"}
TREE_KEYS = {"/t" + "/*/s" * level: "id" for level in range(4)}
BOARD_KEYS = {"/columns": "id", "/columns/*/cards": "id"}

# A case is a claim, the base, what came earlier, what came later, the merged document, and the
# conflicts as path and kind. Its parts are separated by bars; a line of bars goes on.

VALUES = r"""
an edit of one side stays | {"a":1,"b":1} | {"a":2,"b":1} | {"a":1,"b":2} | {"a":2,"b":2} |
the same edit of both is none | {"a":1} | {"a":2} | {"a":2} | {"a":2} |
later wins a leaf | {"a":1} | {"a":2} | {"a":3} | {"a":3} | /a edit
null is a value | {"a":1} | {"a":null} | {"a":1} | {"a":null} |
null is not absence | {"a":1} | {"a":null} | {} | {} | /a delete-edit
null against text | {"a":1} | {"a":null} | {"a":"x"} | {"a":"x"} | /a type
1 to true against 1 to 1.0 | {"a":1} | {"a":true} | {"a":1.0} | {"a":1.0} | /a type
1 to 1.0 is an edit | {"a":1} | {"a":1.0} | {"a":1} | {"a":1.0} |
0 to false is an edit | {"a":[0]} | {"a":[false]} | {"a":[0]} | {"a":[false]} |
0.0 to -0.0 is an edit | {"a":0.0} | {"a":0.0} | {"a":-0.0} | {"a":-0.0} |
beyond 64 bits | {"a":36893488147419103233} | {"a":36893488147419103234}
| {"a":36893488147419103233} | {"a":36893488147419103234} |
lone surrogates | {"a":"\ud800","b":1} | {"a":"\ud800","b":2} | {"a":"x","b":1} | {"a":"x","b":2} |
no Unicode folding | {"a":"e"} | {"a":"\u00e9"} | {"a":"e\u0301"} | {"a":"e\u0301"} | /a edit
keys like numbers are text | {"0":1} | {"0":1,"1":2} | {"0":3} | {"0":3,"1":2} |
path parts are escaped | {"a/b~c":1} | {"a/b~c":2} | {"a/b~c":3} | {"a/b~c":3} | /a~1b~0c edit
a root that is no object | 1 | 2 | 3 | 3 | / edit
both delete | {"a":1,"b":1} | {"b":2} | {"b":1} | {"b":2} |
deleted, then edited | {"a":{"x":1}} | {} | {"a":{"x":2}} | {"a":{"x":2}} | /a delete-edit
edited, then deleted | {"a":{"x":1}} | {"a":{"x":2}} | {} | {} | /a delete-edit
both add an object under one key | {} | {"a":{"x":1,"y":1}} | {"a":{"x":2,"z":1}}
| {"a":{"x":2,"y":1,"z":1}} | /a/x add-add
both add the same | {} | {"a":{"x":1}} | {"a":{"x":1}} | {"a":{"x":1}} |
text over an inner edit | {"a":{"x":1}} | {"a":{"x":2}} | {"a":"s"} | {"a":"s"} | /a type
inner edit over text | {"a":{"x":1}} | {"a":"s"} | {"a":{"x":2}} | {"a":{"x":2}} | /a type
both make an object of it | {"a":"s"} | {"a":{"x":1}} | {"a":{"y":1}} | {"a":{"x":1,"y":1}} |
list to object | {"a":[1]} | {"a":{}} | {"a":[1,2]} | {"a":[1,2]} | /a type
attributes of one element | {"l":[{"id":"a","x":1,"y":1}]} | {"l":[{"id":"a","x":2,"y":1}]}
| {"l":[{"id":"a","x":1,"y":2}]} | {"l":[{"id":"a","x":2,"y":2}]} |
both add one id | {"l":[]} | {"l":[{"id":"a","x":1}]} | {"l":[{"id":"a","y":1}]}
| {"l":[{"id":"a","x":1,"y":1}]} |
1 and text 1 are two ids | {"l":[{"id":1},{"id":"1"}]} | {"l":[{"id":1,"v":1},{"id":"1"}]}
| {"l":[{"id":1}]} | {"l":[{"id":1,"v":1}]} |
1, 1.0 and true are three ids | {"l":[{"id":1},{"id":1.0},{"id":true}]}
| {"l":[{"id":1},{"id":true}]} | {"l":[{"id":1,"v":1},{"id":1.0},{"id":true}]}
| {"l":[{"id":1,"v":1},{"id":true}]} |
1.0 and true are different ids | {"l":[{"id":1.0,"v":1},{"id":true}]}
| {"l":[{"id":1.0,"v":2},{"id":true}]} | {"l":[{"id":1.0,"v":3},{"id":true}]}
| {"l":[{"id":1.0,"v":3},{"id":true}]} | /l/1.0/v edit
an empty id is an id | {"l":[{"id":""}]} | {"l":[{"id":"","v":1}]} | {"l":[{"id":"","w":1}]}
| {"l":[{"id":"","v":1,"w":1}]} |
keyed list in a keyed list | {"l":[{"id":"a","o":[{"value":"r"}]}]}
| {"l":[{"id":"a","o":[{"value":"r","x":1}]}]}
| {"l":[{"id":"a","o":[{"value":"r"},{"value":"g"}]}]}
| {"l":[{"id":"a","o":[{"value":"r","x":1},{"value":"g"}]}]} |
composite id | {"p":[{"r":"u","n":0},{"r":"u","n":1,"w":0}]}
| {"p":[{"r":"u","n":0,"w":1},{"r":"u","n":1,"w":1}]}
| {"p":[{"r":"u","n":0},{"r":"u","n":1,"w":2}]}
| {"p":[{"r":"u","n":0,"w":1},{"r":"u","n":1,"w":2}]} | /p/u,1/w edit
the root as a keyed list | [{"id":"a"}] | [{"id":"a"},{"id":"b"}] | [{"id":"a","v":1}]
| [{"id":"a","v":1},{"id":"b"}] |
a star stands for a key too | {"g":{"x":[{"id":"a"}]}} | {"g":{"x":[{"id":"a","v":1}]}}
| {"g":{"x":[{"id":"a","w":1}]}} | {"g":{"x":[{"id":"a","v":1,"w":1}]}} |
type of a number in a list | {"t":[1,2]} | {"t":[1.0,2]} | {"t":[true,2]} | {"t":[true,2]} | /t type
beyond 64 bits in a list | {"t":[36893488147419103233,1]} | {"t":[36893488147419103233,2]}
| {"t":[3,36893488147419103233,1]} | {"t":[3,36893488147419103233,2]} |
two objects without ids | {"t":[{"x":1},{"x":2}]} | {"t":[{"x":3},{"x":2}]}
| {"t":[{"x":1},{"x":4}]} | {"t":[{"x":3},{"x":4}]} |
one object without id, two attributes | {"t":[{"x":1,"y":1}]} | {"t":[{"x":2,"y":1}]}
| {"t":[{"x":1,"y":2}]} | {"t":[{"x":2,"y":2}]} |
one object without id, one attribute | {"t":[{"x":1,"y":1}]} | {"t":[{"x":2,"y":2}]}
| {"t":[{"x":3,"y":1}]} | {"t":[{"x":3,"y":1}]} | /t edit
without id, edited, then deleted | {"t":[{"x":1},0]} | {"t":[{"x":2},0]} | {"t":[0]}
| {"t":[0]} | /t delete-edit
without id, edited and moved | {"t":[{"x":1},0,1]} | {"t":[{"x":2},0,1]} | {"t":[0,1,{"x":1}]}
| {"t":[0,1,{"x":2}]} |
without id, edited to what is inserted | {"t":[{"x":1},0]} | {"t":[{"x":2},0]}
| {"t":[{"x":1},0,{"x":2}]} | {"t":[0,{"x":2}]} | /t order
repeated values go by position | {"t":[0,0,1]} | {"t":[0,5,1]} | {"t":[0,0,2]} | {"t":[0,5,2]} |
repeated values moved | {"t":[0,0,1]} | {"t":[1,0,0]} | {"t":[0,0,2]} | {"t":[0,0,2]} | /t edit
repeated values, other length | {"t":[0,0]} | {"t":[0,0,0]} | {"t":[0,1]} | {"t":[0,1]} | /t edit
an inner list with a repeated value | {"t":[{"w":[1,1],"x":0}]} | {"t":[{"w":[1,1,2],"x":5}]}
| {"t":[{"w":[3,1,1],"x":0}]} | {"t":[{"w":[3,1,1,2],"x":5}]} |
without id, edited by both beside an insertion | {"t":[{"k":"p","x":0,"y":0}]}
| {"t":[{"k":"p","x":1,"y":0},{"k":"q"}]} | {"t":[{"k":"p","x":0,"y":2}]}
| {"t":[{"k":"p","x":1,"y":2},{"k":"q"}]} |
without id, both insert and both edit | {"t":[{"k":"p","x":0,"y":0}]}
| {"t":[{"k":"m"},{"k":"p","x":1,"y":0}]} | {"t":[{"k":"p","x":0,"y":2},{"k":"n"}]}
| {"t":[{"k":"m"},{"k":"p","x":1,"y":2},{"k":"n"}]} |
without id, one leaf by both beside an insertion | {"t":[{"k":"p","x":0,"y":0}]}
| {"t":[{"k":"p","x":1,"y":0},{"k":"q"}]} | {"t":[{"k":"p","x":2,"y":0}]}
| {"t":[{"k":"p","x":2,"y":0},{"k":"q"}]} | /t edit
without id, edited beside an insertion, then deleted | {"t":[{"k":"p","x":0,"y":0},0]}
| {"t":[{"k":"p","x":1,"y":0},{"k":"q"},0]} | {"t":[0]} | {"t":[{"k":"q"},0]} | /t delete-edit
the likest is the one that was edited | {"t":[{"k":"p","x":0,"y":0},{"k":"q","x":0,"y":1}]}
| {"t":[{"n":1},{"k":"p","x":9,"y":0},{"k":"q","x":9,"y":1}]}
| {"t":[{"k":"p","x":0,"y":7},{"k":"q","x":0,"y":8}]}
| {"t":[{"n":1},{"k":"p","x":9,"y":7},{"k":"q","x":9,"y":8}]} |
less than half alike is another element | {"t":[{"k":"p","x":0,"y":0}]}
| {"t":[{"k":"q","x":1,"y":0},{"k":"n"}]} | {"t":[]} | {"t":[{"k":"q","x":1,"y":0},{"k":"n"}]} |
of a composite id one part is missing | {"p":[{"r":"u","v":1}]} | {"p":[{"r":"u","v":2},{"r":"w"}]}
| {"p":[{"r":"u","v":1,"w":3}]} | {"p":[{"r":"u","v":2,"w":3},{"r":"w"}]} |
a missing part is not a null one | {"p":[{"r":"u"},{"r":"u","n":0}]}
| {"p":[{"r":"u","v":1},{"r":"u","n":0}]}
| {"p":[{"r":"u"},{"r":"u","n":0,"v":2}]} | {"p":[{"r":"u","v":1},{"r":"u","n":0,"v":2}]} |
a conflict where a part is missing | {"p":[{"r":"u","v":1}]} | {"p":[{"r":"u","v":2}]}
| {"p":[{"r":"u","v":3}]} | {"p":[{"r":"u","v":3}]} | /p/u,/v edit
no part at all goes by content | {"p":[{"v":1}]} | {"p":[{"v":2}]} | {"p":[{"v":1},{"r":"u"}]}
| {"p":[{"v":2},{"r":"u"}]} |
an element without its id | {"l":[{"id":"a"},{"v":1}]} | {"l":[{"id":"a","v":2},{"v":1}]}
| {"l":[{"id":"a"},{"v":3}]} | {"l":[{"id":"a","v":2},{"v":3}]} |
a null id is no id | {"l":[{"id":null,"v":1},{"id":"a"}]} | {"l":[{"id":null,"v":2},{"id":"a"}]}
| {"l":[{"id":null,"v":1},{"id":"a","w":1}]} | {"l":[{"id":null,"v":2},{"id":"a","w":1}]} |
"""

KEYED_LISTS = """
different elements | a b c | a:x b c | a b c:y | a:x b c:y |
one attribute of one element | a:1 | a:2 | a:3 | a:3 | /l/a/v edit
deleted, then edited, comes back as edited | a b c | a c | a b:x c | a b:x c | /l/b delete-edit
edited, then deleted, is gone | a b c | a b:x c | a c | a c | /l/b delete-edit
both delete, one and another | a b c d | a c d | a b d | a d |
both add one id with other content | a | a b:x | a b:y | a b:y | /l/b/v add-add
renamed by one, edited by the other | a:1 b | x:1 b | a:2 b | x:1 a:2 b | /l/a delete-edit
ids that occur twice go by content | a:1 a:2 | a:1 b:2 | a:9 a:2 | a:9 b:2 |
reordered by one, edited by the other | a b c | c a b | a b:x c | c a b:x |
edited by one, reordered by the other | a b c | a b:x c | c a b | c a b:x |
reordered by one, deleted by the other | a b c | c a b | a b | a b |
both move different elements | a b c d e f | b c a d e f | a b c d f e | b c a d f e |
both make the same move | a b c | c a b | c a b | c a b |
both move one element | a b c d | b a c d | b c d a | b c d a | /l order
moves that contradict each other | a b c d | b c a d | a d b c | a d b c | /l order
a pair turned round counts in a shared place | a b c d | b c d a | a c d b | c d b a |
an element to the end, another to the front | a b c d | b c d a | d a b c | d b c a |
the same reversal and an insertion | a b c | c b a | c b a x | c b a x |
inserts follow what they followed | a b c | a x b c | c a b | c a x b |
inserts follow what was moved | a b c | a b x c | b c a | b x c a |
inserted at the front and at the end | a b | x a b | a b y | x a b y |
runs at one place are not interleaved | a b | a x1 x2 b | a y1 y2 b | a x1 x2 y1 y2 b |
inserted where the other deleted | a b c d | a b x c d | a c d | a x c d |
inserted into an emptied list | a b | | a x b | x |
both insert one id at one place | a | a x y | a z x | a z x y |
both insert one id at different places | a b | a x b | a b x | a b x | /l order
one comes back where it was edited | a b c d | a c d | a c b:x d | a c b:x d | /l/b delete-edit
"""

PLAIN_LISTS = """
inserted by both | a b | a b c | x a b | x a b c |
both insert the same | a | a b | a b | a b |
both remove, one and another | a b c | b c | a b | b |
one replaced differently by both | a b c | a x c | a y c | a y c | /t edit
two replaced differently by both | a b c d | a x y d | a v w d | a v w d | /t edit, /t edit
one replaced by two and by one | a b c | a x y c | a z c | a x y z c |
neighbours replaced | a b c d | a x c d | a b y d | a x y d |
replaced here, removed there | a b c | a x c | a c | a x c |
moved here, removed there | a b c | c a b | a b | a b |
replaced by what was inserted elsewhere | a b | a x | x a b | x a | /t order
neighbours replaced beside what comes twice | a b c a | a b y a | a x c a | a x y a |
the first one comes again, one replaced, one appended | a b a | z b a | a b a q | z b a q |
the first one comes again, one inserted by each | a b c a | a x b c a | a b y c a | a x b y c a |
a way closed, then opened | a b c a | a b d c a | a b c | a b d c |
an option given twice | -v x -v y | -v x -v y -e | -l -v x -v y | -l -v x -v y -e |
both append to what comes twice | a b | a b e | a b a | a b e a |
both append the same to what comes twice | a a | a a b | a a b | a a b |
both insert a value, at two places | a b a c | x a b a c | a b a c x | x a b a c x |
one inserted, another removed | a b a c d | a n b a c d | a b a d | a n b a d |
one of two equal ones is removed | a b a c | b a c | a b a c d | b a c d |
what comes twice, replaced differently by both | a b a b | a x a b | a y a b | a y a b | /t edit
what comes twice, replaced by two and by one | a b a b | a x y a b | a z a b | a z a b | /t edit
a run rewritten, the rest kept | a b a c a | a x y a c n a | a z a c a | a z a c n a | /t edit
moved among what comes twice | a a b c | c a a b | a a b c d | c a a b d |
"""

BOARDS = """
moved by one, edited by the other | todo=a b;done=c | todo=b;done=c a | todo=a:x b;done=c
| todo=b;done=c a:x |
edited by one, moved by the other | todo=a b;done=c | todo=a:x b;done=c | todo=b;done=a c
| todo=b;done=a:x c |
both move it to one list | todo=a;done=c | todo=;done=c a:x | todo=;done=c a | todo=;done=c a:x |
both move it to different lists | todo=a;doing=;done= | todo=;doing=a;done= | todo=;doing=;done=a
| todo=;doing=;done=a | /columns/todo/cards/a move
moved, then deleted | todo=a b;done= | todo=b;done=a | todo=b;done= | todo=b;done=
| /columns/todo/cards/a delete-edit
deleted, then moved | todo=a b;done= | todo=b;done= | todo=b;done=a | todo=b;done=a
| /columns/todo/cards/a delete-edit
moved into a list that is deleted later | todo=a b;done=c | todo=b;done=c a | todo=a b | todo=a b
| /columns/done delete-edit
moved into a list that was deleted | todo=a b;done=c | todo=a b | todo=b;done=c a | todo=b;done=c a
| /columns/done delete-edit
moved out of a list that is deleted | todo=a b;done=c | todo=b;done=c a | done=c | done=c
| /columns/todo/cards/a delete-edit
edited in a list that is emptied and deleted | todo=a;done= | todo=a:x;done= | done=a | done=a:x |
moved into a new list | todo=a | todo=;new=a | todo=a:x | todo=;new=a:x |
moved by one, edited by both | todo=a:1;done= | todo=;done=a:2 | todo=a:3;done= | todo=;done=a:3
| /columns/todo/cards/a/v edit
an id in two lists tells nothing | todo=a:1;done=a:2 | todo=a:9;done=a:2 | todo=a:1;done=a:8
| todo=a:9;done=a:8 |
"""

BESIDE = """
a card leaves a column for the backlog | s=a b|s=b;backlog=a|s=a:x b|s=b;backlog=a:x|
a card leaves the backlog for a column | s=;backlog=a|s=a;backlog=|s=;backlog=a:x|s=a:x;backlog=|
edited by one, moved out by the other | s=a b;backlog=c | s=a:x b;backlog=c
| s=b;backlog=c a | s=b;backlog=c a:x |
from one list beside to another | backlog=a b;archive= | backlog=b;archive=a
| backlog=a:x b;archive= | backlog=b;archive=a:x |
both move it, into lists of two kinds | s=a;t=;backlog= | s=;t=a;backlog=
| s=;t=;backlog=a | s=;t=;backlog=a | /columns/s/cards/a move
moved out, then deleted | s=a b;backlog= | s=b;backlog=a
| s=b;backlog= | s=b;backlog= | /columns/s/cards/a delete-edit
deleted, then moved out | s=a b;backlog= | s=b;backlog=
| s=b;backlog=a | s=b;backlog=a | /columns/s/cards/a delete-edit
edited by both, moved by one | s=a:1;backlog= | s=;backlog=a:2
| s=a:3;backlog= | s=;backlog=a:3 | /columns/s/cards/a/v edit
an id on both sides of the fence | s=a:1;backlog=a:2 | s=a:9;backlog=a:2
| s=a:1;backlog=a:8 | s=a:9;backlog=a:8 |
"""

# Lists inside the elements of a list: `p(q)` is p that holds q.
TREES = """
each into the other | p q | q(p) | p(q) | p(q) | /t/p move, /t/q move
each into the other, and edited | p:1 q:1 | q:2(p:1) | p:3(q:1) | p:3(q:2) | /t/p move, /t/q move
each into the other two levels down | p(a) q(b) | p q(b(a)) | p(a(b)) q | p(a(b)) q
| /t/p/s/a move, /t/q/s/b move
around a circle of three | p q r | r(q(p)) | q p(r) | q p(r) | /t/p move, /t/q move, /t/r move
one into the other, the other elsewhere | p q r | q(p) r | p r(q) | r(q(p)) |
into each other by both alike | p q | q(p) | q(p:x) | q(p:x) |
what holds it comes under what it held | a(b) | b(a) | a:x(b) | b(a:x) |
the same, and the other moves what it held | a(b) c | b(a) c | a c(b) | c(b(a)) | /t/a/s/b move
into what the other moves elsewhere | a b x | b(a) x | a(x) b | b(a(x)) |
into what moves too and is deleted | a b x | b(a(x)) | b x | b x | /t/a delete-edit
into what moves into what is deleted | a b x | a(b(x)) | b x | b(x) | /t/a delete-edit
out of an element into one that is deleted | a(x) b | a b(x) | a(x) | a(x) | /t/b delete-edit
"""


def ids(text: str) -> Any:
    """A keyed list from `a b c`; `b:x` gives b an attribute v of x."""
    pairs = (word.partition(":") for word in text.split())
    return {"l": [{"id": name, **({"v": value} if value else {})} for name, _, value in pairs]}


def tags(text: str) -> Any:
    """A list of plain text."""
    return {"t": text.split()}


def board(text: str) -> Any:
    """A list of cards in each column, from `todo=a b:x;done=c`."""
    pairs = (column.partition("=") for column in text.split(";"))
    return {"columns": [{"id": name, "cards": ids(cards)["l"]} for name, _, cards in pairs]}


def beside(text: str) -> Any:
    """A board with lists beside its columns, from `s=a b:x;backlog=c`."""
    lists = {
        name: ids(cards)["l"] for name, _, cards in (c.partition("=") for c in text.split(";"))
    }
    columns = [{"id": name, "cards": cards} for name, cards in lists.items() if len(name) == 1]
    return {"columns": columns} | {name: cards for name, cards in lists.items() if len(name) > 1}


def elements(text: str) -> Any:
    return {"t": tree(text)}


def cases(table: str, read: Callable[[str], Any], keys: Any = KEYS) -> list[Any]:
    """The cases of a table, with its documents read."""
    rows = table.replace("\n|", "|").strip().splitlines()
    parts = [[part.strip() for part in row.split("|")] for row in rows]
    return [
        pytest.param(*map(read, documents), conflicts, keys, id=claim.replace(" ", "-"))
        for claim, *documents, conflicts in parts
    ]


@pytest.mark.parametrize(
    ("base", "earlier", "later", "document", "conflicts", "keys"),
    [
        *cases(VALUES, json.loads),
        *cases(KEYED_LISTS, ids),
        *cases(PLAIN_LISTS, tags),
        *cases(BOARDS, board, BOARD_KEYS),
        *cases(BESIDE, beside, {**BOARD_KEYS, "/backlog": "id", "/archive": "id"}),
        *cases(TREES, elements, TREE_KEYS),
    ],
)
def test_a_rule_of_the_merge_holds(
    base: Any, earlier: Any, later: Any, document: Any, conflicts: str, keys: Any
) -> None:
    sides = copy.deepcopy([base, earlier, later])
    result = merge(base, earlier, later, keys=keys)
    assert same(result.document, document), result.document
    assert ", ".join(f"{c.path or '/'} {c.kind}" for c in result.conflicts) == conflicts
    assert all(conflict.kept == "later" for conflict in result.conflicts)
    assert same([base, earlier, later], sides)


def test_documents_that_share_their_parts_are_kept_apart() -> None:
    base, earlier = board("todo=a b;done=c"), board("todo=b;done=c a")
    later = {"columns": base["columns"][:1]}
    assert merge(base, earlier, later, keys=BOARD_KEYS).document == board("todo=a b")
    assert base == board("todo=a b;done=c")


def test_an_edited_card_moves_out_of_a_column_that_moves() -> None:
    """The innermost move comes first, else the card would count as deleted from its column."""
    keys = {"/boards": "id", "/boards/*/columns": "id", "/boards/*/columns/*/cards": "id"}

    def boards(left: str, right: str) -> Any:
        sides = (("left", left), ("right", right))
        return {"boards": [{"id": name, **board(text)} for name, text in sides]}

    base = boards("todo=a;done=", "other=")
    earlier = boards("done=", "other=;todo=a:x")
    result = merge(base, earlier, boards("todo=;done=a", "other="), keys=keys)
    assert result.document == boards("done=a:x", "other=;todo=")
    assert result.conflicts == ()


def test_what_is_deleted_from_an_element_that_moved_stays_deleted() -> None:
    """The first of two merges once saw it deleted, the second moved by both."""
    keys = {
        "/cols": "id",
        "/cols/*/cards": "id",
        "/cols/*/done": "id",
        "/cols/*/cards/*/subs": "id",
    }

    def columns(*columns: tuple[list[Any], list[Any]]) -> Any:
        return {
            "cols": [{"id": f"c{n}", "cards": c, "done": d} for n, (c, d) in enumerate(columns)]
        }

    card, x = {"id": "a", "subs": []}, {"id": "x"}
    base = columns(([card], [x]), ([], []))
    earlier = columns(([], []), ([{**card, "subs": [x]}], []))
    once = merge(base, earlier, columns(([card], []), ([], [])), keys=keys)
    assert once.document == columns(([], []), ([card], []))
    assert [(c.path, c.kind) for c in once.conflicts] == [("/cols/c0/done/x", "delete-edit")]
    assert merge(base, earlier, once.document, keys=keys) == once


def test_what_moves_deeper_than_the_keys_go_keeps_its_own_keys() -> None:
    keys = {"/t": "id", "/t/*/s": "id"}
    base, earlier, later = map(elements, ("p q(b:1 c)", "p(q(b:2 c))", "p q(b:1) c"))
    result = merge(base, earlier, later, keys=keys)
    assert result.document == elements("p(q(b:2)) c")
    assert result.conflicts == ()


# -- records, options, limits ----------------------------------------------------------------------


def test_a_record_holds_the_whole_lost_subtree_and_its_author() -> None:
    base, earlier, later = ids("a:1 b"), ids("a:2 b"), ids("b")
    (conflict,) = merge(base, earlier, later, keys={"/l": "id"}, earlier_by="ann").conflicts
    lost, was = {"id": "a", "v": "2"}, {"id": "a", "v": "1"}
    assert conflict == Conflict("/l/a", "delete-edit", was, lost, ABSENT, "later", "ann")
    assert Conflict.from_json(orjson.loads(orjson.dumps(conflict.to_json()))) == conflict


def test_an_order_conflict_holds_the_ids_of_each_side() -> None:
    (conflict,) = merge(ids("a b c"), ids("b a c"), ids("b c a"), keys={"/l": "id"}).conflicts
    assert (conflict.base, conflict.earlier, conflict.later) == (
        list("abc"),
        list("bac"),
        list("bca"),
    )


def test_text_is_one_value_unless_lines_are_asked_for() -> None:
    base, earlier, later = {"t": "a\nb\nc\nd"}, {"t": "A\nb\nc\nd"}, {"t": "a\nb\nc\nd\ne"}
    assert [c.path for c in merge(base, earlier, later).conflicts] == ["/t"]
    assert merge(base, earlier, later, lines=True) == merge(base, {"t": "A\nb\nc\nd\ne"}, base)


@pytest.mark.parametrize(
    ("base", "earlier", "later", "merged"),
    [
        ("a\nb\nc", "a\nx\nc", "a\ny\nc", None),
        ("a\nb\nc\nd", "a\nx\nc\nd", "a\nb\ny\nd", None),
        ("a\nb\nc", "a\nx\nc", "a\nx\nc\nd", "a\nx\nc\nd"),
        ("a\nb\nc", "b\nc", "a\nb", "b"),
        ("", "x", "y", None),
        ("a\nb", "new\na\nb", "a\nb\nend", "new\na\nb\nend"),
    ],
)
def test_lines_merge_unless_changes_touch(
    base: str, earlier: str, later: str, merged: str | None
) -> None:
    result = merge({"t": base}, {"t": earlier}, {"t": later}, lines=True)
    assert result.document["t"] == (later if merged is None else merged)
    assert [c.path for c in result.conflicts] == (["/t"] if merged is None else [])


def test_nested_two_hundred_deep_is_merged() -> None:
    def nested(left: int, right: int, depth: int = 200) -> Any:
        value: Any = {"left": left, "right": right}
        for level in range(depth):
            value = [value] if level % 2 else {"k": value, "n": BIG}
        return value

    assert same(merge(nested(0, 0), nested(1, 0), nested(0, 1), keys={}).document, nested(1, 1))


def test_nested_without_end_is_refused_and_not_crashed_into() -> None:
    def nested(value: Any) -> Any:
        for _ in range(1100):
            value = [value]
        return value

    with pytest.raises(UsageError, match="levels"):
        merge(nested(1), nested(2), nested(3))


def test_a_pattern_that_is_no_path_is_refused() -> None:
    with pytest.raises(UsageError, match="begins with /"):
        merge({}, {"a": 1}, {"b": 1}, keys={"fields": "id"})


def test_what_only_one_side_changed_is_shared_with_it() -> None:
    base, earlier, later = ids("a b"), ids("a:x b"), ids("a b:y")
    merged = merge(base, earlier, later, keys={"/l": "id"}).document
    assert merged["l"][0] is earlier["l"][0]
    assert merged["l"][1] is later["l"][1]
    assert merge(base, earlier, ids("a b"), keys={"/l": "id"}).document is earlier


def test_the_result_does_not_depend_on_the_hash_seed() -> None:
    """Sets of text iterate in an order that differs from process to process."""
    code = (
        "from syncsim.merging import merge, overlay; import orjson\n"
        "def d(t): return {'l': [{'id': c} for c in t], 't': list(t)}\n"
        "for e, l in [('badcefgh', 'abcdfehg'), ('xabcy', 'hagbcfed'), ('hgfedcba', 'abxydce')]:\n"
        "    m = merge(d('abcdefgh'), d(e), d(l), keys={'/l': 'id'})\n"
        "    print(orjson.dumps(m.document), [c.to_json() for c in m.conflicts])\n"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(outputs) == 1


# -- a writer's changes as a document --------------------------------------------------------------


def test_overlay_replaces_whole_keys_and_shares_the_rest() -> None:
    base = {"name": "a", "fields": [{"id": "x"}], "settings": {"theme": "t", "locale": "de"}}
    wanted = overlay(base, {"settings": {"theme": "u"}, "name": "b"})
    assert wanted == {"name": "b", "fields": [{"id": "x"}], "settings": {"theme": "u"}}
    assert wanted["fields"] is base["fields"]
    assert base["name"] == "a"


@pytest.mark.parametrize(
    ("base", "changes", "wanted"),
    [
        (
            {"metadata": {"derived": {"n": 1}}},
            {"metadata": {"o": 1}},
            {"o": 1, "derived": {"n": 1}},
        ),
        ({"metadata": {"derived": {"n": 1}}}, {"metadata": {"derived": {}}}, {"derived": {"n": 1}}),
        ({"metadata": {"o": 1}}, {"metadata": {"derived": {"n": 1}}}, {}),
        ({}, {"metadata": {"derived": {"n": 1}, "o": 1}}, {"o": 1}),
        ({"metadata": {"o": 1}}, {"metadata": "wrong"}, "wrong"),
        ({"metadata": "wrong"}, {"metadata": {"derived": 1, "o": 1}}, {"o": 1}),
        ({"metadata": {"derived": None}}, {"metadata": {}}, {"derived": None}),
    ],
)
def test_derived_metadata_is_never_the_users(base: Any, changes: Any, wanted: Any) -> None:
    before = copy.deepcopy((base, changes))
    assert overlay(base, changes)["metadata"] == wanted
    assert (base, changes) == before


def test_the_keys_of_templates_are_those_of_the_contract() -> None:
    assert TEMPLATE_KEYS == {"/fields": "id", "/sections": "id", "/fields/*/options": "value"}
