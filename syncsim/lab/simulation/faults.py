"""What goes wrong by draw: latency, a busy store, an outage, a lost answer, a crash, a bad cache.

Every mishap is a draw of the run's list and 0 means that nothing happens, so a failing run shrinks
to the few mishaps it needs. `Faults` says how likely each is; `FaultInjector` draws them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from typing import Final, TypeVar

from syncsim.contract import JSON
from syncsim.errors import CacheError, OutcomeUnknownError, StoreUnavailableError, UsageError
from syncsim.lab.simulation.scheduler import Scheduler

T = TypeVar("T")

LATENCY_MS: Final = range(2, 11)
"""What a step takes in latency mode: 2 to 10 virtual milliseconds."""


@dataclass(frozen=True, slots=True)
class Faults:
    """How often each fault strikes: at one in so many steps where it could; 0 = never.

    `latency`: every step takes 2 to 10 virtual milliseconds. `busy`: a write finds the store busy.
    `outage`: from a store call on, every store call fails for `outage_s` seconds. `lost_answer`: a
    write is done and its answer lost. `crash`: the client dies at a step. `cache`: a cache call
    fails, every second time after it took effect. `at_most` mishaps a run, latency not counted.
    """

    latency: bool = False
    busy: int = 0
    outage: int = 0
    outage_s: float = 0.3
    lost_answer: int = 0
    crash: int = 0
    cache: int = 0
    at_most: int = 3

    def __post_init__(self) -> None:
        for name in ("busy", "outage", "lost_answer", "crash", "cache"):
            value = getattr(self, name)
            if type(value) is not int or value < 0 or value == 1:
                raise UsageError(name, value, "0 for never, or one in how many: 2 or more")
        if type(self.at_most) is not int or self.at_most < 0:
            raise UsageError("at_most", self.at_most, "a whole number of mishaps")

    def to_json(self) -> dict[str, JSON]:
        """What differs from a calm run, for tokens."""
        calm = Faults()
        return {name: value for name, value in asdict(self).items() if value != getattr(calm, name)}

    @classmethod
    def parse(cls, text: str) -> Faults:
        """``busy=8,lost_answer=5,latency``: names, each with one in how many steps it strikes.

        `UsageError` for what is none.
        """
        given: dict[str, JSON] = {}
        for part in filter(None, (part.strip() for part in text.split(","))):
            name, _, number = part.partition("=")
            kind = _KINDS.get(name)
            try:
                given[name] = True if part == "latency" else kind(number)  # type: ignore[misc]
            except (TypeError, ValueError):
                wanted = f"latency, or NAME=NUMBER with a name of {', '.join(_KINDS)}"
                raise UsageError("faults", part, wanted) from None
        return cls(**given)

    @classmethod
    def from_json(cls, record: dict[str, JSON]) -> Faults:
        """The inverse of `to_json`; `UsageError` for what is none."""
        unknown = sorted(record.keys() - {field.name for field in fields(cls)})
        if unknown:
            raise UsageError("faults", unknown, f"names out of {[f.name for f in fields(cls)]}")
        return cls(**record)


_KINDS: Final = {
    field.name: type(field.default) for field in fields(Faults) if field.name != "latency"
}
"""Name of a fault that is a number to its type."""


class FaultInjector:
    """The faults of one run; each method is called where its kind may strike.

    They strike operations only, so what a scenario itself does in the store always succeeds.
    """

    def __init__(self, faults: Faults, scheduler: Scheduler) -> None:
        self._faults = faults
        self._scheduler = scheduler
        self._left = faults.at_most
        self._outage_until = 0.0

    def at_step(self) -> None:
        """Before any effect: time passes, or the client dies."""
        if self._faults.latency and self._in_operation():
            delay_ms = LATENCY_MS[self._scheduler.draw("latency", len(LATENCY_MS))]
            self._scheduler.sleep(delay_ms / 1000)
        if self._strikes("crash", self._faults.crash):
            self._scheduler.crash()

    def before_store_call(self, template_id: str | None, *, writes: bool) -> None:
        """Raises `StoreUnavailableError`: the store is out of reach, or too busy for a write."""
        if self._strikes("outage", self._faults.outage):
            self._outage_until = self._scheduler.now + self._faults.outage_s
        if self._scheduler.now < self._outage_until and self._in_operation():
            raise StoreUnavailableError(template_id, "it is out of reach (simulated outage)")
        if writes and self._strikes("busy", self._faults.busy):
            raise StoreUnavailableError(template_id, "busy: it is locked (simulated)")

    def after_write(self, template_id: str, update_id: str | None) -> None:
        """Raises `OutcomeUnknownError`: the write is done and its answer is lost."""
        if self._strikes("lost answer", self._faults.lost_answer):
            raise OutcomeUnknownError(template_id, update_id or "")

    def at_cache_call(self, effect: Callable[[], T]) -> T:
        """What the call answers; or `CacheError`, before or after it took effect."""
        if not self._strikes("cache", self._faults.cache):
            return effect()
        if self._scheduler.draw("cache effect", 2) == 1:
            effect()
        raise CacheError("a simulated fault")

    def _strikes(self, label: str, one_in: int) -> bool:
        if one_in == 0 or self._left == 0 or not self._in_operation():
            return False
        strikes = self._scheduler.draw(label, one_in) == 1
        self._left -= strikes
        return strikes

    def _in_operation(self) -> bool:
        actor = self._scheduler.actor()
        return actor is not None and actor.operation is not None
