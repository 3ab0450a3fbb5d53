"""CI finds the other Pythons of a machine, and takes none at its name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
HERE = sys.version_info.minor


def executable(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
    path.chmod(0o755)
    return path


def answering(path: Path, *version: int) -> Path:
    return executable(path, f"echo {' '.join(map(str, version))}")


def search(*folders: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, ROOT / ".ci" / "pythons"],
        env={"PATH": os.pathsep.join(map(str, folders))},
        capture_output=True,
        text=True,
        check=True,
    )


def test_a_python_behind_a_shim_that_refuses_is_found_and_the_newest_of_a_version_is_taken(
    tmp_path: Path,
) -> None:
    newer = HERE + 1
    shim = executable(tmp_path / "shims" / f"python3.{newer}", "echo choose one >&2; exit 127")
    answering(tmp_path / f"versions/3.{newer}.9/bin/python3.{newer}", 3, newer, 9)
    newest = answering(tmp_path / f"versions/3.{newer}.10/bin/python3.{newer}", 3, newer, 10)
    plain = answering(tmp_path / "bin" / f"python3.{newer + 1}", 3, newer + 1, 0)
    found = search(tmp_path / "shims", tmp_path / "bin")
    assert found.stdout.split() == [str(newest), str(plain)]
    assert found.stderr == f"left out: {shim}: choose one\n"


def test_where_pyenv_is_its_own_folder_is_searched(tmp_path: Path) -> None:
    executable(tmp_path / "bin" / "pyenv", f"echo {tmp_path}/root")
    there = answering(tmp_path / f"root/versions/x/bin/python3.{HERE + 1}", 3, HERE + 1, 1)
    assert search(tmp_path / "bin").stdout.split() == [str(there)]


def test_this_version_older_ones_and_other_programs_are_no_other_pythons(tmp_path: Path) -> None:
    answering(tmp_path / f"python3.{HERE}", 3, HERE, 99)
    answering(tmp_path / "python3.10", 3, 10, 1)
    answering(tmp_path / f"python3.{HERE + 1}-config", 3, HERE + 1, 1)
    answering(tmp_path / f"python3.{HERE + 2}", 3, HERE, 1)
    answering(tmp_path / f"python3.{HERE + 3}", 3, 9, 1)
    found = search(tmp_path, tmp_path / "missing")
    assert (found.stdout, found.stderr) == ("", "")
