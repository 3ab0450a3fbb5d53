"""The job and a wall clock that steps either way: never within the cooldown, and never starved."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

import syncsim.runtime.environment
from syncsim import connect, sample
from syncsim.contract import BACKGROUND
from syncsim.service.service import COOLDOWN_S, SyncService
from syncsim.store.memory import MemoryStore
from tests.parts import environment

TID = "card"
HOUR_S = 3600.0
START_S = 1_700_000_000.0


class SteppingClock:
    """True time, moved by hand, and a wall clock that may be set; they agree at first."""

    def __init__(self) -> None:
        self.true = 1000.0
        self.set_by = START_S

    def now(self) -> float:
        return self.true + self.set_by

    def monotonic(self) -> float:
        return self.true

    def sleep(self, seconds: float) -> None:
        self.true += seconds


class World:
    """Two processes on one host, as two services on one store; the job runs in the first."""

    def __init__(self, folder: Path, rng: random.Random) -> None:
        self.clock = SteppingClock()
        self.rng = rng
        store = MemoryStore(clock=self.clock)
        store.create(TID, sample("contact_card"), by=BACKGROUND)
        self.here, self.elsewhere = (
            SyncService(environment(folder / name, self.clock, store)) for name in ("a", "b")
        )
        self.updated_at = -COOLDOWN_S
        self.count = 0
        self.too_early: list[float] = []
        self.statuses: Counter[str] = Counter()

    def update(self, service: SyncService) -> None:
        self.count += 1
        fields = sample("contact_card")["fields"]
        fields[0]["label"] = f"Label {self.count}"
        extra = {"id": "extra", "section": fields[0]["section"], "label": "x", "type": "text"}
        changes = {"fields": [*fields, extra] if self.count % 2 else fields}
        assert service.update_template(TID, changes, user="ann").status == "committed"
        self.updated_at = self.clock.true

    def job(self) -> str:
        status = self.here.run_background_job(TID).status
        self.statuses[status] += 1
        age_s = self.clock.true - self.updated_at
        if status != "skipped" and age_s < COOLDOWN_S - 1e-6:
            self.too_early.append(age_s)
        return status

    def step(self) -> None:
        self.clock.set_by += self.rng.uniform(-HOUR_S, HOUR_S)

    def wait(self) -> None:
        self.clock.true += self.rng.choice([0.01, 0.5, 1.0, 2.0, 4.0, 5.0, 7.0, 60.0])


def test_a_thousand_interleavings_with_a_clock_that_steps(tmp_path: Path) -> None:
    """Users commit in the process of the job and in another; what a process sees it can know."""
    statuses: Counter[str] = Counter()
    early, starved = [], 0
    for seed in range(1000):
        rng = random.Random(seed)
        world = World(tmp_path, rng)
        moves: list[Callable[[], object]] = [
            lambda: world.update(world.here),  # noqa: B023
            lambda: world.update(world.elsewhere),  # noqa: B023
            world.step,
            world.job,
            world.wait,
        ]
        for move in rng.choices(moves, weights=[2, 1, 2, 4, 5], k=30):
            move()
        if world.job() == "skipped":
            world.clock.true += COOLDOWN_S
            starved += world.job() == "skipped"
        early += world.too_early
        statuses += world.statuses
    assert (early, starved) == ([], 0)
    assert statuses["committed"] > 500
    assert statuses["skipped"] > 500


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SteppingClock:
    """The clocks of the operating system, as this process reads them."""
    clock = SteppingClock()
    fake = SimpleNamespace(time=clock.now, monotonic=clock.monotonic, sleep=clock.sleep)
    monkeypatch.setattr(syncsim.runtime.environment, "time", fake)
    return clock


@pytest.mark.parametrize("step_s", [2.0, 60.0, HOUR_S, -2.0, -60.0, -HOUR_S])
@pytest.mark.parametrize("where", ["here", "elsewhere", "elsewhere, after a look"])
def test_a_connection_keeps_the_cooldown_whatever_the_wall_clock_does(
    step_s: float, where: str, clock: SteppingClock, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path}/t.db?synchronous=NORMAL"
    with connect(url, cache=tmp_path / "a") as here, connect(url, cache=tmp_path / "b") as other:
        here.create_template(TID, sample("contact_card"), user="ann")
        clock.true += 100
        if where.endswith("look"):
            here.run_background_job(TID)
        writer = here if where == "here" else other
        changes = {"fields": sample("contact_card")["fields"][:1]}
        assert writer.update_template(TID, changes, user="ann").status == "committed"
        clock.set_by += step_s
        for _ in range(5):
            assert here.run_background_job(TID).status == "skipped"
            clock.true += 0.9
        clock.true += 0.6
        assert here.run_background_job(TID).status == "committed"


def test_a_process_that_has_just_begun_believes_the_stamp(
    clock: SteppingClock, tmp_path: Path
) -> None:
    """A job that is started anew each time would wait for ever if it counted from its start."""
    url = f"sqlite:///{tmp_path}/t.db?synchronous=NORMAL"
    with connect(url, cache=tmp_path / "a") as sync:
        sync.create_template(TID, sample("contact_card"), user="ann")
    clock.true += COOLDOWN_S
    with connect(url, cache=tmp_path / "a") as sync:
        assert sync.run_background_job(TID).status == "committed"


def test_a_clock_that_is_slewed_does_not_keep_a_rare_job_from_running(tmp_path: Path) -> None:
    """A look an hour, users in between, a wall clock that gains as NTP lets it."""
    world = World(tmp_path, random.Random(7))
    for _ in range(10):
        world.clock.true += HOUR_S - 60
        world.update(world.elsewhere)
        world.clock.true += 60
        world.clock.set_by += HOUR_S * 0.0005
        assert world.job() == "committed"
