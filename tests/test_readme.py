"""The README cannot drift: its example runs, its commands are those that CI runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import syncsim

PROJECT = Path(syncsim.__file__).parent.parent
README = PROJECT / "README.md"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README.read_text("utf-8"), re.M | re.S)


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
        "from syncsim.lab.textbook import Textbook\n\n"
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


def test_every_link_to_a_file_leads_to_one() -> None:
    for page in [README, *sorted((PROJECT / "docs").glob("*.md"))]:
        for target in re.findall(r"\]\((?!http|#)([^)#]+)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
