"""A solution as each run of a simulation gets it: its module as new, its names under control."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from syncsim.contract import TemplateSync
from syncsim.lab.simulation.patched_modules import PatchedModules
from syncsim.lab.solutions.loading import Solution, load, name_of, place_of
from syncsim.lab.solutions.source_code import compile_source

_FROM_FILES = (
    "syncsim_solution_",
    "syncsim.lab.solutions.broken.",
    "syncsim.lab.solutions.correct.",
)
"""Modules that are solutions and nothing else begin with this, so they may be run anew."""

_CORE = Path(__file__).parents[2]
_REFERENCE = (
    *("", "cache/", "events/", "merging/", "runtime/", "service/", "store/", "system/"),
    "template/",
)


class IsolatedSolution:
    """What `solution` names, ready to be built many times. `UsageError` where it cannot be loaded.

    The module of a file is run anew for each run: a module stands for a process, and a list that
    the module fills would make one run depend on those before it. A `build` function is taken as it
    is, and the names of its module are replaced meanwhile.
    """

    def __init__(self, solution: Solution) -> None:
        self.name = name_of(solution)
        self._build = load(solution)
        module = sys.modules.get(getattr(self._build, "__module__", None) or "")
        self._namespace: dict[str, Any] = {} if module is None else vars(module)
        file = self._namespace.get("__file__")
        self.fingerprint = _fingerprint(self.name, file, place_of(solution))
        self._code: CodeType | None = None
        if file and self._namespace["__name__"].startswith(_FROM_FILES):
            self._code = compile_source(Path(file).read_bytes(), file)

    @contextmanager
    def building(self, names: PatchedModules) -> Iterator[Callable[..., TemplateSync]]:
        """The `build` function, under control for the length of the block."""
        if self._code is None:
            with names.within(self._namespace):
                yield self._build
            return
        loaded = self._namespace
        module = ModuleType(loaded["__name__"])
        for name in ("__file__", "__package__", "__spec__"):
            setattr(module, name, loaded[name])
        module.__dict__["__builtins__"] = names.builtins()
        before = sys.modules[module.__name__]
        sys.modules[module.__name__] = module  # dataclasses look their module up
        try:
            exec(self._code, module.__dict__)
            place = next(name for name, value in loaded.items() if value is self._build)
            with names.within(module.__dict__):  # what came in by `from another_module import *`
                yield getattr(module, place)
        finally:
            sys.modules[module.__name__] = before


def _fingerprint(name: str, file: str | None, place: str) -> str:
    """Eight digits that change with the text of the solution, and with the place in its file.

    For ours they change with the text of the core.
    """
    if file is None:
        return sha256(name.encode()).hexdigest()[:8]
    files = [Path(file)]
    if files[0].parent == _CORE / "service":
        files = sorted(file for room in _REFERENCE for file in _CORE.glob(f"{room}*.py"))
    digest = sha256(place.encode())
    for path in files:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:8]
