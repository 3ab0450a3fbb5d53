"""The room's charts tell what a record holds: live, partial, replayed, saved, hostile or empty."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import plotly.graph_objects as go
import pytest

from syncsim.contract import Revision
from syncsim.events.kinds import Event
from syncsim.lab.engines.runner import run
from syncsim.lab.results.run import Run
from syncsim.lab.solutions.broken.rude_job import build as build_rude_job
from syncsim.ui.dashboard_state import DashboardState
from syncsim.ui.drawing import person, typed
from syncsim.ui.room.figures import CHARTS, MOST_POINTS
from syncsim.ui.room.run_view import RunView
from syncsim.ui.room.timing import chart_table
from syncsim.ui.room.timing.cache_states import MOST_LANES as MOST_CACHES
from syncsim.ui.room.timing.cache_states import caches
from syncsim.ui.room.timing.job_axis import job_axis
from syncsim.ui.room.timing.moments import moments
from syncsim.ui.room.timing.retries import attempts, retries
from syncsim.ui.room.timing.revisions import MOST_LABELS, versions
from syncsim.ui.room.timing.speed import MOST_SLOTS, answers, latency, slot_s, throughput
from syncsim.ui.room.timing.trace_view import waterfall
from syncsim.ui.timeline import MOST_LANES
from tests.test_charts import HOSTILE, Log, storm, texts


@cache
def played(scenario: str, users: int | None = None) -> Run:
    named: dict[str, Any] = {} if users is None else {"users": users}
    return run(scenario, on="simulation", seed=7, **named)


def record_of(log: Log) -> RunView:
    return RunView(tuple(log.events))


def stored(number: int, by: str, at: float, update_id: str | None = None) -> Revision:
    parent = f"{number - 1}-x" if number > 1 else None
    return Revision("form", f"{number}-x", number, parent, by, at, b"{}", update_id, None)


def hostile(name: str) -> RunView:
    """This text wherever a user, a solution or a template can put one."""
    log = storm(ann=name, ben=name + "2", version=name)
    log.say(150, "update.started", name, name)
    log.say(160, "update.failed", name, name, error=name, message=name)
    log.say(170, "job.started", "background", "k")
    log.say(171, "job.skipped", "background", "k", reason=name)
    log.say(180, "job.started", "background", "l")
    log.say(181, "job.failed", "background", "l", error=name, message=name)
    log.say(190, name, name, name, **{name: name})
    told = tuple(replace(event, template_id=name) for event in log.events)
    versions = [
        Revision(name, name, 1, None, name, 1_700_000_000.0, b"{}", None, None),
        Revision(name, name + "b", 2, name, "background", 1_700_000_000.1, b"{}", "m", None),
    ]
    return RunView(told, versions)


def arrays(value: Any) -> Iterator[list[Any]]:
    if isinstance(value, list):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from arrays(item)


def drawn(figure: go.Figure) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(figure.to_json())
    return told


# -- every chart -----------------------------------------------------------------------------------


@pytest.mark.parametrize("chart", CHARTS)
def test_an_empty_record_is_a_chart_that_says_so(chart: str) -> None:
    figure = CHARTS[chart][0](RunView(), None)
    (note,) = figure.layout.annotations
    assert note.text in chart_table.sentence(figure)
    assert chart_table.rows(figure) == []
    assert "0 rows" in chart_table.label(figure)


@pytest.mark.parametrize("chart", CHARTS)
def test_every_moment_of_a_run_can_be_drawn(chart: str) -> None:
    """At each event k, with what is selected perhaps not begun yet."""
    whole = RunView.of(played("perfect-storm", 4))
    last = next(e.update_id for e in reversed(whole.events) if e.kind == "update.committed")
    for k in range(len(whole.events) + 1):
        figure = CHARTS[chart][0](whole.until(k), last)
        assert chart_table.sentence(figure)


@pytest.mark.parametrize("chart", CHARTS)
def test_a_saved_run_is_drawn_as_the_run_was(chart: str) -> None:
    first = played("background-job-respect")
    again = Run.from_json(json.loads(json.dumps(first.to_json())))
    draw, _ = CHARTS[chart]
    assert drawn(draw(RunView.of(again), None)) == drawn(draw(RunView.of(first), None))


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("chart", CHARTS)
def test_names_are_text_in_figure_table_and_label(chart: str, name: str) -> None:
    """Over all texts of the figure's JSON, and in the HTML of the table."""
    record = hostile(name)
    for selected in (None, name, "a"):
        figure = CHARTS[chart][0](record, selected)
        told = list(texts(drawn(figure)))
        assert [text for text in told if set("<>$").intersection(text)] == []
        html = chart_table.table(figure, selected=selected)
        assert "<img" not in html
        assert "<a " not in html
        assert "<b>" not in html
    if chart in ("Retries", "Job", "Trace", "Versions", "Caches"):
        figure = CHARTS[chart][0](record, name)
        assert any(typed(name)[:20] in text for text in texts(drawn(figure)))


@pytest.mark.parametrize("chart", CHARTS)
def test_no_trace_has_more_points_than_a_page_can_take(chart: str) -> None:
    """A thousand updates, a job that never stops, and one who retries without end."""
    log = Log()
    for n in range(1000):
        log.say(n * 100, "update.started", f"user{n % 50}", f"u{n}")
        log.say(n * 100 + 1, "update.conflict", f"user{n % 50}", f"u{n}", attempt=1)
        log.say(n * 100 + 1, "update.retry", f"user{n % 50}", f"u{n}", attempt=1, nominal_s=0.1)
        log.say(n * 100 + 90, "update.queued", f"user{n % 50}", f"u{n}")
        log.say(n * 100 + 99, "update.committed", f"user{n % 50}", f"u{n}", version=f"v{n}")
        log.say(n * 100 + 99, "job.skipped", "background", f"j{n}", reason="Skipped")
    for n in range(800):
        log.say(200_000 + n, "update.conflict", "eve", "endless", attempt=n + 1)
        log.say(200_000 + n, "update.retry", "eve", "endless", attempt=n + 1, nominal_s=0.0)
    figure = CHARTS[chart][0](record_of(log), "endless")
    longest = max(len(array) for trace in drawn(figure)["data"] for array in arrays(trace))
    assert 0 < longest <= MOST_POINTS
    assert len(chart_table.table(figure)) < 400_000


def test_a_table_has_numbers_lists_and_nothing_in_words() -> None:
    html = chart_table.table(retries(record_of(storm()), "a"), selected="a")
    assert "<td>▶ ann</td>" in html
    assert "<td>97</td><td>100</td>" in html
    assert 'scope="col">took (ms)</th>' in html
    assert "None" not in html


# -- retries ---------------------------------------------------------------------------------------


def test_fifty_users_each_have_a_lane_and_the_selected_one_is_marked() -> None:
    record = RunView.of(played("perfect-storm", 50))
    chosen = next(e for e in record.events if e.kind == "update.committed")
    figure = retries(record, chosen.update_id)
    names = list(figure.layout.yaxis.ticktext)
    assert len(names) == 51
    assert [name for name in names if name.startswith("▶")] == [f"▶ {chosen.user}"]
    (band,) = figure.layout.shapes
    lane = names.index(f"▶ {chosen.user}")
    assert (band.y0, band.y1) == (lane - 0.5, lane + 0.5)
    assert retries(record).layout.shapes == ()


def test_of_many_updates_the_newest_are_drawn_and_the_selected_one() -> None:
    log = Log()
    for n in range(MOST_LANES + 5):
        log.say(n, "update.started", "ann", f"u{n}")
    names = list(retries(record_of(log), "u1").layout.yaxis.ticktext)
    assert names[0] == "▶ ann 2"
    assert names[-1] == f"ann {MOST_LANES + 5}"
    assert len(names) == MOST_LANES
    assert "newest" in chart_table.sentence(retries(record_of(log)))


def test_the_bar_of_the_selected_update_is_marked() -> None:
    (note,) = attempts(record_of(storm()), "a").layout.annotations
    assert (note.text, note.x, note.y) == ("▶ ann", 2, 1)


# -- trace -----------------------------------------------------------------------------------------


def test_the_waterfall_has_the_spans_of_the_selected_update() -> None:
    told = chart_table.rows(waterfall(record_of(storm()), "a"))
    assert [row["span"] for row in told][:4] == ["request", "attempt 1", "wait", "queue"]
    request, lost, wait = told[:3]
    assert request["took_ms"] == pytest.approx(131, abs=0.1)
    assert (lost["within"], lost["status"]) == ("request", "conflict")
    assert wait["took_ms"] == pytest.approx(97, abs=0.1)
    assert "nominal 100.0 ms" in str(wait["facts"])


def test_without_a_selection_it_is_the_slowest_update() -> None:
    """Of the users': a job that takes longer is not what is looked for."""
    log = storm()
    log.say(900, "job.committed", "background", "j2", version="9", attempts=1)
    assert "the slowest update, ann" in chart_table.sentence(waterfall(record_of(log)))
    assert waterfall(record_of(log), "b").layout.title.text.startswith("Trace of ben: committed")


def test_a_lost_answer_is_settled_by_what_the_store_holds() -> None:
    log = Log()
    log.say(0, "update.started", "ann", "a")
    log.say(9, "update.failed", "ann", "a", error="OutcomeUnknownError")
    record = record_of(log)
    assert "Trace of ann: unknown" in chart_table.sentence(waterfall(record, "a"))
    known = replace(record, versions=[stored(2, "ann", 1_700_000_000.005, "a")])
    assert "Trace of ann: committed" in chart_table.sentence(waterfall(known, "a"))


def test_a_selected_update_that_has_not_begun_is_told() -> None:
    assert "has not begun here" in chart_table.sentence(waterfall(record_of(storm()), "zzz"))


# -- speed -----------------------------------------------------------------------------------------


def at_a_second_each(count: int) -> RunView:
    log = Log()
    for n in range(count):
        log.say(n * 1000, "update.started", "ann", f"u{n}")
        log.say(n * 1000 + n + 1, "update.committed", "ann", f"u{n}", version=f"v{n}")
    return record_of(log)


def test_latency_has_percentiles_for_each_slot_of_time() -> None:
    log = Log()
    for n in range(100):
        log.say(0, "update.started", "ann", f"u{n}")
        log.say(n + 1, "update.committed", "ann", f"u{n}", version=f"v{n}", latency_s=(n + 1) / 1e3)
    log.say(50_000, "update.started", "ben", "late")
    log.say(50_400, "update.unchanged", "ben", "late")
    first, last = chart_table.rows(latency(record_of(log)))
    assert [first[p] for p in ("p50_ms", "p95_ms", "p99_ms", "max_ms")] == [50, 95, 99, 100]
    assert (last["from_s"], last["updates"], last["p99_ms"]) == (50, 1, pytest.approx(400, abs=0.1))
    told = chart_table.sentence(latency(record_of(log)))
    assert "p50 51 ms, p95 96 ms, p99 100 ms, the slowest 400 ms of the 3000 allowed" in told


def test_percentiles_are_those_of_the_runs_report() -> None:
    shown = played("stress-test", 10)
    took = sorted(a.took_ms or 0.0 for a in answers(RunView.of(shown)))
    assert max(took) == pytest.approx(shown.summary()["latency_ms"]["max"], abs=1)
    assert len(took) == shown.summary()["updates"]["attempted"]


def test_throughput_counts_every_answer_once() -> None:
    told = chart_table.rows(throughput(at_a_second_each(30)))
    assert sum(int(row["committed"]) for row in told) == 30
    assert sum(float(row["per_s"]) * 0.5 for row in told) == pytest.approx(30)
    assert {row["to_s"] - row["from_s"] for row in told} == {0.5}


@pytest.mark.parametrize("lasted_s", [0.0, 0.1, 3.0, 60.0, 3600.0, 1e6])
def test_slots_never_grow_in_number(lasted_s: float) -> None:
    assert lasted_s / slot_s(lasted_s) < MOST_SLOTS


def test_the_selected_answer_is_ringed() -> None:
    figure = latency(record_of(storm()), "a")
    (ring,) = (trace for trace in figure.data if "selected" in trace.name)
    assert (ring.name, list(ring.x)) == ("▶ selected: ann", [pytest.approx(0.131)])


# -- the job ---------------------------------------------------------------------------------------


def test_a_job_that_writes_within_the_cooldown_is_a_violation() -> None:
    """And the judge says so, too."""
    rude = run("background-job-respect", on="simulation", solution=build_rude_job)
    broken = [one for one in moments(RunView.of(rude)) if one.what == "violation"]
    judged = [f for f in rude.findings if f.kind == "cooldown-broken"]
    assert len(broken) == len(judged) == 1
    assert "violation" in chart_table.sentence(job_axis(RunView.of(rude)))
    assert not [
        o for o in moments(RunView.of(played("perfect-storm", 50))) if o.what == "violation"
    ]


def test_a_polite_job_is_told_with_its_message() -> None:
    figure = job_axis(RunView.of(played("background-job-respect")))
    told = [(row["what"], row["who"]) for row in chart_table.rows(figure)]
    assert told[0][0] == "created"
    assert [what for what, who in told if who == "background"][-2:] == ["skipped", "wrote"]
    (words,) = (trace for trace in figure.data if trace.type == "scatter" and trace.mode == "text")
    assert words.text[0].startswith("○ Skipped - recent user update")


def test_bands_that_touch_are_one() -> None:
    at = 1_700_000_000.0
    versions = [stored(n + 1, "ann", at + when) for n, when in enumerate((0, 3, 20, 24.9, 29))]
    versions.append(stored(6, "background", at + 34.0))
    versions.append(stored(7, "background", at + 34.1))
    figure = job_axis(RunView((), versions))
    (band,) = (trace for trace in figure.data if "cooldown" in trace.name and trace.type == "bar")
    assert list(band.base) == [0, 20]
    assert list(band.x) == [pytest.approx(8), pytest.approx(14)]
    assert [o.what for o in moments(RunView((), versions))][-2:] == ["wrote", "wrote"]
    early = [*versions, stored(8, "ann", at + 40), stored(9, "background", at + 44.99)]
    assert moments(RunView((), early))[-1].what == "violation"


def test_commits_that_only_events_tell_of_are_there_once() -> None:
    """Live: the log runs ahead of what was read from the store."""
    events = tuple(storm().events)
    at = events[0].at
    assert sum(o.what == "commit" for o in moments(RunView(events))) == 2
    some = [
        stored(1, "ann", at - 9),
        Revision("form", "2-b", 2, "1-x", "ben", at, b"{}", "b", None),
    ]
    assert [o.version for o in moments(RunView(events, some))] == ["1-x", "2-b", "3-c", None]


def test_templates_do_not_cool_each_other_down() -> None:
    at = 1_700_000_000.0
    other = Revision("other", "1-y", 1, "0-y", "background", at + 1, b"{}", None, None)
    assert moments(RunView((), [stored(2, "ann", at), other]))[-1].what == "wrote"


# -- versions --------------------------------------------------------------------------------------


def test_versions_are_counted_and_marked_by_who_committed() -> None:
    figure = versions(RunView.of(played("background-job-respect")))
    told = chart_table.rows(figure)
    assert [(row["number"], row["what"]) for row in told] == [
        (1, "created"),
        (2, "user"),
        (3, "job"),
    ]
    assert [one.name for one in figure.data if one.name] == [
        "☆ template created",
        "✓ commit of a user",
        "■ commit of the job",
    ]
    steps = figure.data[0]
    assert (list(steps.y), steps.line.shape) == ([1, 2, 3, 3], "hv")
    assert "3; 1 created, 1 by 1 user, 1 by the job" in chart_table.sentence(figure)
    assert len({one.marker.symbol for one in figure.data if one.name}) == 3


def test_every_version_of_a_storm_is_there_once_in_the_stores_order() -> None:
    shown = played("perfect-storm", 50)
    told = chart_table.rows(versions(RunView.of(shown)))
    assert [row["number"] for row in told] == list(range(1, 52))
    assert [row["version"] for row in told] == [one.version for one in shown.history.commits]


def test_templates_are_counted_apart() -> None:
    at = 1_700_000_000.0
    other = Revision("other", "1-y", 1, None, "ann", at + 1, b"{}", None, None)
    figure = versions(RunView((), [stored(1, "ann", at), other, stored(2, "ben", at + 2)]))
    assert [row["number"] for row in chart_table.rows(figure)] == [1, 2, 1]
    assert sum(one.mode == "lines" for one in figure.data) == 2


def test_the_selected_version_is_ringed_and_few_are_named() -> None:
    figure = versions(record_of(storm()), "a")
    (ring,) = (one for one in figure.data if "selected" in (one.name or ""))
    assert (ring.name, list(ring.y)) == ("▶ selected: ann", [2])
    (users,) = (one for one in figure.data if one.name == "✓ commit of a user")
    assert [text.strip() for text in users.text] == ["ben", "ann"]
    assert "version 2 3-c of form at 0.111 s" in users.hovertext[1]
    many = [stored(n, "ann", 1_700_000_000.0 + n) for n in range(1, MOST_LABELS + 2)]
    assert [one.text for one in versions(RunView((), many)).data if one.text] == []


# -- caches ----------------------------------------------------------------------------------------


def held(figure: go.Figure, user: str) -> list[tuple[Any, Any, Any, Any]]:
    """What was in this user's cache: state, version, from and to in milliseconds."""
    return [
        (row["state"], row["version"], *(round(1000 * float(row[n])) for n in ("from_s", "to_s")))
        for row in chart_table.rows(figure)
        if row["user"] == user
    ]


def cached() -> Log:
    """Ann and ben read version 1; ann commits version 2; ben reads again; the job has no cache."""
    log = Log()
    log.say(0, "cache.miss", "ann", "a", reason="empty")
    log.say(10, "cache.filled", "ann", "a", version="1-a")
    log.say(20, "cache.filled", "ben", "b", version="1-a")
    log.say(30, "job.started", "background", "j")
    log.say(40, "cache.filled", "ann", "a", version="2-b")
    log.say(41, "update.committed", "ann", "a", version="2-b", attempts=1)
    log.say(60, "cache.filled", "ben", "b", version="2-b")
    log.say(70, "cache.hit", "ben", "b", version="2-b")
    return log


def test_a_cache_is_empty_then_fresh_then_stale_then_fresh() -> None:
    figure = caches(record_of(cached()), "a")
    assert held(figure, "ann") == [
        ("Empty", None, 0, 10),
        ("Fresh", "1-a", 10, 40),
        ("Fresh", "2-b", 40, 70),
    ]
    assert held(figure, "ben") == [
        ("Empty", None, 0, 20),
        ("Fresh", "1-a", 20, 40),
        ("Stale", "1-a", 40, 60),
        ("Fresh", "2-b", 60, 70),
    ]
    assert held(figure, "System") == [("Empty", None, 0, 70)]
    assert list(figure.layout.yaxis.ticktext) == ["▶ ann", "ben", "System"]
    assert "2 Fresh, 1 Empty at the end; an entry went stale 1 time" in chart_table.sentence(figure)
    (words,) = (one for one in figure.data if one.type == "scatter")
    assert [text.strip() for text in words.text] == ["✓ Fresh: 2-b", "✓ Fresh: 2-b", "○ Empty"]


def test_two_commits_told_in_the_other_order_leave_the_newest_fresh() -> None:
    """The store's order decides: an older version that is told later makes no cache stale."""
    log = Log()
    log.say(0, "cache.filled", "ann", "a", version="3-x")
    log.say(1, "update.committed", "ann", "a", version="3-x", attempts=1)
    log.say(2, "update.committed", "ben", "b", version="2-x", attempts=1)
    log.say(3, "cache.filled", "ben", "b", version="2-x")
    told = [stored(n, who, 1_700_000_000.0) for n, who in enumerate(("ann", "ben", "ann"), 1)]
    figure = caches(RunView(tuple(log.events), told))
    assert [one[0] for one in held(figure, "ann")] == ["Empty", "Fresh"]
    assert [one[0] for one in held(figure, "ben")] == ["Empty", "Stale"]


@pytest.mark.parametrize("scenario", ["cache-consistency", "perfect-storm", "stress-test"])
def test_the_last_states_are_those_of_the_cards(scenario: str) -> None:
    """The cards fold the same events, and take the store's word for the newest version."""
    shown = played(scenario)
    record = RunView.of(shown)
    standing = DashboardState(record.events)
    (final,) = shown.history.finals
    standing.settle(final.template_id, final.version)
    cards = standing.caches(record.now)
    told = {row["user"]: row for row in chart_table.rows(caches(record)) if row["is_now"]}
    for user, card in cards.items():
        row = told.get(person(user, "System"))
        assert card.state == (row["state"] if row else "Empty")
        assert card.version == (row["version"] if row else None)


def test_events_of_one_time_are_drawn_in_their_order() -> None:
    """A simulated run may take no time at all; its caches change all the same."""
    log = cached()
    at_once = [replace(event, at=1_700_000_000.0) for event in log.events]
    figure = caches(RunView(tuple(at_once)))
    (stale,) = (one for one in figure.data if one.name == "⚠ Stale")
    assert (list(stale.base), list(stale.x)) == ([4], [2])
    assert "in order" in figure.layout.xaxis.title.text


def test_of_many_caches_the_first_are_drawn_and_all_are_in_the_table() -> None:
    log = Log()
    for n in range(MOST_CACHES + 5):
        log.say(n, "cache.filled", f"user{n:03}", f"u{n}", version="1-a")
    figure = caches(record_of(log))
    assert len(figure.layout.yaxis.ticktext) == MOST_CACHES
    assert f"the first {MOST_CACHES} drawn" in chart_table.sentence(figure)
    assert len({row["user"] for row in chart_table.rows(figure)}) == MOST_CACHES + 5


def test_a_fact_of_another_type_harms_no_chart() -> None:
    facts = {"attempt": "x", "latency_s": "y", "version": 7, "reason": 3, "nominal_s": [], "at": {}}
    kinds = [kind for kind in Event.KINDS if kind.startswith(("update.", "job.", "cache."))]
    told = [Event.of(n, kind, float(n), "ann", "a", None, facts) for n, kind in enumerate(kinds)]
    for draw, _ in CHARTS.values():
        assert chart_table.sentence(draw(RunView(tuple(told)), "a"))


@pytest.mark.parametrize("text", ["<b>" * 100_000, "1" * 300_000, "half a pair: \ud800"])
def test_what_a_solution_says_at_length_is_cut_and_can_be_sent(text: str) -> None:
    """As a reason, an error, a name: ten megabytes of it are no page."""
    facts = {"reason": text, "error": text, "message": text, "version": text}
    kinds = [kind for kind in Event.KINDS if kind.startswith(("update.", "job.", "cache."))]
    told = [Event.of(n, kind, float(n), text, "a", "form", facts) for n, kind in enumerate(kinds)]
    for draw, _ in CHARTS.values():
        figure = draw(RunView(tuple(told)), "a")
        assert len(figure.to_json().encode()) < 300_000
        assert len(chart_table.table(figure).encode()) < 300_000
