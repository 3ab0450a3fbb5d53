"""Parts that several tests build an environment from: a clock moved by hand, a store with hooks."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from syncsim.cache import CacheFolder
from syncsim.contract import Row, Store
from syncsim.events import BoundedEventLog
from syncsim.runtime.environment import LiveEnvironment
from syncsim.store.memory import MemoryStore
from syncsim.system.locks import NamedLocks


class ManualClock:
    """Time that only sleeping moves."""

    def __init__(self, now: float = 1_700_000_000.0) -> None:
        self.time = now
        self.slept: list[float] = []

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += max(seconds, 0.0)


class HookedStore:
    """A real store with a word in before and after each write: the rival, the lost answer."""

    def __init__(self, store: Any) -> None:
        self.inner = store
        self.before_swap: Iterator[Callable[[], object]] = iter(())
        self.after_swap: Iterator[Callable[[Row], object]] = iter(())
        self.swaps = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def compare_and_swap(self, *args: Any, **kwargs: Any) -> Row:
        self.swaps += 1
        next(self.before_swap, lambda: None)()
        row: Row = self.inner.compare_and_swap(*args, **kwargs)
        next(self.after_swap, lambda _: None)(row)
        return row


at_the_end = ExitStack()
"""What a test has open; closed after it."""


def environment(
    folder: Path, clock: Any = None, store: Store | None = None, seed: int = 7
) -> LiveEnvironment:
    """Real caches and locks in `folder`, a memory store and a manual clock unless given."""
    clock = clock or ManualClock()
    caches = at_the_end.enter_context(closing(CacheFolder(folder / "cache")))
    return LiveEnvironment(
        store or HookedStore(MemoryStore(clock=clock)),
        users=("ann", "ben", "cem"),
        clock=clock,
        rng=random.Random(seed),
        events=BoundedEventLog(clock),
        cache_of=caches.of,
        locks=NamedLocks(folder / "locks"),
    )
