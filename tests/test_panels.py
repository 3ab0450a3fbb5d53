"""The parts of a panel as HTML: what they say, and that what others wrote stays text."""

from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import pytest

from syncsim.events.kinds import Event
from syncsim.lab.findings import INCONCLUSIVE, Finding
from syncsim.lab.history import Failure, History, Operation
from syncsim.lab.result import Run, Setting
from syncsim.ui import panels
from syncsim.ui.standing import Standing

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
    """Whatever they wrote, the elements are those of the panel and the words are there as typed."""
    standing = Standing([event("update.committed", name, version=name)])
    finding = Finding("D1", name, name)
    line = panels.log_line(event("update.failed", name, error=name, message=name))
    assert line is not None
    parts = (
        panels.status(standing, name),
        panels.log([line, panels.heading_line(name)]),
        panels.verdicts([panels.verdict(name, run_of(finding, name=name))]),
        panels.alert(name, name, name),
    )
    for part in parts:
        seen = Seen(part)
        assert set(seen.elements) <= {"div", "span", "b", "ul", "li"}
        assert seen.attributes <= {"class", "role", "aria-label", "tabindex", "style", "title"}
        assert name in seen.words


def test_the_status_tells_the_current_state() -> None:
    standing = Standing(
        [
            event("cache.miss"),
            event("cache.hit", version="1-a"),
            event("update.started"),
            event("update.conflict", attempt=1),
            event("update.committed", version="2-b"),
        ]
    )
    page = panels.status(standing, "idle")
    seen = Seen(page).words
    assert "Template version: 2-b" in seen
    assert "by ann" in seen
    assert "Active updates: 0" in seen
    assert "Conflicts resolved: 1" in seen
    assert "Cache hit rate: 50% (1 of 2 reads)" in seen
    assert "Success rate: 100% (1 of 1 updates)" in seen
    assert 'role="status"' in page


def test_before_anything_happened_the_status_says_so() -> None:
    seen = Seen(panels.status(Standing(), "idle")).words
    for told in ("none yet", "not yet", "no reads yet", "no updates yet"):
        assert told in seen


def test_the_log_keeps_the_missions_lines() -> None:
    """Words and signs are the log's own; the actual delay is in the line's tooltip."""
    line = panels.log_line(event("update.retry", attempt=1, delay_s=0.0971, nominal_s=0.1))
    assert line is not None
    assert Seen(line).words.endswith("] ann: Retry 1 (100ms backoff)")
    assert "97.1 ms" in line
    assert 'role="log"' in panels.log([line])


@pytest.mark.parametrize("kind", ["update.attempt", "update.waited", "cache.filled"])
def test_the_log_leaves_out_what_the_next_line_says_anyway(kind: str) -> None:
    assert panels.log_line(event(kind)) is None


def test_a_verdict_is_a_word_with_its_figures() -> None:
    assert "✓ PASSED" in Seen(panels.verdict("Trigger All", run_of())).words
    lost = Finding("D1", "lost-update", "ann's change is missing")
    failed = Seen(panels.verdict("Trigger All", run_of(lost))).words
    assert "✗ FAILED" in failed
    assert "D1 lost-update: ann's change is missing" in failed
    assert "Updates: 0 of 1 succeeded" in failed
    assert "Lost updates: 1" in failed
    unproved = Finding(INCONCLUSIVE, "no-contention", "nobody met anybody")
    assert "INCONCLUSIVE" in Seen(panels.verdict("Trigger All", run_of(unproved))).words


def test_a_run_without_updates_has_a_verdict() -> None:
    bare = replace(run_of(), history=History())
    assert "Slowest: no update" in Seen(panels.verdict("Reset", bare)).words


def test_an_alert_is_announced() -> None:
    page = panels.alert("what", "message", "what to do")
    assert 'role="alert"' in page
    assert Seen(page).words == "✗ whatmessagewhat to do"
