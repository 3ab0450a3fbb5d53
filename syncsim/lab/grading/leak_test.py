"""Does a solution keep something of every operation? Thousands of them on the same few templates.

What is measured is what can be reached from the solution and its module, open files and threads; of
the environment nothing. The operations are those of one calm user after another, in virtual time.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from syncsim.contract import BACKGROUND, JSON, Snapshot, TemplateSync
from syncsim.errors import UsageError
from syncsim.lab.grading.reachable_size import reachable_bytes
from syncsim.lab.history.findings import NOTE, Finding
from syncsim.lab.history.recorded_failure import OnRecord
from syncsim.lab.simulation.choices import Seeded
from syncsim.lab.simulation.environment import SimulatedEnvironment
from syncsim.lab.simulation.isolated_solution import IsolatedSolution
from syncsim.lab.simulation.memory_cache import MemoryCache
from syncsim.lab.simulation.patched_modules import PatchedModules
from syncsim.lab.simulation.run_resources import VirtualClock
from syncsim.lab.simulation.scheduler import Scheduler
from syncsim.lab.simulation.thread_pool import ThreadPool
from syncsim.lab.solutions.loading import Solution
from syncsim.store.memory import MemoryStore
from syncsim.store.records import CommitRow
from syncsim.template.samples import sample

CODE: Final = "M2"

FIRST_LOOK: Final = (1_000, 2_000, 4_000)
SECOND_LOOK: Final = (8_000, 16_000)
"""Operations after which the size is taken; the second look only where the first saw growth.

A cache that is still warming looks like a leak at first. One of 4,096 entries is full by then.
Twice the operations, because the table of a set grows in leaps: between two of them, half as many
again may show as less than a quarter more.
"""

MOST_BYTES: Final = 32.0
"""Growth per operation that is allowed, and with it any growth below `MOST_GROWTH`."""

MOST_GROWTH: Final = 0.25
MOST_OPEN: Final = 0.01
"""Files or threads left behind per operation."""

TOO_MANY_OPEN: Final = 200
"""Files or threads left behind that end the run at once: there is no need to see it fail."""

USERS: Final = ("ann", "ben", "cleo")
TEMPLATES: Final = ("contact_card", "contact_card-2", "contact_card-3")
KEPT_VERSIONS: Final = 16
PATIENCE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Measure:
    """What a solution holds after so many operations."""

    operations: int
    size_bytes: int
    files: int
    threads: int


def soak(solution: Solution) -> Iterator[Finding]:
    """M2 if what the solution keeps grows with the number of operations.

    A note if it did not come through so many calm operations: then nothing was measured.
    """
    measures, trouble = measure(solution)
    if trouble is not None:
        yield Finding(NOTE, "not-soaked", f"what the solution keeps was not measured: {trouble}")
        return
    before, after = measures[-2:]
    if growth := _growth(before, after):
        yield Finding(
            CODE,
            "leak",
            f"from {before.operations:,} to {after.operations:,} operations on "
            f"{len(TEMPLATES)} templates {growth}",
        )


def measure(solution: Solution) -> tuple[list[Measure], str | None]:
    """The measures, two at least; or why there are fewer. `UsageError` as for any run."""
    workers = ThreadPool()
    try:
        bath = _LeakTest(IsolatedSolution(solution), workers)
        ending = bath.scheduler.run(bath.fill)
        for actor, error in bath.scheduler.errors:
            if actor == "main":
                raise error
        if ending.kind != "done":
            return bath.measures, ending.message
        return bath.measures, None
    finally:
        workers.close()


def _growth(before: Measure, after: Measure) -> str | None:
    """What grew in proportion to the operations, in words; None for nothing."""
    operations = after.operations - before.operations
    for name in ("files", "threads"):
        more = getattr(after, name) - getattr(before, name)
        if more / operations > MOST_OPEN:
            return f"{more} more {name} stayed open"
    more = after.size_bytes - before.size_bytes
    if more / operations > MOST_BYTES and more > MOST_GROWTH * before.size_bytes:
        return (
            f"what the solution keeps grew from {before.size_bytes:,} to {after.size_bytes:,} "
            f"bytes: {more / operations:.0f} bytes an operation"
        )
    return None


class _LeakTest:
    """One run: builds the solution, performs the operations, measures in between."""

    def __init__(self, solution: IsolatedSolution, workers: ThreadPool) -> None:
        self.scheduler = Scheduler(Seeded("soak", recorded=False), workers, patience_s=PATIENCE_S)
        self.measures: list[Measure] = []
        self._solution = solution
        self._store = _ForgetfulStore(clock=VirtualClock(self.scheduler))

    def fill(self) -> None:
        """What the first actor does."""
        caches: dict[str, MemoryCache] = {}
        env = SimulatedEnvironment(
            self.scheduler,
            self._store,
            users=USERS,
            events=_Silence(),
            cache_of=lambda user: caches.setdefault(user, MemoryCache()),
        )
        for template_id in TEMPLATES:
            self._store.create(template_id, sample("contact_card"), by=BACKGROUND)
        names = PatchedModules(self.scheduler, env.clock, env.random)
        with self._solution.building(names) as build:
            try:
                sync = build(env)
            except Exception as error:
                wanted = f"a build(env) that returns; it raised {error!r}"
                raise UsageError("solution", self._solution.name, wanted) from error
            own = _globals_of(build)
            parts = (env.store, env.clock, env.random, env.events, *map(env.cache, USERS))
            stops = (env, self.scheduler, names, env.cache(BACKGROUND), *parts)
            self.measures.append(_measured(0, sync, own, stops))
            for number in self._numbers():
                self.scheduler.begin_operation("soak")
                with OnRecord():
                    _perform(sync, env, number)
                self.scheduler.end_operation()
                is_flooded = number % 100 == 0 and self._is_flooded()
                if is_flooded or number in FIRST_LOOK + SECOND_LOOK:
                    self.measures.append(_measured(number, sync, own, stops))
                if is_flooded:
                    break

    def _is_flooded(self) -> bool:
        first = self.measures[0]
        more = max(_open_files() - first.files, threading.active_count() - first.threads)
        return more > TOO_MANY_OPEN

    def _numbers(self) -> Iterator[int]:
        """Counts operations from 1; goes past the first look only where it saw something grow."""
        yield from range(1, FIRST_LOOK[-1] + 1)
        if _growth(*self.measures[-2:]):
            yield from range(FIRST_LOOK[-1] + 1, SECOND_LOOK[-1] + 1)


def _globals_of(build: object) -> dict[str, Any]:
    """What the module of a solution holds: a function knows it, a class names its module."""
    if isinstance(build, type):
        return getattr(sys.modules.get(build.__module__), "__dict__", {})
    found: dict[str, Any] = getattr(build, "__globals__", {})
    return found


def _perform(sync: TemplateSync, env: SimulatedEnvironment, number: int) -> None:
    """One operation of a round of eight; every user comes to every template."""
    turn, kind = divmod(number, 8)
    user, template_id = USERS[turn % 3], TEMPLATES[turn // 3 % 3]
    name = {"name": f"Contact card, {number} times edited"}
    match kind:
        case 1 | 3:
            sync.update_template(template_id, name, user=user)
        case 2:
            sync.update_template(template_id, name, user=user, base=_read(sync, template_id, user))
        case 4:
            version = _read(sync, template_id, user).version
            sync.update_with_version(template_id, name, version, user=user)
        case 5:
            sync.update_with_version(template_id, name, "1-00000000", user=user)
        case 0:
            env.clock.sleep(6.0 * (turn % 2))
            sync.run_background_job(template_id)
        case _:
            _read(sync, template_id, user)


def _read(sync: TemplateSync, template_id: str, user: str) -> Snapshot:
    return sync.get_template(template_id, user=user)


def _measured(
    number: int, sync: TemplateSync, own: dict[str, Any], stops: tuple[object, ...]
) -> Measure:
    return Measure(
        number, reachable_bytes((sync, own), own, stops), _open_files(), threading.active_count()
    )


def _open_files() -> int:
    """The open files of this process; 0 where the system does not list them."""
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError:
        return 0


class _ForgetfulStore(MemoryStore):
    """Keeps the newest versions only: a run of thousands must not slow down by its own past."""

    def _publish(self, record: CommitRow) -> None:
        super()._publish(record)
        history = self._histories[record.template_id]
        if len(history) > KEPT_VERSIONS:
            gone = history.pop(0)
            del self._by_version[gone.template_id, gone.version]
            if gone.update_id is not None:
                del self._by_update_id[gone.update_id]


class _Silence:
    """An event log that keeps nothing."""

    def emit(self, kind: str, /, **facts: JSON) -> None:
        """Forget it."""
