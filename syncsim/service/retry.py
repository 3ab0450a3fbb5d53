"""How long to wait before trying again, and from which retry on to queue: delays as data.

Six policies, to be set side by side in a lesson; what to do with a delay is not decided here. The
ladder is the mission's 100, 200, 400 ms. Without chance, all who lost together come back together
and lose again; see Marc Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015,
whose full, equal and decorrelated jitter are here under those names.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from random import Random
from typing import Any, Final, Self

from syncsim import exact
from syncsim.errors import UsageError

POLICIES: Final = ("third", "fixed", "full", "equal", "decorrelated", "none")
"""The names of the delays, the default first."""

_SPELLING = re.compile(r"([a-z]+)(?:/queue=([123]|never))?")
_HUGE: Final = 1e9
_GRAMMAR = f"NAME[/queue=1|2|3|never] with NAME one of {', '.join(POLICIES)}"


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Delays and queueing of an update's retries; times in seconds, retry 1 follows attempt 1.

    With n = `base_delay_s` x `factor`^(retry - 1), U(a, b) uniform, and the draw before as
    ``previous``, the delay before a retry is:

    ============  =====================================================================
    third         n x U(2/3, 4/3): the default, see below
    fixed         n
    full          U(0, n)
    equal         n/2 + U(0, n/2)
    decorrelated  U(`base_delay_s`, 3 x ``previous``), at most the last n of the ladder
    none          0
    ============  =====================================================================

    Why a third: it is the widest symmetric jitter whose ranges do not overlap when they double
    (100 (1 + j) <= 200 (1 - j)), so the herd is spread as far as it can be while each delay still
    exceeds the one before, has its nominal value as median, and can be told from the others in a
    log. With j = 1/2 one sequence in eight is out of order, with full jitter half of them, and the
    median of full jitter is 50, not 100 ms.

    `queue_from` is the retry from which on the change waits in the template's queue, where it
    cannot lose; None = never. Raises `UsageError` for values that could not be honoured.
    """

    name: str = "third"
    queue_from: int | None = 1
    retries: int = 3
    base_delay_s: float = 0.1
    factor: float = 2.0

    def __post_init__(self) -> None:
        name = exact.text(self.name)
        if name not in POLICIES:
            raise UsageError("retry policy", self.name, _GRAMMAR)
        object.__setattr__(self, "name", name)
        if type(self.retries) is not int or self.retries < 0:
            raise UsageError("retries", self.retries, "a whole number, zero or more")
        first = self.queue_from
        if first is not None and (type(first) is not int or not 1 <= first <= self.retries):
            raise UsageError("queue_from", first, f"a retry from 1 to {self.retries}, or None")
        if not _is_number(self.base_delay_s, at_least=0):
            raise UsageError("base_delay_s", self.base_delay_s, "seconds, zero or more")
        if not _is_number(self.factor, at_least=1):
            raise UsageError("factor", self.factor, "a number of at least 1")
        try:
            float(self.nominal_s(self.retries))
        except OverflowError:
            most = "so few that the last delay is still a number"
            raise UsageError("retries", self.retries, most) from None

    def nominal_s(self, retry: int) -> float:
        """The delay before this retry without chance; what the live log shows."""
        return 0.0 if self.name == "none" else self.base_delay_s * self.factor ** (retry - 1)

    def delay_s(self, retry: int, random: Random, previous_s: float | None = None) -> float:
        """The delay to wait before this retry; one draw of `random`, none for fixed and none.

        `previous_s`: what this gave for the retry before, None before the first.
        """
        nominal_s = self.nominal_s(retry)
        match self.name:
            case "third":
                return nominal_s * random.uniform(2 / 3, 4 / 3)
            case "full":
                return random.uniform(0, nominal_s)
            case "equal":
                return nominal_s / 2 + random.uniform(0, nominal_s / 2)
            case "decorrelated":
                previous_s = self.base_delay_s if previous_s is None else previous_s
                return min(
                    random.uniform(self.base_delay_s, 3 * previous_s), self.nominal_s(self.retries)
                )
            case _:
                return nominal_s

    def queues(self, retry: int) -> bool:
        """Whether this retry waits in the queue; the first attempt, 0, need not."""
        return self.queue_from is not None and retry >= self.queue_from

    @classmethod
    def parse(cls, text: str) -> Self:
        """The policy of a name: `third`, `fixed/queue=2`, `full/queue=never`.

        A bare name other than the default's means never to queue. Raises `UsageError`.
        """
        found = _SPELLING.fullmatch(exact.text(text) or "")
        if found is None:
            raise UsageError("retry policy", text, _GRAMMAR)
        name, queue = found.groups()
        if queue is None:
            queue = "1" if name == POLICIES[0] else "never"
        return cls(name, queue_from=None if queue == "never" else int(queue))

    def __str__(self) -> str:
        """The text that `parse` reads; numbers other than the defaults are not in it."""
        return f"{self.name}/queue={self.queue_from or 'never'}"


def _is_number(value: Any, *, at_least: int) -> bool:
    return type(value) in (int, float) and bool(at_least <= value <= _HUGE)
