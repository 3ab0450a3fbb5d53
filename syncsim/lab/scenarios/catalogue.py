"""A scenario by its name, in whatever size: the six, two plain ones, and what examinations ask."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from syncsim import exact
from syncsim.errors import UsageError
from syncsim.lab.scenarios.entry import CatalogueEntry
from syncsim.lab.scenarios.mission import SCENARIOS, user_names
from syncsim.lab.scenarios.plain import PLAIN
from syncsim.lab.scenarios.probes_conflicts import CONFLICT_PROBES
from syncsim.lab.scenarios.probes_errors import ERROR_PROBES
from syncsim.lab.scenarios.probes_versions import VERSIONS_PROBES
from syncsim.lab.scenarios.steps import DEFAULT_TEMPLATE, Expectations, Scenario
from syncsim.service.arguments import check_text

MOST_USERS: Final = 2_000
"""Each has a thread of its own; thousands of virtual users are a herd's (`lab.herd`)."""

MOST_UPDATES: Final = 20_000
"""A run keeps its whole history, some 32 kB an update; a herd of users counts as it goes."""

MOST_WORK_MS: Final = 60_000.0

PROBES: Final[Mapping[str, CatalogueEntry]] = {**CONFLICT_PROBES, **VERSIONS_PROBES, **ERROR_PROBES}
"""What is asked of solutions and not listed for users."""

ENTRIES: Final[Mapping[str, CatalogueEntry]] = {**SCENARIOS, **PLAIN, **PROBES}
"""Every scenario by its name."""


def scenario(
    name: str,
    *,
    users: int | None = None,
    updates: int | None = None,
    work_ms: float | None = None,
    template: str = DEFAULT_TEMPLATE,
    seed: int = 7,
) -> Scenario:
    """A scenario by name, in its usual size unless told otherwise; `UsageError` for what is none.

    `users` (at most `MOST_USERS`) and `updates` (at most `MOST_UPDATES`) are totals, the updates
    are dealt out in turn. `work_ms` (at most `MOST_WORK_MS`) is time between an attempt's read and
    its write. The probes of an examination are scenarios, too.
    """
    spelled = exact.text(name) or ""
    usual = ENTRIES.get(spelled)
    if usual is None:
        raise UsageError("scenario", name, f"one of {', '.join(SCENARIOS)}")
    count = _at_least_one("users", usual.users if users is None else users)
    if count > MOST_USERS:
        most = f"at most {MOST_USERS}, as each needs a thread; syncsim herd has up to 10,000"
        raise UsageError("users", count, most)
    total = usual.updates if updates is None else updates
    total = _at_least_one("updates", count if total is None else total)
    if total > MOST_UPDATES:
        most = f"at most {MOST_UPDATES}, as a run keeps its history; syncsim herd has no such limit"
        raise UsageError("updates", total, most)
    if work_ms is None:
        work_ms = usual.work_ms
    elif type(work_ms) not in (int, float) or not 0 <= work_ms <= MOST_WORK_MS:
        raise UsageError("work_ms", work_ms, f"milliseconds from 0 to {MOST_WORK_MS:.0f}")
    template = check_text("template", template, "the name of a sample")
    seed = exact.seed(seed)
    parts = (replace(part, work_ms=work_ms) for part in usual.plan(user_names(count), total, seed))
    return Scenario(spelled, usual.title, template, seed, tuple(parts))


def expectations(name: str) -> tuple[Expectations, ...]:
    """What must hold at the end of each part; nothing is known of a scenario without an entry."""
    return tuple(part.expect for part in scenario(name).parts) if name in ENTRIES else ()


def _at_least_one(argument: str, value: object) -> int:
    if type(value) is not int or value < 1:
        raise UsageError(argument, value, "a whole number of at least 1")
    return value
