"""The room's charts in a real browser: one widget for all of them, named, as wide as its box."""

from __future__ import annotations

import json
from html import unescape
from typing import Any
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visit

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]

HOSTILE = "<img src=x onerror=alert(1)>"
SETUP = f"""
from dataclasses import replace
import ipywidgets
from syncsim.lab.solutions.broken.rude_job import build
from syncsim.lab.engines.runner import run
from syncsim.ui.room.figures import FiguresPanel
from syncsim.ui.room.run_view import RunView

name = {HOSTILE!r}
storm = RunView.of(run("perfect-storm", on="simulation", users=20, seed=7))
first = storm.events[0].user
told = [replace(e, user=name if e.user == first else e.user) for e in storm.events]
rude = RunView.of(run("background-job-respect", on="simulation", solution=build))
records = dict(storm=replace(storm, events=told), rude=rude, nothing=RunView())
panel = FiguresPanel()
choice = ipywidgets.ToggleButtons(options=list(records))
choice.observe(lambda _: panel.show(records[choice.value], at_once=True), names="value")
panel.show(records["storm"])
ipywidgets.VBox([choice, panel.widget])
"""
DRAWN = """() => {
  const plot = document.querySelector(".syncsim-chart .js-plotly-plot");
  const picture = plot?.querySelector("svg.main-svg");
  return {
    plots: document.querySelectorAll(".js-plotly-plot").length,
    axis: plot?.layout?.xaxis?.title?.text ?? null,
    notes: (plot?.layout?.annotations ?? []).map((note) => note.text),
    lanes: plot?.layout?.yaxis?.ticktext ?? [],
    labels: [...(plot?.querySelectorAll(".ytick text") ?? [])].map((label) => label.textContent),
    width: picture?.getBoundingClientRect().width ?? 0,
    box: document.querySelector(".syncsim-chart")?.clientWidth ?? -1,
    height: picture?.getBoundingClientRect().height ?? 0,
  };
}"""
AXES = {
    "Attempts": "write attempts (1 = no retry)",
    "Trace": "time since this update began (ms)",
    "Throughput": "time since the first event (s)",
    "Job": "time since the first commit or run (s)",
    "Versions": "time since the first version (s)",
    "Caches": "time since the first event (s)",
    "Retries": "time since the first update began (ms)",
}


def put(address: str, path: str, *sources: str) -> None:
    """A notebook of these code cells, in the folder that JupyterLab serves."""
    cell = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
    kernel = {"name": "python3", "display_name": "Python 3"}
    content = {
        "cells": [{**cell, "source": source, "id": f"c{n}"} for n, source in enumerate(sources)],
        "metadata": {"kernelspec": kernel},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    body = json.dumps({"type": "notebook", "content": content}).encode()
    headers = {"Authorization": "token for-the-test", "Content-Type": "application/json"}
    with urlopen(Request(f"{address}/api/contents/{path}", body, headers, method="PUT")):
        pass


def check_lanes_are_named(shown: Any) -> None:
    """What the page writes along the axis is what the chart calls its lanes."""
    if shown["lanes"]:
        named = [unescape(lane) for lane in shown["lanes"] if lane]
        assert sorted(filter(None, shown["labels"])) == sorted(named)


def test_one_figure_shows_every_chart(visit: Visit, lab: str) -> None:
    """Every chart replaces the one before, fills its box, and shows a hostile name as text."""
    put(lab, "notebooks/figures.ipynb", SETUP)
    page = visit.page
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    visit.open(lab, "figures.ipynb")
    visit.run_all()
    page.wait_for_function(f"({DRAWN})().axis === {AXES['Retries']!r}", timeout=90_000)
    page.wait_for_function(f"(({DRAWN})().width - ({DRAWN})().box) ** 2 < 400")
    assert HOSTILE.replace("<", "&lt;").replace(">", "&gt;") in page.evaluate(DRAWN)["lanes"]
    expect(page.locator(".syncsim-chart img")).to_have_count(0)
    for chart, axis in AXES.items():
        page.get_by_role("button", name=chart, exact=True).click()
        page.wait_for_function(f"({DRAWN})().axis === {axis!r}", timeout=30_000)
        shown = page.evaluate(DRAWN)
        assert shown["plots"] == 1
        assert abs(shown["width"] - shown["box"]) < 20
        assert shown["height"] >= 400
        check_lanes_are_named(shown)
    box = page.get_by_role("img", name="Chart. Retry timeline")
    expect(box).to_be_visible()
    page.get_by_role("button", name="nothing", exact=True).click()
    page.wait_for_function(f"({DRAWN})().notes[0] === 'No update has begun yet'", timeout=30_000)
    page.get_by_role("button", name="rude", exact=True).click()
    page.get_by_role("button", name="Job", exact=True).click()
    expect(page.locator(".syncsim-sentence")).to_contain_text("violation")
    page.wait_for_function(f"({DRAWN})().axis === {AXES['Job']!r}", timeout=30_000)
    assert page.evaluate(DRAWN)["notes"] == []
    for chart in ("Versions", "Caches", "Versions", "Job"):  # numbers along the axis, then names
        page.get_by_role("button", name=chart, exact=True).click()
        page.wait_for_function(f"({DRAWN})().axis === {AXES[chart]!r}", timeout=30_000)
        check_lanes_are_named(page.evaluate(DRAWN))
    page.get_by_label("as a table").check()
    expect(page.locator(".syncsim-table td", has_text="violation").first).to_be_visible()
    expect(page.locator(".syncsim-chart")).to_be_hidden()
    page.get_by_role("button", name="Retries", exact=True).click()
    page.get_by_role("button", name="storm", exact=True).click()
    expect(page.locator(".syncsim-table td", has_text=HOSTILE).first).to_be_visible()
    page.get_by_label("as a table").uncheck()
    page.wait_for_function(f"({DRAWN})().axis === {AXES['Retries']!r}", timeout=30_000)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert (visit.errors(), visit.foreign, visit.complaints, dialogs) == ([], [], [], [])
