"""The live panels in a bare page, without JupyterLab: what is drawn, and what keys and clicks do.

The real feed makes the messages; a stand-in for the widget's model hands them to the page.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from syncsim.events.kinds import Event
from syncsim.ui.room.feed import KEPT_ROWS, ROWS_A_FRAME, Feed
from syncsim.ui.room.live import Live, stylesheet

pytestmark = pytest.mark.browser

NOW = 1_700_000_000.0
HOSTILE = ("<img src=x onerror=document.title='hit'>", "<a href='x'>ann</a>", "</style><b>x")

MODEL = """async ([source, state]) => {
  const heard = {};
  const model = {
    values: state,
    saved: [],
    get(name) { return this.values[name]; },
    set(name, value) { this.values[name] = value; this.emit(`change:${name}`); },
    save_changes() { this.saved.push(this.values.selected); },
    on(name, hear) { (heard[name] ??= new Set()).add(hear); },
    off(name, hear) { heard[name]?.delete(hear); },
    emit(name, content) { for (const hear of heard[name] ?? []) hear(content); },
    hearers() { return Object.values(heard).reduce((sum, some) => sum + some.size, 0); },
  };
  const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const parts = (await import(url)).default();
  await parts.initialize({ model });
  window.model = model;
  window.add = () => {
    const el = document.body.appendChild(document.createElement("div"));
    return parts.render({ model, el });
  };
  window.closed = window.add();
}"""


FRAMES_ASKED = """() => {
  window.framesAsked = 0;
  const real = window.requestAnimationFrame;
  window.requestAnimationFrame = (draw) => { framesAsked += 1; return real(draw); };
}"""


class Shown(Live):
    """The panels, whose messages go to a page instead of a kernel's channel."""

    page: Page | None = None

    def send(self, content: dict[str, Any], buffers: Any = None) -> None:
        if self.page is not None:
            self.page.evaluate("(message) => model.emit('msg:custom', message)", content)

    def show_on(self, page: Page, *, is_light: bool = True) -> None:
        light = json.dumps(is_light)
        colors = "" if is_light else ":root{--jp-layout-color1:#212121;--jp-ui-font-color1:#fff}"
        page.set_content(
            f"<style>{stylesheet()}{colors}</style><body data-jp-theme-light='{light}'>"
        )
        state = {"looks": self.looks, "state": self.state, "selected": self.selected}
        page.evaluate(MODEL, [self._esm, state])
        self.page = page


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    opened = chromium.new_page(viewport={"width": 900, "height": 800})
    yield opened
    opened.close()


@pytest.fixture
def live() -> Iterator[Shown]:
    shown = Shown()
    yield shown
    shown.page = None
    shown.close()


def event(kind: str, user: str = "ann", update: str = "u1", **facts: Any) -> Event:
    return Event.of(1, kind, facts.pop("at", NOW), user, update, "form", facts)


def bring(feed: Feed, *events: Event, now: float = NOW) -> None:
    for one in events:
        feed.put(one)
    feed.frame(now)


def update(number: int, user: str = "ann") -> list[Event]:
    id_, version = f"u{number}", f"{number + 1}-0a0b0c0d"
    return [
        event("update.started", user, id_),
        event("update.conflict", user, id_, attempt=1, expected="1-0", actual="2-1"),
        event("update.retry", user, id_, attempt=1, nominal_s=0.1, delay_s=0.0971),
        event("update.committed", user, id_, version=version, attempts=2),
        event("cache.filled", user, id_, version=version),
    ]


def rows_in(place: Page | Locator) -> Locator:
    """Rows of the log, not what can be chosen in a filter."""
    return place.get_by_role("listbox").get_by_role("option")


def fill(feed: Feed, rows: int) -> None:
    """So many rows, in messages of the largest size."""
    for first in range(0, rows, ROWS_A_FRAME):
        many = min(ROWS_A_FRAME, rows - first)
        bring(feed, *(event("cache.hit", update=f"u{first + k}") for k in range(many)))


# -- what is drawn ---------------------------------------------------------------------------------


def test_status_log_and_caches_say_what_happened(live: Shown, page: Page) -> None:
    live.show_on(page)
    feed = Feed(live, users=("ann", "ben"))
    feed.activity = "playing Trigger All"
    bring(feed, *update(1, "ann"), *update(2, "ben"))
    facts = page.locator(".sc-facts")
    for said in ("Template version:3-0a0b0c0d", "Conflicts resolved:2", "Queue length:0"):
        name, value = said.split(":")
        expect(facts.locator("div", has_text=name).locator("dd")).to_have_text(value)
    expect(page.get_by_role("status")).to_contain_text("playing Trigger All")
    log = page.get_by_role("log", name="Live log")
    expect(rows_in(log)).to_have_count(8)
    expect(rows_in(log).nth(1)).to_contain_text("✗")
    expect(rows_in(log).nth(1)).to_contain_text("CONFLICT: Version mismatch")
    expect(log).to_have_attribute("data-t", str(int(NOW * 1000)))
    expect(log).to_have_attribute("data-count", "8")
    cards = page.get_by_role("region", name="Caches").get_by_role("listitem")
    texts = [" ".join(text.split()) for text in cards.all_inner_texts()]
    assert [text.split(" Age")[0] for text in texts] == [
        "ann ⚠ Stale v: 2-0a0b0c0d",
        "ben ✓ Fresh v: 3-0a0b0c0d",
        "System ○ Empty No data",
    ]


def test_an_age_ticks_without_a_word_from_the_kernel(live: Shown, page: Page) -> None:
    page.clock.install(time=NOW)
    live.show_on(page)
    bring(Feed(live), *update(1))
    age = page.locator(".sc-card-age").first
    page.clock.run_for(100)
    expect(age).to_have_text("Age: 0 s")
    page.clock.run_for(45_000)
    expect(age).to_have_text("Age: 45 s")
    page.clock.run_for(20_000)
    expect(age).to_have_text("Age: 1 min 5 s")


def test_an_age_is_right_on_a_page_that_opens_later_and_by_any_clock(
    live: Shown, page: Page
) -> None:
    """A page that was there needs no clock that agrees with the kernel's; a later one must ask."""
    page.clock.install(time=NOW + 90)
    feed = Feed(live)
    bring(feed, *update(1))
    live.show_on(page)
    age = page.locator(".sc-card-age").first
    page.clock.run_for(100)
    expect(age).to_have_text("Age: 1 min 30 s")
    bring(feed, *update(2), now=NOW + 3)
    page.clock.run_for(100)
    expect(age).to_have_text("Age: 3 s")


def test_what_others_wrote_is_text_everywhere(live: Shown, page: Page) -> None:
    live.show_on(page)
    feed = Feed(live)
    for number, text in enumerate(HOSTILE, 1):
        feed.begin(text, users=(text,))
        feed.activity = text
        bring(
            feed,
            event("cache.filled", text, text, version=text),
            event(f"custom.{text}", text, text, note=text),
            event("update.failed", text, text, error=text, message=text),
        )
        expect(page.get_by_role("log")).to_have_attribute("data-count", str(3 * number))
        rows_in(page).last.click()
        for place in (
            ".sc-now",
            ".sc-detail",
            ".sc-card-user >> nth=0",
            ".sc-card-version >> nth=0",
        ):
            expect(page.locator(place)).to_contain_text(text)
        expect(rows_in(page).last).to_contain_text(f"{text}: FAILED ✗ {text}")
        page.evaluate("() => new Promise((done) => setTimeout(done, 1000))")
    assert page.locator("img, a, b, script").count() == 0
    assert page.title() == ""


def test_ten_thousand_rows_are_kept_and_a_few_drawn(live: Shown, page: Page) -> None:
    live.show_on(page)
    feed = Feed(live)
    fill(feed, KEPT_ROWS + 1500)
    log = page.get_by_role("log")
    expect(log).to_have_attribute("data-count", str(KEPT_ROWS + 1500))
    assert 13 <= rows_in(log).count() <= 40
    expect(page.locator(".sc-told")).to_contain_text(f"{KEPT_ROWS} of {KEPT_ROWS + 1500} rows")
    assert page.locator("*").count() < 300


def test_a_reader_who_scrolled_up_stays_where_they_are(live: Shown, page: Page) -> None:
    """While rows come, and while the oldest go."""
    live.show_on(page)
    feed = Feed(live)
    fill(feed, KEPT_ROWS)
    log = page.get_by_role("log")
    log.evaluate("(node) => { node.scrollTop = 9000 }")
    expect(page.get_by_role("button", name="Newest")).to_be_visible()

    def top() -> str:
        return str(
            log.evaluate(
                "(node) => { const { x, y } = node.getBoundingClientRect();"
                "return document.elementFromPoint(x + 40, y + 9).closest('[data-n]').dataset.n }"
            )
        )

    expect(log.locator("[data-n='500']")).to_be_visible()
    seen = top()
    fill(feed, 300)
    expect(log).to_have_attribute("data-count", str(KEPT_ROWS + 300))
    assert top() == seen
    page.get_by_role("button", name="Newest").click()
    expect(log.locator(f"[data-n='{KEPT_ROWS + 299}']")).to_be_visible()


def test_rows_that_were_skipped_are_counted_in_words(live: Shown, page: Page) -> None:
    live.show_on(page)
    bring(Feed(live, capacity=2000), *([event("cache.hit")] * 2500))
    expect(page.locator(".sc-told")).to_contain_text("1500 rows skipped: they came too fast")
    expect(page.get_by_role("log")).to_have_attribute("data-skipped", "1500")


# -- choosing --------------------------------------------------------------------------------------


def test_a_click_on_a_row_selects_its_update(live: Shown, page: Page) -> None:
    live.show_on(page)
    bring(Feed(live), *update(1, "ann"), *update(2, "ben"))
    rows = rows_in(page)
    rows.filter(has_text="ben: Starting").click()
    expect(page.locator("[aria-selected=true]")).to_have_count(4)
    page.wait_for_function("() => model.saved.at(-1) === 'u2'")
    expect(page.locator(".sc-detail")).to_contain_text("update u2")
    page.get_by_role("button", name="Selected update only").click()
    expect(rows).to_have_count(4)


def test_keys_reach_every_row(live: Shown, page: Page) -> None:
    """Arrows select as they go, Escape lets go; the row that is meant is named to a reader."""
    live.show_on(page)
    bring(Feed(live), *update(1, "ann"), *update(2, "ben"))
    rows = page.get_by_role("listbox", name="Rows of the log")
    rows.focus()
    for key in ("Home", "ArrowDown"):
        page.keyboard.press(key)
    active = page.locator(".sc-active")
    expect(active).to_contain_text("CONFLICT")
    assert rows.get_attribute("aria-activedescendant") == active.get_attribute("id")
    page.keyboard.press("End")
    expect(active).to_contain_text("ben: SUCCESS")
    page.wait_for_function("() => model.saved.at(-1) === 'u2'")
    page.keyboard.press("Escape")
    page.wait_for_function("() => model.saved.at(-1) === ''")
    expect(page.locator("[aria-selected=true]")).to_have_count(0)


def test_the_tab_key_goes_through_all_controls(live: Shown, page: Page) -> None:
    live.show_on(page)
    bring(Feed(live), *update(1))
    rows_in(page).first.click()
    page.evaluate("() => document.activeElement.blur()")
    page.get_by_label("User").focus()
    reached = []
    for _ in range(5):
        reached.append(
            page.evaluate(
                "() => document.activeElement.ariaLabel ?? document.activeElement.innerText"
            )
        )
        page.keyboard.press("Tab")
    assert reached == ["User", "Kind", "Find in log", "Selected update only", "Rows of the log"]


def test_filters_hold_for_rows_that_come_later(live: Shown, page: Page) -> None:
    live.show_on(page)
    feed = Feed(live)
    bring(feed, *update(1, "ann"), *update(2, "ben"))
    rows = rows_in(page)
    page.get_by_label("User").select_option("ben")
    expect(rows).to_have_count(4)
    bring(feed, *update(3, "ben"), *update(4, "ann"))
    expect(rows).to_have_count(8)
    page.get_by_label("Kind").select_option("update.retry")
    expect(rows).to_have_count(2)
    page.get_by_label("Find in log").fill("97.1 ms")
    expect(rows).to_have_count(2)
    page.get_by_label("Find in log").fill("nothing of the kind")
    expect(rows).to_have_count(0)
    expect(page.locator(".sc-told")).to_contain_text("0 of 16 rows")


# -- views -----------------------------------------------------------------------------------------


def test_a_second_view_shows_the_same_and_both_go_on(live: Shown, page: Page) -> None:
    live.show_on(page)
    feed = Feed(live)
    bring(feed, *update(1))
    page.evaluate("() => { window.closedToo = add() }")
    bring(feed, *update(2))
    for place in (0, 1):
        expect(page.get_by_role("log").nth(place)).to_have_attribute("data-count", "8")
    rows_in(page).first.click()
    expect(page.locator("[aria-selected=true]")).to_have_count(8)
    hearers = page.evaluate("() => model.hearers()")
    page.evaluate("() => closedToo()")
    assert page.evaluate("() => model.hearers()") == hearers - 1
    expect(page.get_by_role("log")).to_have_count(1)
    page.evaluate(FRAMES_ASKED)
    bring(feed, *update(3))
    assert page.evaluate("() => framesAsked") == 1


def test_a_page_that_opens_later_has_the_newest_rows_and_counts_on(live: Shown, page: Page) -> None:
    feed = Feed(live)
    for number in range(100):
        bring(feed, *update(number), now=NOW + number)
    bring(feed, *update(100), now=NOW + 99.5)
    live.show_on(page)
    log = page.get_by_role("log")
    expect(log).to_have_attribute("data-count", "200")
    bring(feed, *update(101), now=NOW + 99.7)
    expect(log).to_have_attribute("data-count", "204")
    expect(log).to_have_attribute("data-skipped", "204")
    expect(page.locator(".sc-told")).to_contain_text("204 rows came before this view")


def test_a_replay_goes_back_on_the_page_too(live: Shown, page: Page) -> None:
    live.show_on(page)
    record = [one for number in range(5) for one in update(number)]
    feed = Feed(live)
    feed.show(record, NOW)
    log = page.get_by_role("log")
    expect(log).to_have_attribute("data-count", "20")
    feed.show(record[:7], NOW)
    expect(rows_in(log)).to_have_count(6)
    expect(rows_in(log).last).to_contain_text("CONFLICT")
    feed.show(record[:10], NOW)
    expect(rows_in(log)).to_have_count(8)
    expect(rows_in(log).last).to_contain_text("SUCCESS")
    feed.reset()
    expect(rows_in(log)).to_have_count(0)


# -- looks -----------------------------------------------------------------------------------------

CONTRAST = """() => {
  const parse = (color) => (color.match(/[\\d.]+/g) ?? []).map(Number);
  const light = (color) => {
    const [r, g, b] = color.slice(0, 3).map((c) => c / 255)
      .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (node) => {
    for (; node; node = node.parentElement) {
      const color = parse(getComputedStyle(node).backgroundColor);
      if (color.length === 3 || color[3] > 0) return color;
    }
    return [255, 255, 255];
  };
  const found = {};
  for (const node of document.querySelectorAll(".syncsim-live *")) {
    const texts = [...node.childNodes].filter((child) => child.nodeType === 3);
    if (!texts.some((text) => text.data.trim())) continue;
    const [a, b] = [light(parse(getComputedStyle(node).color)), light(ground(node))];
    const what = `${node.tagName} ${node.className} ${node.textContent.slice(0, 20)}`;
    found[what] = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  }
  return found;
}"""


@pytest.mark.parametrize("is_light", [True, False], ids=["light", "dark"])
def test_all_words_can_be_read_in_either_theme(live: Shown, page: Page, is_light: bool) -> None:
    live.show_on(page, is_light=is_light)
    bring(Feed(live), *update(1, "ann"), *update(2, "ben"))
    rows_in(page).first.click()
    expect(page.locator("[aria-selected=true]")).to_have_count(4)
    found = page.evaluate(CONTRAST)
    assert len(found) > 20
    assert {what: ratio for what, ratio in found.items() if ratio < 4.5} == {}


@pytest.mark.parametrize("width", [320, 1280])
def test_nothing_is_wider_than_the_page(live: Shown, page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    live.show_on(page)
    feed = Feed(live, users=[f"user-{number}-{'x' * 190}" for number in range(50)])
    feed.activity = "y" * 300
    bring(feed, *update(1, "z" * 200))
    expect(rows_in(page)).to_have_count(4)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
    assert page.get_by_role("log").bounding_box()["height"] == 240  # type: ignore[index]


def test_a_frame_of_a_thousand_rows_is_drawn_in_one_go(live: Shown, page: Page) -> None:
    """However many came, the page draws the rows that can be seen, once."""
    live.show_on(page)
    page.evaluate(
        """() => {
          window.made = 0;
          new MutationObserver((all) => { for (const one of all) made += one.addedNodes.length })
            .observe(document.querySelector(".sc-rows"), { childList: true });
        }"""
    )
    fill(Feed(live), 1000)
    expect(page.get_by_role("log")).to_have_attribute("data-count", "1000")
    assert page.evaluate("() => made") < 40
