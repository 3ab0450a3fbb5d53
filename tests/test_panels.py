"""The parts that panels share: what they say, and that what others wrote stays text."""

from html.parser import HTMLParser
from typing import Any

import pytest

from syncsim.events.kinds import Event
from syncsim.lab.history.findings import INCONCLUSIVE, Finding
from syncsim.lab.history.records import Failure, History, Operation
from syncsim.lab.results.run import Run, Setting
from syncsim.ui import panels
from syncsim.ui.dashboard_state import DashboardState

HOSTILE = ("<img src=x onerror=alert(1)>", "<a href='x'>ann</a>", "\" onmouseover='x' <script>")


def event(kind: str, user: str = "ann", **facts: Any) -> Event:
    return Event.of(1, kind, 1_700_000_000.0, user, "u", "form", facts)


def run_of(*findings: Finding, name: str = "ann") -> Run:
    setting = Setting("perfect-storm", "threads", "sqlite", "FULL", 7, 2, "form", "r", None, 0.0)
    failure = Failure(name, name, True, True)
    failed = Operation("o", "update", name, "form", 1, 2, "failed", failure=failure)
    return Run(setting, History((failed,)), findings, 0.25)


class Seen(HTMLParser):
    """What a browser makes of a text: its elements with their attributes, and its words."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: set[str] = set()
        self.words = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.mark.parametrize("name", HOSTILE)
def test_what_others_wrote_is_text(name: str) -> None:
    """Whatever they wrote, the elements are those of the alert and the words are there as typed."""
    for part in (panels.alert(name, name, name), panels.refused(name, run_of(name=name))):
        seen = Seen(part)
        assert set(seen.elements) <= {"div", "b"}
        assert seen.attributes <= {"class", "role", "style"}
        assert name in seen.words


def test_the_status_tells_the_current_state() -> None:
    told = panels.status_facts(
        DashboardState(
            [
                event("cache.miss"),
                event("cache.hit", version="1-a"),
                event("update.started"),
                event("update.conflict", attempt=1),
                event("update.committed", version="2-b"),
            ]
        )
    )
    assert told["Template version"] == "2-b"
    assert told["Last updated"].endswith(" by ann")
    assert told["Active updates"] == "0"
    assert told["Conflicts resolved"] == "1"
    assert told["Cache hit rate"] == "50% (1 of 2 reads)"
    assert told["Success rate"] == "100% (1 of 1 updates)"


def test_before_anything_happened_the_status_says_so() -> None:
    told = panels.status_facts(DashboardState()).values()
    assert {"none yet", "not yet", "no reads yet", "no updates yet"} <= set(told)


@pytest.mark.parametrize("kind", ["update.attempt", "update.waited", "cache.filled"])
def test_the_log_leaves_out_what_the_next_line_says_anyway(kind: str) -> None:
    assert panels.is_left_out(event(kind))
    assert not panels.is_left_out(event("update.retry"))


def test_a_verdict_is_a_word() -> None:
    assert panels.verdict_of(run_of())[1] == "PASSED"
    lost = Finding("D1", "lost-update", "ann's change is missing")
    assert panels.verdict_of(run_of(lost))[1] == "FAILED"
    unproved = Finding(INCONCLUSIVE, "no-contention", "nobody met anybody")
    assert panels.verdict_of(run_of(unproved))[1] == "INCONCLUSIVE"


def test_an_alert_is_announced() -> None:
    page = panels.alert("what", "message", "what to do")
    assert 'role="alert"' in page
    assert Seen(page).words == "✗ whatmessagewhat to do"
