"""Pages, cells and tables of a diagram: whole, self-contained, and text as it was typed."""

from __future__ import annotations

import html
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from syncsim import ui
from syncsim.lab.scenarios import catalogue
from syncsim.lab.scenarios.edits import NumberedEdit
from syncsim.lab.simulation.explore import FailingSchedule, explore, replay
from syncsim.lab.solutions.broken.blind_write import BlindWrite
from syncsim.ui import SequenceDiagram, sequence_page, write_page
from syncsim.ui.sequence import sequence
from syncsim.ui.sequence_svg import SIGNS
from tests.sequence_parts import lost_update

HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "\"><script>alert('x')</script>",
    "<b>$\\href{javascript:alert(1)}{x}$</b>",
    "ann\nben\u202ecleo & %{x} &lt;",
    "ä" * 200,
)


# -- the page --------------------------------------------------------------------------------------


class Reader(HTMLParser):
    """What a browser would see: elements with attributes, and text; every element is closed."""

    VOID = frozenset({"meta", "br", "hr"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    @property
    def tags(self) -> set[str]:
        return {tag for tag, _ in self.elements}


ALLOWED = {
    *("html", "head", "meta", "title", "style", "body", "main", "h1", "h2", "p", "pre", "code"),
    *("figure", "figcaption", "div", "span", "b", "br", "strong", "ol", "li"),
    *("table", "caption", "thead", "tbody", "tr", "th", "td"),
    *("svg", "g", "rect", "line", "path", "circle", "text"),
}


def check_page(page: str) -> Reader:
    """Self-contained and inert: known elements only, no handler, no address."""
    read = Reader(page)
    assert read.tags <= ALLOWED
    for _, attributes in read.elements:
        assert not [a for a in attributes if a.startswith("on") or a in ("href", "src")]
    assert "http" not in page
    assert "url(" not in page
    return read


def test_the_page_is_whole_and_needs_nothing_but_itself() -> None:
    found = lost_update()
    page = sequence_page(found)
    read = check_page(page)
    assert page.startswith("<!doctype html>")
    assert {"svg", "ol", "table"} <= read.tags
    assert "prefers-color-scheme:dark" in page
    assert "@media print" in page
    for step in sequence(found).steps:
        assert read.text.count(step.happening.text) >= 2  # in a title of the picture and the list
    assert read.text.count("overwrites it") == 2


def test_the_page_says_how_to_see_it_again() -> None:
    found = lost_update()
    page = html.unescape(sequence_page(found))
    assert f'replay("perfect-storm", "{found.shrunk}", solution=BlindWrite)' in page
    token = re.search(r"<code>(s1\.[\w-]+)</code>", page)
    assert token is not None
    assert replay("perfect-storm", token[1], solution=BlindWrite).digest == found.run.digest


def test_a_solution_from_a_file_is_replayed_with_that_file(tmp_path: Path) -> None:
    path = tmp_path / "my blind.py"
    path.write_text("from syncsim.lab.solutions.broken.blind_write import BlindWrite as build\n")
    found = explore("perfect-storm", solution=path, schedules=40).first
    assert found is not None
    page = html.unescape(sequence_page(found))
    assert f"syncsim replay perfect-storm {found.shrunk} --solution '{path}'" in page


def test_a_written_page_has_the_token_and_command_it_was_given(tmp_path: Path) -> None:
    path = tmp_path / "diagram.html"
    write_page(path, lost_update().run, token="s1.<x>", command="syncsim replay <this> & that")
    page = path.read_text("utf-8")
    assert "s1.&lt;x&gt;" in page
    assert "syncsim replay &lt;this&gt; &amp; that" in page
    check_page(page)


@pytest.fixture
def hostile(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> FailingSchedule:
    names = (request.param, f"{request.param[:150]}2")
    monkeypatch.setattr(catalogue, "user_names", lambda count: names[:count])
    if len(request.param) > 100:  # else the name of the template would be too long to be saved
        monkeypatch.setattr(NumberedEdit, "text", property(lambda edit: f"edit {edit.which}"))
    found = explore(
        "perfect-storm",
        solution=BlindWrite,
        schedules=30,
        users=2,
        with_job=False,
        strategy="random",
    ).first
    assert found is not None
    assert {operation.user for operation in found.run.history.operations} == set(names)
    return found


@pytest.mark.parametrize("hostile", HOSTILE, indirect=True)
def test_names_are_text_in_page_and_cell_and_never_markup(hostile: FailingSchedule) -> None:
    check_page(sequence_page(hostile))
    cell = SequenceDiagram(hostile)._repr_html_()
    assert Reader(cell).tags <= ALLOWED


@pytest.mark.parametrize("hostile", HOSTILE[-1:], indirect=True)
def test_a_long_name_is_cut_in_the_picture_and_whole_in_its_title(hostile: FailingSchedule) -> None:
    picture = sequence_page(hostile).partition("<svg")[2].partition("</svg>")[0]
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", picture)
    assert max(map(len, texts)) <= 64
    assert f"<title>{'ä' * 200}</title>" in picture


def test_the_cell_has_the_diagram_and_the_values() -> None:
    cell = SequenceDiagram(lost_update())._repr_html_()
    read = Reader(cell)
    assert {"svg", "table"} <= read.tags
    assert "html" not in read.tags
    assert "Renamed by ann" in read.text


def test_every_kind_of_row_has_a_sign_of_its_own_sort() -> None:
    assert all(SIGNS.values())


# -- the table -------------------------------------------------------------------------------------


def test_the_diagram_is_a_table_of_its_steps() -> None:
    diagram = SequenceDiagram(lost_update()).diagram
    table = diagram.as_frame()
    assert list(table["text"]) == [step.happening.text for step in diagram.steps]
    assert list(table["mark"].dropna()) == ["① committed, then overwritten", "② overwrites it"]
    assert [row["step"] for row in diagram.rows()] == list(range(1, len(table) + 1))
    assert list(table.columns) == list(diagram.rows()[0])


@pytest.mark.parametrize("hostile", HOSTILE, indirect=True)
def test_the_table_shows_names_as_typed(hostile: FailingSchedule) -> None:
    diagram = sequence(hostile)
    whole = {step.happening.who for step in diagram.steps}
    assert {row["who"] for row in diagram.rows()} == whole == set(diagram.as_frame()["who"])


def test_the_former_name_is_the_diagram_and_says_so() -> None:
    with pytest.warns(DeprecationWarning, match="use SequenceDiagram"):
        assert ui.sequence_diagram is SequenceDiagram


def test_diagrams_can_be_had_without_plotly() -> None:
    code = (
        "import sys; from syncsim.ui import SequenceDiagram, sequence_page, write_page, charts\n"
        "assert not {'plotly', 'pandas', 'ipywidgets', 'IPython'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
