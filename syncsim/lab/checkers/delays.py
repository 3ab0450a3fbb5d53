"""How does a solution wait between attempts? Information: a back-off's shape costs no points.

A delay is what the operation asked the clock to sleep between two of its write attempts; waiting in
a queue or for a lock is none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from statistics import mean
from typing import Final

from syncsim.lab.checkers.history_index import HistoryIndex
from syncsim.lab.history.findings import NOTE, Finding

_ENOUGH: Final = 3
"""So many equal delays before the same retry are no chance, nor are so many without growth."""

LEAST_GROWTH: Final = 1.6
"""The third delay over the second, on average: 2.0 where delays double, 1.5 where they add up."""

_GRAIN_S: Final = 1e-6


def judge_delays(index: HistoryIndex) -> Iterator[Finding]:
    """At most one note each: no delay, no jitter, delays that do not grow, that do not double.

    The mission asks for delays that double, and chance keeps those who lost together from coming
    back together. O(n).
    """
    delays = {
        operation: [attempt.waited_s for attempt in attempts[1:]]
        for operation, attempts in index.attempts.items()
        if len(attempts) > 1 and all(attempt.fate == "lost" for attempt in attempts[:-1])
    }
    for kind, found, text in (
        ("no-delay", _at_once(delays), "tried again at once after a lost swap"),
        ("no-jitter", _alike(delays), "waited exactly as long as others before the same retry"),
        (
            "no-growth",
            _flat(delays),
            "waited no longer before the last retry than before the first",
        ),
        ("no-doubling", _adding(delays), "waited longer each time, but not twice as long"),
    ):
        if len(found) >= (1 if kind == "no-growth" else _ENOUGH):
            yield Finding(
                NOTE, kind, f"{', '.join(found[:_ENOUGH])} {text}; {_shown(delays, found)}", found
            )


def _at_once(delays: Mapping[str, list[float]]) -> tuple[str, ...]:
    return tuple(operation for operation, waits in delays.items() if max(waits) <= _GRAIN_S)


def _alike(delays: Mapping[str, list[float]]) -> tuple[str, ...]:
    """Operations that all waited the same time before their first retry."""
    waited = {operation: waits[0] for operation, waits in delays.items() if waits[0] > _GRAIN_S}
    times = waited.values()
    return tuple(waited) if times and max(times) - min(times) <= _GRAIN_S else ()


def _flat(delays: Mapping[str, list[float]]) -> tuple[str, ...]:
    return tuple(
        operation
        for operation, waits in delays.items()
        if len(waits) >= _ENOUGH and _GRAIN_S < waits[-1] <= waits[0] + _GRAIN_S
    )


def _adding(delays: Mapping[str, list[float]]) -> tuple[str, ...]:
    """Operations whose third delay is less than twice the second, on average; chance evens out."""
    long = {o: waits for o, waits in delays.items() if len(waits) >= 3 and waits[2] > waits[0]}
    if len(long) < _ENOUGH:
        return ()
    growth = mean(w[2] for w in long.values()) / max(mean(w[1] for w in long.values()), _GRAIN_S)
    return tuple(long) if growth < LEAST_GROWTH else ()


def _shown(delays: Mapping[str, list[float]], found: tuple[str, ...]) -> str:
    waits = ", ".join(f"{wait * 1000:.0f}" for wait in delays[found[0]])
    return f"{found[0]} waited {waits} ms"
