"""Where things stand, told by events alone: the same as the parts themselves say."""

from pathlib import Path
from typing import Any

import pytest

from syncsim.events.kinds import Event
from syncsim.runtime.wiring import connect
from syncsim.template.samples import sample
from syncsim.ui.dashboard_state import DashboardState


def event(kind: str, user: str | None = "ann", update_id: str = "u", **facts: Any) -> Event:
    template_id = facts.pop("template_id", "form")
    return Event.of(1, kind, 100.0, user, update_id, template_id, facts)


def test_events_tell_of_the_caches_what_the_caches_tell_of_themselves(tmp_path: Path) -> None:
    """State, version, hits and misses of every user, after writes, reads and a rollback."""
    with connect("memory://", cache=tmp_path / "caches") as sync:
        base = sync.create_template("form", sample("contact_card"), user="ann")
        sync.get_template("form", user="cleo")
        sync.update_template("form", {"name": "One"}, user="ann", base=base)
        sync.update_template("form", {"description": "Two"}, user="ben", base=base)
        sync.get_template("form", user="ann")
        sync.get_template("form", user="ann")
        sync.rollback("form", base.version, user="dan")
        told = DashboardState(sync.events.read())
        asked = sync.cache_states("form")
        seen = told.caches(now=0.0, users=("eve",))
        assert told.version == sync.get_template("form", user="dan").version
        assert told.updated_by == "dan"
    assert seen.pop("eve").state == "Empty"
    assert {u: (s.state, s.version) for u, s in seen.items()} == {
        u: (s.state, s.version) for u, s in asked.items()
    }
    assert {u: (s.hits, s.misses) for u, s in seen.items() if u in ("ann", "cleo")} == {
        "ann": (1, 1),
        "cleo": (0, 1),
    }


def test_a_conflict_is_resolved_when_its_update_commits() -> None:
    standing = DashboardState()
    for update_id in ("a", "b"):
        standing.see(event("update.started", update_id=update_id))
        standing.see(event("update.conflict", update_id=update_id, attempt=1))
    standing.see(event("update.conflict", update_id="a", attempt=2))
    assert (standing.active, standing.resolved, standing.success_rate) == (2, 0, None)
    standing.see(event("update.committed", update_id="a", version="2-a"))
    standing.see(event("update.failed", update_id="b"))
    assert (standing.active, standing.resolved, standing.success_rate) == (0, 2, 0.5)


@pytest.mark.parametrize("end", ["job.skipped", "job.committed", "job.unchanged", "job.failed"])
def test_a_run_of_the_job_is_active_until_it_ends_and_no_update(end: str) -> None:
    standing = DashboardState([event("job.started", "background")])
    assert standing.active == 1
    standing.see(event(end, "background"))
    assert (standing.active, standing.succeeded, standing.failed) == (0, 0, 0)


def test_while_nobody_has_committed_a_read_tells_the_version() -> None:
    standing = DashboardState([event("cache.filled", version="1-a")])
    assert (standing.version, standing.updated_at) == ("1-a", None)
    standing.see(event("update.committed", version="2-b"))
    standing.see(event("cache.filled", "ben", version="1-a"))  # late: it was read before
    assert standing.version == "2-b"
    assert standing.caches(now=100.0)["ben"].state == "Stale"


def test_the_store_has_the_last_word_on_the_version() -> None:
    """Two who commit at once may tell of it in the other order."""
    standing = DashboardState(
        [event("update.committed", version="3-c"), event("update.committed", version="2-b")]
    )
    standing.settle("form", "3-c")
    assert standing.version == "3-c"


def test_another_templates_entries_are_not_its_own() -> None:
    standing = DashboardState([event("cache.filled", template_id="old", version="1-a")])
    standing.see(event("update.committed", "ben", template_id="new", version="2-b"))
    standing.see(event("cache.filled", "ben", template_id="new", version="2-b"))
    assert {u: s.state for u, s in standing.caches(now=100.0).items()} == {
        "ben": "Fresh",
        "background": "Empty",
    }


def test_an_entry_ages() -> None:
    standing = DashboardState(
        [event("cache.filled", version="1-a"), event("cache.hit", version="1-a")]
    )
    state = standing.caches(now=102.5)["ann"]
    assert (state.state, state.age_s, state.hits, state.misses) == ("Fresh", 2.5, 1, 0)
    assert standing.hit_rate == 1.0
