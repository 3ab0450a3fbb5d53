"""A small world for tests of the simulation: a memory store, one template, actors as functions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from syncsim.errors import VersionConflictError
from syncsim.events import BoundedEventLog
from syncsim.lab.simulation.choices import Choices, Guided
from syncsim.lab.simulation.environment import SimulatedEnvironment
from syncsim.lab.simulation.faults import Faults
from syncsim.lab.simulation.memory_cache import MemoryCache
from syncsim.lab.simulation.run_resources import VirtualClock
from syncsim.lab.simulation.scheduler import Scheduler
from syncsim.lab.simulation.strategies import Strategy
from syncsim.lab.simulation.termination import Ending
from syncsim.lab.simulation.thread_pool import ThreadPool
from syncsim.store.memory import MemoryStore

DOCUMENT = {
    "schema_version": 1,
    "name": "sign-up",
    "description": "",
    "sections": [{"id": "main", "title": "Main"}],
    "fields": [],
    "settings": {},
    "metadata": {},
}

Job = Callable[[], object]
Jobs = Callable[[SimulatedEnvironment], Mapping[str, Job]]
"""The actors of a run by name; each is one operation to the scheduler."""


@dataclass
class World:
    """One run that is over."""

    scheduler: Scheduler
    store: MemoryStore
    ending: Ending
    answers: dict[str, object]
    errors: dict[str, BaseException]

    @property
    def settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = self.store.read("t").document["settings"]
        return settings

    @property
    def trace(self) -> list[tuple[str, str]]:
        return [(actor, call) for actor, call, _ in self.scheduler.trace]


@dataclass
class Bench:
    """Runs jobs under given choices, on reused worker threads."""

    workers: ThreadPool = field(default_factory=ThreadPool)

    def run(
        self,
        jobs: Jobs,
        choices: Choices | None = None,
        *,
        faults: Faults | None = None,
        patience_s: float = 2.0,
    ) -> World:
        scheduler = Scheduler(choices or Guided(()), self.workers, patience_s=patience_s)
        clock = VirtualClock(scheduler)
        store = MemoryStore(clock=clock)
        store.create("t", DOCUMENT, by="background")
        caches: dict[str, MemoryCache] = {}
        answers: dict[str, object] = {}

        def main() -> None:
            env = SimulatedEnvironment(
                scheduler,
                store,
                users=("ann", "ben", "cleo"),
                events=BoundedEventLog(clock),
                cache_of=lambda user: caches.setdefault(user, MemoryCache()),
                faults=faults,
            )

            def performing(name: str, job: Job) -> Job:
                def perform() -> None:
                    scheduler.begin_operation("update")
                    answers[name] = job()

                return perform

            scheduler.join(
                [scheduler.spawn(name, performing(name, job)) for name, job in jobs(env).items()]
            )

        ending = scheduler.run(main)
        return World(scheduler, store, ending, answers, dict(scheduler.errors))

    def sweep(self, jobs: Jobs, strategy: Strategy, at_most: int = 100_000) -> Iterator[World]:
        """A run for each of the strategy's choices; those it cut are left out."""
        for _ in range(at_most):
            choices = strategy.next_run()
            if choices is None:
                return
            world = self.run(jobs, choices)
            strategy.learn(choices)
            assert world.errors == {}
            if world.ending.kind != "cut":
                yield world


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.workers.close()


# -- what actors do --------------------------------------------------------------------------------


def blind_write(env: SimulatedEnvironment, user: str) -> None:
    """Read, change, write: whoever writes last wins."""
    document = env.store.read("t").document
    document["settings"][f"x_{user}"] = user
    env.store.put("t", document, by=user)


def check_then_act(env: SimulatedEnvironment, user: str) -> None:
    """Compares before it writes, and leaves a gap between the two."""
    while True:
        row = env.store.read("t")
        row.document["settings"][f"x_{user}"] = user
        if env.store.head("t").version == row.version:
            env.store.put("t", row.document, by=user)
            return


def swap(env: SimulatedEnvironment, user: str) -> None:
    """Compare-and-swap until it wins."""
    while True:
        row = env.store.read("t")
        row.document["settings"][f"x_{user}"] = user
        try:
            env.store.compare_and_swap("t", row.version, row.document, by=user)
            return
        except VersionConflictError:
            env.clock.sleep(0.1 * env.random.random())


def writers(write: Callable[[SimulatedEnvironment, str], None], count: int = 3) -> Jobs:
    """So many users who write once in this way."""
    users = ("ann", "ben", "cleo", "dan")[:count]
    return lambda env: {user: lambda user=user: write(env, user) for user in users}
