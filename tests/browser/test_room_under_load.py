"""The live panels in a real browser under load: frames, lag, clicks, memory and what it costs.

The budgets of time are those of a machine alone. Where others use it too, a clock runs on while
the page waits for its turn; so while a load lasts it is measured how much longer than its processor
time a short calculation takes, and times are judged against the budget times that `crowding` (1.0
on a machine alone). Each load may be repeated once. Every attempt is printed, as measured.
"""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import nbformat
import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]

HERE = Path(__file__).parent
NOTEBOOK = "under_load.ipynb"
SECONDS = 30
ATTEMPTS = 2

PROBE = """() => {
  const probe = { tasks: [], gaps: [], shown: [], began: performance.now() };
  new PerformanceObserver((list) => {
    for (const task of list.getEntries()) probe.tasks.push(task.duration);
  }).observe({ type: "longtask" });
  let last = performance.now();
  const frame = (now) => { probe.gaps.push(now - last); last = now; requestAnimationFrame(frame); };
  requestAnimationFrame(frame);
  const log = document.querySelector(".sc-log");
  let before = Number(log.dataset.t) || Date.now();
  new MutationObserver(() => {
    const newest = Number(log.dataset.t);
    if (newest === before) return;
    const oldest = before;
    before = newest;
    requestAnimationFrame(() => probe.shown.push([oldest, newest, Date.now()]));
  }).observe(log, { attributes: true, attributeFilter: ["data-t"] });
  window.probe = probe;
}"""
"""Tasks and frame gaps in ms; of each picture the times of its oldest and newest event and of the
frame after it, when it was on the screen."""

CLEARED = "() => { for (const k of ['tasks', 'gaps', 'shown']) window.probe[k] = []; }"

CLICKED = """([selector, change]) => {
  const [target, shows] = [document.querySelector(selector), document.querySelector(change)];
  window.click = new Promise((done) => {
    target.addEventListener("click", () => {
      const began = performance.now();
      const seen = new MutationObserver(() => {
        seen.disconnect();
        requestAnimationFrame(() => done(performance.now() - began));
      });
      seen.observe(shows, { childList: true, characterData: true, attributes: true });
    }, { once: true, capture: true });
  });
}"""


@dataclass
class Figures:
    """What one load cost, as measured in the page and said by the kernel."""

    rate: int
    tasks_ms: list[float]
    gap_ms: float
    lag_ms: float
    idle_clicks_ms: list[float]
    clicks_ms: list[float]
    heap_mb: float
    nodes: int
    missing: int
    skipped: int
    cpu_share: float
    page_share: float
    crowding: float

    def line(self) -> str:
        cells = (
            f"{self.rate}/s",
            f"{sum(task > 100 for task in self.tasks_ms)}",
            f"{max(self.tasks_ms, default=0):.0f}",
            f"{self.gap_ms:.0f}",
            f"{self.lag_ms:.0f}",
            f"{median(self.idle_clicks_ms):.0f} / {median(self.clicks_ms):.0f}",
            f"{self.heap_mb:+.1f}",
            f"{self.nodes}",
            f"{self.missing + self.skipped}",
            f"{self.cpu_share:.0%}",
            f"{self.page_share:.0%}",
            f"{self.crowding:.1f}",
        )
        return f"| {' | '.join(cells)} |"

    def missed(self) -> list[str]:
        """The budgets that this load did not keep."""
        allowed, lag_ms = (0, 250) if self.rate == 100 else (3, 500)
        click_ms = 150 * self.crowding
        long = sum(task > 100 * self.crowding for task in self.tasks_ms)
        budgets = {
            f"at most {allowed} tasks > 100 ms": long <= allowed,
            "p95 frame gap < 34 ms": self.gap_ms < 34 * self.crowding or self.rate > 100,
            f"event to screen p95 < {lag_ms} ms": self.lag_ms < lag_ms * self.crowding,
            "click to change, idle, median < 150 ms": median(self.idle_clicks_ms) < click_ms,
            "click to change, median < 150 ms": median(self.clicks_ms) < click_ms,
            "heap < 10 MB above the start": self.heap_mb < 10 or self.rate > 100,
            "fewer than 12,000 DOM nodes": self.nodes < 12_000,
            "no event missing": not self.missing and not self.skipped,
            "kernel < 25 % of a core": self.cpu_share < 0.25,
        }
        return [budget for budget, is_kept in budgets.items() if not is_kept]


HEADER = (
    "| load | tasks > 100 ms | longest ms | p95 gap ms | p95 lag ms | click ms idle / loaded "
    "| heap MB | nodes | missing | kernel | page | crowding |"
)


@contextmanager
def crowded() -> Iterator[list[float]]:
    """How much longer than its processor time a short calculation takes, once in half a second."""
    ratios: list[float] = []
    over = threading.Event()

    def calculate() -> None:
        while not over.wait(0.5):
            began, worked = time.perf_counter(), time.thread_time()
            while time.thread_time() - worked < 0.02:
                pass
            ratios.append((time.perf_counter() - began) / (time.thread_time() - worked))

    thread = threading.Thread(target=calculate, daemon=True)
    thread.start()
    try:
        yield ratios
    finally:
        over.set()
        thread.join()


def written(lab_folder: Path, seconds: float, *more_cells: str) -> str:
    """A notebook with the live panels and their load, in the folder of the lab; its name."""
    shutil.copy(HERE / "loading.py", lab_folder / "notebooks")
    cells = (f"from loading import Loaded\n\nloaded = Loaded({seconds})\nloaded", *more_cells)
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    book = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) for cell in cells], metadata=kernel
    )
    nbformat.write(book, lab_folder / "notebooks" / NOTEBOOK)
    return NOTEBOOK


@pytest.fixture
def page(lab: str, lab_folder: Path, visit: Visit) -> Page:
    """The notebook, run."""
    visit.open(lab, written(lab_folder, SECONDS))
    visit.run_all()
    expect(visit.page.locator(".sc-log")).to_be_visible(timeout=60_000)
    visit.page.evaluate(PROBE)
    return visit.page


class Gauge:
    """What the browser says of a page: memory, DOM nodes, time at work."""

    def __init__(self, page: Page) -> None:
        self.session = page.context.new_cdp_session(page)
        self.session.send("Performance.enable")

    def heap_mb(self) -> float:
        """Megabytes in use after a garbage collection."""
        self.session.send("HeapProfiler.collectGarbage")
        return float(self.session.send("Runtime.getHeapUsage")["usedSize"]) / 1e6

    def nodes(self) -> int:
        return int(self.session.send("Memory.getDOMCounters")["nodes"])

    def busy_s(self) -> float:
        """For how long the main thread has been at work."""
        metrics = self.session.send("Performance.getMetrics")["metrics"]
        return next(float(one["value"]) for one in metrics if one["name"] == "TaskDuration")


def click_ms(page: Page, selector: str, change: str) -> float:
    """From a click to the frame after the first change, in the page's own time."""
    page.evaluate(CLICKED, [selector, change])
    page.locator(selector).first.click()
    took: float = page.evaluate("() => window.click")
    return took


def answer_ms(page: Page) -> float:
    """A click that the kernel answers."""
    return click_ms(page, ".answer", ".answer")


def lag_p95_ms(shown: list[list[float]]) -> float:
    """Events come evenly, so those of a picture are spread from its oldest to its newest."""
    lags = []
    for oldest, newest, at in shown:
        lags += [at - (oldest + (newest - oldest) * part / 10) for part in range(1, 11)]
    return quantiles(lags, n=20)[-1]


def loaded(page: Page, rate: int) -> Figures:
    """Let it run, click meanwhile, and gather what was measured."""
    log = page.locator(".sc-log")
    gauge = Gauge(page)
    before_mb = gauge.heap_mb()
    figures = page.locator(".figures")
    told = figures.inner_text()
    idle_clicks = [answer_ms(page) for _ in range(7)]
    began_s = gauge.busy_s()
    page.evaluate(CLEARED)
    with crowded() as ratios:
        page.get_by_role("button", name=f"{rate} a second", exact=True).click()
        clicks = []
        for _ in range(10):
            page.wait_for_timeout(500)
            clicks.append(answer_ms(page))
        expect(figures).not_to_have_text(told, timeout=(SECONDS + 40) * 1000)
    said: dict[str, Any] = json.loads(figures.inner_text())
    expect(log).to_have_attribute("data-count", str(said["rows"]), timeout=5000)
    probe = page.evaluate("() => window.probe")
    ended_s = gauge.busy_s()
    after_mb, nodes = gauge.heap_mb(), gauge.nodes()
    return Figures(
        rate=rate,
        tasks_ms=probe["tasks"],
        gap_ms=quantiles(probe["gaps"], n=20)[-1],
        lag_ms=lag_p95_ms(probe["shown"]),
        idle_clicks_ms=idle_clicks,
        clicks_ms=clicks,
        heap_mb=after_mb - before_mb,
        nodes=nodes,
        missing=said["made"] - said["events"],
        skipped=int(log.get_attribute("data-skipped") or 0),
        cpu_share=said["cpu_share"],
        page_share=(ended_s - began_s) / SECONDS,
        crowding=max(median(ratios), 1.0),
    )


@pytest.mark.parametrize("rate", [100, 1000])
def test_the_panels_keep_their_budgets(
    rate: int, page: Page, visit: Visit, tell: Callable[[str], None]
) -> None:
    """Thirty seconds of events, clicked meanwhile; a second attempt where the first one missed."""
    missed: list[str] = []
    for _ in range(ATTEMPTS):
        figures = loaded(page, rate)
        missed = figures.missed()
        tell(f"{HEADER}\n{figures.line()} {'; '.join(missed)}")
        if not missed:
            break
    assert missed == []
    assert visit.errors() == []
    assert visit.complaints == []
    assert visit.foreign == []


def test_two_views_and_a_page_that_was_reloaded_show_the_same(
    lab: str, lab_folder: Path, visit: Visit
) -> None:
    """What a page opened later shows comes from the kernel, which says as much as it counted."""
    page = visit.page
    visit.open(lab, written(lab_folder, 3, "loaded.live"))
    visit.run_all()
    logs = page.locator(".sc-log")
    expect(logs).to_have_count(2, timeout=60_000)
    figures = page.locator(".figures")
    page.get_by_role("button", name="100 a second", exact=True).click()
    expect(figures).to_contain_text('"rows"', timeout=20_000)
    rows = json.loads(figures.inner_text())["rows"]
    for view in (0, 1):
        expect(logs.nth(view)).to_have_attribute("data-count", str(rows))
    logs.last.locator(".sc-row").last.click()
    expect(figures).to_contain_text("selected: u")
    assert page.locator(".sc-log").first.locator("[aria-selected=true]").count() > 1
    page.keyboard.press("Escape")
    with page.expect_response(lambda it: it.request.method == "PUT" and NOTEBOOK in it.url):
        page.keyboard.press("Control+s")
    page.reload()
    expect(logs).to_have_count(2, timeout=60_000)
    seen = 200
    for view in (0, 1):
        expect(logs.nth(view)).to_have_attribute("data-count", str(seen))
        expect(logs.nth(view)).to_have_attribute("data-skipped", str(rows - seen))
    page.get_by_role("button", name="100 a second", exact=True).click()
    expect(figures).to_contain_text('"rows"', timeout=20_000)
    more = json.loads(figures.inner_text())["rows"] - rows
    expect(logs.first).to_have_attribute("data-count", str(seen + more))
    assert visit.errors() == []
    assert visit.complaints == []
    assert visit.foreign == []
