"""Run one schedule of each class whose members differ only in the order of commuting steps.

Two steps of different actors commute if the stretches they begin touch nothing in common, or only
in one and the same way that is no writing. Of schedules that differ in the order of such steps one
is run, and how many it stands for is counted. Sleep sets: P. Godefroid, Partial-Order Methods for
the Verification of Concurrent Systems, 1996.

What a solution keeps in Python memory between its actors is not seen: two stretches that share only
that count as commuting. `FewPreemptions(at_most=None)` runs every order and assumes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from syncsim.lab.simulation.choices import (
    CUT,
    WRITE,
    Choices,
    MisalignedReplayError,
    Runnable,
    Touches,
)


class Commuting:
    """Walks the classes of schedules depth first. All draws but those of the next actor are 0.

    `runs` counts the classes, `interleavings` the schedules they stand for. A run that is cut,
    because every actor that could go on had its turn in another class, counts as neither.
    """

    pairs = False

    def __init__(self) -> None:
        self.runs = 0
        self.interleavings = 0
        self._path: list[_Node] = []
        self._is_done = False

    def next_run(self) -> Choices | None:
        """The next class's run, or None when all have been run."""
        return None if self._is_done else _PathRun(self._path)

    def learn(self, run: Choices) -> None:
        """Count the run, and turn to the last node at which another actor is left to go."""
        assert isinstance(run, _PathRun)
        if not run.was_cut:
            self.runs += 1
            self.interleavings += _interleavings(self._path)
        path = self._path
        while path:
            node = path[-1]
            node.done[node.chosen] = node.touched
            node.chosen = next((a for a in node.ready if a not in node.done), CUT)
            if node.chosen != CUT:
                return
            path.pop()
        self._is_done = True


class _Node:
    """A step of the path: who could go, who went, and what that stretch touched (None: unknown).

    `done`: those whose turn here would only repeat another class, and what they touched; at first
    those asleep, later also those that have gone.
    """

    __slots__ = ("chosen", "done", "now", "ready", "touched")

    def __init__(
        self, ready: tuple[int, ...], done: dict[int, Touches | None], chosen: int, now: float
    ) -> None:
        self.ready = ready
        self.done = done
        self.chosen = chosen
        self.now = now
        self.touched: Touches | None = None

    def asleep_after(self) -> dict[int, Touches | None]:
        """An actor that is done here and commutes with the one that went is done after it, too."""
        return {
            actor: theirs for actor, theirs in self.done.items() if _commute(theirs, self.touched)
        }


class _PathRun(Choices):
    def __init__(self, path: list[_Node]) -> None:
        super().__init__()
        self.was_cut = False
        self._path = path
        self._depth = 0

    def _pick(self, label: str, bound: int) -> int:
        return 0

    def among(self, label: str, ready: Sequence[Runnable], touched: Touches, now: float) -> int:
        path, depth = self._path, self._depth
        if depth:
            path[depth - 1].touched = touched
        indexes = tuple(actor.index for actor in ready)
        if depth == len(path):
            done = path[-1].asleep_after() if path else {}
            chosen = next((actor for actor in indexes if actor not in done), CUT)
            if chosen == CUT:
                self.was_cut = True
                return CUT
            path.append(_Node(indexes, done, chosen, now))
        chosen = path[depth].chosen
        self._depth += 1
        if chosen not in indexes:
            raise MisalignedReplayError(depth, f"actor {chosen}", f"one of the actors {indexes}")
        return self._take(label, len(ready), indexes.index(chosen))


def _commute(one: Touches | None, other: Touches | None) -> bool:
    if one is None or other is None:
        return False
    if len(one) > len(other):
        one, other = other, one
    return all(way == other[thing] != WRITE for thing, way in one.items() if thing in other)


def _interleavings(path: Sequence[_Node]) -> int:
    """How many schedules differ from this one in the order of commuting steps only.

    Stretches of one instant of virtual time come before those of the next, because the clock moves
    only when no actor can run.
    """
    count = 1
    for _, nodes in groupby(path, key=lambda node: node.now):
        count *= _orders(list(nodes))
    return count


def _orders(nodes: Sequence[_Node]) -> int:
    """The linear extensions of the order "earlier, and of the same actor or not commuting"."""
    actors = sorted({node.chosen for node in nodes})
    # Per actor and turn of it: how many turns of each actor must have been before.
    needs: dict[int, list[dict[int, int]]] = {actor: [] for actor in actors}
    for number, node in enumerate(nodes):
        need: dict[int, int] = {}
        turns = dict.fromkeys(actors, 0)
        for earlier in nodes[:number]:
            turns[earlier.chosen] += 1
            if not _commute(earlier.touched, node.touched):
                need[earlier.chosen] = turns[earlier.chosen]
        needs[node.chosen].append(need)
    ways = {(0,) * len(actors): 1}
    for _ in nodes:
        longer: dict[tuple[int, ...], int] = {}
        for turns_had, count in ways.items():
            had = dict(zip(actors, turns_had, strict=True))
            for place, actor in enumerate(actors):
                if had[actor] == len(needs[actor]):
                    continue
                if all(had[other] >= turns for other, turns in needs[actor][had[actor]].items()):
                    after = (*turns_had[:place], had[actor] + 1, *turns_had[place + 1 :])
                    longer[after] = longer.get(after, 0) + count
        ways = longer
    return sum(ways.values())
