"""What a store can do beside the contract's verbs is seen through wrappers, and can be missing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from inspect import isfunction, signature
from pathlib import Path
from typing import Any, TypeVar

import pytest

from syncsim import build
from syncsim.contract import (
    CandidateStore,
    Document,
    QueuedWrite,
    Row,
    Store,
    SupportsBatches,
    SupportsLookup,
    supports_batches,
    supports_lookup,
)
from syncsim.lab.recording.intercepted_store import (
    ABILITIES,
    FullStore,
    InterceptedStore,
    StoreCall,
)
from syncsim.service.commit_queue import CommitQueue
from syncsim.store.memory import MemoryStore
from syncsim.template.samples import sample
from tests.parts import ManualClock, environment

T = TypeVar("T")

TID = "contact_card"


class HandsOn:
    """A store of which every name is another's; `asked` are the names that were called."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        def called(*args: Any, **named: Any) -> Any:
            self.asked.append(name)
            return found(*args, **named)

        found = getattr(self.inner, name)
        return called if callable(found) else found


class NothingBesides(HandsOn):
    """A store with the contract's verbs and no others."""

    def __getattr__(self, name: str) -> Any:
        if name in ABILITIES:
            raise AttributeError(name)
        return super().__getattr__(name)


class Refusing(HandsOn):
    """A store that says None where others have an ability."""

    update_many = find_update = revision = audit = None


@pytest.fixture
def whole() -> MemoryStore:
    store = MemoryStore(clock=ManualClock())
    store.create(TID, sample(TID), by="ann")
    return store


def committed_by_a_crowd(env: Any) -> None:
    """Five changes that wait while their template's lock is held."""
    queue = CommitQueue(env)
    deadline = env.clock.now() + 30

    def write(n: int) -> None:
        def change(row: Row) -> Document:
            return {**row.document, "description": f"{n}"}

        queue.commit(TID, change, by="ann", update_id=f"u{n}", deadline=deadline)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(5)]
    with env.lock(f"commit:{TID}"):
        for waiting, thread in enumerate(threads, 1):
            thread.start()
            while len(queue.pending(TID)) < waiting:
                threading.Event().wait(0.0005)
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("wrap", [HandsOn, lambda store: HandsOn(InterceptedStore(store))])
def test_a_wrapped_store_keeps_its_look_ups_and_batches(
    tmp_path: Path, whole: MemoryStore, wrap: Callable[[Any], HandsOn]
) -> None:
    store = wrap(whole)
    assert supports_lookup(store)
    assert supports_batches(store)
    sync = build(environment(tmp_path, store=store))  # type: ignore[arg-type]
    base = sync.get_template(TID, user="ann")
    first = sync.update_template(TID, {"name": "One"}, user="ann", update_id="mine")  # type: ignore[call-arg]
    again = sync.update_template(TID, {"name": "One"}, user="ann", update_id="mine")  # type: ignore[call-arg]
    assert again == first
    assert "find_update" in store.asked
    sync.update_template(TID, {"name": "Two"}, user="ben", base=base)
    assert "revision" in store.asked
    committed_by_a_crowd(environment(tmp_path / "crowd", store=store))  # type: ignore[arg-type]
    assert "update_many" in store.asked
    assert "update_locked" not in store.asked


@pytest.mark.parametrize("kind", [NothingBesides, Refusing])
@pytest.mark.parametrize("intercepted", [False, True])
def test_a_store_that_can_nothing_besides_is_used_by_its_verbs(
    tmp_path: Path, whole: MemoryStore, kind: type[HandsOn], intercepted: bool
) -> None:
    plain = kind(whole)
    store: Any = InterceptedStore(plain) if intercepted else plain
    assert not supports_lookup(store)
    assert not supports_batches(store)
    sync = build(environment(tmp_path, store=store))
    base = sync.get_template(TID, user="ann")
    for name, value in (("name", "One"), ("description", "Two")):
        done = sync.update_template(TID, {name: value}, user="ann", base=base)
        assert done.status == "committed"
    assert done.merged == ("/name",)
    committed_by_a_crowd(environment(tmp_path / "crowd", store=store))
    assert whole.head(TID).revision == 1 + 2 + 5
    assert not set(plain.asked) & set(ABILITIES)


# -- interception ----------------------------------------------------------------------------------

VERBS = {
    name: verb
    for protocol in (Store, CandidateStore, SupportsBatches, SupportsLookup, FullStore)
    for name, verb in vars(protocol).items()
    if isfunction(verb) and not name.startswith("_")
}
"""Every verb of a store that the contract names."""


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_of_the_store_is_intercepted_as_the_contract_has_it(verb: str) -> None:
    asked = signature(vars(InterceptedStore)[verb]).parameters.values()
    promised = signature(VERBS[verb]).parameters.values()
    assert [(p.name, p.kind, p.default) for p in asked] == [
        (p.name, p.kind, p.default) for p in promised
    ]


def test_every_call_is_seen_and_goes_on_as_it_was_changed(whole: MemoryStore) -> None:
    calls: list[StoreCall] = []

    class OfOneName(InterceptedStore):
        def around(self, call: StoreCall, do: Callable[[], T]) -> T:
            calls.append(replace(call))
            if call.name != "create":
                call.template_id = call.template_id and TID
            return do()

    def renamed(row: Row) -> Document:
        return {**row.document, "name": f"{row.revision}"}

    store = OfOneName(whole)
    row = store.read("a")
    assert store.head("b").version == row.version
    swapped = store.compare_and_swap("c", row.version, renamed(row), by="ann", update_id="u1")
    assert store.update_locked("d", renamed, by="ben", update_id="u2").revision == 3
    assert store.put("e", row.document, by="ben").revision == 4
    assert len(store.update_many("f", [QueuedWrite(renamed, "ann", "u3")])) == 1
    assert store.find_update("u1") is not None
    assert store.revision("g", swapped.version) is not None
    assert [r.revision for r in store.history("h", limit=2)] == [5, 4]
    assert [entry.by for entry in store.audit("i", 2)] == ["ann", "ben"]
    store.create("j", row.document, by="ann")
    assert store.templates() == [TID, "j"]
    assert [call.name for call in calls if call.writes] == [
        *("compare_and_swap", "update_locked", "put", "update_many", "create")
    ]
    assert {call.name for call in calls} == set(VERBS)
    assert calls[2] == StoreCall("compare_and_swap", "c", "ann", "u1", row.version)
