"""The panel of charts: one Plotly model whatever is shown, seldom redrawn, small, exact."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import ipywidgets
import plotly.graph_objects as go
import pytest

from syncsim.errors import UsageError
from syncsim.lab.engines.runner import run
from syncsim.ui.room.figures import CHARTS, MOST_POINTS, FiguresPanel
from syncsim.ui.room.run_view import RunView
from tests.parts import ManualClock
from tests.test_charts import HOSTILE
from tests.test_room_charts import arrays, hostile, record_of, storm


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def panel(clock: ManualClock) -> Iterator[FiguresPanel]:
    """A panel that a page shows."""
    made = FiguresPanel(clock=clock)
    made.chart_box.is_on_page = True
    yield made
    made.close()


def models() -> list[Any]:
    alive = ipywidgets.widgets.widget._instances.values()
    return [one for one in alive if isinstance(one, go.FigureWidget)]


def picture(panel: FiguresPanel) -> Any:
    (found,) = models()
    return found


def bare(part: Any) -> Any:
    """As JSON, without what says nothing."""
    if hasattr(part, "to_plotly_json"):
        part = part.to_plotly_json()
    if isinstance(part, dict):
        told = {key: bare(value) for key, value in part.items() if key != "uid"}
        return {key: value for key, value in told.items() if value not in (None, {}, [])}
    return [bare(one) for one in part] if isinstance(part, list | tuple) else part


def with_tick_mode(axis: dict[str, Any]) -> dict[str, Any]:
    """The axis, and whether its places are listed, at a distance, or up to the page."""
    mode = "array" if "tickvals" in axis else "linear" if "dtick" in axis else "auto"
    return {**axis, "tickmode": mode}


@pytest.fixture(scope="module")
def record() -> RunView:
    return RunView.of(run("perfect-storm", on="simulation", users=6, seed=7))


def test_one_model_serves_every_chart_of_every_record(panel: FiguresPanel, record: RunView) -> None:
    """And what it holds is the chart that was asked for, nothing of the one before."""
    first = None
    records = [record, RunView(), record.until(20), record_of(storm()), hostile(HOSTILE[0])]
    for told in records * 2:
        for name in CHARTS:
            panel.choice.value = name
            panel.show(told, at_once=True)
            (model,) = models()
            first = first or model
            assert model is first
            wanted = panel.chart(name)
            assert len(model.data) == len(wanted.data)
            for shown, trace in zip(model.data, wanted.data, strict=True):
                assert bare(shown) == bare(trace)
            for part in ("annotations", "shapes", "barmode", "legend"):
                assert bare(model.layout).get(part) == bare(wanted.layout).get(part)
            for part in ("xaxis", "yaxis"):
                assert bare(model.layout)[part] == with_tick_mode(bare(wanted.layout)[part])


def test_a_page_that_is_loaded_again_shows_the_same(panel: FiguresPanel, record: RunView) -> None:
    """It asks for the state of the model, which Plotly itself leaves as it was at first."""
    panel.show(record)
    panel.choice.value = "Latency"
    state = picture(panel).get_state()
    assert state["_widget_layout"]["yaxis"]["title"]["text"] == "time from call to answer (ms)"
    assert len(state["_widget_data"]) == len(panel.figure.data)


def test_there_is_no_model_before_a_page_shows_one(record: RunView) -> None:
    panel = FiguresPanel()
    panel.show(record)
    assert models() == []
    assert panel.rows("Retries")
    panel.as_table.value = True
    panel.chart_box.is_on_page = True
    assert models() == []
    panel.as_table.value = False
    assert len(models()) == 1
    panel.close()
    panel.close()
    assert models() == []


def test_while_something_plays_it_is_drawn_once_a_second(
    panel: FiguresPanel, record: RunView, clock: ManualClock
) -> None:
    assert panel.show(record.until(5))
    shown = panel.figure
    clock.time += 0.4
    assert not panel.show(record_of(storm()))
    assert panel.figure is shown
    clock.time += 0.7
    assert panel.show(record_of(storm()))
    assert panel.figure is not shown


def test_what_is_over_or_newly_chosen_is_drawn_at_once(
    panel: FiguresPanel, record: RunView, clock: ManualClock
) -> None:
    half = RunView(record.events[:30])
    panel.show(half)
    more = RunView(record.events[:40])
    assert not panel.show(more)
    assert panel.show(more, record.events[0].update_id)
    assert not panel.show(RunView(record.events[:50]), record.events[0].update_id)
    assert panel.show(record, record.events[0].update_id)
    before = panel.figure
    assert panel.show(record, record.events[0].update_id)
    assert panel.figure is before


def test_a_clock_that_steps_back_does_not_stop_the_charts(
    panel: FiguresPanel, record: RunView, clock: ManualClock
) -> None:
    panel.show(RunView(record.events[:30]))
    clock.time -= 3600
    assert panel.show(RunView(record.events[:40]))


def test_a_small_change_sends_only_what_differs(panel: FiguresPanel) -> None:
    """One message for the traces, none for a layout that stays."""
    log = storm()
    panel.show(record_of(log))
    sent: list[dict[str, Any]] = []
    model = picture(panel)
    model.observe(lambda change: sent.append(change["new"]), names=["_py2js_update"])
    model.observe(lambda change: sent.append(change["new"]), names=["_py2js_addTraces"])
    panel.choice.value = "Throughput"
    panel.show(record_of(log), at_once=True)
    del sent[:]
    log.say(141, "update.started", "dan", "d")
    log.say(141, "update.committed", "dan", "d", version="4-d", attempts=1)
    panel.show(record_of(log), at_once=True)
    messages = [one for one in sent if one]
    assert len(messages) == 1
    assert set(messages[0]["style_data"]) <= {"y", "hovertext"}


def test_what_is_sent_has_no_table_and_no_long_array(panel: FiguresPanel) -> None:
    log = storm()
    for n in range(2000):
        log.say(200 + n, "update.started", f"user{n}", f"u{n}")
        log.say(201 + n, "update.committed", f"user{n}", f"u{n}", version=f"v{n}", attempts=1)
    for name in CHARTS:
        panel.choice.value = name
        panel.show(record_of(log), at_once=True)
        state = picture(panel).get_state()
        assert "meta" not in state["_widget_layout"]
        longest = (len(a) for trace in state["_widget_data"] for a in arrays(trace))
        assert max(longest) <= MOST_POINTS


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_text_in_every_widget(panel: FiguresPanel, name: str) -> None:
    panel.as_table.value = True
    for chart in CHARTS:
        panel.choice.value = chart
        panel.show(hostile(name), name, at_once=True)
        for widget in panel.widget.children:
            html = getattr(widget, "value", "")
            assert "<img" not in html
            assert "<a " not in html
            assert "<b>$" not in html


def test_table_and_sentence_and_name_say_what_the_chart_shows(panel: FiguresPanel) -> None:
    panel.show(record_of(storm()), "a")
    assert panel.chart_box.label.startswith("Chart. Retry timeline: 2 updates, 1 run of the job")
    assert panel.rows()[0]["waits_ms"] == [97.0]
    assert list(panel.as_frame("Trace")["span"])[:2] == ["request", "attempt 1"]
    panel.choice.value = "Queue"
    assert any("nobody waits" in getattr(w, "value", "") for w in panel.widget.children)
    with pytest.raises(UsageError, match="Retries"):
        panel.chart("Pie")


def test_a_selected_lane_far_down_is_scrolled_to(panel: FiguresPanel) -> None:
    log = storm()
    for n in range(50):
        log.say(200 + n, "update.started", f"user{n}", f"u{n}")
    panel.show(record_of(log), "u45")
    below = panel.chart_box.scroll_to
    assert below > 800
    panel.show(record_of(log), "u25")
    assert 0 < panel.chart_box.scroll_to < below
    panel.show(record_of(log), "a")
    assert panel.chart_box.scroll_to == 0


def test_two_threads_may_show_at_once(panel: FiguresPanel, record: RunView) -> None:
    """The room's frames and a click come from different threads."""
    failures: list[BaseException] = []

    def show(offset: int) -> None:
        try:
            for k in range(10):
                panel.show(record.until(10 * k + offset), at_once=True)
                panel.choice.value = list(CHARTS)[(k + offset) % len(CHARTS)]
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=show, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(models()) == 1


def test_plotly_is_loaded_with_the_first_chart_only() -> None:
    code = (
        "import syncsim.ui.room.figures as f, sys; f.FiguresPanel(); print('plotly' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"
