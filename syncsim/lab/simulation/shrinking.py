"""The least eventful run that still shows the same fault: fewer draws, more of them 0, lower ones.

Only replays decide. What is kept is what the replay drew, so labels and bounds are true again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from syncsim.lab.simulation.choices import Choice, trimmed

MAX_REPLAYS: Final = 99

Replay = Callable[[Sequence[int]], Sequence[Choice] | None]
"""Runs with these numbers; answers the draws made if the fault showed again, else None."""


@dataclass(frozen=True, slots=True)
class Shrunk:
    """The smallest run found, never longer than the original, and how many replays it took."""

    choices: tuple[Choice, ...]
    replays: int


def shrink(choices: Sequence[Choice], replay: Replay, *, max_replays: int = MAX_REPLAYS) -> Shrunk:
    """Cut the tail, zero blocks, lower and leave out single draws, until nothing helps any more."""
    search = _Search(trimmed(choices), replay, max_replays)
    before = None
    while search.is_open and search.best != before:
        before = search.best
        search.cut_tail()
        search.zero_blocks()
        search.lower_values()
        search.leave_out()
    return Shrunk(search.best, search.replays)


class _Search:
    def __init__(self, best: tuple[Choice, ...], replay: Replay, max_replays: int) -> None:
        self.best = best
        self.replays = 0
        self._replay = replay
        self._max_replays = max_replays
        self._tried: set[tuple[int, ...]] = set()

    @property
    def is_open(self) -> bool:
        return self.replays < self._max_replays

    def cut_tail(self) -> None:
        """Cut the tail by halves, then by ever smaller ends."""
        cut = max(len(self.best) // 2, 1)
        while cut and self.best and self.is_open:
            if not self._keep(self._values()[: len(self.best) - cut]):
                cut //= 2
            cut = min(cut, len(self.best))

    def zero_blocks(self) -> None:
        """Zero blocks of draws that are not 0, from half of them down to single ones."""
        size = max(len(self._places()) // 2, 1)
        while size and self.is_open:
            start = 0
            while start < len(places := self._places()) and self.is_open:
                values = self._values()
                for place in places[start : start + size]:
                    values[place] = 0
                if not self._keep(values):
                    start += size
            size //= 2

    def lower_values(self) -> None:
        """Lower single draws above 1: to 1, else to half."""
        for place in self._places():
            for lower in (lambda value: 1, lambda value: value // 2):
                values = self._values()
                if place < len(values) and values[place] > 1:
                    values[place] = lower(values[place])
                    if self._keep(values):
                        break

    def leave_out(self) -> None:
        """Leave out single draws, from the end; later draws move up, so they decide earlier."""
        place = len(self.best)
        while place and self.is_open:
            place = min(place, len(self.best)) - 1
            if place >= 0:
                self._keep(self._values()[:place] + self._values()[place + 1 :])

    def _places(self) -> list[int]:
        return [place for place, choice in enumerate(self.best) if choice.value]

    def _values(self) -> list[int]:
        return [choice.value for choice in self.best]

    def _keep(self, values: list[int]) -> bool:
        """Whether a run with these numbers shows the fault and is smaller; then it is the best."""
        key = tuple(values)
        if key in self._tried or not self.is_open:
            return False
        self._tried.add(key)
        self.replays += 1
        made = self._replay(values)
        if made is None:
            return False
        made = trimmed(made)
        if len(made) > len(self.best) or _weight(made) >= _weight(self.best):
            return False
        self.best = made
        return True


def _weight(choices: Sequence[Choice]) -> tuple[int, int, int]:
    """How eventful: draws that are not 0, then their number in all, then their sum."""
    return (
        sum(choice.value != 0 for choice in choices),
        len(choices),
        sum(choice.value for choice in choices),
    )
