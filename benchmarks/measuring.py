"""Several ways to do one thing, timed in turn, so that a noisy minute hits all of them alike.

Or one thing done by several threads at once.
"""

from __future__ import annotations

import gc
import statistics
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """Microseconds a call: the median of all calls, and the medians of the rounds."""

    p50_us: float
    p99_us: float
    rounds_us: tuple[float, ...]


def interleaved(
    ways: dict[str, Callable[[], object]], *, calls: int, rounds: int, warm_up: int = 50
) -> dict[str, Timing]:
    """Time each way `calls` times a round, A B C A B C ..., garbage collection held off."""
    samples: dict[str, list[list[float]]] = {name: [] for name in ways}
    for way in ways.values():
        for _ in range(warm_up):
            way()
    clock = time.perf_counter_ns
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            for name, way in ways.items():
                taken = []
                for _ in range(calls):
                    began = clock()
                    way()
                    taken.append((clock() - began) / 1000)
                samples[name].append(taken)
            gc.collect()
    finally:
        gc.enable()
    return {name: _timing(taken) for name, taken in samples.items()}


def _timing(rounds: list[list[float]]) -> Timing:
    everything = sorted(us for taken in rounds for us in taken)
    return Timing(
        statistics.median(everything),
        everything[int(len(everything) * 0.99)],
        tuple(statistics.median(taken) for taken in rounds),
    )


def ratio(peer: Timing, ours: Timing) -> float:
    """How many times the peer's speed ours is, by medians of rounds taken pair by pair."""
    pairs = zip(peer.rounds_us, ours.rounds_us, strict=True)
    return statistics.median(theirs / mine for theirs, mine in pairs)


def together(write: Callable[[int, Callable[[], object]], object], writers: int) -> float:
    """Seconds from the start of `writers` threads at one barrier to the end of the last.

    Each runs `write(number, ready)` and calls `ready` once it has opened what it needs. The first
    exception among them is raised here.
    """
    barrier = threading.Barrier(writers + 1)
    with ThreadPoolExecutor(writers) as pool:
        writing = [pool.submit(write, n, barrier.wait) for n in range(writers)]
        barrier.wait()
        began = time.perf_counter()
        for each in writing:
            each.result()
        return time.perf_counter() - began
