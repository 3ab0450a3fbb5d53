"""A measured line beside what it should reach, and the table of them in Markdown and JSON."""

from __future__ import annotations

import os
import platform
import sqlite3
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Row:
    """`reached` is None where nothing was promised.

    `took_us`: what ours took, where it was timed: a call, an update, a process, a whole search;
    for a storm the 99th percentile. Less is better. `quoted`: whether the page on performance
    has it, too.
    """

    what: str
    beside: str
    measured: str
    wanted: str
    reached: bool | None
    took_us: float | None = None
    quoted: bool = True


def markdown(rows: Iterable[Row]) -> str:
    """The table as a page quotes it."""
    lines = ["| what | beside, in the same run | measured | wanted | |", "|---|---|---|---|---|"]
    for row in rows:
        mark = {True: "yes", False: "**no**", None: ""}[row.reached]
        lines.append(f"| {row.what} | {row.beside} | {row.measured} | {row.wanted} | {mark} |")
    return "\n".join(lines)


def as_json(rows: Iterable[Row]) -> dict[str, Any]:
    """The rows and the machine class they were measured on."""
    return {
        "machine": {
            "cores": os.cpu_count(),
            "system": platform.system(),
            "python": sys.version.split()[0],
            "sqlite": sqlite3.sqlite_version,
        },
        "rows": [asdict(row) for row in rows],
    }
