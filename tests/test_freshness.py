"""Reads are never stale, whatever the caches do: faults, late fills, other processes, crashes."""

from __future__ import annotations

import copy
import logging
import mmap
import os
import signal
import struct
import subprocess
import sys
import threading
import tracemalloc
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

import syncsim
from syncsim.cache import CacheFolder
from syncsim.contract import Row, Snapshot
from syncsim.errors import CacheError, StoreUnavailableError, TemplateNotFoundError
from syncsim.events import BoundedEventLog
from syncsim.runtime.environment import SystemClock
from syncsim.service.memory_tier import VIEW_WEIGHT, Entry, MemoryTier
from syncsim.service.reads import CacheState, FreshReads
from syncsim.store.memory import MemoryStore
from syncsim.store.sqlite import SQLiteStore
from syncsim.template import encode
from syncsim.template.samples import generate, sample
from tests.parts import ManualClock

CARD = sample("contact_card")


def named(name: str) -> dict[str, Any]:
    return CARD | {"name": name}


class WatchedStore:
    """A store that counts the bodies read from it, with a word in between."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.bodies_read = 0
        self.heads_asked = 0
        self.after_read: Callable[[], object] = lambda: None

    def head(self, template_id: str) -> Any:
        self.heads_asked += 1
        return self.inner.head(template_id)

    def read(self, template_id: str) -> Row:
        row: Row = self.inner.read(template_id)
        self.bodies_read += 1
        self.after_read()
        return row


class World:
    """One store and one folder of caches; `reads` is a process, `another()` a further one."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.store = MemoryStore(clock=self.clock)
        self.watched = WatchedStore(self.store)
        self.caches = CacheFolder(folder / "cache")
        self.log = BoundedEventLog(self.clock)
        self.reads = self.another()
        self.store.create("card", named("one"), by="ann")

    def another(self, **options: Any) -> FreshReads:
        """A process that has just started."""
        return FreshReads(self.watched, self.caches.of, self.clock, self.log, **options)

    def commit(self, name: str, by: str = "ben", template_id: str = "card") -> Row:
        """An update that the cache is not told of."""
        head = self.store.head(template_id)
        return self.store.compare_and_swap(template_id, head.version, named(name), by=by)

    def on_disk(self, user: str, template_id: str = "card") -> Any:
        return self.caches.of(user).get(f"template:{template_id}")

    def events(self) -> list[tuple[str, str | None]]:
        """The events so far, each as its kind and its version or reason."""
        return [(e.kind, e.facts.get("version", e.facts.get("reason"))) for e in self.log.read()]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    with closing(world.caches):
        yield world


# -- hits and misses -------------------------------------------------------------------------------


def test_a_first_read_fills_and_a_second_hits(world: World) -> None:
    snapshots = [world.reads.read("card", "ann") for _ in range(2)]
    row = world.store.read("card")
    assert snapshots == 2 * [
        Snapshot("card", row.version, row.document, row.updated_at, row.updated_by)
    ]
    assert world.watched.bodies_read == 1
    assert world.events() == [
        ("cache.miss", "empty"),
        ("cache.filled", row.version),
        ("cache.hit", row.version),
    ]
    assert {(e.user, e.template_id) for e in world.log.read()} == {("ann", "card")}


def test_what_is_known_to_be_old_is_not_asked_about(world: World) -> None:
    """Of the process that committed; another one has to ask."""
    other = world.another()
    for reads in (world.reads, other):
        reads.read("card", "ann")
    row = world.commit("two")
    world.reads.after_commit(row, "ben")
    world.watched.heads_asked = 0
    assert world.reads.row("card", "ann").version == row.version
    assert world.reads.read("card", "ann").version == row.version
    assert world.watched.heads_asked == 0
    assert other.read("card", "ann").version == row.version
    assert world.watched.heads_asked == 1


def test_a_store_that_begins_anew_is_believed(world: World) -> None:
    """A file put in the place of another has lower revisions, which are not old for that."""
    for number in range(5):
        world.reads.after_commit(world.commit(f"n{number}"), "ann")
    world.store = MemoryStore(clock=world.clock)
    world.watched.inner = world.store
    row = world.store.create("card", named("anew"), by="ann")
    assert world.reads.read("card", "ann").version == row.version
    world.watched.bodies_read = 0
    for _ in range(3):
        assert world.reads.read("card", "ann").document["name"] == "anew"
    assert world.watched.bodies_read == 0


def test_a_bounded_number_of_revisions_is_kept_in_mind(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syncsim.service.reads, "CAPACITY", 3)
    for number in range(9):
        world.store.create(f"t{number}", named("one"), by="ann")
        world.reads.read(f"t{number}", "ann")
    assert len(world.reads._seen) <= 3


def test_each_user_has_a_cache_of_their_own(world: World) -> None:
    for user in ("ann", "ben"):
        world.reads.read("card", user)
    assert world.watched.bodies_read == 2


def test_the_document_is_the_callers_own(world: World) -> None:
    first = world.reads.read("card", "ann")
    expected = copy.deepcopy(first.document)
    first.document["fields"].clear()
    second = world.reads.read("card", "ann")
    second.document["fields"][0]["label"] = "changed"
    assert world.reads.read("card", "ann").document == expected
    assert world.reads.read("card", "ann", view=True).document == expected


def test_a_view_is_one_read_only_object_for_all_its_readers(world: World) -> None:
    copied = world.reads.read("card", "ann")
    views = [world.reads.read("card", "ann", view=True) for _ in range(2)]
    assert views[0] is views[1]
    assert views[0] == copied
    with pytest.raises(TypeError, match="read-only view"):
        views[0].document["fields"][0]["label"] = "changed"


def test_a_commit_by_anyone_is_seen_by_the_next_read_of_everyone(world: World) -> None:
    for user in ("ann", "ben"):
        world.reads.read("card", user, view=True)
    row = world.commit("two")
    for user in ("ann", "ben"):
        for view in (False, True):
            snapshot = world.reads.read("card", user, view=view)
            assert (snapshot.version, snapshot.document["name"]) == (row.version, "two")
    assert world.events().count(("cache.miss", "stale")) == 2


def test_an_unknown_template_raises_and_leaves_nothing_in_memory(world: World) -> None:
    for template_id in ("none", "nil", "card2"):
        with pytest.raises(TemplateNotFoundError):
            world.reads.read(template_id, "ann")
        with pytest.raises(TemplateNotFoundError):
            world.reads.states(template_id, ["ann"])
    assert world.reads._memory.slots == {}
    assert world.events() == []


def test_a_store_that_cannot_say_its_head_serves_nothing_old(world: World) -> None:
    world.reads.read("card", "ann")
    world.store.close()
    with pytest.raises(StoreUnavailableError):
        world.reads.read("card", "ann")


# -- the disk tier ---------------------------------------------------------------------------------


def test_a_new_process_is_served_from_disk(world: World) -> None:
    before = world.reads.read("card", "ann")
    restarted = world.another()
    assert restarted.read("card", "ann") == before
    assert restarted.read("card", "ann", view=True) == before
    assert world.watched.bodies_read == 1
    assert restarted.states("card")["ann"].hits == 2


def test_the_writer_hits_after_an_update_that_cost_no_disk_write(world: World) -> None:
    world.reads.read("card", "ann")
    old = world.on_disk("ann")
    row = world.commit("two", by="ann")
    world.reads.after_commit(row, "ann")
    assert world.on_disk("ann") == old
    assert world.reads.read("card", "ann").document["name"] == "two"
    assert world.watched.bodies_read == 1


def test_flush_brings_to_disk_what_was_learned_once(world: World) -> None:
    world.reads.after_commit(world.commit("two", by="ann"), "ann")
    world.reads.flush()
    assert world.another().read("card", "ann").document["name"] == "two"
    assert world.watched.bodies_read == 0
    world.caches.of("ann").clear()
    world.reads.flush()
    assert world.on_disk("ann") is None


def test_memory_steps_back_for_no_late_writer(world: World) -> None:
    """Two updates of a user are acknowledged in one order and learned in the other."""
    second, third = world.commit("two", by="ann"), world.commit("three", by="ann")
    world.reads.after_commit(third, "ann")
    world.reads.after_commit(second, "ann")
    assert world.reads.read("card", "ann").document["name"] == "three"
    assert world.watched.bodies_read == 0


def test_memory_steps_back_for_no_late_reader(world: World) -> None:
    """The stale set: read one; commit and fill two; fill one."""
    world.watched.after_read = lambda: world.reads.after_commit(world.commit("two"), "ann")
    world.reads.read("card", "ann")
    world.watched.after_read = lambda: None
    assert world.reads.read("card", "ann").document["name"] == "two"
    assert world.watched.bodies_read == 1
    assert world.on_disk("ann") is None  # nor was the old one written to disk


def test_of_two_readers_that_miss_together_one_fills(world: World) -> None:
    def meanwhile() -> None:
        world.watched.after_read = lambda: None
        world.reads.read("card", "ann")

    world.watched.after_read = meanwhile
    world.reads.read("card", "ann")
    assert [kind for kind, _ in world.events()] == ["cache.miss", "cache.miss", "cache.filled"]


def test_the_disk_steps_back_for_no_late_reader(world: World) -> None:
    """The same with another process, which no memory is shared with."""
    other = world.another()

    def overtake() -> None:
        world.watched.after_read = lambda: None
        world.commit("two")
        other.read("card", "ann")

    world.watched.after_read = overtake
    world.reads.read("card", "ann")
    assert orjson.loads(world.on_disk("ann")["body"])["name"] == "two"


def test_the_disk_steps_back_for_no_late_flush(world: World) -> None:
    world.reads.after_commit(world.commit("two", by="ann"), "ann")
    world.commit("three")
    world.another().read("card", "ann")
    world.reads.flush()
    assert orjson.loads(world.on_disk("ann")["body"])["name"] == "three"


def test_a_fill_looks_and_writes_in_one_transaction(world: World) -> None:
    """Between the two another process could put a newer version there."""
    steps: list[str] = []

    class Watched(DictCache):
        def get(self, key: str) -> Any:
            steps.append("get")
            return super().get(key)

        def set(self, key: str, value: Any) -> None:
            steps.append("set")
            super().set(key, value)

        @contextmanager
        def transact(self) -> Iterator[None]:
            steps.append("enter")
            yield
            steps.append("leave")

    cache = Watched()
    FreshReads(world.watched, lambda _: cache, world.clock, world.log).read("card", "ann")
    assert steps == ["get", "enter", "get", "set", "leave"]


def test_what_a_deleted_store_left_behind_is_replaced(world: World) -> None:
    """Its revisions are higher than any of the new store for a long time."""
    for number in range(9):
        world.commit(f"old {number}")
    world.reads.read("card", "ann")
    world.watched.inner = fresh = MemoryStore(clock=world.clock)
    fresh.create("card", named("new"), by="ben")
    for process in (world.reads, world.another(), world.another()):
        assert process.read("card", "ann").document["name"] == "new"
    assert world.watched.bodies_read == 3, "the third process found it on disk"
    world.caches.of("ann").clear()
    assert world.reads.read("card", "ann").document["name"] == "new"
    assert world.watched.bodies_read == 3


def test_forget_drops_what_memory_holds_and_keeps_the_counts(world: World) -> None:
    world.reads.read("card", "ann")
    row = world.commit("two", by="ann")
    world.reads.after_commit(row, "ann")
    world.reads.drop("card", "ann")
    world.reads.drop("card", "nobody")
    world.reads.flush()
    assert orjson.loads(world.on_disk("ann")["body"])["name"] == "one"
    assert world.reads.read("card", "ann").document["name"] == "two"
    assert world.reads.states("card")["ann"].misses == 2


def test_the_same_version_of_another_store_is_not_taken_for_this_one(world: World) -> None:
    """Both stores called it 1-3f9a1c07; only the cache folder is the same."""
    world.reads.read("card", "ann")
    world.clock.sleep(60)
    world.watched.inner = other = MemoryStore(clock=world.clock)
    row = other.create("card", named("one"), by="ben")
    assert row.version == world.store.head("card").version
    process = world.another()
    assert process.states("card", ["ann"])["ann"].state == "Stale"
    snapshot = process.read("card", "ann")
    assert (snapshot.updated_by, snapshot.updated_at) == ("ben", row.updated_at)
    assert world.another().read("card", "ann") == snapshot
    assert world.watched.bodies_read == 2


PLANTED = [
    None,
    7,
    "text",
    [],
    {},
    {"version": "1-00000000"},
    {"version": None, "revision": 1, "body": "{}", "updated_at": 1.0, "updated_by": "x"},
]


@pytest.mark.parametrize("value", PLANTED)
def test_an_entry_of_another_shape_is_a_miss_and_is_replaced(world: World, value: object) -> None:
    world.caches.of("ann").set("template:card", value)
    assert world.reads.read("card", "ann").document["name"] == "one"
    assert world.on_disk("ann")["version"] == world.store.head("card").version


# -- faults ----------------------------------------------------------------------------------------


class DictCache:
    """The contract's `Cache` in its plainest form; keeps bytes, so nobody can change a value."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}

    def get(self, key: str) -> Any:
        return orjson.loads(self.values.get(key, b"null"))

    def set(self, key: str, value: Any) -> None:
        self.values[key] = orjson.dumps(value)

    def delete(self, key: str) -> None:
        self.values.pop(key, None)

    def add(self, key: str, value: Any) -> bool:
        return self.values.setdefault(key, orjson.dumps(value)) == orjson.dumps(value)

    @contextmanager
    def transact(self) -> Iterator[None]:
        yield

    def clear(self) -> None:
        self.values.clear()


class FaultyCache:
    """A cache whose next calls fail as `plan` says: None, or "before" or "after" their effect."""

    def __init__(self, plan: list[str | None]) -> None:
        self.inner = DictCache()
        self.plan = plan

    def call(self, effect: Callable[[], Any]) -> Any:
        fault = self.plan.pop(0) if self.plan else None
        if fault == "before":
            raise CacheError("injected before the effect")
        result = effect()
        if fault == "after":
            raise CacheError("injected after the effect")
        return result

    def get(self, key: str) -> Any:
        return self.call(lambda: self.inner.get(key))

    def set(self, key: str, value: Any) -> None:
        self.call(lambda: self.inner.set(key, value))

    def delete(self, key: str) -> None:
        self.call(lambda: self.inner.delete(key))

    def add(self, key: str, value: Any) -> bool:
        return bool(self.call(lambda: self.inner.add(key, value)))

    @contextmanager
    def transact(self) -> Iterator[None]:
        self.call(lambda: None)
        yield
        self.call(lambda: None)

    def clear(self) -> None:
        self.call(self.inner.clear)


@pytest.mark.parametrize("kind", ["before", "after"])
@pytest.mark.parametrize("position", range(6))
def test_no_fault_of_a_cache_fails_a_read_or_makes_it_stale(
    world: World, position: int, kind: str
) -> None:
    """The calls of two reads, each failing once: get, then transact, get, set and its end."""
    cache = FaultyCache([None] * position + [kind])
    reads = FreshReads(world.watched, lambda _: cache, world.clock, world.log)
    assert reads.read("card", "ann").document["name"] == "one"
    world.commit("two")
    assert reads.read("card", "ann").document["name"] == "two"
    reads.after_commit(world.commit("three"), "ann")
    reads.flush()
    assert reads.read("card", "ann").document["name"] == "three"
    assert [kind for kind, _ in world.events()].count("cache.fault") == 1


def test_a_cache_that_cannot_be_had_is_bypassed_and_warned_about_once(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(user: str) -> Any:
        raise CacheError(f"no cache for {user}")

    reads = FreshReads(world.watched, refuse, world.clock, world.log)
    for name in ("two", "three"):
        world.commit(name)
        assert reads.read("card", "ann").document["name"] == name
        assert reads.read("card", "ann").document["name"] == name  # memory serves all the same
    assert reads.states("card")["ann"].hits == 2
    reads.after_commit(world.commit("four"), "ann")
    reads.flush()
    assert reads.states("card", ["ben"])["ben"].state == "Empty"
    assert [r.levelno for r in caplog.records] == [logging.WARNING]
    assert "no cache for ann" in caplog.text
    faults = [event.facts for event in world.log.read() if event.kind == "cache.fault"]
    assert {"call": "get", "reason": "no cache for ann"}.items() <= faults[0].items()
    assert len(faults) == 3


def test_a_read_meets_a_stuck_cache_once_and_does_not_go_on_to_write_to_it(world: World) -> None:
    """Each call may take as long as the cache's time-out."""
    asked = []

    def refuse(user: str) -> Any:
        asked.append(user)
        raise CacheError("stuck")

    FreshReads(world.watched, refuse, world.clock, world.log).read("card", "ann")
    assert asked == ["ann"]


class TwoProcesses(RuleBasedStateMachine):
    """Three users on two processes with caches that fail and hold what they should not."""

    @initialize()
    def start(self) -> None:
        self.clock = ManualClock()
        self.log = BoundedEventLog(self.clock, 100)
        self.plan: list[str | None] = []
        self.caches: dict[str, FaultyCache] = defaultdict(lambda: FaultyCache(self.plan))
        self.names = count()
        self.renew_store()

    @rule()
    def renew_store(self) -> None:
        """The store was deleted and made anew; the caches were not."""
        self.store = MemoryStore(clock=self.clock)
        self.clock.sleep(1.0)
        for template_id in ("a", "b"):
            self.store.create(template_id, named("always the same"), by="ann")
        self.processes = [self.started(), self.started()]

    def started(self) -> FreshReads:
        return FreshReads(self.store, self.caches.__getitem__, self.clock, self.log, capacity=4)

    WHICH = st.integers(0, 1)
    USERS = st.sampled_from(["ann", "ben", "cem"])
    TEMPLATES = st.sampled_from(["a", "b"])

    @rule(which=WHICH, user=USERS, template_id=TEMPLATES, view=st.booleans())
    def read(self, which: int, user: str, template_id: str, view: bool) -> None:
        row = self.store.read(template_id)
        expected = Snapshot(template_id, row.version, row.document, row.updated_at, row.updated_by)
        process = self.processes[which]
        assert process.read(template_id, user, view=view) == expected
        assert process.states(template_id)[user].state == "Fresh"

    @rule(which=WHICH, user=USERS, template_id=TEMPLATES,
          then=st.sampled_from(["learn", "forget", "die"]))  # fmt: skip
    def update(self, which: int, user: str, template_id: str, then: str) -> None:
        version = self.store.head(template_id).version
        document = named(f"name {next(self.names)}")
        row = self.store.compare_and_swap(template_id, version, document, by=user)
        self.clock.sleep(1.0)
        if then == "learn":
            self.processes[which].after_commit(row, user)
        elif then == "forget":
            self.processes[which].drop(template_id, user)
        else:
            self.processes[which] = self.started()

    @rule(which=WHICH)
    def flush(self, which: int) -> None:
        self.processes[which].flush()

    @rule(user=USERS, template_id=TEMPLATES, revision=st.integers(-1, 12))
    def plant(self, user: str, template_id: str, revision: int) -> None:
        """An entry that this store never had."""
        row = Row(template_id, f"{revision}-feed", revision, b'{"name":"planted"}', 1.0, "x", 1.0)
        self.caches[user].inner.set(f"template:{template_id}", Entry.of(row, 1.0).to_json())

    @rule(plan=st.lists(st.sampled_from([None, "before", "after"]), max_size=6))
    def fault(self, plan: list[str | None]) -> None:
        self.plan[:] = plan

    @rule(which=WHICH, template_id=TEMPLATES)
    def look(self, which: int, template_id: str) -> None:
        version = self.store.head(template_id).version
        for state in self.processes[which].states(template_id, ["ann", "ben", "cem"]).values():
            assert state.state != "Fresh" or state.version == version
            assert (state.state == "Empty") == (state.version is None)


TestTwoProcesses = TwoProcesses.TestCase
TestTwoProcesses.settings = settings(max_examples=60, stateful_step_count=40)


# -- states ----------------------------------------------------------------------------------------


def test_states_are_judged_against_the_head_and_say_the_age(world: World) -> None:
    first = world.reads.read("card", "ann").version
    world.clock.sleep(10)
    world.reads.read("card", "ann")
    second = world.commit("two").version
    world.reads.read("card", "ben")
    world.clock.sleep(2.5)
    assert world.reads.states("card", ["cem"]) == {
        "ann": CacheState("Stale", first, 12.5, 1, 1),
        "ben": CacheState("Fresh", second, 2.5, 0, 1),
        "cem": CacheState("Empty", None, None, 0, 0),
    }


def test_states_know_what_other_processes_left_on_disk(world: World) -> None:
    world.another().read("card", "ann")
    assert world.reads.states("card") == {}
    assert world.reads.states("card", ["ann"])["ann"].state == "Fresh"
    world.reads.read("card", "ann")
    world.commit("two")
    assert world.reads.states("card")["ann"].state == "Stale"
    world.another().read("card", "ann")
    assert world.reads.states("card")["ann"].state == "Fresh"


def test_a_fill_during_the_look_is_not_taken_for_stale(world: World) -> None:
    """Another process fills the user's cache with a version that is newer than the first answer."""
    other = world.another()

    def overtaken(user: str) -> Any:
        world.commit("two")
        other.read("card", user)
        return world.caches.of(user)

    reads = FreshReads(world.watched, overtaken, world.clock, world.log)
    assert reads.states("card", ["ann"])["ann"].state == "Fresh"


def test_looking_at_states_changes_nothing(world: World) -> None:
    world.another().read("card", "ann")
    before = world.events()
    world.reads.states("card", ["ann", "ben"])
    assert world.reads.states("card") == {}
    assert world.events() == before


# -- bounds ----------------------------------------------------------------------------------------


def fill(world: World, reads: FreshReads, *numbers: int) -> None:
    """Read one template for each number as ann."""
    for number in numbers:
        template_id = f"card{number}"
        if template_id not in world.store.templates():
            world.store.create(template_id, named(template_id), by="ann")
        reads.read(template_id, "ann")


def test_memory_holds_no_more_entries_than_its_capacity(world: World) -> None:
    reads = world.another(capacity=3)
    fill(world, reads, *range(20))
    assert len(reads._memory.slots) == 3


def test_memory_holds_no_more_bytes_than_its_capacity(world: World) -> None:
    weight = VIEW_WEIGHT * len(world.store.read("card").body)
    reads = world.another(capacity_bytes=int(4.5 * weight))
    fill(world, reads, *range(20))
    assert len(reads._memory.slots) == 4
    for number in range(16, 20):
        reads.drop(f"card{number}", "ann")
    fill(world, reads, *range(20))
    assert len([slot for slot in reads._memory.slots.values() if slot.entry]) == 4


def test_an_entry_larger_than_memory_is_served_and_not_kept(world: World) -> None:
    reads = world.another(capacity_bytes=10)
    for _ in range(2):
        assert reads.read("card", "ann").document["name"] == "one"
    assert reads._memory.slots == {}


def test_what_is_read_often_stays_in_memory(world: World) -> None:
    reads = world.another(capacity=3)
    fill(world, reads, 0)
    for number in range(1, 20):
        fill(world, reads, 0, number)
    assert world.watched.bodies_read == 20
    assert reads.states("card0")["ann"].hits == 19


def test_a_new_entry_gets_in_where_all_others_are_in_use(world: World) -> None:
    reads = world.another(capacity=3)
    fill(world, reads, 0, 1, 2)
    fill(world, reads, 0, 1, 2)
    fill(world, reads, 3)
    assert reads.states("card3")["ann"].misses == 1


def test_an_entry_that_only_memory_holds_goes_to_disk_when_it_has_to_go(world: World) -> None:
    reads = world.another(capacity=2)
    reads.after_commit(world.commit("two", by="ann"), "ann")
    fill(world, reads, 1, 2)
    assert orjson.loads(world.on_disk("ann")["body"])["name"] == "two"


def test_a_view_weighs_no_more_than_it_is_counted_for() -> None:
    encode(generate(20, seed=2))  # the rules compile their patterns once
    for n_fields in (3, 30, 300):
        body = orjson.dumps(generate(n_fields, seed=1), option=orjson.OPT_SORT_KEYS)
        entry = Entry.of(Row("t", "1-0", 1, body, 0.0, "ann", None), 0.0)
        orjson.loads(body)  # the parser's own memory of keys
        tracemalloc.start()
        entry.make_view()
        weight, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(body) + weight < VIEW_WEIGHT * len(body)


def test_readers_of_a_tier_that_evicts_meet_whole_entries_only() -> None:
    """Slots are read without a lock while others put, evict and forget."""
    tier = MemoryTier(capacity=4, capacity_bytes=10**9)
    keys = [("ann", f"t{number}") for number in range(8)]
    stop, wrong = threading.Event(), []

    def look() -> None:
        while not stop.is_set():
            for key in keys:
                slot = tier.slots.get(key)
                entry = None if slot is None else slot.entry
                if entry is not None and (entry.template_id, entry.version) != (
                    key[1],
                    f"{entry.revision}-{key[1]}",
                ):
                    wrong.append(entry)
                if slot is not None:
                    slot.hits += 1

    def put(start: int) -> None:
        for revision in range(start, 4000, 2):
            for user, name in keys:
                row = Row(name, f"{revision}-{name}", revision, b"{}", 0.0, user, None)
                tier.put(user, Entry.of(row, 0.0), seen=None, unsaved=False)
                if revision % 7 == 0:
                    tier.forget((user, name))

    writers = [threading.Thread(target=put, args=(start,)) for start in (0, 1)]
    readers = [threading.Thread(target=look) for _ in range(2)]
    for thread in (*readers, *writers):
        thread.start()
    for thread in writers:
        thread.join(60)
    stop.set()
    for thread in readers:
        thread.join(60)
    assert wrong == []
    assert len(tier.slots) <= 4
    assert tier._bytes == sum(
        VIEW_WEIGHT * len(slot.entry.body) for slot in tier.slots.values() if slot.entry
    )


# -- real threads and processes --------------------------------------------------------------------


@pytest.mark.real
def test_no_thread_reads_anything_older_than_what_was_acknowledged(tmp_path: Path) -> None:
    """Four readers of two users beside a writer, on SQLite and real caches."""
    clock = SystemClock()
    acknowledged = [1]
    done, findings = threading.Event(), []
    with (
        closing(SQLiteStore(f"sqlite:///{tmp_path}/s.db?synchronous=NORMAL", clock=clock)) as store,
        closing(CacheFolder(tmp_path / "cache")) as caches,
    ):
        store.create("card", named("1"), by="ann")
        reads = FreshReads(store, caches.of, clock, BoundedEventLog(clock))

        def read(user: str, view: bool) -> None:
            last = 0
            while not done.is_set():
                least = max(acknowledged[0], last)
                snapshot = reads.read("card", user, view=view)
                last = int(snapshot.document["name"])
                if last < least or not snapshot.version.startswith(f"{last}-"):
                    findings.append((user, snapshot.version, last, least))

        users = [("ann", False), ("ann", True), ("ben", False), ("ben", True)]
        threads = [threading.Thread(target=read, args=arguments) for arguments in users]
        for thread in threads:
            thread.start()
        for number in range(2, 300):
            version = store.head("card").version
            row = store.compare_and_swap("card", version, named(str(number)), by="ann")
            acknowledged[0] = number
            if number % 2:
                reads.after_commit(row, "ann")
        done.set()
        for thread in threads:
            thread.join(60)
    assert findings == []


WRITER = """
import mmap, struct, sys
from syncsim.runtime.environment import SystemClock
from syncsim.template.samples import sample
from syncsim.store.sqlite import SQLiteStore
store = SQLiteStore(sys.argv[1], clock=SystemClock())
card = sample("contact_card")
with open(sys.argv[2], "r+b") as file:
    acknowledged = mmap.mmap(file.fileno(), 8)
version, number = store.head("card").version, int(sys.argv[3])
while True:
    number += 1
    document = card | {"name": str(number)}
    version = store.compare_and_swap("card", version, document, by="ben").version
    acknowledged[:] = struct.pack("q", number)
"""


def stale_reads_beside_a_writer(folder: Path, n_reads: int, n_kills: int) -> tuple[list[Any], int]:
    """Reads while another process commits and is killed; what was wrong, and versions seen."""
    url = f"sqlite:///{folder}/s.db?synchronous=NORMAL"
    (folder / "acknowledged").write_bytes(struct.pack("q", 1))
    clock = SystemClock()
    findings: list[Any] = []
    seen = set()
    last = 1
    with (
        closing(SQLiteStore(url, clock=clock)) as store,
        closing(CacheFolder(folder / "cache")) as caches,
        open(folder / "acknowledged", "r+b") as file,
        closing(mmap.mmap(file.fileno(), 8)) as acknowledged,
    ):
        store.create("card", named("1"), by="ann")
        reads = FreshReads(store, caches.of, clock, BoundedEventLog(clock, 100))

        def read() -> None:
            nonlocal last
            (promised,) = struct.unpack("q", acknowledged[:])
            snapshot = reads.read("card", "ann", view=True)
            number = int(snapshot.document["name"])
            if number < max(promised, last) or not snapshot.version.startswith(f"{number}-"):
                findings.append((snapshot.version, number, promised, last))
            last = max(last, number)
            seen.add(number)

        for _ in range(n_kills):
            arguments = [sys.executable, "-c", WRITER, url, folder / "acknowledged", str(last)]
            path = str(Path(syncsim.__file__).parents[1])
            writer = subprocess.Popen(arguments, env=os.environ | {"PYTHONPATH": path})
            enough = len(seen) + 5
            while len(seen) < enough and writer.poll() is None:
                read()
            for _ in range(n_reads // n_kills):
                read()
            writer.send_signal(signal.SIGKILL)
            assert writer.wait(60) == -signal.SIGKILL
            for _ in range(100):  # nobody told this process of the last commits
                read()
            assert reads.read("card", "ann").version == store.head("card").version
    return findings, len(seen)


@pytest.mark.real
def test_no_read_is_stale_beside_a_writing_process_nor_after_it_was_killed(tmp_path: Path) -> None:
    findings, versions = stale_reads_beside_a_writer(tmp_path, n_reads=5_000, n_kills=2)
    assert findings == []
    assert versions >= 10


@pytest.mark.slow
def test_no_read_of_a_hundred_thousand_is_stale_beside_a_writing_process(tmp_path: Path) -> None:
    findings, versions = stale_reads_beside_a_writer(tmp_path, n_reads=100_000, n_kills=10)
    assert findings == []
    assert versions >= 50


def test_behind_a_stale_entry_the_store_is_asked_and_not_the_disk(world: World) -> None:
    """A refill costs no call of the cache; what memory alone holds goes to disk with a flush."""
    calls: list[str] = []

    class Counted(DictCache):
        def get(self, key: str) -> Any:
            calls.append("get")
            return super().get(key)

        def set(self, key: str, value: Any) -> None:
            calls.append("set")
            super().set(key, value)

    cache = Counted()
    reads = FreshReads(world.watched, lambda _: cache, world.clock, world.log)
    reads.read("card", "ann")
    del calls[:]
    for number in range(3):
        world.commit(f"n{number}")
        assert reads.read("card", "ann").document["name"] == f"n{number}"
    assert calls == []
    reads.flush()
    assert calls.count("set") == 1
