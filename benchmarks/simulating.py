"""How many simulated runs a second, checks included, and what of that is simulation.

The rates are of `explore` in two processes. Beside them, in one process and in turn, a whole run
and its bare workload: the same verbs of the same users on the same kind of store, one after the
other, with no scheduler, no recording and no judges. These two are compared by CPU time, as a busy
machine and its disk say more about a rate than the program does.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from itertools import count
from typing import TYPE_CHECKING

from benchmarks.table import Row
from syncsim.contract import BACKGROUND, Cache
from syncsim.events import BoundedEventLog
from syncsim.lab.acting.actor import play
from syncsim.lab.simulation.choices import Seeded
from syncsim.lab.simulation.explore import explore
from syncsim.lab.simulation.run_resources import RunResources, VirtualClock
from syncsim.lab.simulation.scheduler import Scheduler
from syncsim.lab.simulation.simulated_run import Parameters, Simulation
from syncsim.service.service import build
from syncsim.template.samples import sample

STORM = Parameters("perfect-storm", work_ms=0.0)
WANTED = {"memory": 500, "sqlite": 150}

if TYPE_CHECKING:  # an older tree has it elsewhere (`--against`)
    from syncsim.lab.recording.intercepted_store import FullStore


def simulations(schedules: int, rounds: int) -> Iterator[Row]:
    """A row per store: runs a second in two processes, and the time of a run in bare workloads."""
    for store, wanted in WANTED.items():
        began = time.perf_counter()
        found = explore("perfect-storm", schedules=schedules, store=store, processes=2)
        rate = found.schedules / (time.perf_counter() - began)
        assert found.passed
        run_ms, times = _beside_the_bare_workload(store, rounds)
        yield Row(
            f"perfect storms simulated, {store}, 2 processes",
            f"the bare workload, 1 process: a run takes {times:.1f} x its CPU time",
            f"{rate:.0f} runs/s; {run_ms:.1f} ms of CPU a run",
            f">= {wanted} runs/s on two idle cores",
            rate >= wanted,
            run_ms * 1000,
        )


def _beside_the_bare_workload(store: str, rounds: int) -> tuple[float, float]:
    """Milliseconds of CPU that a run takes, and how many times that of the bare workload it is."""
    seeds = count(1)
    with RunResources(store) as resources:
        simulation = Simulation(STORM, resources)
        bare = _bare(resources)
        pairs = [
            (_cpu_ms(bare), _cpu_ms(lambda: simulation.run(Seeded(next(seeds)))))
            for _ in range(rounds)
        ]
    runs = statistics.median(run for _, run in pairs)
    return runs, statistics.median(run / workload for workload, run in pairs)


def _cpu_ms(call: Callable[[], object], calls: int = 40) -> float:
    began = time.process_time()
    for _ in range(calls):
        call()
    return (time.process_time() - began) * 1000 / calls


class _BareEnvironment:
    """What a solution needs, with nothing around it; for one thread."""

    def __init__(
        self, store: FullStore, users: tuple[str, ...], cache_of: Callable[[str], Cache]
    ) -> None:
        ids = count(1)
        self.store = store
        self.users = users
        self.clock = VirtualClock()
        self.random = random.Random(1)
        self.events = BoundedEventLog(self.clock)
        self.cache = cache_of
        self.lock = lambda name, *, timeout_s=None: nullcontext()
        self.new_id = lambda: f"{next(ids):016x}"


def _bare(resources: RunResources) -> Callable[[], object]:
    plan = STORM.plan()
    document = sample(plan.template)

    def workload() -> None:
        store, cache_of = resources.parts(Scheduler(Seeded(1), resources.workers))
        sync = build(_BareEnvironment(store, plan.users, cache_of))
        store.create(plan.template, document, by=BACKGROUND)
        for actor in plan.parts[0].actors:
            play(
                actor,
                sync,
                plan.template,
                clock=VirtualClock(),
                meet=lambda name: None,
                called=lambda: None,
                restart=lambda: None,
            )

    return workload
