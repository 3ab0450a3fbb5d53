"""Processes that cannot start are an error of the call, and never a verdict on the solution."""

from __future__ import annotations

import os
import subprocess
import sys
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import NamedTuple

import pytest

from syncsim import run
from syncsim.errors import UsageError

pytestmark = [pytest.mark.real, pytest.mark.timeout(120)]

RUN = 'from syncsim import run\nprint("passed", run("stress-test", on="processes", {}).passed)\n'
EXPLORE = (
    "from syncsim import explore\n"
    'print("passed", explore("single-update", schedules=4, processes=2).passed)\n'
)
GUARDED = 'if __name__ == "__main__":\n'


class Ended(NamedTuple):
    code: int
    out: str
    err: str


def python(*arguments: str, folder: Path, typed: str | None = None) -> Ended:
    (folder / "tmp").mkdir(exist_ok=True)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), str(folder / "lib")]),
        "XDG_CACHE_HOME": str(folder),
        "TMPDIR": str(folder / "tmp"),
    }
    ran = subprocess.run(
        [sys.executable, *arguments],
        input=typed,
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
    )
    return Ended(ran.returncode, ran.stdout, ran.stderr)


def indented(code: str) -> str:
    return "".join(f"    {line}\n" for line in code.splitlines())


def refused(ended: Ended) -> str:
    """The one traceback that is there, of the call itself: its last line."""
    assert (ended.code, ended.out) == (1, "")
    assert ended.err.count("Traceback") == 1, ended.err
    last = ended.err.splitlines()[-1]
    assert last.startswith("syncsim.errors.UsageError: ")
    return last


@pytest.mark.parametrize(
    ("how", "call"),
    [
        ("script", RUN.format("seed=3")),
        ("script", EXPLORE),
        ("module", RUN.format("seed=3")),
        ("in a function", RUN.format("seed=3")),
    ],
    ids=["run", "explore", "module", "function"],
)
def test_a_script_without_a_guard_is_told_to_have_one(how: str, call: str, tmp_path: Path) -> None:
    code = f"def main():\n{indented(call)}\nmain()\n" if how == "in a function" else call
    (tmp_path / "script.py").write_text(code)
    ended = python(*(["-m", "script"] if how == "module" else ["script.py"]), folder=tmp_path)
    assert 'if __name__ == "__main__":' in refused(ended)
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize("call", [RUN.format("seed=3"), EXPLORE], ids=["run", "explore"])
def test_what_was_typed_into_standard_input_cannot_be_imported(call: str, tmp_path: Path) -> None:
    assert "a script in a file" in refused(python("-", folder=tmp_path, typed=call))


@pytest.mark.parametrize("call", [RUN.format("seed=3"), EXPLORE], ids=["run", "explore"])
def test_where_there_is_nothing_to_import_processes_start(call: str, tmp_path: Path) -> None:
    assert python("-c", call, folder=tmp_path).out == "passed True\n"
    (tmp_path / "script.py").write_text(GUARDED + indented(call))
    assert python("script.py", folder=tmp_path).out == "passed True\n"


def test_the_command_line_starts_processes(tmp_path: Path) -> None:
    words = ("run", "stress-test", "--on", "processes", "--seed", "3")
    ended = python("-m", "syncsim", *words, folder=tmp_path)
    assert (ended.code, ended.err) == (0, "")


def test_a_process_that_is_killed_as_it_starts_is_no_verdict(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(
        "import os, signal\n"
        'if __name__ == "__mp_main__":\n'
        "    os.kill(os.getpid(), signal.SIGKILL)\n" + GUARDED + indented(RUN.format("seed=3"))
    )
    assert "exit code -9 before it began" in refused(python("script.py", folder=tmp_path))


def test_a_process_that_cannot_be_made_ends_those_that_were(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[SpawnProcess] = []
    start = SpawnProcess.start

    def third_fails(process: SpawnProcess) -> None:
        if len(made) == 2:
            raise OSError(11, "Resource temporarily unavailable")
        start(process)
        made.append(process)

    monkeypatch.setattr(SpawnProcess, "start", third_fails)
    with pytest.raises(UsageError, match="temporarily unavailable"):
        run("stress-test", on="processes", seed=3)
    with pytest.raises(ValueError, match="closed"):
        made[0].is_alive()


def test_a_module_that_only_this_process_has_is_named(tmp_path: Path) -> None:
    """It has a file, so it looks as if another process could import it."""
    (tmp_path / "away").mkdir()
    mine = tmp_path / "away" / "mine.py"
    mine.write_text("import syncsim\ndef build(env):\n    return syncsim.build(env)\n")
    code = (
        "import importlib.util, sys\n"
        f"spec = importlib.util.spec_from_file_location('mine', {str(mine)!r})\n"
        "sys.modules['mine'] = module = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(module)\n" + RUN.format("solution=module.build")
    )
    (tmp_path / "script.py").write_text(GUARDED + indented(code))
    last = refused(python("script.py", folder=tmp_path))
    assert "solution" in last
    assert "No module named 'mine'" in last
