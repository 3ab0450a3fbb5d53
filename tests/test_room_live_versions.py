"""Versions while a run still plays: conflicts and history fill before it ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from syncsim import connect, sample
from syncsim.events.kinds import Event
from syncsim.ui.room.control_room import ControlRoom
from syncsim.ui.room.live_versions import LiveVersions
from syncsim.ui.room.selectors import LIVE
from tests.room_parts import choose, press, room, words

__all__ = ["room"]

TEMPLATE = "event_registration"


def told(kind: str, version: str, template: str = TEMPLATE) -> Event:
    return Event.of(1, kind, 0.0, "ann", "u1", template, {"version": version})


@pytest.mark.real
def test_history_fills_while_the_job_waits_for_its_turn(room: ControlRoom) -> None:
    """The background job's scenario takes six seconds; a user commits at its beginning."""
    choose(room, Mode=LIVE)
    room.open_tab("History")
    assert room.wait()
    panel: Any = room.panels["History"]
    room.buttons["Background Job"].click()
    while not panel.rows():
        assert not room.wait(0.01), "it was over before anything was shown"
    assert room.record.run is None
    assert [version.by for version in room.record.versions] == ["background", "ann"]
    assert "Background" in words(panel.html)
    assert panel.buttons["Roll back..."].disabled
    assert "not come to its end" in panel.buttons["Roll back..."].tooltip
    room.buttons["Stop"].click()
    assert room.wait()
    assert not panel.buttons["Roll back..."].disabled


@pytest.mark.real
def test_conflicts_are_shown_before_the_verdict(room: ControlRoom) -> None:
    choose(room, Mode=LIVE, Users=24)
    room.open_tab("Conflicts")
    assert room.wait()
    panel: Any = room.panels["Conflicts"]
    room.buttons["Background Job"].click()
    while not panel.rows():
        assert not room.wait(0.01), "it was over before anything was shown"
    assert room.record.run is None
    assert all(button.disabled for button in panel.buttons)
    press(room, "Stop")


def test_a_store_is_read_once_a_second_and_only_for_new_versions(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    versions = LiveVersions()
    versions.begin(url)
    assert versions.read(0.0) == ()
    assert not (tmp_path / "a.db").exists()
    with connect(url, cache=tmp_path / "caches") as sync:
        first = sync.create_template(TEMPLATE, sample(TEMPLATE), user="ann")
        versions.see(told("template.created", first.version))
        seen = versions.read(100.0)
        assert [one.version for one in seen] == [first.version]
        second = sync.update_template(TEMPLATE, {"name": "B"}, user="ann", base=first)
        assert versions.read(200.0) is seen
        versions.see(told("update.committed", str(second.version)))
        assert versions.read(100.9) is seen
        assert [one.version for one in versions.read(101.0)] == [first.version, second.version]
        versions.close()
        versions.close()
        assert versions.read(300.0) == ()


def test_a_store_that_cannot_be_read_leaves_what_was_read(tmp_path: Path) -> None:
    versions = LiveVersions()
    versions.begin(f"sqlite:///{tmp_path}/no/such/folder/a.db")
    versions.see(told("update.committed", "2-0a0b0c0d"))
    assert versions.read(100.0) == ()
    assert versions.read(200.0) == ()


def test_without_a_store_that_could_be_read_there_are_no_versions() -> None:
    versions = LiveVersions()
    versions.begin(None)
    versions.see(told("update.committed", "2-0a0b0c0d"))
    assert versions.read(100.0) == ()
