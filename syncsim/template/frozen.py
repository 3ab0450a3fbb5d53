"""JSON values that refuse to be changed, so that one parsed document can be handed to many readers.

`freeze` turns plain JSON into read-only dicts and lists all the way down, `thaw` turns it back. The
results are real dicts and lists: equality, `isinstance`, orjson and json treat them as such.

The price is a limit: this protects from accidents and not from intent. Whoever calls dict's or
list's own methods (`dict.__setitem__(view, ...)`, `list.append(view, ...)`) gets past it, and what
he does is then seen by the other readers of that view: same process, same user, same version. It
reaches no private copy, no other user and no cache on disk, and no commit, since the base of an
update is taken from the history. A view without that limit was measured and left: a mapping proxy
is no dict, and neither json nor orjson writes it; a fresh frozen copy for each read takes 18 times
a hit; comparing the view with its text before each hit takes twice a hit, grows with the document,
and would still not protect who holds the view already.
"""

from __future__ import annotations

from typing import Any, NoReturn

from syncsim.contract import JSON


def _refuse(self: object, *args: object, **kwargs: object) -> NoReturn:
    raise TypeError(
        "this document is a read-only view that others read too; "
        "copy.deepcopy() of it, or a read without view=True, gives a copy to change"
    )


_refused: Any = _refuse
"""Typed Any because the overridden methods have a signature each, and none of them matters."""


class FrozenDict(dict[str, JSON]):
    """A JSON object that cannot be changed; its values are frozen too. Made by `freeze` alone."""

    __slots__ = ()

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
    """A JSON array that cannot be changed; its elements are frozen too. Made by `freeze` alone."""

    __slots__ = ()

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


def freeze(value: JSON) -> JSON:
    """A read-only copy of a JSON value, all the way down; scalars are returned as they are."""
    if isinstance(value, dict):
        view = FrozenDict.__new__(FrozenDict)
        dict.update(view, {key: freeze(item) for key, item in value.items()})
        return view
    if isinstance(value, list):
        elements = FrozenList.__new__(FrozenList)
        list.extend(elements, [freeze(item) for item in value])
        return elements
    return value


def thaw(value: JSON) -> JSON:
    """A plain copy of a JSON value, frozen or not; it shares nothing that can be changed."""
    if isinstance(value, dict):
        return {key: thaw(item) for key, item in value.items()}
    if isinstance(value, list):
        return [thaw(item) for item in value]
    return value
