"""The scenarios that were played as a table: a row each, with the figures asked for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from syncsim.contract import JSON
from syncsim.lab.results.run import Run

if TYPE_CHECKING:
    import pandas

COLUMNS: Final = [
    *("button", "scenario", "passed", "seed", "updates", "succeeded", "retries", "conflicts"),
    *("merged", "lost_updates", "stale_reads", "slowest_ms", "duration_s", "findings"),
    *("solution", "on", "template", "users", "retry", "success_rate", "max_retries", "hit_rate"),
]


def played_frame(runs: Iterable[tuple[str, Run]]) -> pandas.DataFrame:
    """A row per button and the run it played.

    Columns: button, scenario, passed, seed, updates, succeeded, retries, conflicts, merged,
    lost_updates, stale_reads, slowest_ms, duration_s, findings (their codes), solution, on,
    template, users, retry (None for a solution that takes no policy), success_rate and hit_rate
    (shares, None without updates or reads), max_retries.
    """
    import pandas

    return pandas.DataFrame([_cells(*played) for played in runs], columns=COLUMNS)


def _cells(button: str, played: Run) -> dict[str, JSON]:
    told = played.summary()
    return {
        "button": button,
        "scenario": told["scenario"],
        "passed": told["passed"],
        "seed": told["seed"],
        "updates": told["updates"]["attempted"],
        "succeeded": told["updates"]["succeeded"],
        "retries": told["retries"]["total"],
        "conflicts": told["conflicts"]["detected"],
        "merged": told["conflicts"]["merged"],
        "lost_updates": told["lost_updates"],
        "stale_reads": told["stale_reads"],
        "slowest_ms": told["latency_ms"]["max"],
        "duration_s": told["duration_s"],
        "findings": ", ".join(finding.code for finding in played.findings),
        "solution": told["solution"],
        "on": told["on"],
        "template": told["template"],
        "users": told["users"],
        "retry": told["retry"],
        "success_rate": told["updates"]["success_rate"],
        "max_retries": told["retries"]["max"],
        "hit_rate": told["cache"]["hit_rate"],
    }
