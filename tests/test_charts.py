"""Charts are drawn from what happened, show names as they were typed, and are tables too."""

import html
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncsim.contract import Revision
from syncsim.errors import MissingExtraError, UsageError
from syncsim.events.kinds import Event
from syncsim.lab.engines.runner import run
from syncsim.runtime.wiring import connect
from syncsim.service.reads import CacheState
from syncsim.template.samples import sample
from syncsim.ui import charts
from syncsim.ui.drawing import STYLES, escaped, typed
from syncsim.ui.timeline import MOST_LANES
from syncsim.ui.updates import updates

HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "<a href='javascript:alert(1)'>ann</a>",
    "<b>$\\href{javascript:alert(1)}{x}$</b>",
    "ann\nben\u202ecleo & %{x} &lt;",
    "2024-01-01",
)


class Log:
    """Events by hand: `say` one after the other, milliseconds after the first."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def say(self, at_ms: float, kind: str, user: str, update_id: str, **facts: Any) -> None:
        at = 1_700_000_000 + at_ms / 1000
        seq = len(self.events) + 1
        self.events.append(Event.of(seq, kind, at, user, update_id, "form", facts))


def storm(ann: str = "ann", ben: str = "ben", version: str = "2-b") -> Log:
    """Ben commits at once; ann loses a swap, waits 97 ms, queues for 10, merges and commits."""
    log = Log()
    log.say(0, "update.started", ann, "a")
    log.say(2, "update.started", ben, "b")
    log.say(20, "update.committed", ben, "b", version=version, attempts=1, merged=0)
    log.say(22, "update.conflict", ann, "a", expected="1-a", actual=version, attempt=1)
    log.say(22, "update.retry", ann, "a", attempt=1, delay_s=0.097, nominal_s=0.1)
    log.say(119, "update.waited", ann, "a", attempt=1, delay_s=0.097, slept_s=0.097)
    log.say(119, "update.queued", ann, "a", position=1)
    log.say(131, "update.dequeued", ann, "a", waited_s=0.01, batch=1)
    log.say(131, "update.committed", ann, "a", version="3-c", attempts=2, merged=1)
    log.say(140, "job.started", "background", "j")
    log.say(141, "job.skipped", "background", "j", reason="Skipped - recent user update")
    return log


def revision(number: int, by: str, at: float, kind: str | None = None, **detail: Any) -> Revision:
    parent = f"{number - 1}-x" if number > 1 else None
    told = None if kind is None else {"kind": kind, **detail}
    return Revision("form", f"{number}-x", number, parent, by, at, b"{}", None, told)


@cache
def every_chart(name: str) -> dict[str, go.Figure]:
    """All charts, with this text wherever a user, a solution or a template can put one."""
    log = storm(ann=name, ben=name + "2", version=name)
    log.say(150, "update.started", name, "f")
    log.say(160, "update.failed", name, "f", error=name, message=name)
    states = {name: CacheState("Stale", name, 2.0, 1, 2), "background": EMPTY}
    history = [
        Revision(name, name, 1, None, name, 0.0, b"{}", None, None),
        Revision(name, name, 2, name, name, 1.0, b"{}", None, {"kind": name, "conflicts": [1]}),
    ]
    return {
        "retry_timeline": charts.retry_timeline(log),
        "cache_ages": charts.cache_ages(states),
        "version_history": charts.version_history(history),
        "attempts_histogram": charts.attempts_histogram(log),
    }


EMPTY = CacheState("Empty", None, None, 0, 0)
NOTHING: dict[str, Callable[[], go.Figure]] = {
    "retry_timeline": lambda: charts.retry_timeline([]),
    "cache_ages": lambda: charts.cache_ages({}),
    "version_history": lambda: charts.version_history([]),
    "attempts_histogram": lambda: charts.attempts_histogram([]),
}


def texts(value: Any) -> Iterator[str]:
    """Every text in a figure's JSON, keys included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)


def trace(figure: go.Figure, name: str) -> Any:
    (found,) = (one for one in figure.data if name in (one.name or ""))
    return found


def words(figure: go.Figure) -> list[str]:
    """What stands beside the bars and marks."""
    return [text for one in figure.data if one.text is not None for text in one.text]


# -- text as typed ---------------------------------------------------------------------------------


@given(st.text())
def test_escaped_text_holds_no_markup_and_can_be_read_back(text: str) -> None:
    """No tag, no formula; and `unescape` gives every character back."""
    safe = escaped(text)
    assert not set("<>$").intersection(safe)
    assert html.unescape(safe) == text


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_text_in_every_chart(name: str) -> None:
    """Over all texts of each figure's JSON, whoever wrote them."""
    for chart, figure in every_chart(name).items():
        found = list(texts(json.loads(figure.to_json())))
        assert [text for text in found if set("<>$").intersection(text)] == [], chart
        if chart != "attempts_histogram":  # which counts and names nobody
            assert any(typed(name) in text for text in found), chart


@pytest.mark.parametrize("name", HOSTILE)
def test_the_tables_show_names_as_typed(name: str) -> None:
    drawn = every_chart(name)
    assert charts.as_frame(drawn["retry_timeline"])["user"][0] == name
    assert charts.as_frame(drawn["retry_timeline"])["error"].iloc[-1] == name
    assert charts.as_frame(drawn["cache_ages"])["version"][0] == name
    assert list(charts.as_frame(drawn["version_history"])["by"]) == [name, name]


def test_text_for_a_chart_stays_on_one_short_line() -> None:
    assert typed("x" * 100, limit=8) == "xxxxxxx…"
    assert typed("a\nb") == "a\\nb"


@pytest.mark.parametrize("look", STYLES.values(), ids=STYLES)
def test_words_can_be_read_on_white(look: Any) -> None:
    """Contrast of at least 4.5:1 by WCAG 2.2, success criterion 1.4.3; and never colour alone."""
    channels = [int(look.ink[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels
    )
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    assert 1.05 / (luminance + 0.05) >= 4.5
    assert len({each.sign for each in STYLES.values()}) == len(STYLES)


# -- every chart -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NOTHING)
def test_nothing_to_show_is_a_chart_that_says_so(name: str) -> None:
    figure = NOTHING[name]()
    (said,) = figure.layout.annotations
    assert said.text
    assert figure.layout.title.text
    table = charts.as_frame(figure)
    assert len(table) == 0
    assert list(table.columns) == list(charts.as_frame(every_chart("ann")[name]).columns)


@pytest.mark.parametrize("name", NOTHING)
def test_every_chart_has_a_title_and_units(name: str) -> None:
    figure = every_chart("ann")[name]
    assert figure.layout.title.text
    assert any(unit in figure.layout.xaxis.title.text for unit in ("(ms)", "(s)", "attempts"))


def test_a_figure_that_was_saved_still_has_its_table() -> None:
    figure = charts.retry_timeline(storm())
    again = go.Figure(json.loads(figure.to_json()))
    assert charts.as_frame(again).equals(charts.as_frame(figure))


def test_a_figure_of_somebody_else_has_no_table() -> None:
    with pytest.raises(UsageError, match=r"syncsim\.ui\.charts"):
        charts.as_frame(go.Figure())


# -- the retry timeline ----------------------------------------------------------------------------


def test_the_timeline_tells_waits_as_they_were_and_as_planned() -> None:
    row = charts.as_frame(charts.retry_timeline(storm())).iloc[0]
    assert row["update"] == "ann"
    assert (row["result"], row["version"], row["attempts"], row["merged"]) == (
        "committed",
        "3-c",
        2,
        1,
    )
    assert row["waits_ms"] == [pytest.approx(97.0, abs=0.1)]
    assert row["nominal_ms"] == [pytest.approx(100.0)]
    assert row["queued_ms"] == pytest.approx(10.0, abs=0.1)
    assert row["took_ms"] == pytest.approx(131.0, abs=0.1)


def test_the_bars_lie_where_things_happened() -> None:
    """One after the other without a gap, and the nominal wait begins with the real one."""
    figure = charts.retry_timeline(storm())
    lost, waited = trace(figure, "that lost"), trace(figure, "wait before")
    queued, merged = trace(figure, "queue"), trace(figure, "merged")
    assert lost.base[0] + lost.x[0] == pytest.approx(waited.base[0])
    assert waited.base[0] + waited.x[0] == pytest.approx(queued.base[0])
    assert queued.base[0] + queued.x[0] == pytest.approx(merged.base[0])
    assert merged.base[0] + merged.x[0] == pytest.approx(131, abs=0.1)
    nominal = trace(figure, "nominal")
    assert nominal.x[1] - nominal.x[0] == pytest.approx(100)
    assert nominal.x[0] == pytest.approx(waited.base[0])


def test_each_end_is_told_in_a_sign_and_a_word() -> None:
    log = storm()
    log.say(150, "update.started", "cleo", "c")
    log.say(151, "update.unchanged", "cleo", "c", version="3-c", attempts=1)
    log.say(152, "update.started", "dan", "d")
    log.say(153, "update.failed", "dan", "d", error="RetriesExhaustedError")
    log.say(154, "update.started", "eve", "e")
    told = [text.strip() for text in words(charts.retry_timeline(log))]
    for end in (
        "⊕ merged 1, committed 3-c",
        "✓ committed 2-b",
        "○ skipped",
        "○ unchanged",
        "✗ RetriesExhaustedError",
        "○ running",
    ):
        assert end in told


def test_updates_of_one_user_are_told_apart() -> None:
    log = Log()
    for number in range(2):
        log.say(number, "update.started", "ann", f"u{number}")
    log.say(5, "update.started", "ben", "b")
    assert [row.label for row in updates(log)] == ["ann 1", "ann 2", "ben"]


def test_a_long_timeline_draws_the_first_and_keeps_all_in_its_table() -> None:
    log = Log()
    for number in range(MOST_LANES + 5):
        log.say(number, "update.started", "ann", f"u{number}")
    figure = charts.retry_timeline(log)
    assert f"the first {MOST_LANES} drawn" in figure.layout.title.text
    assert len(figure.layout.yaxis.ticktext) == MOST_LANES
    assert len(charts.as_frame(figure)) == MOST_LANES + 5


def test_a_solution_that_says_little_is_drawn_too() -> None:
    """Facts may be missing or of another type; the reader of the chart is not to pay for it."""
    log = Log()
    log.say(0, "update.conflict", "ann", "a", attempt="first")
    log.say(9, "update.retry", "ann", "a", nominal_s="soon")
    log.say(20, "update.committed", "ann", "a", version=7, merged=None)
    row = charts.as_frame(charts.retry_timeline(log)).iloc[0]
    assert row["result"] == "committed"
    assert row["nominal_ms"] == [None]


# -- caches ----------------------------------------------------------------------------------------


def test_a_cache_is_told_by_state_version_and_age() -> None:
    states = {
        "background": EMPTY,
        "ben": CacheState("Stale", "2-b", 45.0, 3, 1),
        "ann": CacheState("Fresh", "3-c", 2.0, 1, 0),
    }
    figure = charts.cache_ages(states)
    assert list(figure.layout.yaxis.ticktext) == ["ann", "ben", "System"]
    assert [text.strip() for text in words(figure)] == [
        "✓ Fresh: 3-c, 2.0 s, 1 of 1 read hit",
        "⚠ Stale: 2-b, 45.0 s, 3 of 4 reads hit",
        "○ Empty, no reads",
    ]
    assert list(trace(figure, "Stale").x) == [45.0]
    assert list(charts.as_frame(figure)["state"]) == ["Fresh", "Stale", "Empty"]


# -- versions --------------------------------------------------------------------------------------


def test_versions_are_told_by_author_and_kind() -> None:
    history = [
        revision(5, "background", 100.4, "job"),
        revision(4, "ann", 100.3, "rollback", restored="1-x"),
        revision(3, "ann", 100.2, "merge", conflicts=[{"path": "/name"}]),
        revision(2, "ben", 100.1, "update"),
        revision(1, "ann", 100.0),
    ]
    figure = charts.version_history(history)
    table = charts.as_frame(figure)
    assert list(table["kind"]) == ["created", "update", "merge", "rollback", "job"]
    assert list(table["conflicts"]) == [0, 0, 1, 0, 0]
    assert list(figure.layout.yaxis.ticktext) == ["ann", "ben", "Background"]
    assert list(trace(figure, "merge").x) == [pytest.approx(200)]
    assert "(ms)" in figure.layout.xaxis.title.text
    assert "1 value overridden" in trace(figure, "merge").hovertext[0]
    assert len({one.marker.symbol for one in figure.data if one.name}) == 5


def test_a_kind_that_nobody_knows_is_an_update() -> None:
    table = charts.as_frame(charts.version_history([revision(2, "ann", 1.0, "magic")]))
    assert list(table["kind"]) == ["update"]


# -- attempts --------------------------------------------------------------------------------------


def test_attempts_are_counted_by_what_came_of_them() -> None:
    """The job's runs are none of the updates that the mission's mark is about."""
    log = storm()
    log.say(150, "update.started", "dan", "d")
    log.say(160, "update.conflict", "dan", "d", attempt=1)
    log.say(161, "update.failed", "dan", "d", error="RetriesExhaustedError")
    table = charts.as_frame(charts.attempts_histogram(log))
    assert table.to_dict("list") == {
        "attempts": [1, 2],
        "committed": [1, 1],
        "unchanged": [0, 0],
        "failed": [1, 0],
        "unknown": [0, 0],
    }


# -- real sources ----------------------------------------------------------------------------------


def test_a_real_run_is_drawn_as_it_was_recorded() -> None:
    """Attempts in the chart come from events, those in the report from the store: they agree."""
    played = run("perfect-storm", on="threads", users=4, store="memory", seed=7)
    table = charts.as_frame(charts.retry_timeline(played))
    users = table[table["user"] != "background"]
    report = played.summary()
    assert len(users) == report["updates"]["attempted"]
    assert (users["result"] == "committed").sum() == report["updates"]["succeeded"]
    assert users["attempts"].max() == report["attempts"]["max"]
    assert sum(users["waits_ms"].map(len)) == report["retries"]["total"]
    versions = charts.as_frame(charts.version_history(played))
    assert len(versions) == len(played.history.commits)
    assert versions["version"].iloc[-1] == report["final_version"]


def test_a_connection_is_a_source(tmp_path: Path) -> None:
    with connect("memory://", cache=tmp_path / "caches") as sync:
        base = sync.create_template("form", sample("contact_card"), user="ann")
        sync.update_template("form", {"name": "One"}, user="ann", base=base)
        sync.update_template("form", {"description": "Two"}, user="ben", base=base)
        timeline = charts.as_frame(charts.retry_timeline(sync))
        history = charts.as_frame(charts.version_history(sync.history("form")))
        caches = charts.as_frame(charts.cache_ages(sync.cache_states("form")))
    assert list(timeline["user"]) == ["ann", "ben"]
    assert list(timeline["merged"]) == [0, 1]
    assert list(history["kind"]) == ["created", "update", "merge"]
    assert dict(zip(caches["user"], caches["state"], strict=True)) == {
        "ann": "Stale",
        "ben": "Fresh",
        "System": "Empty",
    }


# -- without plotly --------------------------------------------------------------------------------


def test_plotly_is_loaded_with_the_first_chart_only() -> None:
    code = "import syncsim.ui.charts, sys; print({'plotly', 'pandas'} & set(sys.modules))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    figure = charts.retry_timeline([])
    monkeypatch.setitem(sys.modules, "plotly.graph_objects", None)
    with pytest.raises(MissingExtraError, match=r"syncsim\[viz\]"):
        charts.retry_timeline([])
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match=r"syncsim\[viz\]"):
        charts.as_frame(figure)
