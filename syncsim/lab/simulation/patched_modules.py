"""`time`, `random` and `threading` for solutions that go past the environment: under control, too.

While a run lasts, these names mean the run's own clock, chance and locks inside the solution's
module, whether they are reached as `time.sleep` or were imported by name. Nothing else in the
process is touched. What was used is noted, for the report to say.
"""

from __future__ import annotations

import builtins
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from types import ModuleType
from typing import Any, Final, TypeAlias

from syncsim.contract import Clock
from syncsim.lab.simulation.controlled_threads import (
    ControlledCondition,
    ControlledEvent,
    ControlledLock,
    ControlledRLock,
    ControlledThread,
    bound,
)
from syncsim.lab.simulation.scheduler import Scheduler

Make: TypeAlias = Callable[["PatchedModules"], object]


def _in_ns(names: PatchedModules) -> object:
    return lambda: round(names.clock.now() * 1e9)


def _method(name: str) -> Make:
    return lambda names: getattr(names.chance, name)


def _bound(kind: type) -> Make:
    return lambda names: bound(kind, names.scheduler)


def _seed(names: PatchedModules) -> object:
    chance = names.chance

    def seed(a: Any = None, version: int = 2) -> None:
        chance.seed(chance.getrandbits(64) if a is None else a, version)

    return seed


def _random_class(names: PatchedModules) -> object:
    chance = names.chance

    class Random(random.Random):
        """Seeded from the run's chance where it would have been from the operating system's."""

        def __init__(self, x: Any = None) -> None:
            super().__init__(chance.getrandbits(64) if x is None else x)

    return Random


def _table() -> dict[ModuleType, dict[str, Make]]:
    clock: dict[str, Make] = {
        "sleep": lambda names: names.clock.sleep,
        **dict.fromkeys(("time", "monotonic", "perf_counter"), lambda names: names.clock.now),
        **dict.fromkeys(("time_ns", "monotonic_ns", "perf_counter_ns"), _in_ns),
    }
    chance: dict[str, Make] = {
        **{name: _method(name) for name in random.__all__ if hasattr(random.Random, name)},
        "seed": _seed,
        **dict.fromkeys(("Random", "SystemRandom"), _random_class),
    }
    threads: dict[str, Make] = {
        "Lock": _bound(ControlledLock),
        "RLock": _bound(ControlledRLock),
        "Condition": _bound(ControlledCondition),
        "Event": _bound(ControlledEvent),
        "Thread": _bound(ControlledThread),
    }
    return {time: clock, random: chance, threading: threads}


_MAKE: Final[Mapping[ModuleType, Mapping[str, Make]]] = _table()
_MODULES: Final[Mapping[str, ModuleType]] = {module.__name__: module for module in _MAKE}
_BY_IDENTITY: Final[Mapping[int, tuple[ModuleType, str]]] = {
    id(getattr(module, name)): (module, name) for module, names in _MAKE.items() for name in names
}


class _Twin:
    """A module in which some names mean something else."""

    def __init__(self, module: ModuleType, names: PatchedModules) -> None:
        self._module = module
        self._names = names

    def __getattr__(self, name: str) -> Any:
        if name in _MAKE[self._module]:
            return self._names.replacement(self._module, name)
        return getattr(self._module, name)


class PatchedModules:
    """The controlled names of one run. `used` are those that the solution reached for, in full."""

    def __init__(self, scheduler: Scheduler, clock: Clock, chance: random.Random) -> None:
        self.scheduler = scheduler
        self.clock = clock
        self.chance = chance
        self._made: dict[str, object] = {}

    @property
    def used(self) -> tuple[str, ...]:
        """``time.sleep``, ``threading.Lock``, ...; sorted."""
        return tuple(sorted(self._made))

    def replacement(self, module: ModuleType, name: str) -> object:
        """What the name means in this run; the same thing each time."""
        full = f"{module.__name__}.{name}"
        if full not in self._made:
            self._made[full] = _MAKE[module][name](self)
        return self._made[full]

    @contextmanager
    def within(self, namespace: dict[str, Any]) -> Iterator[None]:
        """Replace the names in a module that is loaded already, for the length of a block."""
        before: dict[str, Any] = {}
        for name, value in list(namespace.items()):
            if id(value) in _BY_IDENTITY:
                before[name] = value
                namespace[name] = self.replacement(*_BY_IDENTITY[id(value)])
            elif isinstance(value, ModuleType) and value in _MAKE:
                before[name] = value
                namespace[name] = _Twin(value, self)
        try:
            yield
        finally:
            namespace.update(before)

    def builtins(self) -> dict[str, Any]:
        """The builtins of a module yet to be run: its `import` statements find the replaced names.

        So locks made while it is loaded, and imports inside functions, are under control as well.
        """
        return {**vars(builtins), "__import__": partial(_import, self)}


def _import(
    names: PatchedModules,
    name: str,
    globals: Any = None,
    locals: Any = None,
    fromlist: Sequence[str] = (),
    level: int = 0,
) -> Any:
    if level == 0 and name in _MODULES:
        return _Twin(_MODULES[name], names)
    return builtins.__import__(name, globals, locals, fromlist, level)
