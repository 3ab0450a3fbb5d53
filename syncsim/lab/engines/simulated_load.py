"""Thousands of virtual users on one template: the solution as it is, in virtual time, few threads.

A user needs a thread only while an update is in flight, so each arrival takes one from the pool and
gives it back with the answer: ten thousand users of an update a minute are some thirty threads.
Everything is judged as it happens and forgotten; nothing is kept to be replayed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from math import log
from random import Random
from typing import Final

from syncsim.contract import BACKGROUND, Snapshot, TemplateSync
from syncsim.errors import SyncError
from syncsim.events import BoundedEventLog
from syncsim.lab.checkers.streaming import StreamingJudge
from syncsim.lab.history.records import Commit
from syncsim.lab.scenarios import DEFAULT_TEMPLATE, user_names
from syncsim.lab.scenarios.edits import EDITS, NumberedEdit
from syncsim.lab.simulation.actors import WaitingLine
from syncsim.lab.simulation.choices import Seeded
from syncsim.lab.simulation.environment import SimulatedEnvironment
from syncsim.lab.simulation.known_documents import KnownDocuments
from syncsim.lab.simulation.memory_cache import MemoryCache
from syncsim.lab.simulation.recent_store import RecentStore
from syncsim.lab.simulation.run_resources import VirtualClock
from syncsim.lab.simulation.scheduler import Scheduler
from syncsim.lab.simulation.service_times import Effort, ServiceTimes, TimedStore
from syncsim.lab.simulation.termination import Ending
from syncsim.lab.simulation.thread_pool import ThreadPool
from syncsim.store.records import CommitRow
from syncsim.template.samples import sample

MINUTE_S: Final = 60.0
START_SPREAD_S: Final = 0.001
"""Over how long those whom a barrier releases start: the model's millisecond."""

PATIENCE_S: Final = 60.0
"""A load of hours on a busy machine is not given up for a pause of some seconds."""

KEPT_EVENTS: Final = 1_000
KEPT_DOCUMENTS: Final = 200

_operation: ContextVar[str | None] = ContextVar("syncsim_load_operation", default=None)


class Quantiles:
    """Counts of values in buckets a hundredth wide, so a million take no more room than ten."""

    _WIDTH: Final = log(1.01)

    def __init__(self) -> None:
        self._buckets: dict[int, int] = {}
        self.count = 0
        self.largest = 0.0

    def add(self, value: float) -> None:
        """One more value, zero or more."""
        bucket = round(log(max(value, 1e-6)) / self._WIDTH)
        self._buckets[bucket] = self._buckets.get(bucket, 0) + 1
        self.count += 1
        self.largest = max(self.largest, value)

    def at(self, percent: float) -> float:
        """The value that so many per cent do not exceed, within half a per cent; 0.0 of none."""
        rest = self.count * percent / 100
        if percent >= 100:
            return self.largest
        for bucket in sorted(self._buckets):
            rest -= self._buckets[bucket]
            if rest <= 0:
                return min(float(1.01**bucket), self.largest)
        return self.largest


@dataclass
class LoadFigures:
    """What came of a load. `latency_ms` is that of every update, `attempts` what the store saw.

    `in_flight` is the largest number of updates at one time, `remembered` what judge and store hold
    at the end.
    """

    updates: int = 0
    succeeded: int = 0
    commits: int = 0
    attempts: int = 0
    most_attempts: int = 0
    in_flight: int = 0
    latency_ms: Quantiles = field(default_factory=Quantiles)
    effort: Effort = field(default_factory=Effort)
    failures: dict[str, int] = field(default_factory=dict)
    remembered: int = 0


class Load:
    """One load on one solution; `perform` it once.

    `build` gets a usual environment. `keep`: versions that store and judge remember at least; must
    exceed what is committed during one update. `progress` gets, after every update, the number that
    have ended.
    """

    _scheduler: Scheduler
    _judge: StreamingJudge
    _sync: TemplateSync

    def __init__(
        self,
        build: Callable[[SimulatedEnvironment], TemplateSync],
        *,
        users: int,
        seed: int = 7,
        template: str = DEFAULT_TEMPLATE,
        times: ServiceTimes | None = None,
        keep: int = 1_000,
        progress: Callable[[int], object] = lambda ended: None,
    ) -> None:
        self.figures = LoadFigures()
        self._build = build
        self._users = user_names(users)
        self._seed = seed
        self._template = template
        self._times = times or ServiceTimes()
        self._keep = keep
        self._progress = progress
        self._known = KnownDocuments(KEPT_DOCUMENTS)
        self._attempts: dict[str, int] = {}
        self._flying = 0

    # -- two loads ---------------------------------------------------------------------------------

    def sustained(self, minutes: int) -> StreamingJudge:
        """Every user reads and updates once a minute, at a moment of the minute that is drawn."""
        return self._perform(lambda: self._arrive(minutes))

    def released(self) -> StreamingJudge:
        """Every user has read; then all update within a millisecond."""
        return self._perform(self._release)

    def _arrive(self, minutes: int) -> None:
        chance = Random(f"{self._seed}/arrivals")
        scheduler, began = self._scheduler, self._scheduler.now
        for minute in range(minutes):
            moments = sorted((chance.random() * MINUTE_S, n) for n in range(len(self._users)))
            for at_s, number in moments:
                scheduler.sleep(began + minute * MINUTE_S + at_s - scheduler.now)
                scheduler.spawn(self._users[number], partial(self._visit, number, minute))

    def _release(self) -> None:
        chance = Random(f"{self._seed}/arrivals")
        barrier = WaitingLine("the barrier")
        scheduler = self._scheduler
        scheduler.join(
            [
                scheduler.spawn(user, partial(self._wait_and_save, n, barrier, chance.random()))
                for n, user in enumerate(self._users)
            ]
        )

    # -- one user ----------------------------------------------------------------------------------

    def _visit(self, number: int, minute: int) -> None:
        self._fly(1)
        base = self._read(number)
        if base is not None:
            self._save(number, minute, base)
        self._fly(-1)

    def _wait_and_save(self, number: int, barrier: WaitingLine, part: float) -> None:
        base = self._read(number)
        self._flying += 1
        if self._flying < len(self._users):
            self._scheduler.park(barrier)
        else:
            while self._scheduler.wake(barrier):
                pass
        self.figures.in_flight = self._flying
        self._scheduler.sleep(part * START_SPREAD_S)
        if base is not None:
            self._save(number, 0, base)

    def _fly(self, more: int) -> None:
        self._flying += more
        self.figures.in_flight = max(self.figures.in_flight, self._flying)

    def _read(self, number: int) -> Snapshot | None:
        user, judge = self._users[number], self._judge
        self._scheduler.begin_operation("get_template")
        floor = judge.floor(user)
        try:
            snapshot = self._sync.get_template(self._template, user=user)
        except SyncError as error:
            self._failed(error)
            return None
        finally:
            self._scheduler.end_operation()
        judge.read(user, snapshot.version, snapshot.document, floor)
        return snapshot

    def _save(self, number: int, turn: int, base: Snapshot) -> None:
        figures, scheduler, judge = self.figures, self._scheduler, self._judge
        user = self._users[number]
        kind = EDITS[(number + turn) % len(EDITS)]
        changes = NumberedEdit(kind, user, turn + 1, number).changes(base.document)
        operation = f"{user}-{turn + 1}"
        judge.called(operation, user, changes, base.version, base.document)
        _operation.set(operation)
        self._attempts[operation] = 0
        began = scheduler.now
        scheduler.begin_operation("update_template")
        try:
            outcome = self._sync.update_template(self._template, changes, user=user, base=base)
        except SyncError as error:
            self._failed(error)
            judge.returned(operation, "failed", definite=error.definite)
        else:
            figures.succeeded += 1
            judge.returned(operation, outcome.status, outcome.version)
        finally:
            scheduler.end_operation()
            tried = self._attempts.pop(operation)
            figures.latency_ms.add((scheduler.now - began) * 1000)
            figures.updates += 1
            figures.attempts += tried
            figures.most_attempts = max(figures.most_attempts, tried)
        self._progress(figures.updates)

    def _failed(self, error: SyncError) -> None:
        name = type(error).__name__
        self.figures.failures[name] = self.figures.failures.get(name, 0) + 1

    # -- the run -----------------------------------------------------------------------------------

    def _perform(self, workload: Callable[[], None]) -> StreamingJudge:
        with ThreadPool() as workers:
            self._scheduler = scheduler = Scheduler(
                Seeded(self._seed, recorded=False), workers, patience_s=PATIENCE_S
            )
            clock = VirtualClock(scheduler)
            store = RecentStore(clock=clock, keep=self._keep, seen=self._committed)

            def main() -> None:
                store.create(self._template, sample(self._template), by=BACKGROUND)
                env = _LoadEnvironment(scheduler, store, self._users, clock, self._times, self)
                self.figures.effort = env.timed.effort
                self._sync = self._build(env)
                workload()

            ending = scheduler.run(main)
        _check(ending, scheduler.errors)
        self.figures.commits = self._judge.commits
        self.figures.remembered = self._judge.remembered + store.remembered
        return self._judge

    def tried(self, update_id: str | None) -> None:
        """Count a write attempt for the operation that made it."""
        operation = self._judge.owner(update_id) or _operation.get()
        if operation in self._attempts:
            self._attempts[operation] += 1

    def drew(self, drawn: str) -> None:
        """The update under way in this context has drawn an id."""
        operation = _operation.get()
        if operation is not None:
            self._judge.drew(operation, drawn)

    def _committed(self, record: CommitRow) -> None:
        """Show the judge the store's new head; the first head creates the judge."""
        is_first = record.parent is None
        owner = None if is_first else self._judge.owner(record.update_id) or _operation.get()
        commit = Commit(
            record.revision,
            record.template_id,
            record.version,
            record.parent,
            owner,
            record.by,
            record.at,
            self._known.document(record.body),
        )
        if is_first:
            self._judge = StreamingJudge(commit, window=self._keep)
        else:
            self._judge.committed(commit)


class _LoadEnvironment(SimulatedEnvironment):
    """A simulated environment on a store in time; notes which operation drew each id."""

    def __init__(
        self,
        scheduler: Scheduler,
        store: RecentStore,
        users: tuple[str, ...],
        clock: VirtualClock,
        times: ServiceTimes,
        load: Load,
    ) -> None:
        caches: dict[str, MemoryCache] = {}
        super().__init__(
            scheduler,
            store,
            users=users,
            events=BoundedEventLog(clock, KEPT_EVENTS),
            cache_of=lambda user: caches.setdefault(user, MemoryCache()),
        )
        self.store = self.timed = TimedStore(scheduler, store, times, load.tried)
        self._load = load

    def new_id(self) -> str:
        """As in the environment underneath."""
        drawn = super().new_id()
        self._load.drew(drawn)
        return drawn


def _check(ending: Ending, errors: Iterable[tuple[str, BaseException]]) -> None:
    """A load that did not come to its end, or in which something crashed, has no figures."""
    for actor, error in errors:
        raise RuntimeError(f"{actor} died: {error!r}") from error
    if ending.kind != "done":
        raise RuntimeError(ending.message)
