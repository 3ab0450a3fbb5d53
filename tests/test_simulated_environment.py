"""The simulated environment: the contract's, with every effect a step, and mishaps by draw."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from syncsim.contract import QueuedWrite, Row, supports_batches, supports_lookup
from syncsim.errors import (
    CacheError,
    OutcomeUnknownError,
    StoreUnavailableError,
    SyncError,
    TemplateNotFoundError,
    UsageError,
    VersionConflictError,
)
from syncsim.lab.simulation.choices import Choices, Guided, Seeded
from syncsim.lab.simulation.environment import SimulatedEnvironment
from syncsim.lab.simulation.faults import Faults
from syncsim.lab.simulation.namespaced_store import NamespacedStore
from syncsim.lab.simulation.patched_modules import PatchedModules
from syncsim.lab.simulation.run_resources import RunResources
from syncsim.lab.simulation.scheduler import START_S, Scheduler
from tests.simulation_parts import DOCUMENT, Bench, World, bench, swap, writers

__all__ = ["bench"]

Job = Callable[[SimulatedEnvironment], object]


def run(bench: Bench, *jobs: Job, choices: Choices | None = None, **more: object) -> World:
    """These jobs as ann, ben, cleo; none of them may fail."""
    users = ("ann", "ben", "cleo")
    world = bench.run(
        lambda env: {
            user: lambda job=job: job(env) for user, job in zip(users, jobs, strict=False)
        },
        choices,
        **more,
    )
    for error in world.errors.values():
        raise error
    return world


def with_setting(row: Row, name: str) -> dict[str, object]:
    return {**row.document, "settings": {**row.document["settings"], f"x_{name}": 1}}


# -- what is a step --------------------------------------------------------------------------------


def test_every_call_of_store_cache_clock_and_lock_is_a_step_and_nothing_else_is(
    bench: Bench,
) -> None:
    def job(env: SimulatedEnvironment) -> None:
        store, cache = env.store, env.cache("ann")
        row = store.read("t")
        store.head("t"), store.history("t"), store.templates()
        store.revision("t", row.version), store.find_update("u")
        store.create("other", DOCUMENT, by="ann")
        row = store.compare_and_swap("t", row.version, DOCUMENT, by="ann")
        store.put("t", DOCUMENT, by="ann")
        store.update_locked("t", lambda row: None, by="ann")
        store.update_many("t", [QueuedWrite(lambda row: None, "ann")])
        cache.get("k"), cache.set("k", 1), cache.add("k", 2), cache.delete("k"), cache.clear()
        with cache.transact(), env.lock("a"):
            env.events.emit("noise")
            env.clock.now()
            env.new_id()
            env.random.random()
        env.clock.sleep(1.0)

    assert [call for _, call in run(bench, job).trace] == [
        *("store.read", "store.head", "store.history", "store.templates"),
        *("store.revision", "store.find_update", "store.create", "store.compare_and_swap"),
        *("store.put", "store.update_locked", "store.update_many"),
        *("cache.get", "cache.set", "cache.add", "cache.delete", "cache.clear"),
        *("cache.transact", "lock", "sleep"),
    ]


def test_the_store_can_all_that_the_reference_asks_of_one(bench: Bench) -> None:
    def job(env: SimulatedEnvironment) -> None:
        assert supports_batches(env.store)
        assert supports_lookup(env.store)

    run(bench, job)


def test_the_calls_of_a_callback_are_steps_at_which_others_go_on(bench: Bench) -> None:
    """An indivisible `update_locked` hides every lock inversion."""

    def change(env: SimulatedEnvironment) -> None:
        def inside(row: Row) -> dict[str, object]:
            assert env.store.head("t").version == row.version
            env.cache("ann").set("k", 1)
            return with_setting(row, "x")

        env.store.update_locked("t", inside, by="ann")

    def look(env: SimulatedEnvironment) -> None:
        env.store.read("t")

    orders = {tuple(run(bench, change, look, choices=Seeded(seed)).trace) for seed in range(60)}
    between = ("ben", "store.read")
    assert any(
        order.index(("ann", "store.update_locked"))
        < order.index(between)
        < order.index(("ann", "cache.set"))
        for order in orders
    )


# -- who waits for whom ----------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["put", "swap", "create", "locked", "many"])
def test_every_write_waits_while_a_callback_holds_the_write_lock(bench: Bench, way: str) -> None:
    def hold(env: SimulatedEnvironment) -> None:
        def inside(row: Row) -> dict[str, object]:
            env.clock.sleep(3.0)
            return with_setting(row, "held")

        env.store.update_locked("t", inside, by="ann")

    def write(env: SimulatedEnvironment) -> float:
        env.clock.sleep(1.0)
        store, head = env.store, env.store.head("t").version
        if way == "put":
            store.put("t", DOCUMENT, by="ben")
        elif way == "create":
            store.create("other", DOCUMENT, by="ben")
        elif way == "locked":
            store.update_locked("t", lambda row: with_setting(row, "more"), by="ben")
        elif way == "many":
            many = [QueuedWrite(lambda row, n=n: with_setting(row, n), "ben") for n in ("y", "z")]
            assert len(store.update_many("t", many)) == 2
        else:
            with pytest.raises(VersionConflictError):
                store.compare_and_swap("t", head, DOCUMENT, by="ben")
        return env.clock.now() - START_S

    assert run(bench, hold, write).answers["ben"] == 3.0


def test_a_write_that_waits_too_long_finds_the_store_busy(bench: Bench) -> None:
    def hold(env: SimulatedEnvironment) -> None:
        env.store.update_locked("t", lambda row: env.clock.sleep(9.0), by="ann")

    def write(env: SimulatedEnvironment) -> float:
        env.clock.sleep(1.0)
        with pytest.raises(StoreUnavailableError, match=r"within 2\.000 s"):
            env.store.compare_and_swap("t", "1-x", DOCUMENT, by="ben", timeout_s=2.0)
        with pytest.raises(StoreUnavailableError, match="busy"):
            env.store.update_locked("t", lambda row: None, by="ben", timeout_s=0.5)
        return env.clock.now() - START_S

    assert run(bench, hold, write).answers["ben"] == 3.5


def test_a_callback_that_writes_is_refused_and_one_that_raises_writes_nothing(
    bench: Bench,
) -> None:
    def job(env: SimulatedEnvironment) -> None:
        with pytest.raises(UsageError, match="write inside a write"):
            env.store.update_locked(
                "t", lambda row: env.store.put("t", DOCUMENT, by="ann").document, by="ann"
            )
        with pytest.raises(ZeroDivisionError):
            env.store.update_locked("t", lambda row: 1 / 0, by="ann")
        assert env.store.head("t").revision == 1
        env.store.put("t", DOCUMENT, by="ann")

    run(bench, job)


def test_a_transaction_of_a_cache_keeps_every_other_call_waiting_and_is_reentrant(
    bench: Bench,
) -> None:
    def hold(env: SimulatedEnvironment) -> None:
        cache = env.cache("ann")
        with cache.transact(), cache.transact():
            seen = cache.get("n") or 0
            env.clock.sleep(1.0)
            cache.set("n", seen + 1)

    def single(env: SimulatedEnvironment) -> float:
        env.cache("ann").set("n", 40)
        return env.clock.now() - START_S

    def elsewhere(env: SimulatedEnvironment) -> float:
        env.cache("ben").set("n", 1)
        return env.clock.now() - START_S

    world = run(bench, hold, single, elsewhere, choices=Guided([0, 0, 0, 0, 0]))
    assert (world.answers["ben"], world.answers["cleo"]) == (1.0, 0.0)


@pytest.mark.parametrize("seed", range(8))
def test_transactions_make_an_increment_safe(bench: Bench, seed: int) -> None:
    def add(env: SimulatedEnvironment) -> None:
        cache = env.cache("ann")
        for _ in range(3):
            with cache.transact():
                cache.set("n", (cache.get("n") or 0) + 1)

    def total(env: SimulatedEnvironment) -> object:
        env.clock.sleep(1.0)
        return env.cache("ann").get("n")

    world = run(bench, add, add, total, choices=Seeded(seed))
    assert world.answers["cleo"] == 6


# -- chance and ids --------------------------------------------------------------------------------


def test_chance_comes_from_one_draw_and_ids_are_never_equal(bench: Bench) -> None:
    def job(env: SimulatedEnvironment) -> tuple[float, list[str]]:
        return env.random.random(), [env.new_id() for _ in range(20)]

    first = run(bench, job, job, choices=Seeded(1))
    again = run(bench, job, job, choices=Seeded(1))
    other = run(bench, job, job, choices=Seeded(2))
    assert first.answers == again.answers != other.answers
    ids = [i for _, drawn in first.answers.values() for i in drawn]
    assert len(set(ids)) == 40
    assert not any(a != b and a.startswith(b) for a in ids for b in ids)


def test_what_a_cache_keeps_cannot_be_changed_from_outside(bench: Bench) -> None:
    def job(env: SimulatedEnvironment) -> None:
        cache = env.cache("ann")
        value = {"a": [1]}
        cache.set("k", value)
        value["a"].append(2)
        cache.get("k")["a"].append(3)
        assert cache.get("k") == {"a": [1]}
        assert not cache.add("k", 1)
        assert cache.add("other", 1)
        with pytest.raises(UsageError):
            cache.set("k", object())
        cache.clear()
        assert cache.get("other") is None

    run(bench, job)


# -- mishaps ---------------------------------------------------------------------------------------


def careful(env: SimulatedEnvironment, user: str) -> str:
    """One write, and how it ended."""
    try:
        row = env.store.read("t")
        env.store.compare_and_swap("t", row.version, with_setting(row, user), by=user)
        return "done"
    except SyncError as error:
        return type(error).__name__


@pytest.mark.parametrize(
    ("faults", "error", "may_be_written"),
    [
        (Faults(busy=3), StoreUnavailableError, False),
        (Faults(outage=3), StoreUnavailableError, False),
        (Faults(lost_answer=3), OutcomeUnknownError, True),
    ],
)
def test_a_mishap_of_the_store_strikes_in_some_runs_and_tells_the_truth(
    bench: Bench, faults: Faults, error: type[SyncError], may_be_written: bool
) -> None:
    endings: Counter[tuple[object, bool]] = Counter()
    for seed in range(60):
        world = run(bench, lambda env: careful(env, "ann"), choices=Seeded(seed), faults=faults)
        endings[world.answers["ann"], "x_ann" in world.settings] += 1
    assert set(endings) == {("done", True), (error.__name__, may_be_written)}
    assert min(endings.values()) > 5


def test_an_outage_lasts_for_its_time_and_for_every_actor(bench: Bench) -> None:
    def watch(env: SimulatedEnvironment) -> list[float]:
        down = []
        for _ in range(60):
            try:
                env.store.head("t")
            except StoreUnavailableError:
                down.append(round(env.clock.now() - START_S, 3))
            env.clock.sleep(0.05)
        return down

    world = run(
        bench, watch, watch, choices=Seeded(4), faults=Faults(outage=30, outage_s=0.4, at_most=1)
    )
    ann, ben = world.answers["ann"], world.answers["ben"]
    assert ann
    assert set(ann) ^ set(ben) <= {min(ann + ben)}
    assert 0.3 < max(ann) - min(ann) <= 0.4


def test_a_client_that_crashes_has_no_later_effect_and_leaves_its_locks(bench: Bench) -> None:
    """Not even in `finally`: a dead client cleans nothing up, the locks are freed for it."""
    crashed = 0
    for seed in range(40):
        cleaned: list[str] = []

        def die(env: SimulatedEnvironment, cleaned: list[str] = cleaned) -> None:
            try:
                with env.lock("a"), env.cache("ann").transact():
                    careful(env, "ann")
            finally:
                env.store.put("t", {**DOCUMENT, "settings": {"x_cleaned": 1}}, by="ann")
                cleaned.append("reached")

        def wait(env: SimulatedEnvironment) -> None:
            with env.lock("a"), env.cache("ann").transact():
                pass

        world = run(bench, die, wait, choices=Seeded(seed), faults=Faults(crash=8, at_most=1))
        assert world.ending.kind == "done"
        if "ann" not in world.answers:
            crashed += 1
            assert not cleaned
            assert "x_cleaned" not in world.settings
        else:
            assert cleaned
    assert 5 < crashed < 40


def test_a_cache_fault_strikes_before_or_after_the_effect(bench: Bench) -> None:
    def job(env: SimulatedEnvironment) -> tuple[bool, bool]:
        cache = env.cache("ann")
        try:
            cache.set("k", 1)
        except CacheError:
            return True, cache.get("k") == 1
        return False, True

    seen = {
        run(bench, job, choices=Seeded(s), faults=Faults(cache=2, at_most=1)).answers["ann"]
        for s in range(40)
    }
    assert seen == {(False, True), (True, False), (True, True)}


def test_latency_makes_every_step_of_an_operation_take_two_to_ten_ms(bench: Bench) -> None:
    def job(env: SimulatedEnvironment) -> float:
        before = env.clock.now()
        env.store.head("t")
        return round(env.clock.now() - before, 6)

    took = {
        run(bench, job, choices=Seeded(s), faults=Faults(latency=True)).answers["ann"]
        for s in range(60)
    }
    assert took == {round(ms / 1000, 6) for ms in range(2, 11)}


def test_a_list_of_zeros_is_a_run_without_mishaps(bench: Bench) -> None:
    faults = Faults(busy=2, outage=2, lost_answer=2, crash=2, cache=2)
    world = bench.run(writers(swap), Guided(()), faults=faults)
    assert world.errors == {}
    assert len(world.settings) == 3


@pytest.mark.parametrize("wrong", [{"busy": 1}, {"crash": -2}, {"cache": 0.5}])
def test_a_fault_is_never_or_one_in_two_or_more(wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="one in how many"):
        Faults(**wrong)
    with pytest.raises(UsageError, match="names out of"):
        Faults.from_json({"bussy": 3})


# -- past the environment --------------------------------------------------------------------------


def candidate(bench: Bench, program: str, choices: Choices | None = None) -> World:
    """`program` defines `main(env)`; its imports are under control as those of a file are.

    The answer is what `main` returned, and the names that were used past the environment.
    """

    def job(env: SimulatedEnvironment) -> tuple[object, tuple[str, ...]]:
        names = PatchedModules(env._scheduler, env.clock, env.random)
        namespace = {"__name__": "candidate", "__builtins__": names.builtins()}
        exec(compile(program, "candidate.py", "exec"), namespace)
        return namespace["main"](env), names.used

    return bench.run(lambda env: {"ann": lambda: job(env)}, choices)


def test_time_past_the_environment_is_virtual_however_it_was_imported(bench: Bench) -> None:
    program = """
import time
from time import sleep, monotonic_ns
def main(env):
    before = time.monotonic()
    time.sleep(50.0)
    sleep(10.0)
    import time as late
    assert late.time() == env.clock.now() == monotonic_ns() / 1e9
    assert time.strftime("%Y", time.gmtime(0)) == "1970"
    return time.perf_counter() - before
"""
    answer = candidate(bench, program).answers["ann"]
    assert answer == (
        60.0,
        ("time.monotonic", "time.monotonic_ns", "time.perf_counter", "time.sleep", "time.time"),
    )


def test_chance_past_the_environment_comes_from_the_draws(bench: Bench) -> None:
    program = """
import random
from random import choice
own = random.Random()
def main(env):
    random.seed()
    return [random.random(), choice(range(1000)), own.random(), random.Random(3).random()]
"""
    first, again, other = (
        candidate(bench, program, Seeded(seed)).answers["ann"][0] for seed in (1, 1, 2)
    )
    assert first == again
    assert first[:3] != other[:3]
    assert first[3] == other[3] == random.Random(3).random()


def test_a_lock_made_while_the_module_is_loaded_is_seen_in_a_deadlock(bench: Bench) -> None:
    program = """
import threading
first, second = threading.Lock(), threading.RLock()
def hold(a, b):
    with a:
        with b:
            pass
def main(env):
    threads = [
        threading.Thread(target=hold, args=locks, name=name)
        for name, locks in {"one": (first, second), "two": (second, first)}.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""
    endings = [candidate(bench, program, Seeded(seed)).ending for seed in range(30)]
    kinds = Counter(ending.kind for ending in endings)
    assert set(kinds) == {"done", "deadlock"}
    found = next(ending for ending in endings if ending.kind == "deadlock")
    assert set(found.actors) == {"one", "two"}
    assert "one waits for a RLock (candidate.py:3) held by two (candidate.py:6)" in found.message


def test_conditions_events_and_threads_work_as_the_real_ones_do(bench: Bench) -> None:
    program = """
import threading
def main(env):
    ready, full, items, seen = threading.Event(), threading.Condition(), [], []
    def produce():
        assert ready.wait()
        for n in range(3):
            with full:
                items.append(n)
                full.notify()
            env.clock.sleep(0.1)
    class Consumer(threading.Thread):
        def run(self):
            with full:
                while len(seen) < 3:
                    full.wait_for(lambda: items)
                    seen.append(items.pop(0))
    producer, consumer = threading.Thread(target=produce), Consumer(name="c", daemon=True)
    producer.start(); consumer.start()
    assert producer.is_alive() and consumer.is_alive() and not ready.is_set()
    assert not ready.wait(timeout=2.0)
    ready.set()
    producer.join(timeout=60); consumer.join()
    assert not producer.is_alive()
    with full:
        assert not full.wait(timeout=1.5)
    lock = threading.Lock()
    assert lock.acquire() and not lock.acquire(blocking=False) and lock.locked()
    lock.release()
    try:
        lock.release()
    except RuntimeError:
        return seen
"""
    for seed in range(20):
        world = candidate(bench, program, Seeded(seed))
        assert world.errors == {}
        assert world.answers["ann"][0] == [0, 1, 2]
        assert world.scheduler.uncontrolled == set()


def test_the_names_of_a_loaded_module_are_replaced_for_the_length_of_a_block(bench: Bench) -> None:
    namespace = {"time": time, "sleep": time.sleep, "Lock": threading.Lock, "other": Path}
    before = dict(namespace)

    def job(env: SimulatedEnvironment) -> object:
        names = PatchedModules(env._scheduler, env.clock, env.random)
        with names.within(namespace):
            namespace["sleep"](3.0)
            namespace["time"].sleep(4.0)
            assert namespace["Lock"] is not threading.Lock
        return env.clock.now() - START_S

    assert run(bench, job).answers["ann"] == 7.0
    assert namespace == before


# -- one store for many runs -----------------------------------------------------------------------


@pytest.fixture
def shared() -> Iterator[RunResources]:
    with RunResources("sqlite") as resources:
        yield resources


def test_runs_that_share_a_store_do_not_see_each_other(shared: RunResources) -> None:
    scheduler = Scheduler(Guided(()), shared.workers)
    for _ in range(3):
        store, cache_of = shared.parts(scheduler)
        assert isinstance(store, NamespacedStore)
        assert store.templates() == []
        with pytest.raises(TemplateNotFoundError, match="template 't' does not exist"):
            store.read("t")
        created = store.create("t", DOCUMENT, by="ann")
        row = store.compare_and_swap("t", created.version, DOCUMENT, by="ann", update_id="u1")
        seen: list[str] = []
        store.update_locked("t", lambda row, seen=seen: seen.append(row.template_id), by="ann")
        many = store.update_many(
            "t",
            [
                QueuedWrite(lambda row: with_setting(row, "x"), "ann", "u2"),
                QueuedWrite(lambda row: {"name": 1}, "ann", "u3"),
            ],
        )
        assert (row.template_id, row.revision, seen) == ("t", 2, ["t"])
        assert isinstance(many[1], SyncError)
        assert many[1].template_id == "t"
        with pytest.raises(VersionConflictError) as caught:
            store.compare_and_swap("t", row.version, DOCUMENT, by="ann")
        assert (caught.value.template_id, caught.value.actual) == ("t", store.head("t").version)
        found = store.find_update("u1")
        assert found is not None
        assert (found.template_id, found.update_id, found.version) == ("t", "u1", row.version)
        assert [r.update_id for r in store.history("t")] == ["u2", "u1", None]
        assert [entry.template_id for entry in store.audit("t")] == ["t"] * 3
        assert store.put("t", DOCUMENT, by="ann").revision == 4
        cache = cache_of("ann")
        assert cache.get("k") is None
        assert cache.add("k", [1])
        cache.set("k", [2])
        assert cache.get("k") == [2]
        cache.delete("gone")
        with cache.transact():
            pass
        with pytest.raises(UsageError):
            store.read(None)
