"""JSON values that refuse to be changed, so that one parsed document can be handed to many readers.

`freeze` turns plain JSON into read-only dicts and lists all the way down, `thaw` turns it back. The
results are real dicts and lists: equality, `isinstance`, orjson and json treat them as such.

The price is a limit: this protects from accidents and not from intent. A caller of dict's or
list's own methods (`dict.__setitem__(view, ...)`, `list.append(view, ...)`) gets past it, and the
other readers of that view see his change: same process, same user, same version. The change
reaches no private copy, no other user and no cache on disk, and no commit, since the base of an
update is taken from the history. A view without that limit was measured and left: a mapping proxy
is no dict, and neither json nor orjson writes it; a fresh frozen copy for each read takes 18 times
a hit; comparing the view with its text before each hit takes twice a hit, grows with the document,
and would still not protect who holds the view already.

What cannot change stays what it was found to be: `proof` is where `known` notes that a value is
valid, and its canonical bytes. No copy has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NoReturn, TypeAlias

from syncsim.contract import JSON


def _refuse(self: object, *args: object, **kwargs: object) -> NoReturn:
    raise TypeError(
        "this document is a read-only view that others read too; "
        "copy.deepcopy() of it, or a read without view=True, gives a copy to change"
    )


Proof: TypeAlias = tuple[object, bytes]
"""Who found the value to be valid, and its canonical bytes."""

_refused: Any = _refuse
"""Typed Any because the overridden methods have a signature each, and none of them matters."""


class FrozenDict(dict[str, JSON]):
    """A JSON object that cannot be changed; its values are frozen too. Made by `frozen_dict`."""

    __slots__ = ("proof",)
    proof: Proof | None

    __init__ = _refused  # dict.__init__ on a full dict is an update
    __setitem__ = _refused
    __delitem__ = _refused
    __ior__ = _refused
    clear = _refused
    pop = _refused
    popitem = _refused
    setdefault = _refused
    update = _refused

    def __copy__(self) -> dict[str, JSON]:
        return dict(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> JSON:
        return thaw(self)

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        return freeze, (thaw(self),)


class FrozenList(list[JSON]):
    """A JSON array that cannot be changed; its elements are frozen too. Made by `frozen_list`."""

    __slots__ = ("proof",)
    proof: Proof | None

    __init__ = _refused  # list.__init__ on a full list replaces its elements
    __setitem__ = _refused
    __delitem__ = _refused
    __iadd__ = _refused
    __imul__ = _refused
    append = _refused
    clear = _refused
    extend = _refused
    insert = _refused
    pop = _refused
    remove = _refused
    reverse = _refused
    sort = _refused

    def __copy__(self) -> list[JSON]:
        return list(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> JSON:
        return thaw(self)

    def __reduce_ex__(self, protocol: object) -> tuple[Any, ...]:
        return freeze, (thaw(self),)


def frozen_dict(members: Mapping[str, JSON], proof: Proof | None = None) -> FrozenDict:
    """A read-only object of values that are frozen already."""
    view: FrozenDict = FrozenDict.__new__(FrozenDict)
    dict.update(view, members)
    view.proof = proof
    return view


def frozen_list(elements: Iterable[JSON], proof: Proof | None = None) -> FrozenList:
    """A read-only array of values that are frozen already."""
    view: FrozenList = FrozenList.__new__(FrozenList)
    list.extend(view, elements)
    view.proof = proof
    return view


def freeze(value: JSON) -> JSON:
    """A read-only copy of a JSON value, all the way down; scalars are returned as they are."""
    if isinstance(value, dict):
        return frozen_dict({key: freeze(item) for key, item in value.items()})
    if isinstance(value, list):
        return frozen_list(map(freeze, value))
    return value


def thaw(value: JSON) -> JSON:
    """A plain copy of a JSON value, frozen or not; it shares nothing that can be changed."""
    if isinstance(value, dict):
        return {key: thaw(item) for key, item in value.items()}
    if isinstance(value, list):
        return [thaw(item) for item in value]
    return value
