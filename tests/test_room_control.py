"""The control room without a browser: buttons, selectors, Stop, errors, nothing left behind."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest

from syncsim import connect, run
from syncsim.errors import UsageError
from syncsim.lab.history.findings import NOTE
from syncsim.lab.solutions import broken
from syncsim.template.samples import sample_names
from syncsim.ui import control_room as face
from syncsim.ui.room.control_room import ControlRoom
from syncsim.ui.room.opening import control_room
from syncsim.ui.room.selectors import LIVE, SIMULATION, broken_solutions
from syncsim.ui.run_buttons import PLAYS
from tests.room_parts import choose, our_threads, press, room, solution, verdicts, words

__all__ = ["room"]

ROOT = Path(__file__).parent.parent
NOTEBOOK = ROOT / "notebooks" / "control_room.ipynb"
BROKEN = Path(broken.__file__).parent
BUTTONS = [
    *("Trigger All", "Rapid Fire", "Single Update", "Update and Read", "Background Job"),
    *("Retry Ladder", "Intentional Failure", "Reset", "Stop"),
]
HOSTILE = "<img src=x onerror=alert(1)>"


# -- buttons ---------------------------------------------------------------------------------------


@pytest.mark.real
def test_every_button_plays_for_real_and_passes(room: ControlRoom) -> None:
    """Files, threads, and the six seconds of the background job."""
    choose(room, Mode=LIVE)
    press(room, *PLAYS)
    assert room.findings == ()
    assert list(room.as_frame()["button"]) == list(PLAYS)
    table = room.as_frame().set_index("button")
    assert set(table["on"]) == {"threads"}
    assert table["lost_updates"].sum() == table["stale_reads"].sum() == 0
    assert table["updates"]["Rapid Fire"] == 10
    assert verdicts(room).count("✓ PASSED") == len(PLAYS)
    heard = sorted(event.kind for event in room.events)
    assert heard == sorted(event.kind for run in room.runs for event in run.events)
    assert {"update.retry", "job.skipped", "job.committed", "update.failed"} <= set(heard)


def test_every_button_plays_in_a_simulation_and_passes(room: ControlRoom) -> None:
    press(room, *PLAYS)
    assert room.findings == ()
    assert verdicts(room).count("✓ PASSED") == len(PLAYS)
    assert all(run.token in verdicts(room) for run in room.runs if run.token)


def test_the_buttons_are_named_as_the_issue_names_them(room: ControlRoom) -> None:
    assert [button.description for button in room.buttons.values()] == BUTTONS
    assert list(room.buttons) == BUTTONS
    assert all(button.tooltip for button in room.buttons.values())


def test_a_click_returns_at_once_and_the_buttons_come_back(room: ControlRoom) -> None:
    choose(room, Mode=LIVE)
    room.buttons["Background Job"].click()
    assert room.buttons["Background Job"].description == "Running..."
    assert room.buttons["Trigger All"].disabled
    room.buttons["Stop"].click()
    assert room.wait()
    assert [button.description for button in room.buttons.values()] == BUTTONS
    assert not room.buttons["Trigger All"].disabled


def test_the_verdict_says_what_the_mission_measures(room: ControlRoom) -> None:
    press(room, "Trigger All")
    told = verdicts(room)
    for metric in (
        "Success rate 100% (2 of 2 updates; goal: > 95 %)",
        "Most retries 1 (goal: at most 3)",
        "Cache hit rate",
        "detected, all handled",
        "Lost updates 0",
        "Slowest update",
        "1 processed" if room.runs[0].figures.processed else "1 skipped",
    ):
        assert metric in " ".join(told.split())


def test_an_intended_failure_passes_and_is_explained(room: ControlRoom) -> None:
    press(room, "Intentional Failure")
    assert 'role="alert"' in room.alert
    assert "ann got VersionConflictError" in words(room.alert)
    assert "nothing was written" in words(room.alert)
    assert "✓ PASSED" in verdicts(room)
    press(room, "Single Update")
    assert room.alert == ""


def test_values_can_be_read_before_anything_was_pressed(room: ControlRoom) -> None:
    assert (room.runs, room.events, room.findings) == ((), (), ())
    assert "button" in room.as_frame().columns
    assert room.wait(timeout_s=0)
    assert "0 runs played" in repr(room)


def test_a_missing_extra_is_named() -> None:
    code = "import sys; sys.modules['ipywidgets'] = None; from syncsim.ui import control_room"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "MissingExtraError" in out.stderr
    assert "syncsim[viz]" in out.stderr


def test_reset_forgets_and_says_that_stores_are_left_alone(room: ControlRoom) -> None:
    press(room, "Single Update", "Reset")
    assert (room.runs, room.events, room.findings) == ((), (), ())
    assert len(room.as_frame()) == 0
    assert "PASSED" not in verdicts(room)
    assert "still there" in room.live._status["Now"]


# -- selectors -------------------------------------------------------------------------------------


def test_every_template_can_be_chosen_and_is_the_one_that_is_played(room: ControlRoom) -> None:
    assert list(room.selectors["Template"].options) == list(sample_names())
    for name in sample_names():
        choose(room, Template=name)
        press(room, "Trigger All")
        assert room.runs[-1].setting.template == name
    assert room.findings == ()


def test_every_broken_solution_can_be_chosen_by_its_title(room: ControlRoom) -> None:
    offered = room.selectors["Solution"].options
    files = {path.stem for path in BROKEN.glob("*.py")} - {"__init__"}
    assert {Path(path).stem for path in broken_solutions().values()} == files
    assert set(broken_solutions()) < set(offered)
    assert "blind write (loses D1)" in offered


@pytest.mark.parametrize("mode", [SIMULATION, LIVE])
def test_a_broken_solution_fails_in_words(room: ControlRoom, mode: str) -> None:
    choose(room, Mode=mode, Solution="no retry (loses M3)")
    press(room, "Trigger All")
    assert "✗ FAILED" in verdicts(room)
    assert "M3 No retry:" in verdicts(room)
    assert {finding.code for finding in room.findings} == {"M3", NOTE}
    assert room.runs[0].setting.solution.endswith("no_retry.py")
    assert any(event.kind == "update.started" for event in room.events)


def test_a_file_is_played_and_one_that_is_missing_is_named(
    room: ControlRoom, tmp_path: Path
) -> None:
    choose(room, Solution="a file")
    press(room, "Single Update")
    assert "the path of a solution" in words(room.alert)
    assert not room.selectors["File"].disabled
    choose(room, File=f"{tmp_path}/{HOSTILE}.py")
    press(room, "Single Update")
    assert "an existing file" in words(room.alert)
    assert HOSTILE not in room.alert
    assert room.runs == ()
    same = "return self.inner.update_template(template_id, changes, user=user, base=base)"
    choose(room, File=solution(tmp_path, same))
    press(room, "Single Update")
    assert room.runs[0].passed
    assert room.alert == ""
    choose(room, Solution="reference")
    assert room.selectors["File"].disabled


def test_the_policy_reaches_the_run_or_says_why_not(room: ControlRoom) -> None:
    choose(room, Retry_policy="full/queue=2")
    press(room, "Trigger All")
    assert room.runs[0].setting.retry == "full/queue=2"
    press(room, "Retry Ladder")
    assert "compares policies of its own" in words(room.alert)
    assert "Change this setting" in words(room.alert)
    choose(room, Solution="blind write (loses D1)")
    press(room, "Trigger All")
    assert "takes no retry=" in words(room.alert)
    assert len(room.runs) == 1


@pytest.mark.parametrize("count", [2, 50])
def test_the_users_take_part_in_every_scenario(room: ControlRoom, count: int) -> None:
    choose(room, Users=count)
    press(room, *PLAYS)
    assert list(room.as_frame()["users"]) == [count] * len(PLAYS)
    assert room.findings == ()


def test_the_seed_decides_a_simulation(room: ControlRoom) -> None:
    for seed in (1, 1, 2):
        choose(room, Seed=seed)
        press(room, "Rapid Fire")
    one, again, other = (run.history.to_json() for run in room.runs)
    assert one == again
    assert one != other


def test_a_store_of_ones_own_is_played_on_and_left_there(room: ControlRoom, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/mine.db"
    choose(room, Mode=LIVE, Store_URL=url)
    press(room, "Single Update", "Reset", "Single Update")
    with connect(url, cache=tmp_path / "caches") as sync:
        assert len(sync.list_templates()) == 2
        assert len(sync.history("event_registration")) == 2


@pytest.mark.parametrize("mode", [LIVE, SIMULATION])
def test_a_store_that_cannot_be_had_is_named(room: ControlRoom, mode: str) -> None:
    choose(room, Mode=mode, Store_URL=f"mysql://{HOSTILE}")
    press(room, "Single Update")
    assert "mysql" in words(room.alert)
    assert HOSTILE not in room.alert
    choose(room, Store_URL="")
    press(room, "Single Update")
    assert room.runs[0].passed


def test_a_store_in_a_folder_that_is_not_there_asks_for_another_setting(room: ControlRoom) -> None:
    choose(room, Mode=LIVE, Store_URL="sqlite:////no/such/folder/x.db")
    press(room, "Single Update")
    assert "the folder /no/such/folder does not exist" in words(room.alert)
    assert "Change this setting" in words(room.alert)


def test_what_cannot_be_chosen_is_refused_before_the_room_opens() -> None:
    before = our_threads()
    for settings in (
        {"template": "no_such"},
        {"users": 1},
        {"users": 51},
        {"mode": "processes"},
        {"retry": "sometimes"},
    ):
        with pytest.raises(UsageError, match="one of"):
            control_room(**settings)
    assert our_threads() == before


def test_settings_choose_what_the_selectors_say() -> None:
    path = broken_solutions()["no retry (loses M3)"]
    opened = face(solution=path, users=5, mode=SIMULATION, seed=3, retry=None)
    try:
        assert opened.selectors["Solution"].value == "no retry (loses M3)"
        press(opened, "Trigger All")
        assert (opened.runs[0].setting.users, opened.runs[0].setting.seed) == (5, 3)
    finally:
        opened.close()


# -- Stop ------------------------------------------------------------------------------------------


def test_stop_ends_what_is_played_and_what_waits(room: ControlRoom) -> None:
    choose(room, Mode=LIVE)
    room.buttons["Background Job"].click()
    room.buttons["Trigger All"].click()
    while not any(event.kind == "job.skipped" for event in room.events):
        assert not room.wait(0.01)
    room.buttons["Stop"].click()
    assert room.wait()
    assert len(room.runs) == 1
    assert room.runs[0].inconclusive
    assert "○ INCONCLUSIVE" in verdicts(room)
    assert "was stopped after" in verdicts(room)
    choose(room, Mode=SIMULATION)
    press(room, "Trigger All")
    assert room.runs[-1].passed


def test_stop_without_anything_to_stop_says_so(room: ControlRoom) -> None:
    press(room, "Stop")
    assert "nothing is being played" in room.live._status["Now"]
    press(room, "Single Update")
    assert room.runs[0].passed


# -- errors ----------------------------------------------------------------------------------------


def test_an_exception_while_playing_is_shown(
    room: ControlRoom, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*given: Any, **settings: Any) -> Any:
        monkeypatch.undo()
        raise RuntimeError(HOSTILE)

    monkeypatch.setattr("syncsim.ui.run_queue.run", fail)
    press(room, "Single Update")
    assert 'role="alert"' in room.alert
    assert HOSTILE in words(room.alert)
    assert HOSTILE not in room.alert
    assert "could not be played" in caplog.text
    press(room, "Single Update")
    assert (room.alert, len(room.runs)) == ("", 1)


def test_an_exception_in_a_callback_is_shown(
    room: ControlRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(button: str) -> Any:
        raise RuntimeError("the selectors are broken")

    monkeypatch.setattr(room._chosen, "order", fail)
    press(room, "Single Update")
    assert "the selectors are broken" in words(room.alert)
    assert not room.buttons["Single Update"].disabled


def test_an_exception_while_showing_is_shown(
    room: ControlRoom, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*given: Any) -> Any:
        monkeypatch.undo()
        raise RuntimeError("the panel is broken")

    monkeypatch.setattr(room.panels["Conflicts"], "show", fail)
    room.open_tab("Conflicts")
    assert room.wait()
    assert "the panel is broken" in words(room.alert)
    assert "could not show" in caplog.text
    press(room, "Trigger All")
    assert room.runs[0].passed


# -- looking back ----------------------------------------------------------------------------------


def test_a_simulation_can_be_seen_as_of_any_event(room: ControlRoom) -> None:
    press(room, "Trigger All")
    events = len(room.events)
    assert (room.replay.slider.max, room.replay.slider.value) == (events, events)
    assert room.record.run is room.runs[0]
    for k in (0, 7, events - 1, events):
        room.replay.slider.value = k
        assert room.wait()
        assert len(room.record.events) == k
        assert room.record is room.record
        assert f"event {k} of {events}" in room.live._status["Now"]


def test_who_plays_at_the_end_sees_it_from_the_beginning(room: ControlRoom) -> None:
    press(room, "Single Update")
    room.replay.play.playing = True
    assert room.wait()
    assert room.record.events == ()


def test_the_slider_hears_of_a_run_before_what_a_page_links_it_to(room: ControlRoom) -> None:
    """The other way about, a page told the slider's old value back, and event 0 was shown."""
    heard: list[Any] = []
    for widget in (room.replay.play, room.replay.slider):
        widget.observe(lambda change: heard.append(change["owner"]), names="value")
    press(room, "Single Update", "Trigger All")
    assert heard == [room.replay.slider, room.replay.play] * 2


def test_an_earlier_run_can_be_shown_again(room: ControlRoom) -> None:
    press(room, "Single Update", "Trigger All")
    room.replay.run.value = 0
    assert room.wait()
    assert room.record.run is room.runs[0]
    assert room.replay.slider.max == len(room.runs[0].events)


def test_a_saved_run_is_opened_as_a_replay(room: ControlRoom, tmp_path: Path) -> None:
    saved = run("retry-ladder", seed=5)
    path = tmp_path / f"{HOSTILE.replace('/', '')}.json"
    path.write_text(json.dumps(saved.to_json()), "utf-8")
    room.open_run(path)
    assert room.wait()
    assert [run.to_json() for run in room.runs] == [saved.to_json()]
    assert HOSTILE in verdicts(room)
    assert HOSTILE not in room.panels["Verdicts"].widget.value
    room.replay.slider.value = 3
    assert room.wait()
    assert len(room.record.events) == 3


def test_names_that_others_gave_are_text(room: ControlRoom, tmp_path: Path) -> None:
    """The path of a solution comes into the verdict, the choice of runs, the log and the status."""
    folder = tmp_path / HOSTILE
    folder.mkdir()
    body = f"raise RuntimeError({HOSTILE!r})"
    choose(room, Solution="a file", File=solution(folder, body), Mode=LIVE)
    press(room, "Trigger All")
    card = room.panels["Verdicts"].widget.value
    assert HOSTILE in verdicts(room)
    assert HOSTILE in words(room.alert)
    assert HOSTILE not in card + room.alert


@pytest.mark.parametrize("content", [None, "no JSON", "[]", '{"format": "syncsim-run/99"}'])
def test_what_is_no_saved_run_is_refused(
    room: ControlRoom, tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "run.json"
    if content is not None:
        path.write_text(content, "utf-8")
    with pytest.raises(UsageError, match="the saved run"):
        room.open_run(path)


@pytest.mark.parametrize("tab", ["Conflicts", "History", "Charts"])
@pytest.mark.parametrize("mode", [LIVE, SIMULATION])
def test_every_tab_shows_the_run(room: ControlRoom, tab: str, mode: str) -> None:
    choose(room, Mode=mode)
    press(room, "Trigger All")
    room.open_tab(tab)
    assert room.wait()
    assert room.alert == ""
    panel: Any = room.panels[tab]
    assert len(panel.rows()) > 1
    room.live.selected = next(e.update_id for e in room.events if e.kind == "update.committed")
    assert room.wait()
    assert room.alert == ""


def test_a_lost_value_is_restored_in_the_run_that_is_shown(room: ControlRoom) -> None:
    """The room keeps the file of a live run; among many users some write the same leaf."""
    choose(room, Mode=LIVE, Users=24)
    press(room, "Trigger All")
    room.open_tab("Conflicts")
    assert room.wait()
    panel: Any = room.panels["Conflicts"]
    before = len(room.record.versions)
    assert panel.lost
    panel.buttons[0].click()
    assert panel.wait()
    assert room.wait()
    assert len(room.record.versions) == before + 1
    assert room.record.versions[-1].by == "room"


def test_what_is_simulated_cannot_be_restored_and_says_why(room: ControlRoom) -> None:
    choose(room, Users=24)
    press(room, "Trigger All")
    room.open_tab("Conflicts")
    assert room.wait()
    panel: Any = room.panels["Conflicts"]
    assert panel.lost
    assert all(button.disabled for button in panel.buttons)
    assert "simulated" in panel.buttons[0].tooltip


# -- opening and closing ---------------------------------------------------------------------------


def test_closing_leaves_no_thread_and_may_be_repeated(room: ControlRoom) -> None:
    press(room, "Single Update")
    room.close()
    room.close()
    assert our_threads() == []
    room.buttons["Single Update"].click()
    assert room.wait(0)
    assert len(room.runs) == 1


def test_opening_again_closes_the_room_before() -> None:
    first = control_room(mode=SIMULATION)
    before = our_threads()
    second = control_room(mode=SIMULATION)
    assert first.comm is None
    assert our_threads() == before
    press(second, "Single Update")
    assert second.runs[0].passed
    second.close()


def test_a_room_that_is_closed_while_it_plays_stops_it(
    room: ControlRoom, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    choose(room, Mode=LIVE)
    room.buttons["Background Job"].click()
    room.buttons["Rapid Fire"].click()
    room.close()
    assert room.wait(0)
    assert our_threads() == []
    assert caplog.records == []


# -- the notebook ----------------------------------------------------------------------------------


def test_the_notebook_is_committed_clean_and_shows_a_picture() -> None:
    text = NOTEBOOK.read_text("utf-8")
    notebook = json.loads(text)
    assert set(notebook["metadata"]) <= {"kernelspec", "language_info"}
    for cell in notebook["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
    assert len(text) < 100_000
    first = notebook["cells"][0]
    assert "Run > Run All Cells" in "".join(first["source"])
    assert "attachment:control-room.png" in "".join(first["source"])
    png = b64decode(first["attachments"]["control-room.png"]["image/png"])
    assert png.startswith(b"\x89PNG")
    assert png == (ROOT / "docs" / "control-room.png").read_bytes()
    assert len(png) < 200_000
