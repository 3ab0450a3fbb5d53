"""Explore, replay and `run --on simulation` as a shell sees them; solutions good and bad."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import syncsim
from syncsim.cli import main
from syncsim.lab.solutions import loading

BLIND_WRITE = """
from syncsim.lab.solutions.textbook import Textbook

class BlindWrite(Textbook):
    def swap(self, head, document, user, update_id, detail):
        return self.env.store.put(head.template_id, document, by=user)

def build(env):
    return BlindWrite(env)
"""
TEXTBOOK = """
import os, select, sys, threading, time
from concurrent.futures import ThreadPoolExecutor
from syncsim.lab.solutions.textbook import Textbook

def for_ever():
    while True:
        time.sleep(1)

def build(env):
    {what}
    return Textbook(env)
"""


class Ended(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def answer(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.out)
        return answer


Call = Callable[..., Ended]


@pytest.fixture
def call(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Call:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "blind.py").write_text(BLIND_WRITE)

    def call_main(*arguments: str) -> Ended:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        code = ended.value.code
        assert isinstance(code, int)
        return Ended(code, *capfd.readouterr())

    return call_main


def shell(folder: Path, *arguments: str) -> Ended:
    """The same in a process of its own, which must end by itself."""
    ended = subprocess.run(
        [sys.executable, "-m", "syncsim", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(syncsim.__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=60,
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


# -- the way from a fault to its replay ------------------------------------------------------------


def test_the_reference_survives_and_the_exit_code_says_so(call: Call) -> None:
    code, out, _ = call("explore", "perfect-storm", "--schedules", "50")
    assert code == 0
    assert out.startswith("PASSED ✓  perfect-storm  50 interleavings")


def test_a_fault_is_shrunk_to_a_token_that_replays_it(call: Call) -> None:
    found = call(
        "explore", "perfect-storm", "--solution", "blind.py", "--schedules", "40", "--json"
    )
    assert found.code == 1
    assert {"schedules", "distinct", "exhausted", "findings"} <= found.answer.keys()
    finding = found.answer["findings"][0]
    assert (finding["code"], finding["kind"]) == ("D1", "lost-update")
    again = [
        call("replay", "perfect-storm", finding["token"], "--solution", "blind.py", "--json")
        for _ in range(2)
    ]
    assert [one.code for one in again] == [1, 1]
    assert again[0].out == again[1].out
    assert again[0].answer["findings"][0]["message"] == finding["message"]


def test_the_command_that_explore_prints_can_be_typed(call: Call) -> None:
    out = call("explore", "perfect-storm", "--solution", "blind.py", "--schedules", "40").out
    command = next(line.split() for line in out.splitlines() if " replay " in line)
    assert command[:2] == ["syncsim", "replay"]
    code, out, _ = call(*command[1:])
    assert code == 1
    assert "lost-update" in out


def test_a_simulated_run_tells_how_to_have_it_again(call: Call) -> None:
    code, out, _ = call("run", "stress-test", "--on", "simulation", "--seed", "3")
    assert code == 0
    command = out.splitlines()[-1].removeprefix("again: ").split()
    code, again, _ = call(*command[1:])
    assert code == 0
    figures = [line for line in out.splitlines() if "mark" in line or "version" in line]
    assert figures == [line for line in again.splitlines() if "mark" in line or "version" in line]


def test_the_face_runs_explores_and_replays() -> None:
    """The Python way of the contract, simulation being the default."""
    played = syncsim.run("perfect-storm", seed=5)
    assert (played.passed, played.setting.on) == (True, "simulation")
    assert played.token is not None
    assert syncsim.replay("perfect-storm", played.token).history == played.history
    explored = syncsim.explore("perfect-storm", schedules=20)
    assert (explored.findings, explored.first) == ((), None)


def test_all_interleavings_of_two_are_counted_both_ways(call: Call) -> None:
    size = ("--users", "2", "--updates", "2", "--no-job", "--strategy", "exhaustive")
    found = call("explore", "perfect-storm", *size, "--json")
    assert found.code == 0
    assert found.answer["exhausted"]
    assert found.answer["interleavings"] >= found.answer["schedules"] > 1


def test_mishaps_are_drawn_into_the_runs_and_into_the_token(call: Call) -> None:
    """A solution that does not survive a lost answer is right in calm weather."""
    mishaps = ("--faults", "lost_answer=3,latency")
    arguments = ("perfect-storm", "--solution", "forgetful.py", "--schedules", "30", "--json")
    Path("forgetful.py").write_text(
        "from syncsim.lab.solutions.textbook import Textbook\n\n"
        "class Forgetful(Textbook):\n"
        "    def swap(self, head, document, user, update_id, detail):\n"
        "        return super().swap(head, document, user, self.env.new_id(), detail)\n\n"
        "build = Forgetful\n"
    )
    assert call("explore", *arguments).code == 0
    found = call("explore", *arguments, *mishaps)
    assert found.code == 1
    token = found.answer["findings"][0]["token"]
    again = call("replay", "perfect-storm", token, "--solution", "forgetful.py", "--json")
    assert again.answer["findings"][0]["code"] == found.answer["findings"][0]["code"]


# -- what is wrong is said in one line -------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("explore", "no-such"), "expected one of perfect-storm"),
        (("explore", "perfect-storm", "--schedules", "0"), "--schedules"),
        (("explore", "perfect-storm", "--strategy", "wild"), "expected one of portfolio"),
        (("explore", "perfect-storm", "--store", "sqlite:///x.db"), "expected memory or sqlite"),
        (("explore", "perfect-storm", "--html", "no/where.html"), "a folder that exists"),
        (("explore", "perfect-storm", "--faults", "busy=many"), "NAME=NUMBER"),
        (("explore", "perfect-storm", "--faults", "gremlins=2"), "lost_answer"),
        (("explore", "perfect-storm", "--faults", "busy=1"), "one in how many"),
        (("replay", "perfect-storm", "hello"), "a text beginning with 's1.'"),
        (("replay", "perfect-storm", "s9.abc"), "another version of syncsim"),
        (("run", "stress-test", "--on", "moon"), "simulation, threads or processes"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    call: Call, arguments: tuple[str, ...], said: str
) -> None:
    code, out, err = call(*arguments)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


def test_a_token_of_another_solution_is_refused_with_both_names(call: Call) -> None:
    token = syncsim.run("perfect-storm").token
    assert token is not None
    code, _, err = call("replay", "perfect-storm", token, "--solution", "blind.py")
    assert code == 2
    assert "blind.py" in err
    assert "reference" in err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import nothing_such", "No module named 'nothing_such'"),
        ("def build(env:", "SyntaxError: '(' was never closed (bad.py:1)"),
        ("x = 1", "a file that defines build(env)"),
        ("def build(env):\n    raise ValueError('no')", "it raised ValueError('no') (bad.py:2)"),
    ],
)
def test_a_solution_that_cannot_be_built_is_one_line_and_exit_code_2(
    call: Call, tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "bad.py").write_text(text)
    code, out, err = call("explore", "perfect-storm", "--solution", "bad.py")
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


def test_an_import_that_never_ends_is_given_up_with_the_line_where_it_is(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "IMPORT_PATIENCE_S", 0.2)
    (tmp_path / "spin.py").write_text("\nwhile True:\n    pass\n")
    code, _, err = call("explore", "perfect-storm", "--solution", "spin.py")
    assert code == 2
    assert "still at it after 0.2 s, at spin.py:" in err


# -- nothing of a solution is left over ------------------------------------------------------------


def test_what_a_solution_prints_goes_to_standard_error(call: Call, tmp_path: Path) -> None:
    what = "print('a'); sys.stdout.write('b'); os.write(1, b'c')"
    (tmp_path / "loud.py").write_text(TEXTBOOK.format(what=what))
    code, out, err = call(
        "explore", "perfect-storm", "--solution", "loud.py", "--schedules", "3", "--json"
    )
    assert code == 0
    assert json.loads(out)["schedules"] == 3
    assert {"a", "b", "c"} <= set(err)


def test_a_thread_that_goes_on_for_ever_ends_with_the_run(call: Call, tmp_path: Path) -> None:
    what = "threading.Thread(target=for_ever, name='ticker').start()"
    (tmp_path / "ticking.py").write_text(TEXTBOOK.format(what=what))
    found = call(
        "explore", "perfect-storm", "--solution", "ticking.py", "--schedules", "3", "--json"
    )
    assert found.code == 0
    assert any("ticker" in note and "never ends" in note for note in found.answer["notes"])


@pytest.mark.real
def test_the_process_ends_though_a_real_thread_goes_on(tmp_path: Path) -> None:
    """An executor's thread is real, and Python would wait for it at exit."""
    what = "ThreadPoolExecutor().submit(select.select, [], [], [], 300)"
    (tmp_path / "pool.py").write_text(TEXTBOOK.format(what=what))
    found = shell(
        tmp_path, "explore", "perfect-storm", "--solution", "pool.py", "--schedules", "2", "--json"
    )
    assert (found.code, found.answer["schedules"]) == (0, 2)
