"""The page of a saved run: whole, self-contained, inert, and text as it was typed."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from syncsim.lab.engines.runner import run
from syncsim.lab.history.findings import Finding
from syncsim.lab.results.run import Run
from syncsim.lab.results.saved_run import read_run
from syncsim.lab.scenarios import SCENARIOS, catalogue
from syncsim.lab.scenarios.edits import NumberedEdit
from syncsim.lab.solutions.broken.blind_write import BlindWrite
from syncsim.lab.solutions.broken.rude_job import RudeJob
from syncsim.ui.room.report.log import MOST_LINES, SCRIPT
from syncsim.ui.room.report.page import SECTIONS, figure_rows, report_page
from syncsim.ui.room.report.pictures import (
    MOST_ROWS,
    Picture,
    job_picture,
    latency_picture,
    retry_picture,
)
from syncsim.ui.room.run_view import RunView
from syncsim.ui.room.timing.moments import moments
from tests.sequence_parts import failure
from tests.test_sequence_html import ALLOWED, HOSTILE, Reader

OF_THE_PAGE = {
    *("header", "footer", "section", "nav", "ul", "a", "h3", "h4", "script", "small", "i"),
    *("form", "label", "input", "select", "option", "button", "details", "summary", "ins", "del"),
}
CONTROLS = {"input", "meta", "br"}


class PageReader(Reader):
    VOID = frozenset(CONTROLS)


def saved(scenario: str, **parameters: Any) -> Run:
    """A simulated run, through the text of its file."""
    return read_run(json.dumps(run(scenario, **parameters).to_json()).encode())


def check(page: str) -> PageReader:
    """Known elements, no handler, no address, and one script: the one that the policy names."""
    read = PageReader(page)
    assert read.tags <= ALLOWED | OF_THE_PAGE
    for tag, attributes in read.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "src"]
        assert (attributes.get("href") or "#").startswith("#"), tag
    assert "://" not in page
    assert "url(" not in page
    scripts = re.findall(r"<script>(.*?)</script>", page, re.S)
    assert scripts == [SCRIPT]
    digest = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    policy = next(a["content"] or "" for t, a in read.elements if "http-equiv" in a)
    assert policy.startswith("default-src 'none';")
    assert f"script-src 'sha256-{digest}'" in policy
    return read


# -- what is on it ---------------------------------------------------------------------------------


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_scenario_has_a_page_that_is_whole_and_small(scenario: str) -> None:
    played = saved(scenario)
    page = report_page(played)
    read = check(page)
    assert len(page.encode()) < 500_000
    assert f"PASSED {scenario}" in read.text
    ids = [attributes["id"] for _, attributes in read.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert set(SECTIONS) <= set(ids)
    assert [t for t, _ in read.elements].count("main") == 1
    assert [t for t, _ in read.elements].count("h1") == 1


def test_a_page_has_verdict_figures_log_conflicts_versions_and_pictures() -> None:
    played = saved("perfect-storm", seed=3)
    text = check(report_page(played)).text
    assert "The judges found nothing wrong" in text
    assert "2 of 2 updates (100 %)" in text
    assert re.search(r"\[\d\d:\d\d:\d\d\] CONFLICT: Version mismatch", text)
    assert "Retry 1 (100ms backoff)" in text
    assert "Both changes preserved" in text
    for commit in played.history.commits:
        assert text.count(commit.version) > 1
    assert "merged with 1 version by" in text
    assert f"syncsim replay perfect-storm {played.token}" in text
    assert text.count("The same as a table") == 3


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_no_heading_skips_a_level(scenario: str) -> None:
    read = check(report_page(saved(scenario)))
    levels = [int(tag[1]) for tag, _ in read.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_a_failed_run_says_what_was_found_and_how_to_have_it_again() -> None:
    found = failure(BlindWrite, "perfect-storm")
    text = check(report_page(replace(found.run.run, token=found.shrunk))).text
    assert "FAILED perfect-storm" in text
    assert "D1 Data loss" in text
    assert "✗ no" in text
    assert "Before and after" in text
    assert f"Token of the run: {found.shrunk}" in text


def test_an_inconclusive_run_is_neither_passed_nor_failed() -> None:
    played = saved("perfect-storm", seed=3)
    too_little = Finding("inconclusive", "no-conflict", "nobody met anybody")
    text = check(report_page(Run(played.setting, played.history, (too_little,), 0.1))).text
    assert "INCONCLUSIVE perfect-storm" in text
    assert "nobody met anybody" in text


def test_what_is_left_out_of_a_long_run_is_told() -> None:
    played = saved("stress-test", seed=3, updates=MOST_ROWS + 5)
    text = check(report_page(played)).text
    assert len(played.events) > MOST_LINES
    before = len(played.events) - MOST_LINES
    assert f"{MOST_LINES:,} lines" in text
    assert f"{before:,} lines before them are left out" in text
    assert "more rows are left out here" in text
    assert "earlier rows are left out here" in text


def test_a_run_in_which_nothing_happened_still_has_a_page() -> None:
    played = saved("perfect-storm", seed=3)
    history = type(played.history)()
    text = check(report_page(Run(played.setting, history, (), 0.0))).text
    assert "No event was logged." in text
    assert "No update began." in text
    assert "The job did not run." in text


def test_a_mark_is_judged_only_where_it_is_meant() -> None:
    met = {row[0]: row[3] for row in figure_rows(saved("retry-ladder").summary())}
    assert met["Success rate"] == "one is meant to fail"
    assert met["Cache hit rate"] == "another scenario"
    met = {row[0]: row[3] for row in figure_rows(saved("sustained").summary())}
    assert {met[name] for name in ("Success rate", "Cache hit rate", "Latency")} == {"✓ yes"}


# -- text as typed ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_text_everywhere(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As users of a real run, in what they typed, and as what a solution calls itself."""
    names = (name, f"{name[:150]}2")
    monkeypatch.setattr(catalogue, "user_names", lambda count: names[:count])
    if len(name) > 100:
        monkeypatch.setattr(NumberedEdit, "text", property(lambda edit: f"edit {edit.which}"))
    played = saved("perfect-storm", users=2, seed=3)
    assert {o.user for o in played.history.operations} >= set(names)
    plain = check(report_page(saved("perfect-storm", users=2, seed=3)))
    record = played.to_json()
    for key in ("solution", "scenario", "template", "store", "on", "retry"):
        record[key] = f"{name}.py"
    for event in record["history"]["events"]:
        event["facts"]["said"] = name
        event["kind"] = event["kind"] if event["seq"] % 2 else name
    record["findings"] = [
        {"code": "D1", "kind": name, "message": name, "operations": [], "token": None}
    ]
    read = check(report_page(read_run(json.dumps(record).encode())))
    assert "<" not in name or name[:20] in read.text
    assert not read.tags - plain.tags - {"ul", "li", "strong", "pre", "h3"}


# -- pictures --------------------------------------------------------------------------------------


def test_the_retry_picture_has_a_lane_a_wait_and_its_nominal_length() -> None:
    picture = retry_picture(RunView.of(saved("perfect-storm", seed=3)))
    row = next(row for row in picture.rows if row[4])
    assert row[5] == "100"
    assert "↻" in picture.svg
    assert 'class="nominal"' in picture.svg
    assert "2 waits before a retry" in picture.sentence


def test_the_job_picture_shows_a_band_the_skip_and_the_run_after_it() -> None:
    picture = job_picture(RunView.of(saved("background-job-respect")))
    words = [row[2] for row in picture.rows]
    assert words[:2] == ["☆ created", "✓ committed"]
    assert words[2].startswith("○ Skipped - recent user update")
    assert words[3] == "✓ processed"
    assert 'class="band"' in picture.svg


def test_a_job_that_writes_within_the_cooldown_is_marked() -> None:
    rude = failure(RudeJob, "background-job-respect", users=1).run.run
    picture = job_picture(RunView.of(rude))
    assert "✗ wrote within the cooldown" in [row[2] for row in picture.rows]
    assert 'class="cross"' in picture.svg


def test_the_picture_of_the_job_is_judged_like_the_chart() -> None:
    """A commit exactly at the end of the cooldown is polite, although a float falls short of it."""
    played = saved("background-job-respect")
    commits = [replace(c, at=1_700_000_000.3) for c in played.history.commits[:2]]
    commits.append(replace(played.history.commits[-1], at=1_700_000_000.3 + 4.9999999))
    record = RunView((), commits)
    assert [moment.what for moment in moments(record)] == ["created", "commit", "wrote"]
    assert job_picture(record).rows[-1][2] == "✓ processed"


def test_percentiles_that_fall_together_have_one_line() -> None:
    picture = latency_picture(RunView.of(saved("retry-ladder")))
    assert "p95, p99: " in picture.svg
    assert picture.svg.count('class="mark"') == 2


@pytest.mark.parametrize("picture", [retry_picture, latency_picture, job_picture])
def test_every_picture_can_be_drawn_of_any_beginning_of_a_run(picture: Any) -> None:
    whole = RunView.of(saved("perfect-storm", seed=3))
    for k in range(len(whole.events) + 1):
        drawn: Picture = picture(whole.until(k))
        assert drawn.sentence
        assert not drawn.svg or 'role="img" aria-label="' in drawn.svg
        assert "nan" not in drawn.svg


@pytest.mark.parametrize("at", [1e308, -1e308, 0.0])
def test_times_that_no_calendar_has_can_be_drawn(at: float) -> None:
    """A solution may say any finite time with an event, and a saved run may have been edited."""
    record = run("perfect-storm", seed=3).to_json()
    for event in record["history"]["events"][::7]:
        event["at"] = at
    record["history"]["commits"][-1]["at"] = at
    page = report_page(read_run(json.dumps(record).encode()))
    check(page)
    assert 'width="nan"' not in page
    assert "infinity" not in page


def test_a_page_needs_none_of_the_libraries_for_notebooks() -> None:
    """So that a plain installation can write one."""
    code = "import syncsim.ui.room.report.page, sys, json; print(json.dumps(sorted(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in json.loads(out.stdout)}
    assert not loaded & {"plotly", "pandas", "ipywidgets", "anywidget", "IPython"}


# -- the file --------------------------------------------------------------------------------------


def broken(**changes: Any) -> bytes:
    record = run("perfect-storm", seed=3).to_json()
    for path, value in changes.items():
        *above, last = path.split("__")
        place: Any = record
        for step in above:
            place = place[int(step) if step.isdecimal() else step]
        place[last] = value
    return json.dumps(record).encode()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "expected JSON"),
        (b"\xff\xfe", "expected JSON"),
        (b"[" * 100_000, "nested too deep"),
        (b"[]", "format 'syncsim-run/1'"),
        (b'{"format": "syncsim-run/2"}', "a newer syncsim saved it"),
        (b'{"format": "syncsim-run/1"}', "/findings in the saved run cannot be 'missing'"),
        (broken(seed="seven"), "/seed in the saved run cannot be 'seven'"),
        (broken(history__events__0__at="5"), "/history/events/0/at"),
        (broken(history__commits__0__document=[]), "/history/commits/0/document"),
        (broken(history__commits__0__more=1), "unexpected keyword argument"),
        (broken(history__commits__0__document={"name": "\ud800"}), "/history/commits/0/document"),
        (broken(history__operations__0__changes={"n": 10**30}), "/history/operations/0/changes"),
        (broken(findings=[{"code": "D1"}]), "/findings/0/kind"),
        (
            broken(
                findings=[
                    {"code": "Z9", "kind": "k", "message": "m", "operations": [], "token": None}
                ]
            ),
            "a code of the rubric",
        ),
    ],
)
def test_what_is_no_saved_run_is_refused_with_the_place(body: bytes, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        read_run(body)


def test_an_edited_id_that_is_no_text_can_be_shown() -> None:
    record = run("perfect-storm", seed=3).to_json()
    (typed,) = [
        o for o in record["history"]["operations"] if o.get("changes") and o["user"] == "ann"
    ]
    typed["changes"] = {"fields": record["history"]["commits"][0]["document"]["fields"]}
    typed["changes"]["fields"][0] = {**typed["changes"]["fields"][0], "id": 5}
    assert check(report_page(read_run(json.dumps(record).encode())))


def test_half_a_surrogate_pair_can_be_saved_read_and_shown() -> None:
    """A solution may say anything with an event; the page is UTF-8."""
    record = run("perfect-storm", seed=3).to_json()
    for event in record["history"]["events"]:
        event["facts"]["said"] = "half \ud800"
        event["user"] = "\udfff"
    again = read_run(json.dumps(record).encode())
    assert again.events[0].facts["said"] == "half \ud800"
    assert "half \\ud800" in check(report_page(again)).text
    assert report_page(again).encode()


def test_a_saved_run_reads_as_it_was() -> None:
    played = run("stress-test", seed=3)
    again = read_run(json.dumps(played.to_json()).encode())
    assert replace(again, duration_s=played.duration_s) == played
    assert again.to_json() == played.to_json()
