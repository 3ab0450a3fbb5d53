"""All chance of a run as one flat list of labelled, bounded draws: seeded, replayed, recorded.

Who goes next, every fault and latency, the seed of `environment.random`: nothing else is left to
chance, so this list is the run. Draw 0 is always the dullest one (the current actor goes on, no
fault), so that a list of zeros is a calm run and shrinking means lowering numbers.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, Protocol, TypeAlias

from syncsim.errors import SyncError

GO_ON_OR_SWITCH: Final = "switch"
"""Label of a draw among actors where the current one, number 0, could go on; else a pre-emption."""

NEXT: Final = "next"
"""Label of a draw among actors when the current one waits, sleeps or has ended."""

CUT: Final = -1
"""What `Choices.among` answers to end the run: everything from here on has been seen."""

WRITE: Final = "write"
"""The one way of touching a thing that does not commute even with itself."""

Touches: TypeAlias = dict[str, str]
"""What a stretch of a run touched: the name of each shared thing, and in which way (read, ...)."""


class Choice(NamedTuple):
    """One draw that was made: `0 <= value < bound`."""

    label: str
    bound: int
    value: int


class Runnable(Protocol):
    """An actor as a strategy sees it."""

    @property
    def index(self) -> int:
        """The place in the order of starting; the same in every run of a scenario."""


class MisalignedReplayError(SyncError):
    """A replay asked for another draw than was recorded: the program is not the one recorded."""

    position: int
    recorded: str
    asked: str

    def __init__(self, position: int, recorded: str, asked: str) -> None:
        super().__init__(position=position, recorded=recorded, asked=asked)

    def _explain(self) -> str:
        return (
            f"the replay left the recorded run at draw {self.position}: recorded was "
            f"{self.recorded}, asked for was {self.asked}; the solution, the scenario or this "
            "package has changed since, or the solution is not deterministic. Explore again"
        )


class Choices:
    """Draws and records; subclasses say where the numbers come from.

    `made` is what was drawn. A draw with one possible answer is none and is not recorded. With
    `recorded` False nothing is kept, for runs of millions of steps that no caller replays.
    """

    def __init__(self, *, recorded: bool = True) -> None:
        self.made: list[Choice] = []
        self.recorded = recorded

    def draw(self, label: str, bound: int) -> int:
        """An integer from 0 to `bound` - 1."""
        if bound <= 1:
            return 0
        return self._take(label, bound, self._pick(label, bound))

    def among(self, label: str, ready: Sequence[Runnable], touched: Touches, now: float) -> int:
        """Which actor goes next, or `CUT`; asked at each step, even if only one actor is ready.

        `touched`: what the stretch that ends here touched; `now`: the virtual time. Only strategies
        that look at the actors override this; they record through `_take`.
        """
        return self.draw(label, len(ready))

    def _pick(self, label: str, bound: int) -> int:
        raise NotImplementedError

    def _take(self, label: str, bound: int, value: int) -> int:
        if bound > 1 and self.recorded:
            self.made.append(Choice(label, bound, value))
        return value


class Seeded(Choices):
    """A random walk: every draw uniform, from a seed (text or number) that decides all of them."""

    def __init__(self, seed: int | str, *, recorded: bool = True) -> None:
        super().__init__(recorded=recorded)
        # Only `random()` is used: its sequence is promised to stay the same in all Python versions.
        self._random = random.Random(seed).random

    def _pick(self, label: str, bound: int) -> int:
        return int(self._random() * bound)


class Replayed(Choices):
    """A recorded list, to the letter; past its end every draw is 0.

    Raises `MisalignedReplayError` where another label or bound is asked for than was recorded.
    """

    def __init__(self, recorded: Iterable[Choice]) -> None:
        super().__init__()
        self._recorded = list(recorded)

    def _pick(self, label: str, bound: int) -> int:
        position = len(self.made)
        if position >= len(self._recorded):
            return 0
        was = self._recorded[position]
        if was.label != label or was.bound != bound:
            raise MisalignedReplayError(
                position, f"{was.label!r} among {was.bound}", f"{label!r} among {bound}"
            )
        return was.value


class Guided(Choices):
    """Numbers taken in order whatever is asked, lowered into the bound; 0 past their end.

    For lists that were edited (shrinking) or begun by hand (enumeration), where labels may shift.
    """

    def __init__(self, values: Sequence[int]) -> None:
        super().__init__()
        self._values = values

    def _pick(self, label: str, bound: int) -> int:
        position = len(self.made)
        return min(self._values[position], bound - 1) if position < len(self._values) else 0


def trimmed(made: Sequence[Choice]) -> tuple[Choice, ...]:
    """The draws without the zeros at the end, which a replay supplies by itself."""
    end = len(made)
    while end and made[end - 1].value == 0:
        end -= 1
    return tuple(made[:end])
