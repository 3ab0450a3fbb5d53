"""What `import syncsim` costs beside starting Python at all."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

from benchmarks.table import Row


def imports(rounds: int) -> Iterator[Row]:
    """Whole processes, in turn."""
    taken: dict[str, list[float]] = {"pass": [], "import syncsim": []}
    for _ in range(rounds):
        for code, seconds in taken.items():
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)
            seconds.append(time.perf_counter() - began)
    pairs = zip(taken["import syncsim"], taken["pass"], strict=True)
    times = statistics.median(ours / bare for ours, bare in pairs)
    yield Row(
        "import syncsim",
        "bare python",
        f"{times:.2f} x the time",
        "<= 3 x",
        times <= 3,
        statistics.median(taken["import syncsim"]) * 1e6,
    )
