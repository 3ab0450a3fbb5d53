"""The control room in a real browser: Run All, a click, a verdict; what is in view, how wide."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from syncsim.ui.plays import PLAYS
from tests.browser.conftest import Visit

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

NOTEBOOK = "control_room.ipynb"
ROOM = ".jp-OutputArea-output:has(button:text-is('Trigger All'))"


def run_all(visit: Visit, lab: str) -> None:
    visit.open(lab, NOTEBOOK)
    visit.run_all()
    room = visit.page.locator(ROOM).first
    expect(room.get_by_role("button", name="Trigger All", exact=True)).to_be_enabled(timeout=60_000)
    expect(visit.page.get_by_text("| Idle")).to_be_visible(timeout=60_000)


def bring_up(page: Page) -> None:
    """Scroll so that the room begins at the top of what is seen."""
    page.locator(ROOM).first.evaluate("it => it.scrollIntoView({block: 'start'})")


def test_a_click_ends_in_a_verdict_and_all_that_matters_is_in_view(
    visit: Visit, lab: str, tmp_path: Path
) -> None:
    run_all(visit, lab)
    page = visit.page
    room = page.locator(ROOM).first
    room.get_by_role("button", name="Trigger All", exact=True).click()
    verdict = page.get_by_role("article", name="Verdict of Trigger All")
    expect(verdict.get_by_text("PASSED")).to_be_visible(timeout=30_000)
    bring_up(page)
    for name in (*PLAYS, "Reset", "Stop"):
        expect(room.get_by_role("button", name=name, exact=True)).to_be_in_viewport()
    expect(page.locator(".syncsim-live dt", has_text="Template version")).to_be_in_viewport()
    expect(page.locator(".syncsim-live .sc-row", has_text="SUCCESS").first).to_be_in_viewport()
    page.screenshot(path=str(tmp_path / "control-room.png"))
    wide = "it => it.scrollWidth - it.clientWidth"
    assert room.evaluate(wide) <= 0
    assert visit.errors() == []
    assert (visit.foreign, visit.complaints) == ([], [])


@pytest.mark.parametrize("tab", ["Conflicts", "History", "Charts"])
def test_every_tab_opens(visit: Visit, lab: str, tab: str, tmp_path: Path) -> None:
    run_all(visit, lab)
    page = visit.page
    page.locator(ROOM).first.get_by_role("button", name="Trigger All", exact=True).click()
    expect(page.get_by_role("article", name="Verdict of Trigger All")).to_be_visible(timeout=30_000)
    page.get_by_role("tab", name=tab, exact=True).first.click()
    inside = {"Conflicts": "preserved", "History": "Roll back...", "Charts": "Throughput"}[tab]
    panel = page.locator(ROOM).first
    expect(panel.get_by_text(inside).first).to_be_visible(timeout=30_000)
    if tab == "Charts":
        expect(panel.locator(".js-plotly-plot .main-svg").first).to_be_visible(timeout=30_000)
        expect(panel.locator(".js-plotly-plot .trace").first).to_be_visible(timeout=30_000)
    page.screenshot(path=str(tmp_path / f"{tab}.png"))
    assert page.locator(ROOM).first.evaluate("it => it.scrollWidth - it.clientWidth") <= 0
    assert (visit.foreign, visit.complaints) == ([], [])
