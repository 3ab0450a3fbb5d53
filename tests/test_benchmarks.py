"""What the benchmarks make of what they measure: beside another tree, and on the page."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.__main__ import quote
from benchmarks.against import HERE, Comparison
from benchmarks.table import Row

SLOWER_MERGE = """

def merge(*args, _merge=merge, **options):
    import time
    until = time.perf_counter() + 0.0002
    while time.perf_counter() < until:
        pass
    return _merge(*args, **options)
"""


def benchmarks(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, cwd=HERE, capture_output=True, text=True, check=False)


@pytest.mark.real
def test_the_package_of_the_other_tree_is_measured(tmp_path: Path) -> None:
    """Its merge is several times slower; the benchmarks that find it are not its own."""
    shutil.copytree(HERE / "syncsim", tmp_path / "syncsim")
    shutil.copytree(HERE / "data", tmp_path / "data")
    with (tmp_path / "syncsim" / "merging" / "__init__.py").open("a") as file:
        file.write(SLOWER_MERGE)
    done = benchmarks("merge", "--quick", "--rounds", "2", "--against", str(tmp_path))
    assert done.returncode == 0, done.stderr
    (row,) = (line for line in done.stdout.splitlines() if line.startswith("| merge:"))
    _, what, _, _, ratio, _, mark, _ = (cell.strip() for cell in row.split("|"))
    assert (what, float(ratio) < 0.7, mark) == ("merge: merge of a 3 KB template", True, "")


@pytest.mark.parametrize(
    ("ours_us", "is_worse", "mark"),
    [
        ([100, 101, 99, 100], False, ""),
        ([104, 104, 104, 104], False, ""),
        ([106, 107, 106, 107], True, "**worse**"),
        ([90, 91, 130, 131], False, "noise?"),
    ],
)
def test_worse_is_more_than_five_percent_in_three_rounds_of_four(
    ours_us: list[float], is_worse: bool, mark: str
) -> None:
    comparison = Comparison("hit", ours_us, [100.0] * 4)
    assert comparison.is_worse is is_worse
    assert comparison.markdown().endswith(f"| {mark} |")


def test_a_ratio_is_of_two_measurements_of_one_round() -> None:
    """A minute in which everything is three times slower says nothing of either tree."""
    comparison = Comparison("hit", [100, 303, 101], [100, 300, 100])
    assert comparison.ratio == 1.01


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--against", "docs"], "docs is no checkout: it has no syncsim/__init__.py"),
        (["--against", ".", "--rounds", "1"], "1 rounds show no spread; take at least 2"),
    ],
)
def test_what_cannot_be_compared_is_refused(arguments: list[str], told: str) -> None:
    done = benchmarks(*arguments)
    assert (done.returncode, told in done.stderr) == (2, True)


def test_a_measured_table_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    """And of nothing else; what the page does not quote is left out."""
    page = tmp_path / "README.md"
    page.write_text("## Fast\n\n| what | beside, in the same run | old |\n| a | b |\n\nMore.\n")
    rows = [Row("hit", "peer", "2 x", "-", None), Row("miss", "peer", "1 x", "-", None)]
    quote([rows[0], replace(rows[1], quoted=False)], page)
    assert page.read_text() == (
        "## Fast\n\n"
        "| what | beside, in the same run | measured | wanted | |\n"
        "|---|---|---|---|---|\n"
        "| hit | peer | 2 x | - |  |\n\nMore.\n"
    )


def test_a_page_may_keep_to_the_rows_that_it_has(tmp_path: Path) -> None:
    page = tmp_path / "README.md"
    page.write_text("| what | beside, in the same run | old |\n| hit | peer | 1 x |\n\nMore.\n")
    rows = [Row("hit", "peer", "2 x", "-", None), Row("hit", "another", "3 x", "-", None)]
    quote(rows, page, only_known=True)
    assert page.read_text().count("x |") == 1
    assert "| hit | peer | 2 x | - |  |\n\nMore.\n" in page.read_text()
