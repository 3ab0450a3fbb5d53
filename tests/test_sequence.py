"""A diagram tells a run in its order, marks what proves the finding, and shows text as typed."""

from __future__ import annotations

import html
import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from syncsim.lab import scenarios
from syncsim.lab.edits import Edit
from syncsim.lab.findings import Finding
from syncsim.lab.history import History
from syncsim.lab.simulation.choices import Seeded
from syncsim.lab.simulation.explore import Failure, explore, replay
from syncsim.lab.simulation.faults import Faults
from syncsim.lab.simulation.playground import Playground
from syncsim.lab.simulation.simulated_run import Parameters, SimulatedRun, Simulation, simulate
from syncsim.lab.textbook import Textbook
from syncsim.ui import SequenceDiagram, charts, sequence_diagram, sequence_page, write_page
from syncsim.ui.sequence import MOST_LANES, MOST_STEPS, MOST_USERS, Diagram, sequence
from syncsim.ui.sequence_svg import SIGNS
from syncsim.ui.violation import _PROOFS
from tests.lab_solutions import (
    BlindPut,
    LastWriteWins,
    NoRetry,
    RudeJob,
    Swallowing,
    TenAttempts,
)

HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "\"><script>alert('x')</script>",
    "<b>$\\href{javascript:alert(1)}{x}$</b>",
    "ann\nben\u202ecleo & %{x} &lt;",
    "ä" * 200,
)


class NoInvalidation(Textbook):
    """Serves from the cache whatever lies there, and never empties it."""

    def cached(self, template_id: str, user: str) -> Any:
        return self.env.cache(user).get(template_id)

    def committed(self, row: Any, user: str) -> None:
        return None


class TwoLocks(Textbook):
    """Takes two locks, ann in one order and all others in the other."""

    def swap(self, head: Any, document: Any, user: str, *rest: Any) -> Any:
        first, second = ("a", "b") if user == "ann" else ("b", "a")
        with self.env.lock(first), self.env.lock(second):
            return super().swap(head, document, user, *rest)


@cache
def failure(solution: Callable[..., Any], scenario: str, users: int = 2) -> Failure:
    with_job = scenario != "perfect-storm" or solution is RudeJob
    schedules = 40 if scenario == "perfect-storm" else 4  # the others fail in every schedule
    found = explore(
        scenario, solution=solution, schedules=schedules, users=users, with_job=with_job
    ).first
    assert found is not None
    return found


@cache
def played(scenario: str, users: int | None = None, seed: int = 3) -> SimulatedRun:
    return simulate(Parameters(scenario, users=users), seed=seed)


def lost_update() -> Failure:
    return failure(BlindPut, "perfect-storm")


def marked(diagram: Diagram) -> list[tuple[str, str, str]]:
    """Sign, who and kind of the rows that prove it."""
    return [
        (step.mark.sign, step.happening.who, step.happening.kind)
        for step in diagram.steps
        if step.mark is not None
    ]


# -- watching --------------------------------------------------------------------------------------


@pytest.mark.parametrize("scenario", ["perfect-storm", "cache-consistency", "retry-ladder"])
def test_watching_a_run_changes_nothing_of_it(scenario: str) -> None:
    with Playground() as playground:
        simulation = Simulation(Parameters(scenario), playground)
        plain, watched = (simulation.run(Seeded(5), watched=watched) for watched in (False, True))
    assert (plain.trace, plain.digest, plain.sights) == (watched.trace, watched.digest, ())
    assert watched.sights


def test_explorations_do_not_watch_but_what_they_hand_out_was_watched() -> None:
    found = lost_update()
    assert found.run.sights
    assert replay("perfect-storm", found.token, solution=BlindPut).sights


# -- the model -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "run",
    [
        lambda: lost_update().run,
        lambda: failure(NoInvalidation, "cache-consistency", 3).run,
        lambda: failure(TwoLocks, "perfect-storm").run,
        lambda: played("perfect-storm", 3),
        lambda: played("retry-ladder"),
        lambda: simulate(
            Parameters("perfect-storm", faults=Faults(latency=True, crash=8, busy=3, cache=4)),
            seed=5,
        ),
    ],
    ids=["lost", "stale", "deadlock", "storm", "ladder", "faults"],
)
def test_steps_are_those_of_the_trace_in_its_order(run: Callable[[], SimulatedRun]) -> None:
    simulated = run()
    steps = [s.happening for s in sequence(simulated).steps if s.happening.place is not None]
    places = [step.place for step in steps]
    assert places == list(range(len(simulated.trace)))
    actors = {actor for actor, _, _ in simulated.trace}
    for step in steps:
        assert step.who in (simulated.trace[step.place or 0][0], "rival") or step.who not in actors


def test_times_never_go_back_and_numbers_count_on() -> None:
    steps = sequence(played("retry-ladder")).steps
    times = [step.happening.at_s for step in steps]
    assert times == sorted(times)
    assert times[-1] > 0.5
    assert [step.number for step in steps] == list(range(1, len(steps) + 1))


def test_a_lane_for_each_user_the_store_and_each_cache_touched() -> None:
    lanes = [(lane.kind, lane.label) for lane in sequence(played("perfect-storm", 3)).lanes]
    assert lanes == [
        ("user", "ann"),
        ("cache", "cache of ann"),
        ("user", "ben"),
        ("cache", "cache of ben"),
        ("store", "Store"),
        ("cache", "cache of cleo"),
        ("user", "cleo"),
        ("user", "Job"),
    ]
    assert [lane.kind for lane in sequence(lost_update()).lanes] == ["user", "store", "user"]


def test_reads_tell_the_version_waits_the_delay_and_lost_swaps_both_versions() -> None:
    ladder = played("retry-ladder")
    told = [step.happening for step in sequence(ladder).steps]
    lost = [attempt for attempt in ladder.history.attempts if attempt.fate == "lost"]
    texts = [happening.text for happening in told if happening.kind == "lost"]
    assert len(texts) == len(lost) == 5
    for text, attempt in zip(texts, lost, strict=True):
        assert f"expected {attempt.expected}, found {attempt.actual}" in text
    waits = [a.waited_s for a in ladder.history.attempts if a.waited_s]
    words = [happening.word for happening in told if happening.kind == "wait"]
    assert words == [f"{wait * 1000:.0f} ms" for wait in waits]
    versions = {commit.version for commit in ladder.history.commits}
    assert {h.version for h in told if h.kind == "read"} <= versions
    assert [h.version for h in told if h.kind == "fill"] == ["1-f59bd37e"] * 2


def test_a_lost_update_marks_what_was_overwritten_and_what_overwrote_it() -> None:
    found = lost_update()
    diagram = sequence(found)
    overwriter, victim = found.finding.operations
    steps = [step for step in diagram.steps if step.mark is not None]
    assert [step.happening.operation for step in steps] == [victim, overwriter]
    assert [step.happening.kind for step in steps] == ["won", "won"]
    assert "having read 1-" in steps[1].happening.text
    (leaf,) = diagram.leaves
    values = [value for _, value, _ in leaf.moments]
    assert leaf.path == "/name"
    assert values[0] == values[2] == '"Event registration"'
    assert values[1].startswith('"Renamed by ann')
    assert [by for _, _, by in leaf.moments] == ["", "ann", "ben"]


def test_a_stale_read_marks_the_acknowledgement_and_the_read() -> None:
    found = failure(NoInvalidation, "cache-consistency", 3)
    diagram = sequence(found)
    assert [(sign, kind) for sign, _, kind in marked(diagram)] == [("①", "answer"), ("②", "answer")]
    assert diagram.leaves[0].moments[1][1] == '"Event registration"'
    hits = [step.happening for step in diagram.steps if step.happening.kind == "hit"]
    assert hits
    assert all(", the head is 2-" in hit.text for hit in hits)


def test_a_deadlock_marks_those_who_wait_in_a_circle() -> None:
    found = failure(TwoLocks, "perfect-storm")
    diagram = sequence(found)
    assert {who for _, who, _ in marked(diagram)} == {"ann", "ben"}
    texts = [step.happening.text for step in diagram.steps]
    assert any("ann holds lock 'a'" in text for text in texts)
    assert any("ann asks for lock 'b', held by ben" in text for text in texts)
    assert "waits for ever for lock" in texts[-1]


@pytest.mark.parametrize(
    ("solution", "scenario", "kinds"),
    [
        (RudeJob, "perfect-storm", ["won", "won"]),
        (Swallowing, "retry-ladder", ["lost", "answer"]),
        (NoRetry, "perfect-storm", ["lost", "failed"]),
        (LastWriteWins, "perfect-storm", None),
        (TenAttempts, "retry-ladder", None),
    ],
)
def test_every_finding_has_rows_that_prove_it(
    solution: Callable[..., Any], scenario: str, kinds: list[str] | None
) -> None:
    found = failure(solution, scenario)
    proof = [kind for _, _, kind in marked(sequence(found))]
    assert proof
    assert kinds in (None, proof)


@pytest.mark.parametrize("kind", [*_PROOFS, "head-differs"])
@pytest.mark.parametrize("operations", [(), ("ann-2",), ("ann-2", "nobody-9"), ("a", "b", "c")])
def test_a_finding_that_names_too_few_or_strangers_is_shown_all_the_same(
    kind: str, operations: tuple[str, ...]
) -> None:
    found = Finding("D1", kind, "something", operations)
    assert sequence(lost_update().run, found).finding == found


def test_a_run_without_fault_says_so_and_marks_nothing() -> None:
    diagram = sequence(played("perfect-storm", 3))
    assert (diagram.title, marked(diagram)) == ("Nothing is wrong with this run", [])


def test_of_a_run_that_was_not_watched_calls_attempts_waits_and_answers_are_shown() -> None:
    watched, plain = (sequence(run) for run in (played("retry-ladder"), played("retry-ladder").run))
    assert (watched.is_complete, plain.is_complete) == (True, False)

    def told(diagram: Diagram) -> list[str]:
        kinds = ("call", "won", "lost", "wait", "answer", "failed")
        rows = [step.happening for step in diagram.steps if step.happening.who == "ann"]
        return [row.text for row in rows if row.kind in kinds]

    assert told(plain) == told(watched)


def test_nothing_at_all_is_a_diagram_too() -> None:
    run = replace(played("retry-ladder").run, history=History(), findings=())
    assert sequence(run).steps == ()
    assert "Nothing is wrong" in sequence_page(run)
    assert sequence_diagram(run).layout.annotations[0].text == "Nothing was called"


def test_fifty_users_share_lanes_and_a_long_run_is_cut_around_the_proof() -> None:
    run = simulate(
        Parameters("perfect-storm", users=50, work_ms=0.0), solution=LastWriteWins, seed=1
    )
    diagram = sequence(run)
    assert len(diagram.lanes) <= MOST_LANES
    assert sum(lane.kind == "user" for lane in diagram.lanes) == MOST_USERS + 1
    assert diagram.lanes[-1].label in (f"{50 - MOST_USERS} more", f"{51 - MOST_USERS} more")
    assert len(marked(diagram)) == 2
    assert {who for _, who, _ in marked(diagram)} <= {lane.owner for lane in diagram.lanes}
    numbered = [step for step in diagram.steps if step.number]
    gaps = [int(step.happening.text.split()[0]) for step in diagram.steps if not step.number]
    assert len(numbered) <= MOST_STEPS + 2
    assert sum(gaps) + len(numbered) >= len(run.trace)
    sequence_page(run)


def test_as_text_it_is_a_line_per_step() -> None:
    lines = repr(SequenceDiagram(lost_update())).splitlines()
    diagram = sequence(lost_update())
    assert lines[0] == "Data loss (D1): lost update"
    assert len(lines) == 2 + len(diagram.steps)
    assert sum("②" in line for line in lines) == 1


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
    assert f'replay("perfect-storm", "{found.shrunk}", solution=BlindPut)' in page
    token = re.search(r"<code>(s1\.[\w-]+)</code>", page)
    assert token is not None
    assert replay("perfect-storm", token[1], solution=BlindPut).digest == found.run.digest


def test_a_solution_from_a_file_is_replayed_with_that_file(tmp_path: Path) -> None:
    path = tmp_path / "my blind.py"
    path.write_text("from tests.lab_solutions import BlindPut as build\n")
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
def hostile(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Failure:
    names = (request.param, f"{request.param[:150]}2")
    monkeypatch.setattr(scenarios, "user_names", lambda count: names[:count])
    if len(request.param) > 100:  # else the name of the template would be too long to be saved
        monkeypatch.setattr(Edit, "text", property(lambda edit: f"edit {edit.which}"))
    found = explore(
        "perfect-storm", solution=BlindPut, schedules=30, users=2, with_job=False, strategy="random"
    ).first
    assert found is not None
    return found


@pytest.mark.parametrize("hostile", HOSTILE, indirect=True)
def test_names_are_text_in_page_and_cell_and_never_markup(hostile: Failure) -> None:
    check_page(sequence_page(hostile))
    cell = SequenceDiagram(hostile)._repr_html_()
    assert Reader(cell).tags <= ALLOWED


@pytest.mark.parametrize("hostile", HOSTILE[-1:], indirect=True)
def test_a_long_name_is_cut_in_the_picture_and_whole_in_its_title(hostile: Failure) -> None:
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


# -- the figure ------------------------------------------------------------------------------------


def test_the_figure_has_a_trace_per_meaning_and_a_band_per_mark() -> None:
    found = lost_update()
    figure = sequence_diagram(found)
    names = [trace.name for trace in figure.data if trace.name]
    assert len(names) == len(set(names))
    assert {"▸ call of a verb", "← read", "✓ committed", "◂ answer"} <= set(names)
    assert len(figure.layout.shapes) == 2
    assert [a.text for a in figure.layout.annotations] == ["<b>①</b>", "<b>②</b>"]
    committed = next(trace for trace in figure.data if trace.name == "✓ committed")
    assert [x for x in committed.x if x is not None] == [0, 1, 2, 1]  # ann, store, ben, store
    json.loads(figure.to_json())


def test_the_figure_is_a_table_of_the_steps() -> None:
    found = lost_update()
    table = charts.as_frame(sequence_diagram(found))
    steps = sequence(found).steps
    assert list(table["text"]) == [step.happening.text for step in steps]
    assert list(table["mark"].dropna()) == ["① committed, then overwritten", "② overwrites it"]


@pytest.mark.parametrize("hostile", HOSTILE, indirect=True)
def test_names_are_text_in_the_figure_and_never_markup(hostile: Failure) -> None:
    figure = sequence_diagram(hostile)
    shown = json.dumps(json.loads(figure.to_json()), ensure_ascii=False)
    tags = set(re.findall(r"<[^>]*>", shown))
    assert tags <= {"<b>", "</b>", "<br>", "<sub>", "</sub>"}
    assert "$" not in shown
    whole = {step.happening.who for step in sequence(hostile).steps}
    assert set(charts.as_frame(figure)["who"]) == whole


def test_diagrams_can_be_had_without_plotly() -> None:
    code = (
        "import sys; from syncsim.ui import SequenceDiagram, sequence_page, write_page, charts\n"
        "import syncsim.ui.sequence_figure\n"
        "assert not {'plotly', 'pandas', 'ipywidgets', 'IPython'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
