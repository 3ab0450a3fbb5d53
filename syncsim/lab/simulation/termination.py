"""How a simulated run came to its end, and the waits that explain it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

EndingKind: TypeAlias = Literal["done", "deadlock", "endless", "stuck", "cut"]
"""`cut`: a strategy ended the run, because the rest of it has been seen in another."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """An actor that waits: for what, in which line, and which actor holds it (None: no actor)."""

    actor: str
    waits_for: str
    held_by: str | None
    line: str | None

    def __str__(self) -> str:
        holder = f" held by {self.held_by}" if self.held_by else ""
        return f"{self.actor} waits for {self.waits_for}{holder}" + at_line(self.line)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended; everything but `done` comes with a message that names actors and lines.

    `actors` are those concerned: the cycle of a deadlock, the endless or stuck one. `operation` is
    what the endless or stuck one was at. `waits` are all that waited when a deadlock was found.
    `computes`: the stuck one used the processor, so it does not just wait.
    """

    kind: EndingKind
    message: str = ""
    actors: tuple[str, ...] = ()
    operation: str | None = None
    line: str | None = None
    waits: tuple[Waiting, ...] = ()
    computes: bool = False


DONE = Ending("done")
CUT_SHORT = Ending("cut", "the strategy has seen the rest of this run in another")


def deadlock(waits: Sequence[Waiting]) -> Ending:
    """The ending where no actor can go on: the cycle of waiting actors, or all if there is none."""
    cycle = _cycle({wait.actor: wait.held_by for wait in waits})
    told = [wait for wait in waits if wait.actor in cycle] or list(waits)
    first = next((wait.line for wait in told if wait.line), None)
    return Ending(
        "deadlock",
        "deadlock, nobody can go on: " + "; ".join(map(str, told)),
        actors=tuple(wait.actor for wait in told),
        line=first,
        waits=tuple(waits),
    )


def at_line(line: str | None) -> str:
    """`` (candidate.py:12)``, or nothing."""
    return f" ({line})" if line else ""


def _cycle(holder_of: dict[str, str | None]) -> set[str]:
    for start in holder_of:
        seen: list[str] = []
        actor: str | None = start
        while actor is not None and actor not in seen:
            seen.append(actor)
            actor = holder_of.get(actor)
        if actor is not None:
            return set(seen[seen.index(actor) :])
    return set()
