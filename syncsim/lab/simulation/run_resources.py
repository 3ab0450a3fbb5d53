"""What runs share and reuse: worker threads, and under a SQLite store one file with its caches."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Final, Self, TypeAlias

from syncsim import exact
from syncsim.contract import Cache
from syncsim.lab.simulation.memory_cache import MemoryCache
from syncsim.lab.simulation.namespaced_store import NamespacedCache, NamespacedStore
from syncsim.lab.simulation.scheduler import START_S, Scheduler
from syncsim.lab.simulation.thread_pool import ThreadPool
from syncsim.store.engines import FullStore
from syncsim.store.memory import MemoryStore

Parts: TypeAlias = tuple[FullStore, Callable[[str], Cache]]

STORES: Final = ("memory", "sqlite")


class VirtualClock:
    """A read-only clock: that of the run whose scheduler is `scheduler`."""

    def __init__(self, scheduler: Scheduler | None = None) -> None:
        self.scheduler = scheduler

    def now(self) -> float:
        """Seconds since the epoch, in virtual time."""
        return START_S if self.scheduler is None else self.scheduler.now

    def sleep(self, seconds: float) -> None:
        """Not to be called: a reader of the clock does not sleep."""
        raise NotImplementedError


class RunResources:
    """Gives each run a store and caches of its own; `store` is "memory" or "sqlite".

    Use it from one thread at a time, and close it.
    """

    def __init__(self, store: str = "memory") -> None:
        self.store = exact.one_of("store", store, STORES, "memory or sqlite, in a simulation")
        self.workers = ThreadPool()
        self._clock = VirtualClock()
        self._runs = 0
        self._files = ExitStack()
        self._shared: Parts | None = None

    def parts(self, scheduler: Scheduler) -> Parts:
        """A store without templates, and empty caches, on this run's clock."""
        self._clock.scheduler = scheduler
        self._runs += 1
        number = self._runs
        caches: dict[str, Cache] = {}
        if self.store == "memory":
            return (
                MemoryStore(clock=self._clock),
                lambda user: caches.setdefault(user, MemoryCache()),
            )
        store, cache_of = self._shared = self._shared or self._open_files()
        return NamespacedStore(store, number), lambda user: NamespacedCache(cache_of(user), number)

    def discard(self) -> None:
        """After a run got stuck, perhaps inside a transaction, give the next run new files."""
        self._shared = None

    def close(self) -> None:
        """End the threads and remove the files."""
        self.workers.close()
        self._files.close()

    def _open_files(self) -> Parts:
        from syncsim.cache import CacheFolder
        from syncsim.store.engines import locate

        folder = self._files.enter_context(
            TemporaryDirectory(prefix="syncsim-simulation-", ignore_cleanup_errors=True)
        )
        url = f"sqlite:///{folder}/templates.db?synchronous=NORMAL"
        store, _ = locate(url).open(self._clock)
        self._files.callback(store.close)
        caches = CacheFolder(Path(folder) / "caches")
        self._files.callback(caches.close)
        return store, caches.of

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
