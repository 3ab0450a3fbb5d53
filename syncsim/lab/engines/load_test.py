"""The lesson of the herd: what each retry policy is worth as users grow, in virtual time.

The reference as it is, on a store whose calls take time (`ServiceTimes`), every commit and every
answer judged as it comes. Two loads: `herd` is every user once a minute, for minutes or hours;
`released` is every user at one instant, where policies differ most.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Final, TypeAlias

from syncsim.contract import JSON
from syncsim.errors import UsageError
from syncsim.lab.engines.simulated_load import Load
from syncsim.lab.simulation.service_times import ServiceTimes
from syncsim.service.retry import POLICIES, RetryPolicy
from syncsim.service.service import build

USERS: Final = (10, 100, 1_000, 10_000)
RELEASED: Final = (2, 10, 50, 200, 1_000)
MOST_RELEASED: Final = 2_000
"""At one barrier every user needs a thread."""

SUSTAINED: Final = ("third/queue=1", *(f"{name}/queue=never" for name in POLICIES))
EVERY: Final = tuple(f"{name}/queue={queue}" for queue in ("1", "never") for name in POLICIES)

Progress: TypeAlias = Callable[[str, int, int], object]
"""Told what is running, how many updates of all have ended, and how many there will be."""


@dataclass(frozen=True, slots=True)
class HerdRow:
    """One policy at one number of users. `minutes` are virtual; 0 = released by one barrier.

    `success_rate` counts updates that ended committed or unchanged; retries are limited by the
    policy, three as a rule. `attempts` is the mean number of write attempts that the store saw,
    the latencies are virtual, of updates that failed too. `transactions`, `reads` (bodies) and
    `locked_ms` (write lock held) are the store's work for each success; None without one.
    `findings`: what the judges found, by kind. `took_s` is real time.
    """

    policy: str
    users: int
    minutes: int
    updates: int
    success_rate: float
    attempts: float
    most_attempts: int
    p50_ms: float
    p99_ms: float
    slowest_ms: float
    transactions: float | None
    reads: float | None
    locked_ms: float | None
    in_flight: int
    findings: dict[str, int]
    took_s: float

    def to_json(self) -> dict[str, JSON]:
        """Plain JSON, a key per field."""
        return asdict(self)


def herd(
    users: Sequence[int] = USERS,
    minutes: int = 1,
    policies: Sequence[str] = SUSTAINED,
    progress: Progress | None = None,
    *,
    seed: int = 7,
    times: ServiceTimes | None = None,
) -> list[HerdRow]:
    """Each policy at each number of users, one update a user and virtual minute.

    An update costs about a millisecond of real time, so 10,000 users are some 10 s a minute. Raises
    `UsageError` for what is no policy or no number.
    """
    _at_least_one("minutes", minutes)
    cells = _cells(users, policies)
    meter = _UpdateMeter(progress, sum(count * minutes for _, count in cells))
    rows = []
    for policy, count in cells:
        load = _load(policy, count, seed, times, meter)
        began = time.perf_counter()
        judge = load.sustained(minutes)
        rows.append(_row(policy, count, minutes, load, judge.counts, time.perf_counter() - began))
    return rows


def released(
    users: Sequence[int] = RELEASED,
    policies: Sequence[str] = EVERY,
    progress: Progress | None = None,
    *,
    seed: int = 7,
    times: ServiceTimes | None = None,
) -> list[HerdRow]:
    """Each policy at each number of users, who update within a millisecond of each other.

    Raises `UsageError` as `herd` does, and for more than `MOST_RELEASED` users.
    """
    cells = _cells(users, policies)
    if max(users) > MOST_RELEASED:
        raise UsageError("users", max(users), f"at most {MOST_RELEASED}, as each needs a thread")
    meter = _UpdateMeter(progress, sum(count for _, count in cells))
    rows = []
    for policy, count in cells:
        load = _load(policy, count, seed, times, meter)
        began = time.perf_counter()
        judge = load.released()
        rows.append(_row(policy, count, 0, load, judge.counts, time.perf_counter() - began))
    return rows


def table(rows: Sequence[HerdRow]) -> str:
    """The rows as plain text, a line each."""
    lines = [_COLUMNS]
    for row in rows:
        found = sum(row.findings.values())
        lines.append(
            (
                *(row.policy, f"{row.users:,}", f"{row.updates:,}", f"{row.success_rate:.2%}"),
                *(f"{row.attempts:.2f}", str(row.most_attempts)),
                *(f"{row.p50_ms:,.1f}", f"{row.p99_ms:,.0f}", f"{row.slowest_ms:,.0f}"),
                *(_shown(row.transactions), _shown(row.reads), _shown(row.locked_ms)),
                *(str(row.in_flight), str(found) if found else "none", f"{row.took_s:.1f}"),
            )
        )
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if place else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )


_COLUMNS: Final = (
    *("policy", "users", "updates", "success", "attempts", "most"),
    *("p50 ms", "p99 ms", "last ms", "tx/ok", "reads/ok", "lock ms/ok"),
    *("in flight", "findings", "real s"),
)


class _UpdateMeter:
    """Adds up the updates of all loads."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress = progress
        self._total = total
        self._ended = 0

    def of(self, what: str) -> Callable[[int], None]:
        def count(ended: int) -> None:
            self._ended += 1
            if self._progress is not None:
                self._progress(what, self._ended, self._total)

        return count


def _cells(users: Sequence[int], policies: Sequence[str]) -> list[tuple[RetryPolicy, int]]:
    if not users:
        raise UsageError("users", users, "one number of users or more")
    for count in users:
        _at_least_one("users", count)
    return [(policy, count) for policy in map(RetryPolicy.parse, policies) for count in users]


def _at_least_one(argument: str, value: object) -> None:
    if type(value) is not int or value < 1:
        raise UsageError(argument, value, "a whole number of at least 1")


def _load(
    policy: RetryPolicy, users: int, seed: int, times: ServiceTimes | None, meter: _UpdateMeter
) -> Load:
    return Load(
        lambda env: build(env, retry=policy),
        users=users,
        seed=seed,
        times=times,
        progress=meter.of(f"{policy}, {users:,} users"),
    )


def _row(
    policy: RetryPolicy,
    users: int,
    minutes: int,
    load: Load,
    findings: dict[tuple[str, str], int],
    took_s: float,
) -> HerdRow:
    figures = load.figures
    effort, ok = figures.effort, figures.succeeded
    return HerdRow(
        policy=str(policy),
        users=users,
        minutes=minutes,
        updates=figures.updates,
        success_rate=ok / figures.updates,
        attempts=figures.attempts / figures.updates,
        most_attempts=figures.most_attempts,
        p50_ms=figures.latency_ms.at(50),
        p99_ms=figures.latency_ms.at(99),
        slowest_ms=figures.latency_ms.largest,
        transactions=effort.transactions / ok if ok else None,
        reads=effort.reads / ok if ok else None,
        locked_ms=effort.locked_s * 1000 / ok if ok else None,
        in_flight=figures.in_flight,
        findings={f"{code} {kind}": count for (code, kind), count in findings.items()},
        took_s=took_s,
    )


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:,.2f}"
