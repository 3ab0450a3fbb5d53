"""`--against TREE`: our own times in this tree beside those in another checkout, in turn.

The benchmarks of this tree measure both. Each measurement is a process of its own that finds
`benchmarks` and `tests` here and `syncsim` in the tree it is about. The trees take turns, and so
does who begins, so that a noisy minute hits both; a row's ratio is the median over the rounds.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HERE = Path(__file__).parents[1]
WORSE = 1.05
"""A row that takes more than this times as long as in the other tree is worse."""

HEADING = "| what | this tree | the other | ratio | spread | |\n|---|---|---|---|---|---|"


@dataclass(frozen=True)
class Comparison:
    """What a row took here and in the other tree, in microseconds, round by round."""

    what: str
    ours_us: Sequence[float]
    theirs_us: Sequence[float]

    @property
    def ratio(self) -> float:
        """How many times the other tree's time ours is: the median of the rounds' ratios."""
        return statistics.median(self._ratios())

    @property
    def spread(self) -> tuple[float, float]:
        """The middle half of the rounds' ratios: the lower and the upper quartile."""
        low, _, high = statistics.quantiles(self._ratios(), n=4, method="inclusive")
        return low, high

    @property
    def is_worse(self) -> bool:
        """Whether it is slower by more than noise explains: three rounds in four say so, too."""
        return self.ratio > WORSE and self.spread[0] > 1

    def markdown(self) -> str:
        """A line of the table that begins with `HEADING`."""
        ours, theirs = (f"{statistics.median(us):,.1f} us" for us in (self.ours_us, self.theirs_us))
        low, high = self.spread
        mark = "**worse**" if self.is_worse else "noise?" if self.ratio > WORSE else ""
        spread = f"{low:.2f} to {high:.2f}"
        return f"| {self.what} | {ours} | {theirs} | {self.ratio:.2f} | {spread} | {mark} |"

    def _ratios(self) -> list[float]:
        return [ours / theirs for ours, theirs in zip(self.ours_us, self.theirs_us, strict=True)]


def compare(parts: Iterable[str], tree: Path, *, quick: bool, rounds: int) -> Iterator[Comparison]:
    """Every timed row of these parts; `CalledProcessError` where a tree cannot be measured.

    `rounds`: how often each tree is measured, at least twice.
    """
    with tempfile.TemporaryDirectory() as name:
        this, other = _Tree(Path(name, "this"), HERE), _Tree(Path(name, "other"), tree)
        for part in parts:
            print(f"measuring {part}, {rounds} rounds ...", file=sys.stderr, flush=True)
            taken: dict[_Tree, list[dict[str, float]]] = {this: [], other: []}
            for number in range(rounds):
                for each in (this, other) if number % 2 == 0 else (other, this):
                    taken[each].append(each.measure(part, quick))
            for what in taken[this][0]:
                ours_us, theirs_us = ([found[what] for found in taken[t]] for t in (this, other))
                yield Comparison(f"{part}: {what}", ours_us, theirs_us)


_FORMER: Final = {
    "syncsim.runtime.": "syncsim.",
    "syncsim.service.service ": "syncsim.service ",
    "syncsim.lab.history.records ": "syncsim.lab.history ",
    "syncsim.lab.acting.actor ": "syncsim.lab.playing ",
    "syncsim.lab.recording.intercepted_store ": "syncsim.lab.intercepted_store ",
    "syncsim.lab.solutions.": "syncsim.lab.",
    "syncsim.lab.simulation.run_resources import RunResources": (
        "syncsim.lab.simulation.playground import Playground as RunResources"
    ),
    "syncsim.lab.scenarios.edits import EDITS, NumberedEdit": (
        "syncsim.lab.edits import EDITS, Edit as NumberedEdit"
    ),
}
"""What a tree of before 1 December 2026 calls the modules that benchmarks import."""


def _with_former_names(file: Path) -> str:
    """A benchmark's text for a tree in which the core and the laboratory were flat."""
    text = file.read_text("utf-8")
    for name, former in _FORMER.items():
        text = text.replace(name, former)
    return text


class _Tree:
    """A folder to run in, with this tree's benchmarks in it; before `syncsim` of the tree."""

    def __init__(self, folder: Path, tree: Path) -> None:
        self.folder = folder
        folder.mkdir()
        (folder / "tests").symlink_to(HERE / "tests")
        if (tree / "syncsim" / "runtime").is_dir():
            (folder / "benchmarks").symlink_to(HERE / "benchmarks")
        else:
            (folder / "benchmarks").mkdir()
            for file in (HERE / "benchmarks").glob("*.py"):
                (folder / "benchmarks" / file.name).write_text(_with_former_names(file), "utf-8")
        self.env = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join((str(folder), str(tree.resolve()))),
            "PYTHONDONTWRITEBYTECODE": "",  # else a tree never run before compiles in each process
        }

    def measure(self, part: str, quick: bool) -> dict[str, float]:
        """Microseconds of each timed row of a part, in a process of its own."""
        command = [sys.executable, "-m", "benchmarks", part, "--json"]
        done = subprocess.run(
            command + ["--quick"] * quick,
            cwd=self.folder,
            env=self.env,
            stdout=subprocess.PIPE,
            check=False,  # 1 says that a target was missed, which is not asked here
        )
        if not done.stdout:
            raise subprocess.CalledProcessError(done.returncode, command)
        rows = json.loads(done.stdout)["rows"]
        return {row["what"]: row["took_us"] for row in rows if row["took_us"] is not None}
