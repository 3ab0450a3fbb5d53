"""The page of a saved run in a real browser, from a file, with and without its script."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from syncsim.lab.engines.runner import run
from syncsim.lab.results.saved_run import read_run
from syncsim.ui.room.report.page import SECTIONS, report_page

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

HOSTILE = "<img src=x onerror=document.title='owned'>"

CONTRASTS = """() => {
  const channel = c => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const rgba = text => (text.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number);
  const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const ground = element => {
    for (let e = element; e; e = e.parentElement) {
      const c = rgba(getComputedStyle(e).backgroundColor);
      if (c.length < 4 || c[3] > 0) return c;
    }
    return [255, 255, 255];
  };
  const poor = {};
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let checked = 0;
  while (walker.nextNode()) {
    const parent = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || parent.closest("script,style,title,.skip")) continue;
    const style = getComputedStyle(parent);
    const isFill = parent.namespaceURI.endsWith("svg");
    // Words upon a bar stand on the fill of the bar, of which no style knows.
    if (isFill && parent.classList.contains("t-on-fill")) continue;
    const [a, b] = [light(rgba(isFill ? style.fill : style.color)), light(ground(parent))];
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    checked += 1;
    if (ratio < 4.5) poor[parent.className.baseVal ?? parent.className] = ratio;
  }
  return [checked, poor];
}"""
"""How many texts there are, and the classes of those with a contrast below 4.5:1."""


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run that failed, in which somebody has a name that would like to be markup."""
    record = run("stress-test", seed=3, users=4).to_json()
    text = json.dumps(record).replace('"ben"', json.dumps(HOSTILE))
    record = json.loads(text)
    record["findings"] = [
        {"code": "D1", "kind": "lost-update", "message": HOSTILE, "operations": [], "token": None}
    ]
    path = tmp_path_factory.mktemp("page") / "run.html"
    path.write_text(report_page(read_run(json.dumps(record).encode())), "utf-8")
    return path


class Seen:
    """A page, with whatever it asked for and complained about."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.asked: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda said: self.complaints.append(said.text))


@pytest.fixture
def seen(
    chromium: Browser, written: Path, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Seen]:
    wanted: dict[str, Any] = getattr(request, "param", {})
    page = chromium.new_page(**{"viewport": {"width": 1280, "height": 800}, **wanted})
    seen = Seen(page)
    page.goto(written.as_uri())
    yield seen
    page.screenshot(path=str(tmp_path / "last.png"), full_page=True)
    page.close()


def test_the_page_asks_for_nothing_but_itself_and_runs_no_foreign_script(
    seen: Seen, written: Path
) -> None:
    assert seen.asked == [written.as_uri()]
    assert seen.complaints == []
    assert seen.page.title() == "FAILED ✗ stress-test - syncsim"
    expect(seen.page.get_by_text(HOSTILE).first).to_be_visible()
    assert seen.page.locator("img").count() == 0


def test_a_script_that_the_policy_does_not_name_is_not_run(
    chromium: Browser, written: Path, tmp_path: Path
) -> None:
    """Even if a text ever became markup, it could do nothing."""
    spoilt = tmp_path / "spoilt.html"
    added = f"<main><script>document.title='owned'</script>{HOSTILE}"
    spoilt.write_text(written.read_text("utf-8").replace("<main", added + "<main", 1), "utf-8")
    page = chromium.new_page()
    seen = Seen(page)
    page.goto(spoilt.as_uri())
    expect(page.get_by_role("search")).to_be_visible()
    assert page.title() != "owned"
    assert [said for said in seen.complaints if "Content Security Policy" in said]
    page.close()


def test_the_log_is_filtered_by_words_user_and_kind(seen: Seen) -> None:
    page = seen.page
    lines, told = page.locator(".log > li"), page.locator("#log-count")
    every = lines.count()
    shown = page.locator(".log > li:visible")
    search = page.get_by_role("search")
    search.get_by_label("Words").fill("success ✓")
    assert 0 < shown.count() < every
    expect(told).to_contain_text(f"{shown.count()} of {every} lines")
    search.get_by_label("User").select_option(label=HOSTILE)
    for line in shown.all_inner_texts():
        assert f"{HOSTILE}: SUCCESS ✓" in line
    page.get_by_role("button", name="Show all").click()
    expect(shown).to_have_count(every)
    search.get_by_label("Kind").select_option("job")
    assert {line.get_attribute("data-topic") for line in shown.all()} == {"job"}


@pytest.mark.parametrize("seen", [{"java_script_enabled": False}], indirect=True)
def test_without_a_script_everything_can_be_read(seen: Seen) -> None:
    page = seen.page
    assert page.locator(".log > li:visible").count() == page.locator(".log > li").count() > 0
    expect(page.get_by_role("search")).to_have_count(0)
    for heading in SECTIONS.values():
        expect(page.get_by_role("heading", name=heading, exact=True, level=2)).to_be_visible()
    page.get_by_text("The same as a table").first.click()
    expect(page.get_by_role("columnheader", name="waits (ms)")).to_be_visible()


@pytest.mark.parametrize(
    "seen",
    [
        {"color_scheme": "light"},
        {"color_scheme": "dark"},
        {"color_scheme": "light", "viewport": {"width": 400, "height": 800}},
    ],
    indirect=True,
)
def test_it_can_be_read_in_light_in_dark_and_when_narrow(seen: Seen) -> None:
    page = seen.page
    page.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    checked, poor = page.evaluate(CONTRASTS)
    assert checked > 200
    assert poor == {}
    wide, window = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
    assert wide <= window


def test_on_paper_the_whole_log_is_there_and_the_filter_is_not(seen: Seen) -> None:
    page = seen.page
    page.emulate_media(media="print")
    expect(page.get_by_role("search")).to_be_hidden()
    tall, shown = page.locator(".log").evaluate("e => [e.scrollHeight, e.clientHeight]")
    assert tall == shown


def test_every_section_is_reached_by_the_keyboard(seen: Seen) -> None:
    page = seen.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    reached = []
    for _ in SECTIONS:
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.getAttribute('href')"))
    assert reached == [f"#{name}" for name in SECTIONS]
