"""The demo script: eight steps on real files and threads, and what it says when one fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import syncsim
from syncsim.errors import UsageError
from syncsim.lab.engines.demo import SCRIPT, walk
from syncsim.lab.engines.runner import Run


def broken(name: str) -> Run:
    raise UsageError("scenario", name, "one that exists")


def test_a_step_that_fails_says_so_and_the_next_ones_are_played(tmp_path: Path) -> None:
    steps = list(walk(tmp_path, broken))
    assert [step.number for step in steps] == list(range(1, 9))
    assert [step.number for step in steps if step.passed] == [1, 2, 4]
    assert steps[2].evidence[0].text.startswith("UsageError: scenario cannot be 'perfect-storm'")


def test_conflicting_changes_are_shown_before_and_after_with_what_was_overridden(
    tmp_path: Path,
) -> None:
    steps = list(walk(tmp_path, broken))
    before, ann, ben, result, told = (seen.text for seen in steps[3].evidence)
    assert "'Spring meeting'" in before
    assert "'Autumn meeting'" in ann
    assert "'Winter meeting'" in ben
    for kept in ("'Winter meeting'", "'What is your name?'", "'Tell us who comes.'"):
        assert kept in result
    assert "'Autumn meeting' by ann" in told


def test_a_second_demo_in_the_same_folder_fails_at_its_start(tmp_path: Path) -> None:
    """The steps say what they saw: a template that is there already is no passed start."""
    list(walk(tmp_path, broken))
    again = next(walk(tmp_path, broken))
    assert not again.passed
    assert again.evidence[0].text.startswith("TemplateExistsError")


def test_the_script_is_that_of_the_mission() -> None:
    assert [title for title, _, _ in SCRIPT] == [
        "Start",
        "Normal operation",
        "Concurrency",
        "Conflict resolution",
        "Cache",
        "Background job",
        "Stress",
        "Errors",
    ]


@pytest.mark.real
def test_the_whole_demo_passes_from_the_shell(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "syncsim", "demo", "--json"],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
        env={
            **os.environ,
            "HOME": str(tmp_path),
            "PYTHONPATH": str(Path(syncsim.__file__).parents[1]),
        },
    )
    assert (ended.returncode, ended.stderr) == (0, ""), ended.stdout
    report = json.loads(ended.stdout)
    assert report["passed"]
    assert [step["passed"] for step in report["steps"]] == [True] * 8
    assert {
        "perfect-storm",
        "cache-consistency",
        "background-job-respect",
        "stress-test",
    } <= report["scenarios"].keys()
    assert all(step["evidence"] for step in report["steps"])
