"""How large is what a solution keeps? Everything that can be reached from it, in bytes."""

from __future__ import annotations

import builtins
import gc
import logging
import sys
from collections.abc import Iterable, Mapping
from types import FrameType, ModuleType
from typing import Any


def reachable_bytes(
    roots: Iterable[object], own: Mapping[str, Any], stops: Iterable[object]
) -> int:
    """The size of all objects reachable from `roots`, each counted once.

    Modules, and the globals and classes of other modules than the one whose globals are `own`, are
    no solution's keeping and are not entered; nor are `stops` and what only they lead to.
    """
    seen = {id(stop) for stop in stops}
    seen |= {id(vars(module)) for module in list(sys.modules.values()) if _is_module(module)}
    seen |= {id(own.get("__builtins__")), id(vars(builtins))}
    seen |= {id(logging.root), id(logging.Logger.manager)}
    seen.discard(id(own))
    name = own.get("__name__")
    stack: list[object] = list(roots)
    total = 0
    while stack:
        found = stack.pop()
        if id(found) in seen:
            continue
        seen.add(id(found))
        if isinstance(found, ModuleType | FrameType):
            continue
        if isinstance(found, type) and found.__module__ != name:
            continue
        total += sys.getsizeof(found)
        stack.extend(gc.get_referents(found))
    return total


def _is_module(module: object) -> bool:
    return isinstance(module, ModuleType)
