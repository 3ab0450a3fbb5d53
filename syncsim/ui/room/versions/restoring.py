"""How a value that was not kept is put back: as an ordinary change of the head. Pure.

The record of the conflict is left as it is; the restored value is a new version like any other.
"""

from __future__ import annotations

from dataclasses import dataclass

from syncsim.contract import ABSENT, JSON, Conflict, Document
from syncsim.errors import UsageError
from syncsim.merging import TEMPLATE_KEYS, same
from syncsim.merging.blame import value_at
from syncsim.merging.identity import (
    Position,
    attributes_at,
    compile_keys,
    id_of,
    segment,
    split,
    step,
)
from syncsim.ui.room.run_view import Version
from syncsim.ui.room.versions.resolutions import Resolution


@dataclass(frozen=True, slots=True)
class Lost:
    """A value that was not kept, where it belongs, and who wrote it.

    `like` is a document in which it stood: an element that comes back gets its place from there.
    """

    template_id: str
    path: str
    label: str
    value: JSON
    kept: JSON
    kind: str
    by: str | None
    like: Document

    @classmethod
    def of(cls, version: Version, conflict: Conflict, like: Document, name: str) -> Lost:
        """The value that a recorded conflict did not keep."""
        values = conflict.earlier, conflict.later
        lost, kept = values if conflict.kept == "later" else values[::-1]
        by = conflict.earlier_by if conflict.kept == "later" else version.by
        return cls(version.template_id, conflict.path, name, lost, kept, conflict.kind, by, like)


def lost_values(one: Resolution) -> list[Lost]:
    """What a version did not keep: the values of its conflicts, and changes lost without a record.

    In the order of its leaves. A move that lost is none of them: it has no value.
    """
    version = one.version
    like = one.parent_document or version.document
    found = []
    for leaf in one.leaves:
        if leaf.conflict is not None and leaf.conflict.kind != "move":
            found.append(Lost.of(version, leaf.conflict, like, leaf.label))
        elif leaf.conflict is None and leaf.fate in ("set back", "overridden"):
            unsaid = Lost(
                version.template_id,
                leaf.path,
                leaf.label,
                value=leaf.earlier,
                kept=leaf.result,
                kind="edit",
                by=leaf.earlier_by,
                like=like,
            )
            found.append(unsaid)
    return found


def is_restored(head: Document, lost: Lost) -> bool:
    """Whether the head holds the value already."""
    try:
        return same(_restored(head, lost), head)
    except UsageError:
        return False


def changes_to_restore(head: Document, lost: Lost) -> Document:
    """`changes` for `update_template` that put this value back into `head`, and nothing else.

    An element comes back behind the one it followed. An element of a list without ids takes the
    place of the one that was kept, else comes last. An order is that of the ids it names; what is
    new since stays behind its neighbour.

    `UsageError` where the value has no place any more: what it belongs to is gone, or it is a part
    of the template that cannot be taken away.
    """
    path = split(lost.path)
    if not path:
        raise UsageError("the place of a lost value", lost.path, "a path below the document")
    restored = _restored(head, lost)
    if path[0] not in restored:
        raise UsageError(
            "the lost value", f"no {path[0]} at all", "a value: set it by an update of your own"
        )
    return {path[0]: restored[path[0]]}


def _restored(head: Document, lost: Lost) -> Document:
    value = lost.value
    there = value_at(head, lost.path)
    if lost.kind == "order":
        value = _ordered(there, value)
    elif isinstance(there, list) and not any(isinstance(each, list) for each in (lost.kept, value)):
        value = _exchanged(there, lost.kept, value)
    document: Document = _with(head, split(lost.path), _ROOT, value, lost.like)
    return document


_ROOT = compile_keys(TEMPLATE_KEYS)


def _with(node: JSON, path: tuple[str, ...], at: Position, value: JSON, like: JSON) -> JSON:
    """The node with the value at the path, sharing all the rest; ABSENT removes it."""
    if not path:
        return value
    part, *below = path
    beneath = tuple(below)
    inside = step(at, part)
    if isinstance(node, dict):
        old = node.get(part, ABSENT)
        model = like.get(part, ABSENT) if isinstance(like, dict) else ABSENT
        if value is ABSENT and old is ABSENT:
            return node
        inner = _opened(old, model, part) if beneath else old
        new = _with(inner, beneath, inside, value, model)
        if new is ABSENT:
            return {key: each for key, each in node.items() if key != part}
        return {**node, part: new}
    if isinstance(node, list) and attributes_at(at):
        names = _names(node, at)
        if part not in names:
            if beneath:
                raise _gone(part)
            return node if value is ABSENT else _inserted(node, names, part, value, like, at)
        place = names.index(part)
        old_elements = _names(like, at) if isinstance(like, list) else []
        model = like[old_elements.index(part)] if part in old_elements else ABSENT
        new = _with(node[place], beneath, inside, value, model)
        return [*node[:place], *([] if new is ABSENT else [new]), *node[place + 1 :]]
    raise _gone(part)


def _opened(old: JSON, like: JSON, part: str) -> JSON:
    """What a key holds; where that is gone, an empty object if it used to be one."""
    if old is not ABSENT:
        return old
    if isinstance(like, dict):
        return {}
    raise _gone(part)


def _gone(part: str) -> UsageError:
    return UsageError(
        "the place of the lost value",
        part,
        "something that is still in the template: restore that first, then this",
    )


def _names(elements: list[JSON], at: Position) -> list[str]:
    """The ids of a keyed list's elements as path segments; empty text for one without."""
    tokens = (id_of(element, attributes_at(at)) for element in elements)
    return ["" if token is None else segment(token) for token in tokens]


def _inserted(
    node: list[JSON], names: list[str], part: str, value: JSON, like: JSON, at: Position
) -> list[JSON]:
    """The list with the element behind its nearest predecessor that is still there."""
    was = _names(like, at) if isinstance(like, list) else []
    if part not in was:
        return [*node, value]
    before = [name for name in was[: was.index(part)] if name in names]
    place = names.index(before[-1]) + 1 if before else 0
    return [*node[:place], value, *node[place:]]


def _exchanged(elements: list[JSON], kept: JSON, lost: JSON) -> list[JSON]:
    """A list without ids with `lost` in place of `kept`; ABSENT as either one removes or adds."""
    place = next((n for n, each in enumerate(elements) if same(each, kept)), None)
    new = [] if lost is ABSENT else [lost]
    if place is None:
        return [*elements, *(each for each in new if not _holds(elements, each))]
    return [*elements[:place], *new, *elements[place + 1 :]]


def _holds(elements: list[JSON], value: JSON) -> bool:
    return any(same(each, value) for each in elements)


def _ordered(elements: JSON, order: JSON) -> JSON:
    """The elements in an order of ids; one that it does not name stays behind its neighbour."""
    if not isinstance(elements, list) or not isinstance(order, list):
        raise UsageError("the order to restore", order, "the ids of a list that is still there")
    wanted = [name for name in order if isinstance(name, str)]
    place: dict[str, int] = {name: number for number, name in enumerate(wanted)}
    rank, ranks = -1, []
    for number, element in enumerate(elements):
        name = element.get("id", element.get("value")) if isinstance(element, dict) else element
        rank = place.get(name, rank) if isinstance(name, str) else rank
        ranks.append((rank, 0 if name in place else 1, number))
    return [elements[number] for *_, number in sorted(ranks)]
