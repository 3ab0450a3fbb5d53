"""What a newcomer types first, and what they are told when it was not quite right."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from syncsim.cli import command_io, lab_launcher, main, terminal
from syncsim.errors import UsageError
from syncsim.lab.scenarios import scenario
from syncsim.template.samples import sample


class Ended(NamedTuple):
    code: int
    out: str
    err: str


Call = Callable[..., Ended]


@pytest.fixture
def call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Call:
    """The command line, in a folder, with a home and a store of the test's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home" / "cache"))
    monkeypatch.setenv("SYNCSIM_STORE_URL", f"sqlite:///{tmp_path / 'templates.db'}")

    def call_main(*arguments: str) -> Ended:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        code = ended.value.code
        assert isinstance(code, int)
        return Ended(code, *capsys.readouterr())

    return call_main


def test_an_empty_store_says_how_to_put_something_in(call: Call, tmp_path: Path) -> None:
    code, out, _ = call("list")
    assert code == 0
    assert "syncsim import FILE.json --user U" in out
    assert f"sqlite:///{tmp_path / 'templates.db'}" in out
    assert "sqlite:///other.db" in call("list", "--store", "sqlite:///other.db").out
    assert json.loads(call("list", "--json").out) == {"templates": []}


def test_list_shows_every_template_with_its_newest_version(call: Call, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(sample("contact_card")))
    (tmp_path / "b.json").write_text(json.dumps(sample("bug_report")))
    for name in ("b", "a"):
        call("import", f"{name}.json", "--user", "ann")
    (tmp_path / "a.json").write_text(json.dumps({**sample("contact_card"), "name": "New"}))
    newest = json.loads(
        call(*["import", "a.json", "--user", "ben", "--update", "--base", "head", "--json"]).out
    )
    code, out, err = call("list", "--json")
    first, second = json.loads(out)["templates"]
    assert (code, err) == (0, "")
    assert (first["template_id"], first["version"]) == ("a", newest["version"])
    assert (first["updated_by"], second["template_id"]) == ("ben", "b")
    shown = call("list").out
    assert newest["version"] in shown
    assert "ben" in shown


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("history nope", "syncsim list"),
        ("export nope", "syncsim list"),
        ("diff form 1-x 2-x", "syncsim history TEMPLATE"),
        ("rollback form 1-x --user ann", "syncsim history TEMPLATE"),
    ],
)
def test_what_is_not_there_is_answered_with_the_command_that_lists_what_is(
    call: Call, tmp_path: Path, arguments: str, says: str
) -> None:
    (tmp_path / "form.json").write_text(json.dumps(sample("contact_card")))
    call("import", "form.json", "--user", "ann")
    code, _, err = call(*arguments.split())
    assert code == 1
    assert says in err


def test_a_file_that_cannot_be_written_is_named_with_what_to_do(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", "folder/.run.json.7")

    monkeypatch.setattr("syncsim.system.whole_files.os.open", refuse)
    code, out, err = call("run", "single-update", "--on", "simulation", "--save", "run.json")
    assert (code, out) == (3, "")
    assert err == "error: cannot use 'run.json': Permission denied; choose another place for it\n"


@pytest.mark.parametrize("where", ["threads", "processes", "simulation"])
def test_more_users_than_a_machine_has_threads_for_are_refused_at_once(
    call: Call, where: str
) -> None:
    code, _, err = call("run", "perfect-storm", "--users", "100000", "--on", where)
    assert code == 2
    assert "users cannot be 100000: expected at most 2000" in err
    assert "syncsim herd" in err


def test_as_many_users_as_are_allowed_are_allowed() -> None:
    with pytest.raises(UsageError):
        scenario("perfect-storm", users=2001)
    assert len(scenario("perfect-storm", users=2000).users) == 2000


@pytest.mark.parametrize(
    ("option", "value", "allowed"),
    [("--updates", "1000000000", "at most 20000"), ("--work-ms", "1e308", "from 0 to 60000")],
)
def test_a_run_beyond_all_measure_is_refused_at_once(
    call: Call, option: str, value: str, allowed: str
) -> None:
    code, _, err = call("run", "stress-test", option, value, "--on", "simulation")
    assert code == 2
    assert allowed in err


def test_a_thousand_findings_of_a_kind_do_not_flood_the_terminal() -> None:
    def found(kind: str, number: int) -> dict[str, Any]:
        return {"code": "D1", "kind": kind, "message": f"number {number}"}

    report = {"findings": [found("lost", n) for n in range(1000)] + [found("other", 1)]}
    lines = [line.plain for line in terminal.findings(report)]
    assert lines[0] == "D1 lost: number 0"
    assert lines[-2:] == [
        "D1 other: number 1",
        f"... and {1000 - terminal.FINDINGS} more findings; --json has every one",
    ]
    assert len(lines) == terminal.FINDINGS + 2


def test_a_port_that_is_taken_is_told_before_anything_else(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    def taken(port: int) -> None:
        raise UsageError("--port", port, "a free port")

    monkeypatch.setattr(lab_launcher, "check_port", taken)
    monkeypatch.setattr(lab_launcher, "is_root", lambda: True)
    code, out, err = call("lab", "--port", "8888")
    assert (code, out, err.count("\n")) == (2, "", 1)


def test_the_list_of_commands_has_no_sentence_cut_off(call: Call) -> None:
    commands = call("--help").out.partition("Commands:")[2].partition("Exit codes")[0]
    assert "..." not in commands


@pytest.mark.parametrize("command", ["run single-update --json", "run single-update", "list"])
def test_a_full_disk_behind_standard_output_is_one_line(tmp_path: Path, command: str) -> None:
    """/dev/full stands for the disk: nothing can be said there, not even what is wrong with it."""
    project = str(Path(terminal.__file__).parents[2])
    environment = {"HOME": str(tmp_path), "PYTHONPATH": project}
    with open("/dev/full", "w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "syncsim", *command.split()],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment, "SYNCSIM_STORE_URL": f"sqlite:///{tmp_path}/t.db"},
        )
    reason = "the output cannot be written: No space left on device; choose another place for it"
    assert (ended.returncode, ended.stderr) == (3, f"error: {reason}\n")


@pytest.mark.parametrize(
    ("command", "closed", "code"),
    [
        ("import form.json --id form --user ann", ">&-", 0),
        ("list --json", ">&- 2>&-", 0),
        ("import - --id form --user ann", "<&-", 1),
    ],
)
def test_a_closed_stream_is_no_failure(
    tmp_path: Path, command: str, closed: str, code: int
) -> None:
    (tmp_path / "form.json").write_text(json.dumps(sample("contact_card")))
    project = str(Path(terminal.__file__).parents[2])
    ended = subprocess.run(
        ["sh", "-c", f'"$0" -m syncsim {command} {closed}', sys.executable],
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={
            **os.environ,
            "HOME": str(tmp_path),
            "PYTHONPATH": project,
            "SYNCSIM_STORE_URL": f"sqlite:///{tmp_path}/t.db",
        },
    )
    assert (ended.returncode, ended.stderr.count("\n")) == (code, int(code > 0))
    assert "Traceback" not in ended.stderr


def test_a_folder_that_takes_no_file_is_told_before_the_work(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the file is there and may be written: it would be replaced, not written over."""
    (tmp_path / "page.html").write_text("old")
    monkeypatch.setattr(os, "access", lambda place, _: Path(place) != tmp_path.resolve())
    ended = call("explore", "perfect-storm", "--schedules", "100000", "--html", "page.html")
    assert (ended.code, ended.out) == (3, "")
    assert "cannot use 'page.html': Permission denied" in ended.err
    assert (tmp_path / "page.html").read_text() == "old"


def test_a_reason_without_a_file_is_the_reason_alone() -> None:
    assert command_io.complain(OSError(28, "No space left on device"), as_json=False) == 3
