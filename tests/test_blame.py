"""A record names the user who wrote the value that was overridden, however many wrote meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from syncsim import connect
from syncsim.contract import Outcome
from syncsim.merging import blame
from syncsim.runtime.connection import Connection
from syncsim.template.samples import sample

TID = "event_registration"
STORM = 20


@pytest.fixture
def sync(tmp_path: Path) -> Iterator[Connection]:
    url = f"sqlite:///{tmp_path / 't.db'}?synchronous=NORMAL"
    with connect(url, cache=tmp_path / "cache", deadline_s=60.0) as connected:
        connected.create_template(TID, sample(TID), user="ann")
        yield connected


def test_in_a_storm_each_overridden_value_names_its_writer(sync: Connection) -> None:
    """Half write the name, half the description, all from one base, and each writes who they are;
    most in batches whose commits the history does not show yet.
    """
    places = {f"user {n}": ("name", "description")[n % 2] for n in range(STORM)}
    base = sync.get_template(TID, user="ann")
    start = threading.Barrier(STORM)
    outcomes: dict[str, Outcome] = {}

    def write(user: str) -> None:
        start.wait()
        changes = {places[user]: user}
        outcomes[user] = sync.update_template(TID, changes, user=user, base=base)

    threads = [threading.Thread(target=write, args=(user,)) for user in places]
    with sync._env.lock(f"commit:{TID}"):
        for thread in threads:
            thread.start()
        while len(outcomes) + len(sync._queue.pending(TID)) < STORM:
            threading.Event().wait(0.0005)
    for thread in threads:
        thread.join()
    records = [conflict for outcome in outcomes.values() for conflict in outcome.conflicts]
    assert len(records) == STORM - 2, "all but the first of each half override one of it"
    assert [conflict.earlier_by for conflict in records] == [c.earlier for c in records]
    told = [conflict for row in sync.history(TID) for conflict in row.detail.get("conflicts", ())]
    assert [conflict["earlier_by"] for conflict in told] == [c["earlier"] for c in told]


@pytest.mark.parametrize("others", [1, 7, 8, 70])
def test_whoever_wrote_other_places_since_is_not_named(sync: Connection, others: int) -> None:
    base = sync.get_template(TID, user="ann")
    sync.update_template(TID, {"name": "by ben"}, user="ben", base=base)
    for n in range(others):
        sync.update_template(TID, {"description": f"{n}"}, user=f"user {n}")
    outcome = sync.update_template(TID, {"name": "by cem"}, user="cem", base=base)
    assert [(c.path, c.earlier_by) for c in outcome.conflicts] == [("/name", "ben")]


def test_the_last_of_those_who_wrote_the_place_is_named(sync: Connection) -> None:
    base = sync.get_template(TID, user="ann")
    for user in ("ben", "cem", "ben", "dora"):
        sync.update_template(TID, {"name": f"by {user}"}, user=user)
    sync.update_template(TID, {"description": "since"}, user="eve")
    (conflict,) = sync.update_template(TID, {"name": "mine"}, user="cem", base=base).conflicts
    assert (conflict.earlier, conflict.earlier_by) == ("by dora", "dora")


def test_an_order_is_credited_to_whom_it_came_from(sync: Connection) -> None:
    base = sync.get_template(TID, user="ann")
    first, second, third, *rest = base.document["fields"]
    sync.update_template(TID, {"fields": [second, first, third, *rest]}, user="ben", base=base)
    head = sync.get_template(TID, user="cem").document["fields"]
    relabelled = [{**head[0], "label": "Since"}, *head[1:]]
    sync.update_template(TID, {"fields": relabelled}, user="cem")
    (conflict,) = sync.update_template(
        TID, {"fields": [second, third, first, *rest]}, user="dora", base=base
    ).conflicts
    assert (conflict.kind, conflict.earlier_by) == ("order", "ben")


def test_an_element_without_an_id_is_credited_to_whom_it_came_from(sync: Connection) -> None:
    def tagged(*tags: str) -> dict[str, Any]:
        return {"metadata": {"tags": [*tags]}}

    sync.update_template(TID, tagged("a", "b", "c"), user="ann")
    base = sync.get_template(TID, user="ann")
    sync.update_template(TID, tagged("a", "by ben", "c"), user="ben", base=base)
    sync.update_template(TID, tagged("a", "by ben", "c", "since"), user="cem")
    (conflict,) = sync.update_template(
        TID, tagged("a", "by dora", "c"), user="dora", base=base
    ).conflicts
    assert (conflict.earlier, conflict.earlier_by) == ("by ben", "ben")


def test_a_deleted_element_is_credited_to_whom_deleted_it(sync: Connection) -> None:
    base = sync.get_template(TID, user="ann")
    first, *rest = base.document["fields"]
    sync.update_template(TID, {"fields": rest}, user="ben", base=base)
    sync.update_template(TID, {"name": "since"}, user="cem")
    edited = [{**first, "label": "Edited"}, *rest]
    (conflict,) = sync.update_template(TID, {"fields": edited}, user="dora", base=base).conflicts
    assert (conflict.kind, conflict.earlier_by) == ("delete-edit", "ben")


def test_what_lies_too_far_back_is_credited_to_nobody(
    sync: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rather than to the wrong one; the history tells."""
    monkeypatch.setattr(blame, "LOOK_BACK_BYTES", 1)
    base = sync.get_template(TID, user="ann")
    sync.update_template(TID, {"name": "by ben"}, user="ben", base=base)
    for n in range(blame.LOOK_BACK):
        sync.update_template(TID, {"description": f"{n}"}, user="cem")
    (conflict,) = sync.update_template(TID, {"name": "mine"}, user="dora", base=base).conflicts
    assert conflict.earlier_by is None
