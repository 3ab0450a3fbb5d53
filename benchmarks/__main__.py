"""`python -m benchmarks [PART ...]`: measure and print the table.

A run of all parts keeps it in benchmarks/results.* and in docs/performance.md, and some of its rows
in the README.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import (
    against,
    checking,
    contention,
    freshness,
    importing,
    one_client,
    repeating,
    side_by_side,
    simulating,
)
from benchmarks.table import Row, as_json, markdown

HERE = Path(__file__).parent
SIZES = (10_000, 100_000, 1_000_000)
COUNTING = ("stale", "sustained", "repeat")
"""Parts that count rather than time, so that there is nothing to compare with another tree."""


def parts(quick: bool) -> dict[str, Callable[[], Iterator[Row]]]:
    rounds = 5 if quick else 11
    return {
        "update": lambda: one_client.updates("NORMAL", rounds),
        "update-full": lambda: one_client.updates("FULL", rounds),
        "hit": lambda: one_client.hits(rounds),
        "history": lambda: one_client.long_history(rounds, 10_000 if quick else 100_000),
        "merge": lambda: one_client.merges(rounds),
        "import": lambda: importing.imports(rounds),
        "work": lambda: contention.working(3 if quick else 5),
        "side-by-side": lambda: side_by_side.side_by_side("NORMAL", rounds),
        "side-by-side-full": lambda: side_by_side.side_by_side("FULL", rounds),
        "stale": lambda: freshness.stale_reads(10_000 if quick else 100_000),
        "sustained": freshness.sustained,
        "check": lambda: checking.checks(3 if quick else 5, SIZES[:2] if quick else SIZES),
        "storms": lambda: contention.storms(2 if quick else 20),
        "simulate": lambda: simulating.simulations(1_000 if quick else 4_000, rounds),
        "repeat": lambda: repeating.repetitions(*((10, 100, 70) if quick else (100, 1_000, 350))),
    }


def main() -> int:
    """Exit 0 if every target measured here was reached and no row is worse, 1 otherwise."""
    available = parts(quick=False)
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("part", nargs="*", help=f"any of {', '.join(available)}; default: all")
    parser.add_argument("--quick", action="store_true", help="fewer rounds and seeds, about 2 min")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON, keep none")
    parser.add_argument(
        "--against", type=Path, metavar="TREE", help="compare our own times with another checkout's"
    )
    parser.add_argument(
        "--rounds", type=int, default=5, help="how often --against measures each tree; at least 2"
    )
    chosen = parser.parse_args()
    unknown = set(chosen.part) - available.keys()
    if unknown:
        parser.error(f"unknown part {', '.join(sorted(unknown))}; there are {', '.join(available)}")
    if chosen.against is None:
        return measure(chosen.part, quick=chosen.quick, as_data=chosen.json)
    if chosen.rounds < 2:
        parser.error(f"{chosen.rounds} rounds show no spread; take at least 2")
    if not (chosen.against / "syncsim" / "__init__.py").is_file():
        parser.error(f"{chosen.against} is no checkout: it has no syncsim/__init__.py")
    timed = chosen.part or [name for name in available if name not in COUNTING]
    print(against.HEADING, flush=True)
    is_worse = False
    for row in against.compare(timed, chosen.against, quick=chosen.quick, rounds=chosen.rounds):
        print(row.markdown(), flush=True)
        is_worse |= row.is_worse
    return 1 if is_worse else 0


def measure(chosen: list[str], *, quick: bool, as_data: bool) -> int:
    available = parts(quick)
    rows: list[Row] = []
    for name in chosen or available:
        if not as_data:
            print(f"measuring {name} ...", file=sys.stderr, flush=True)
        rows += available[name]()
    data = json.dumps(as_json(rows), indent=2)
    print(data if as_data else markdown(rows))
    if not chosen and not as_data:
        (HERE / "results.md").write_text(markdown(rows) + "\n", "utf-8")
        (HERE / "results.json").write_text(data + "\n", "utf-8")
        quote(rows, HERE.parent / "docs" / "performance.md")
        quote(rows, HERE.parent / "README.md", only_known=True)
    return 0 if all(row.reached is not False for row in rows) else 1


def quote(rows: list[Row], page: Path, *, only_known: bool = False) -> None:
    """Put the measured rows in place of the table of a page; the text around it stays.

    `only_known`: no other rows than the page has already.
    """
    text = page.read_text("utf-8")
    before, heading, table = text.partition("| what | beside, in the same run |")
    assert heading, f"{page} has no table of measured rows"
    old, _, after = table.partition("\n\n")
    known = [row for row in rows if f"| {row.what} | {row.beside} |" in old]
    now = markdown(row for row in (known if only_known else rows) if row.quoted)
    page.write_text(f"{before}{now}\n\n{after}", "utf-8")


if __name__ == "__main__":
    sys.exit(main())
