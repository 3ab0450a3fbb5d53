"""Which interleavings to look at: a random walk, priorities, few pre-emptions, or all in turn.

None suffices alone. A random walk finds what shows often; priorities find bugs of small depth with
a known probability; few pre-emptions leave no simple schedule out. A strategy hands out the choices
of one run after another and learns from each.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final, Protocol

from syncsim.lab.simulation.choices import (
    GO_ON_OR_SWITCH,
    NEXT,
    Choices,
    Guided,
    Runnable,
    Seeded,
    Touches,
)


class Strategy(Protocol):
    """Hands out the choices of runs."""

    @property
    def pairs(self) -> bool:
        """Whether the run just handed out is meant for as few actors as can be."""

    def next_run(self) -> Choices | None:
        """The choices of the next run; None when every run of this strategy has been made."""

    def learn(self, run: Choices) -> None:
        """The run made with these choices is over."""


class RandomWalk:
    """Every draw uniform."""

    pairs = False

    def __init__(self, seed: int | str) -> None:
        self._seed = seed
        self._runs = 0

    def next_run(self) -> Choices:
        """The next seed's run; there is always one."""
        self._runs += 1
        return Seeded(f"{self._seed}/walk/{self._runs}")

    def learn(self, run: Choices) -> None:
        """Nothing to learn."""


class Priorities:
    """PCT: the actor of highest priority runs; at a few random steps the running one drops.

    A bug that needs d ordering constraints shows with probability of at least 1/(n k^(d-1)) for n
    actors and k steps (S. Burckhardt, P. Kothari, M. Musuvathi, S. Nagarakatte: A Randomized
    Scheduler with Probabilistic Guarantees of Finding Bugs, ASPLOS 2010). Depths 2 and 3 in turn; k
    is learned: the longest run so far.
    """

    pairs = False

    def __init__(self, seed: int | str) -> None:
        self._seed = seed
        self._runs = 0
        self._horizon = 16

    def next_run(self) -> Choices:
        """The next seed's run; there is always one."""
        self._runs += 1
        depth = 2 + self._runs % 2
        return _PriorityRun(f"{self._seed}/priorities/{self._runs}", depth, self._horizon)

    def learn(self, run: Choices) -> None:
        """Note the length of the longest run so far."""
        assert isinstance(run, _PriorityRun)
        self._horizon = max(self._horizon, run.steps)


class _PriorityRun(Seeded):
    def __init__(self, seed: str, depth: int, horizon: int) -> None:
        super().__init__(seed)
        self.steps = 0
        self._priorities: dict[int, float] = {}
        self._drops = [1 + int(self._random() * horizon) for _ in range(depth - 1)]

    def among(self, label: str, ready: Sequence[Runnable], touched: Touches, now: float) -> int:
        self.steps += 1
        priorities = self._priorities
        for actor in ready:
            if actor.index not in priorities:
                priorities[actor.index] = 1 + self._random()
        if self.steps in self._drops:
            running = max(ready, key=lambda actor: priorities[actor.index])
            priorities[running.index] = -self.steps
        first = max(range(len(ready)), key=lambda place: priorities[ready[place].index])
        return self._take(label, len(ready), first)


class FewPreemptions:
    """Every schedule with no pre-emption, then with one, then with `at_most`; each exactly once.

    Most bugs need two or fewer (M. Musuvathi, S. Qadeer: Iterative Context Bounding, 2007).
    All other draws are 0. Among schedules of equal count the order is drawn from `seed`, so a run
    of the strategy that is cut short has seen a fair sample. `at_most` None: every schedule there
    is, last in, first out.
    """

    pairs = True

    def __init__(self, seed: int | str = 0, *, at_most: int | None = 2) -> None:
        self._random = random.Random(f"{seed}/preemptions").random
        self._at_most = at_most
        self._open: list[list[tuple[int, ...]]] = [[] for _ in range((at_most or 0) + 1)]
        self._open[0].append(())
        self._prefix: tuple[int, ...] = ()

    def next_run(self) -> Choices | None:
        """The next schedule with the fewest pre-emptions."""
        prefixes = next(filter(None, self._open), None)
        if prefixes is None:
            return None
        if self._at_most is not None:
            place = int(self._random() * len(prefixes))
            prefixes[place], prefixes[-1] = prefixes[-1], prefixes[place]
        self._prefix = prefixes.pop()
        return Guided(self._prefix)

    def learn(self, run: Choices) -> None:
        """Each actor that could have gone instead after the prefix begins its own schedule."""
        values: list[int] = []
        preemptions = 0
        for place, choice in enumerate(run.made):
            costs = choice.label == GO_ON_OR_SWITCH and self._at_most is not None
            if place >= len(self._prefix) and choice.label in (GO_ON_OR_SWITCH, NEXT):
                bucket = preemptions + costs
                if bucket < len(self._open):
                    self._open[bucket] += [(*values, other) for other in range(1, choice.bound)]
            values.append(choice.value)
            preemptions += costs and choice.value > 0


SHARES: Final = (4, 3, 3)
"""Of ten runs: random walk, priorities, few pre-emptions."""


class Portfolio:
    """40 % random walk, 30 % priorities, 30 % few pre-emptions on the smallest number of actors.

    Where the last has seen all, the first takes its place. `pairs` changes with each run.
    """

    def __init__(self, seed: int | str) -> None:
        self._parts: list[Strategy] = [RandomWalk(seed), Priorities(seed), FewPreemptions(seed)]
        self._turns = [part for part, share in enumerate(SHARES) for _ in range(share)]
        self._runs = 0
        self._part = self._parts[0]

    @property
    def pairs(self) -> bool:
        """Whether the run just handed out is meant for the smallest number of actors."""
        return self._part.pairs

    def next_run(self) -> Choices | None:
        """The next run of the strategy whose turn it is."""
        # 3 is prime to 10: a portfolio that is cut short has had its strategies mixed.
        self._part = self._parts[self._turns[3 * self._runs % len(self._turns)]]
        self._runs += 1
        run = self._part.next_run()
        if run is None:
            self._part = self._parts[0]
            run = self._part.next_run()
        return run

    def learn(self, run: Choices) -> None:
        """The strategy that handed it out learns from it."""
        self._part.learn(run)
