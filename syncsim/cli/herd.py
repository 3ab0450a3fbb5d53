"""`python -m syncsim.cli.herd`: what retry policies are worth to thousands of virtual users."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from syncsim.errors import SyncError
from syncsim.lab.herd import EVERY, RELEASED, SUSTAINED, USERS, herd, released, table
from syncsim.ui.herd_chart import herd_chart

_WIDTH: Final = 30


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit 0 if the judges found nothing, 1 if they did, 2 for what cannot be asked."""
    parser = argparse.ArgumentParser(prog="python -m syncsim.cli.herd", description=__doc__)
    parser.add_argument("--users", help="numbers, with commas; default: 10,100,1000,10000")
    parser.add_argument("--minutes", type=int, default=1, help="virtual; one update a user each")
    parser.add_argument("--released", action="store_true", help="all at one instant instead")
    parser.add_argument("--retry", help="policies, with commas; default: each there is")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--html", type=Path, metavar="FILE", help="write the chart")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    asked = parser.parse_args(arguments)
    try:
        users = tuple(map(int, asked.users.split(","))) if asked.users else None
    except ValueError:
        parser.error(f"--users {asked.users}: numbers with commas between them, like 10,100")
    policies = tuple(asked.retry.split(",")) if asked.retry else None
    bar = _Bar()
    try:
        if asked.released:
            rows = released(users or RELEASED, policies or EVERY, bar.show, seed=asked.seed)
        else:
            chosen = policies or SUSTAINED
            rows = herd(users or USERS, asked.minutes, chosen, bar.show, seed=asked.seed)
    except SyncError as error:
        print(error, file=sys.stderr)
        return 2
    finally:
        bar.clear()
    print(json.dumps([row.to_json() for row in rows]) if asked.json else table(rows))
    if asked.html is not None:
        herd_chart(rows).write_html(asked.html, include_plotlyjs=True)
    return 1 if any(row.findings for row in rows) else 0


class _Bar:
    """A line on standard error, where that is a terminal; drawn again with each per cent."""

    def __init__(self) -> None:
        self._shown = ""

    def show(self, what: str, ended: int, total: int) -> None:
        percent = 100 * ended // total
        done = _WIDTH * percent // 100
        line = f"[{'#' * done}{'.' * (_WIDTH - done)}] {percent:3} %  {what}"
        if line != self._shown and sys.stderr.isatty():
            self._draw(line)

    def clear(self) -> None:
        """Leave no trace of it."""
        if self._shown:
            self._draw("")

    def _draw(self, line: str) -> None:
        print("\r" + line.ljust(len(self._shown)), end="\r", file=sys.stderr, flush=True)
        self._shown = line


if __name__ == "__main__":
    sys.exit(main())
