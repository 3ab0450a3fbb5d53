"""The tour's panel without a browser: every button, every verdict, and nothing left behind."""

import json
import logging
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ipywidgets import Checkbox, Output, ToggleButtons

from syncsim.errors import UsageError
from syncsim.ui import panels
from syncsim.ui.plays import PLAYS
from syncsim.ui.tour import Tour, tour

ROOT = Path(__file__).parent.parent
NOTEBOOK = ROOT / "notebooks" / "00_tour.ipynb"

BUTTONS = [
    *("Trigger All", "Rapid Fire", "Single Update", "Update and Read"),
    *("Background Job", "Retry Ladder", "Intentional Failure", "Reset"),
]


@pytest.fixture
def panel() -> Iterator[Tour]:
    opened = tour(seed=7)
    yield opened
    opened.close()


def press(panel: Tour, *names: str) -> None:
    for name in names:
        panel.buttons[name].click()
    assert panel.wait()


def below(widget: Any) -> Iterator[Any]:
    for child in getattr(widget, "children", ()):
        yield child
        yield from below(child)


def find(panel: Tour, kind: type) -> Any:
    (found,) = (widget for widget in below(panel) if type(widget) is kind)
    return found


def page(panel: Tour) -> str:
    """The HTML that the panel shows, in its order."""
    return "".join(w.value for w in below(panel) if isinstance(getattr(w, "value", None), str))


def our_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("syncsim-tour")]


# -- buttons ---------------------------------------------------------------------------------------


@pytest.mark.real
def test_every_button_ends_in_a_verdict_that_passes(panel: Tour) -> None:
    """All seven scenarios for real, one after the other: files, threads, the six seconds' wait."""
    press(panel, *PLAYS)
    assert [run.findings for run in panel.runs] == [()] * len(PLAYS)
    assert page(panel).count("✓ PASSED") == len(PLAYS)
    table = panel.as_frame()
    assert list(table["button"]) == list(PLAYS)
    assert list(table["seed"]) == list(range(7, 7 + len(PLAYS)))
    assert table["lost_updates"].sum() == table["stale_reads"].sum() == 0
    assert table.set_index("button")["updates"]["Rapid Fire"] == 10
    kinds = {event.kind for event in panel.events}
    assert {"update.retry", "job.skipped", "job.committed", "update.failed"} <= kinds


def test_the_buttons_are_named_as_people_call_them(panel: Tour) -> None:
    assert [button.description for button in panel.buttons.values()] == BUTTONS
    assert all(button.tooltip for button in panel.buttons.values())


def test_a_click_returns_at_once_and_the_buttons_come_back(panel: Tour) -> None:
    panel.buttons["Trigger All"].click()
    assert panel.buttons["Trigger All"].description == "Running..."
    assert all(button.disabled for button in panel.buttons.values())
    assert panel.wait()
    assert [button.description for button in panel.buttons.values()] == BUTTONS
    assert not any(button.disabled for button in panel.buttons.values())


def test_clicks_are_played_in_order_and_none_is_lost(panel: Tour) -> None:
    press(panel, "Single Update", "Update and Read", "Single Update")
    names = [run.setting.scenario for run in panel.runs]
    assert names == ["single-update", "cache-consistency", "single-update"]


def test_what_happens_is_logged_once(panel: Tour) -> None:
    """Also where a scenario has two parts, for which the solution is built twice on one log."""
    press(panel, "Retry Ladder")
    (ladder,) = panel.runs
    assert sorted(e.kind for e in panel.events) == sorted(e.kind for e in ladder.events)
    assert "ann: Retry 3 (400ms backoff)" in page(panel)
    assert ladder.setting.solution == "reference"


def test_an_intended_failure_is_explained(panel: Tour) -> None:
    press(panel, "Intentional Failure")
    shown = page(panel)
    assert 'role="alert"' in shown
    assert "ann got VersionConflictError" in shown
    assert "read again and merge" in shown
    assert "nothing was written" in shown
    press(panel, "Single Update")
    assert 'role="alert"' not in page(panel)


def test_the_status_follows_the_template(panel: Tour) -> None:
    press(panel, "Trigger All")
    final = panel.runs[-1].summary()["final_version"]
    shown = page(panel)
    assert f"<span>Template version:</span> <b>{final}</b>" in shown
    assert "<span>Conflicts resolved:</span> <b>" in shown
    assert "idle; press a button" in shown


def test_reset_forgets(panel: Tour) -> None:
    press(panel, "Single Update", "Reset")
    assert (panel.runs, panel.events) == ((), ())
    assert len(panel.as_frame()) == 0
    assert "PASSED" not in page(panel)


def test_values_can_be_read_before_anything_was_pressed(panel: Tour) -> None:
    assert (panel.runs, panel.events) == ((), ())
    assert "button" in panel.as_frame().columns
    assert panel.wait(timeout_s=0)
    assert "0 scenarios played" in repr(panel)


# -- charts ----------------------------------------------------------------------------------------


def test_every_chart_is_drawn_and_is_a_table_too(panel: Tour) -> None:
    press(panel, "Trigger All")
    choice, as_table, picture = (find(panel, kind) for kind in (ToggleButtons, Checkbox, Output))
    titles = []
    for name in choice.options:
        choice.value = name
        as_table.value = False
        assert panel.wait()
        drawn = picture.outputs[0]["data"]
        titles.append(drawn["text/plain"])
        assert drawn["application/vnd.plotly.v1+json"]["data"]
        as_table.value = True
        assert panel.wait()
        assert "<table" in picture.outputs[0]["data"]["text/html"]
    assert len(set(titles)) == len(choice.options) == 5


# -- when something goes wrong ---------------------------------------------------------------------


def test_an_exception_in_a_scenario_is_shown_and_the_buttons_come_back(
    panel: Tour, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(scenario: str, **settings: Any) -> Any:
        monkeypatch.undo()
        raise RuntimeError("<b>the disk is on fire</b>")

    monkeypatch.setattr("syncsim.ui.player.run", broken)
    press(panel, "Single Update")
    shown = page(panel)
    assert 'role="alert"' in shown
    assert "Single Update: RuntimeError" in shown
    assert "&lt;b&gt;the disk is on fire&lt;/b&gt;" in shown
    assert "Press the button again" in shown
    assert "'Single Update' could not be played" in caplog.text
    assert not panel.buttons["Single Update"].disabled
    press(panel, "Update and Read")
    assert [run.passed for run in panel.runs] == [True]


def test_an_exception_while_showing_does_not_end_the_panel(
    panel: Tour, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(panels, "verdict", lambda *_: 1 / 0)
        press(panel, "Single Update")
    assert "could not show" in caplog.text
    assert "ZeroDivisionError" in page(panel)
    assert not panel.buttons["Single Update"].disabled
    press(panel, "Reset", "Single Update")
    assert "✓ PASSED" in page(panel)


def test_a_template_that_is_not_shipped_is_refused() -> None:
    before = our_threads()
    with pytest.raises(UsageError, match="contact_card"):
        tour(template="no_such_template")
    assert our_threads() == before


def test_a_missing_extra_is_named() -> None:
    code = "import sys; sys.modules['ipywidgets'] = None; import syncsim.ui.tour"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "MissingExtraError" in out.stderr
    assert "syncsim[viz]" in out.stderr


# -- closing ---------------------------------------------------------------------------------------


def test_closing_leaves_no_thread_and_may_be_repeated(panel: Tour) -> None:
    press(panel, "Single Update")
    panel.close()
    panel.close()
    assert our_threads() == []
    panel.buttons["Single Update"].click()
    assert panel.wait(timeout_s=0)
    assert len(panel.runs) == 1


def test_opening_again_closes_the_panel_before() -> None:
    """Running the cell again leaves no thread more than before, and the new buttons work."""
    first = tour()
    before = sorted(our_threads())
    second = tour()
    assert first.comm is None
    assert sorted(our_threads()) == before
    press(second, "Single Update")
    assert second.runs[0].passed
    second.close()


def test_a_panel_that_is_closed_while_it_plays_ends_with_the_scenario(
    panel: Tour, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    panel.buttons["Rapid Fire"].click()
    panel.buttons["Background Job"].click()  # six seconds, and never begun
    panel.close()
    for thread in threading.enumerate():
        if thread.name.startswith("syncsim-tour"):
            thread.join(5)
    assert our_threads() == []
    assert caplog.records == []


# -- the notebook ----------------------------------------------------------------------------------


def test_the_notebook_is_committed_clean() -> None:
    """No outputs, no counts, no widget state; and small, for it is read as a difference."""
    notebook = json.loads(NOTEBOOK.read_text("utf-8"))
    assert set(notebook["metadata"]) <= {"kernelspec", "language_info"}
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    for cell in notebook["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
    assert NOTEBOOK.stat().st_size < 100_000


def test_the_notebook_shows_the_picture_of_the_readme() -> None:
    """Attached, so that it is there wherever the notebook is copied to."""
    first = json.loads(NOTEBOOK.read_text("utf-8"))["cells"][0]
    png = (ROOT / "docs" / "perfect-storm.png").read_bytes()
    assert first["attachments"]["perfect-storm.png"]["image/png"] == b64encode(png).decode()
    assert "attachment:perfect-storm.png" in "".join(first["source"])
    assert "Run > Run All Cells" in "".join(first["source"])
