"""What tests of the control room's panels share: hostile names, a page as a browser reads it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from syncsim import connect
from syncsim.contract import Outcome
from syncsim.runtime.connection import Connection
from syncsim.ui.room.run_view import RunView
from tests.template_examples import good

HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "<a href='x'>ann</a>",
    "\" onmouseover='x' <script>alert(1)</script>",
    "</td></table></details><b>",
    '=HYPERLINK("x")',
    "&lt;b&gt; $x$ \u202etxt\u202c",
)

ELEMENTS = {
    *("div", "section", "h4", "p", "span", "b", "i", "small", "br", "code", "ins", "del"),
    *("table", "caption", "thead", "tbody", "tr", "th", "td", "details", "summary"),
    *("svg", "g", "title", "circle", "line", "polyline", "text"),
}
ATTRIBUTES = {
    *("class", "role", "aria-label", "tabindex", "scope", "data-of", "title", "style"),
    *("x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "points", "width", "height", "viewbox"),
    *("fill", "stroke", "stroke-width", "stroke-dasharray", "text-anchor"),
}


class Seen(HTMLParser):
    """What a browser makes of a text: its elements with their attributes, and its words."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.open: list[str] = []
        self.attributes: set[str] = set()
        self.links: list[str] = []
        self.words = ""
        self.marks: dict[str, list[str]] = {"ins": [], "del": []}
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value or "" for name, value in attrs if name == "href"]
        if tag not in ("br", "circle", "line", "polyline"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in ("br", "circle", "line", "polyline"):
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data
        for mark, texts in self.marks.items():
            if mark in self.open and self.open[-1] != "b":
                texts.append(data)


def seen(page: str) -> Seen:
    """The page read, every element closed, and nothing in it that the panels do not make."""
    read = Seen(page)
    assert read.open == []
    assert set(read.elements) <= ELEMENTS
    assert read.attributes <= ATTRIBUTES
    return read


Edit = Callable[[dict[str, Any]], Any]


class Story:
    """A real store with one template, and what concurrent users did to it."""

    def __init__(self, folder: Path, document: dict[str, Any] | None = None) -> None:
        self.url = f"sqlite:///{folder}/story.db?synchronous=NORMAL"
        self.sync: Connection = connect(self.url, cache=folder / "caches")
        self.sync.create_template("form", document or good(), user="ann")
        self.base = self.sync.get_template("form", user="ann")

    def edit(
        self, user: str, change: Callable[[dict[str, Any]], Any], *, base: Any = None
    ) -> Outcome:
        """An update by `change`, made against the base of the story unless another is given."""
        base = base or self.base
        document = copy.deepcopy(base.document)
        change(document)
        changes = {key: value for key, value in document.items() if value != base.document[key]}
        return self.sync.update_template("form", changes, user=user, base=base)

    def head(self) -> dict[str, Any]:
        return self.sync.get_template("form", user="reader").document

    @property
    def record(self) -> RunView:
        return RunView(self.sync.events.read(), list(self.sync.history("form"))[::-1])
