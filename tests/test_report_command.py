"""`syncsim report`: from a saved run to a page, or one sentence and an exit code."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from syncsim.cli import main


class Ended(NamedTuple):
    code: int
    out: str
    err: str


Call = Callable[..., Ended]


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Call:
    monkeypatch.chdir(tmp_path)

    def call_main(*arguments: str) -> Ended:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        code = ended.value.code
        assert isinstance(code, int)
        return Ended(code, *capsys.readouterr())

    return call_main


@pytest.fixture
def saved(call: Call, tmp_path: Path) -> Path:
    """A run as the command line saves it."""
    run = ("run", "perfect-storm", "--on", "simulation", "--seed", "3", "--save", "run.json")
    assert call(*run).code == 0
    return tmp_path / "run.json"


def test_what_run_saves_becomes_a_page(call: Call, saved: Path, tmp_path: Path) -> None:
    code, out, err = call("report", "run.json", "--html", "run.html")
    assert (code, out, err) == (0, "", "the page is in run.html\n")
    page = (tmp_path / "run.html").read_text("utf-8")
    assert page.startswith("<!doctype html>")
    assert json.loads(saved.read_text())["final_version"] in page


def test_a_page_that_is_there_is_written_over(call: Call, saved: Path, tmp_path: Path) -> None:
    (tmp_path / "run.html").write_text("old")
    assert call("report", str(saved), "--html", "run.html").code == 0
    assert "old" not in (tmp_path / "run.html").read_text("utf-8")[:3]


def test_the_run_may_come_from_standard_input(
    call: Call, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(saved.read_bytes())))
    assert call("report", "-", "--html", "run.html").code == 0
    assert (tmp_path / "run.html").is_file()


@pytest.mark.usefixtures("saved")
def test_a_failed_run_is_reported_all_the_same(call: Call, tmp_path: Path) -> None:
    run = json.loads((tmp_path / "run.json").read_text())
    run["findings"] = [
        {"code": "D1", "kind": "lost-update", "message": "gone", "operations": [], "token": None}
    ]
    (tmp_path / "run.json").write_text(json.dumps(run))
    assert call("report", "run.json", "--html", "run.html").code == 0
    assert "FAILED" in (tmp_path / "run.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nothing.json", "--html", "a.html"), "the file cannot be 'nothing.json': expected one"),
        ((".", "--html", "a.html"), "the file cannot be '.': expected one that can be read"),
        (("run.json",), "Missing option '--html'"),
        (("run.json", "--html", "run.json"), "expected a file other than that of the run"),
        (("run.json", "--html", "no/a.html"), "expected one in a folder that exists"),
        (("run.json", "--html", "."), "expected one to write to, and this is a folder"),
        (("notes.txt", "--html", "a.html"), "the saved run notes.txt cannot be"),
        (("later.json", "--html", "a.html"), "a newer syncsim saved it"),
    ],
)
@pytest.mark.usefixtures("saved")
def test_what_cannot_be_done_is_one_sentence_and_leaves_no_file(
    arguments: tuple[str, ...], said: str, call: Call, tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("dear diary")
    (tmp_path / "later.json").write_text('{"format": "syncsim-run/2"}')
    before = (tmp_path / "run.json").read_bytes()
    code, out, err = call("report", *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("error: ")
    assert said in err
    assert err.count("\n") == 1
    assert not (tmp_path / "a.html").exists()
    assert (tmp_path / "run.json").read_bytes() == before
