"""The engines that keep templates: which URLs are theirs, how a store is opened, what it can do.

A new engine is a package that makes its stores, and an entry here. No other module reads the text
of a store's URL. The engines themselves are imported when a store of theirs is opened.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol, TypeAlias

from syncsim import exact
from syncsim.contract import CandidateStore, Clock, SupportsBatches, SupportsLookup
from syncsim.errors import UsageError
from syncsim.store.address import ARGUMENT, parse_address
from syncsim.system.locks import NamedLocks


class FullStore(CandidateStore, SupportsBatches, SupportsLookup, Protocol):
    """Everything that the package's own stores can do."""

    def audit(self, template_id: str, limit: int | None = None) -> Sequence[Any]:
        """Who changed the template when and why, newest first."""


class OpenStore(FullStore, Protocol):
    """One that its opener closes."""

    def close(self) -> None:
        """Let go of everything that was opened; idempotent."""


Opened: TypeAlias = tuple[OpenStore, NamedLocks]
"""A store, and the locks of all who use the same one."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A kind of store.

    `name`: as in the figures of a run. `example`: one of its URLs. `is_shared`: other processes
    reach the same templates by the same URL. `outlives_process`: the templates are still there when
    the process that opened them has ended.
    """

    name: str
    example: str
    is_shared: bool
    outlives_process: bool
    locate: Callable[[str | os.PathLike[str]], Location]
    open: Callable[[Location, Clock], Opened]


@dataclass(frozen=True, slots=True)
class Location:
    """Where a store is, settled: the same from any folder and in any process.

    `path` is its file, None for a store that lies in no file of this computer.
    """

    engine: Engine
    url: str
    path: Path | None = None

    def open(self, clock: Clock) -> Opened:
        """The store, which stamps its commits by `clock`, and its locks; the caller closes it."""
        return self.engine.open(self, clock)


def locate(url: str | os.PathLike[str]) -> Location:
    """The location that a URL or the path of a SQLite file names; `UsageError` for any other."""
    scheme, slashes, _ = (exact.path(url) or "").partition("://")
    return ENGINES.get(scheme if slashes else "sqlite", ENGINES["sqlite"]).locate(url)


def locate_by_name(store: str) -> Location:
    """The same, where a store that needs no place may go by the name of its engine: `memory`."""
    return locate(ENGINES["memory"].example if store == "memory" else store)


# -- the engines -----------------------------------------------------------------------------------


def _in_memory(url: str | os.PathLike[str]) -> Location:
    engine = ENGINES["memory"]
    if exact.text(url) != engine.example:
        raise UsageError(ARGUMENT, url, f"{engine.example} alone, for a store in memory")
    return Location(engine, engine.example)


def _open_memory(location: Location, clock: Clock) -> Opened:
    from syncsim.store.memory import MemoryStore

    return MemoryStore(clock=clock), NamedLocks(None)


def _in_a_file(url: str | os.PathLike[str]) -> Location:
    address = parse_address(url)
    return Location(ENGINES["sqlite"], address.url, address.path)


def _open_sqlite(location: Location, clock: Clock) -> Opened:
    """Open the store and its locks; the lock files lie beside the database.

    All who reach the same store exclude each other, whatever their cache folders, and a cache that
    cannot be written costs no update its retry.
    """
    from syncsim.store.sqlite import SQLiteStore

    store = SQLiteStore(location.url, clock=clock)
    path = store.path
    return store, NamedLocks(path.with_name(f"{path.name}-locks"), model=path)


ENGINES: Final = {
    engine.name: engine
    for engine in (
        Engine("memory", "memory://", False, False, _in_memory, _open_memory),
        Engine("sqlite", "sqlite:///templates.db", True, True, _in_a_file, _open_sqlite),
    )
}
"""Every engine by its name, which is the scheme of its URLs."""
