"""The tour in a real browser: Run All, then every button, as a newcomer would press it."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from syncsim.ui.run_buttons import PLAYS
from tests.browser.conftest import Visit

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


def test_every_button_of_the_tour_ends_in_a_verdict_that_passed(lab: str, visit: Visit) -> None:
    """Nothing asks another host for anything, no cell shows an error, no script fails."""
    visit.open(lab, "00_tour.ipynb")
    visit.run_all()
    expect(visit.page.get_by_text("Tour done:")).to_be_visible(timeout=120_000)
    for name in PLAYS:
        visit.page.get_by_role("button", name=name, exact=True).first.click()
    cards = visit.page.locator(".sync-verdicts > article")
    passed = cards.filter(has_text="✓ PASSED")
    expect(passed).to_have_count(len(PLAYS), timeout=60_000)
    expect(cards).to_have_count(len(PLAYS))
    assert visit.errors() == []
    assert visit.foreign == []
    assert visit.complaints == []
