"""README and docs cannot drift: their code runs, their commands parse, their links lead on."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

import syncsim
from syncsim import explore
from syncsim.cli import app
from syncsim.cli.application import ORDER

PROJECT = Path(syncsim.__file__).parent.parent
README = PROJECT / "README.md"
DOCS = sorted((PROJECT / "docs").glob("*.md"))
PAGES = [*sorted(PROJECT.glob("*.md")), *DOCS]
SOLUTION = PROJECT / "docs" / "solution.md"


def blocks(language: str, page: Path = README) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text("utf-8"), re.M | re.S)


def command_lines() -> Iterator[tuple[str, str]]:
    """Every `syncsim ...` in a block of shell, with the page it stands on."""
    for page in PAGES:
        for line in "".join(blocks("sh", page)).splitlines():
            for command in re.split("&&|;", line.partition("#")[0]):
                _, ours, arguments = command.partition("syncsim ")
                if ours:
                    yield page.name, arguments.strip()


def test_the_example_says_what_it_does(tmp_path: Path) -> None:
    example = blocks("python")[0]
    env = {**os.environ, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-c", example],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    shown = example.strip().splitlines()[-1].removeprefix("    # ")
    told, _, rest = shown.partition("...")
    assert done.stdout.startswith(told)
    assert done.stdout.rstrip().endswith(rest.strip())


def test_the_second_example_finds_a_race_and_has_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(
        "from syncsim.lab.solutions.textbook import Textbook\n\n"
        "class BlindWrite(Textbook):\n"
        "    def swap(self, head, document, user, update_id, detail):\n"
        "        return self.env.store.put(head.template_id, document, by=user)\n\n"
        "build = BlindWrite\n"
    )
    names: dict[str, Any] = {}
    exec(blocks("python")[1], names)
    assert names["again"].history == names["explored"].first.run.history


@pytest.mark.parametrize("name", ["lab", "tests"])
def test_both_commands_begin_with_a_bare_checkout(name: str) -> None:
    text = README.read_text("utf-8")
    command = re.search(rf"<!-- command: {name} -->\n```sh\n(.*?)\n```", text, re.S)
    assert command is not None
    assert command[1].startswith("python3 -m venv .venv && .venv/bin/python -m pip install -c ")


def test_every_name_of_the_face_is_documented() -> None:
    pages = [README, *sorted((PROJECT / "docs").glob("*.md"))]
    text = "\n".join(page.read_text("utf-8") for page in pages)
    assert [n for n in syncsim.__all__ if not re.search(rf"\b{n}\b", text)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_leads_to_one(page: Path) -> None:
    for target in re.findall(r"\]\((?!http|#)([^)#]+)", page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


def test_the_index_leads_to_every_page_of_the_docs() -> None:
    index = (PROJECT / "docs" / "README.md").read_text("utf-8")
    assert [page.name for page in DOCS if f"({page.name})" not in index] == ["README.md"]


def test_the_table_of_commands_has_every_command_and_no_other() -> None:
    page = PROJECT / "docs" / "command-line.md"
    table = page.read_text("utf-8").partition("| command | does |")[2].partition("\n\n")[0]
    cells = " ".join(row.split("|")[1] for row in table.splitlines()[2:])
    assert sorted(re.findall(r"`([a-z-]+)", cells)) == sorted(ORDER)


def test_there_are_commands_to_try() -> None:
    told = {arguments.split()[0] for _, arguments in command_lines()}
    assert {"lab", "demo", "run", "explore", "replay", "report", "app", "herd"} <= told


@pytest.mark.parametrize(("page", "arguments"), sorted(set(command_lines())))
def test_every_command_that_is_shown_is_one(page: str, arguments: str) -> None:
    """Parsed, not run: a name or an option that is none raises."""
    group: Any = typer.main.get_command(app)
    name, *rest = shlex.split(arguments)
    command = group.get_command(None, name)
    assert command is not None
    assert command.make_context(name, rest).params


def test_what_is_no_command_is_told_from_one() -> None:
    group: Any = typer.main.get_command(app)
    with pytest.raises(Exception, match="--no-such-option"):
        group.get_command(None, "run").make_context("run", ["x", "--no-such-option"])


def measured_rows(page: Path, heading: str) -> list[str]:
    """The rows of the table below a heading, each of which was measured."""
    measured = (PROJECT / "benchmarks" / "results.md").read_text("utf-8").splitlines()
    section = page.read_text("utf-8").partition(f"\n## {heading}")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    assert [row for row in rows if row not in measured] == []
    return rows[2:]


def test_every_figure_in_the_table_is_a_measured_one() -> None:
    page = PROJECT / "docs" / "performance.md"
    rows = measured_rows(page, "The table")
    assert len(rows) > 20
    words = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6}
    told = re.search(r"(\w+) targets are missed", page.read_text("utf-8"))
    assert told is not None
    assert words[told[1].lower()] == sum("**no**" in row for row in rows)


def test_the_readme_has_three_rows_of_the_table() -> None:
    assert len(measured_rows(README, "How fast")) == 3


def test_a_visitor_reads_no_more_than_a_page() -> None:
    assert len(README.read_text("utf-8").splitlines()) <= 110


def test_the_first_solution_of_a_candidate_fails_as_the_page_says(tmp_path: Path) -> None:
    """The page quotes what is found, so it is found, whatever else changes."""
    path = tmp_path / "mine.py"
    path.write_text(blocks("python", SOLUTION)[0])
    explored = explore("perfect-storm", solution=str(path), schedules=20)
    text = SOLUTION.read_text("utf-8")
    assert {finding.code for finding in explored.findings} == {"D1", "M5"}
    for finding in explored.findings:
        assert f"{finding.code} {finding.kind}: {finding.message}\n" in text


def test_everything_can_be_asked_of_it_as_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = blocks("python", SOLUTION)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(first)
    exec(second, {})
    assert {line.split()[0] for line in capsys.readouterr().out.splitlines()} >= {"D1", "M5"}


def test_the_control_room_is_had_as_values_as_the_page_says(
    capsys: pytest.CaptureFixture[str],
) -> None:
    (block,) = blocks("python", PROJECT / "docs" / "control-room.md")
    exec(block, {})
    assert capsys.readouterr().out.startswith("True ")


def test_no_block_of_python_is_left_untried() -> None:
    """Each page with code in it has a test above that runs it."""
    told = {str(p.relative_to(PROJECT)): len(blocks("python", p)) for p in PAGES}
    assert {name: n for name, n in told.items() if n} == {
        "README.md": 2,
        "docs/control-room.md": 1,
        "docs/solution.md": 2,
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_every_file_that_is_named_is_there(page: Path) -> None:
    text = page.read_text("utf-8")
    tests = {path.name for path in (PROJECT / "tests").rglob("*.py")}
    assert set(re.findall(r"`(test_\w+\.py)", text)) <= tests
    named = re.findall(r"`((?:syncsim|notebooks|benchmarks|tests|docs|data)/[\w./]*)`", text)
    assert [name for name in named if not (PROJECT / name).exists()] == []


def test_notebooks_promise_no_notebook_that_is_not_there() -> None:
    folder = PROJECT / "notebooks"
    there = {path.stem[:2] for path in folder.glob("[0-9]*.ipynb")}
    for path in folder.glob("*.ipynb"):
        assert set(re.findall(r"[Nn]otebook (\d\d)", path.read_text("utf-8"))) <= there
