"""A run that is over: what it was, what happened, what was found, as figures, tables and JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from syncsim.contract import JSON
from syncsim.errors import MissingExtraError, UsageError
from syncsim.events.kinds import Event
from syncsim.lab.checkers.policy import COOLDOWN_S
from syncsim.lab.history.findings import INCONCLUSIVE, Finding
from syncsim.lab.history.records import History
from syncsim.lab.results.figures import Figures, count
from syncsim.lab.results.notes import notes

if TYPE_CHECKING:
    import pandas

FORMAT: Final = "syncsim-run/1"


@dataclass(frozen=True)
class Setting:
    """What was run, where and with what; `users` is how many, `work_ms` time inside an attempt.

    `store` is the kind of store, `synchronous` how SQLite commits (None elsewhere). `retry` is the
    policy that the solution was given, None for one that takes none; `cooldown_s` how long the job
    has to keep away.
    """

    scenario: str
    on: str
    store: str
    synchronous: str | None
    seed: int
    users: int
    template: str
    solution: str
    retry: str | None
    work_ms: float
    cooldown_s: float = COOLDOWN_S


@dataclass(frozen=True)
class Run:
    """One run of a scenario. `findings` is empty only if it passed.

    `duration_s` is real time, in simulation virtual time; `token` gives a simulated run again.
    """

    setting: Setting
    history: History
    findings: tuple[Finding, ...]
    duration_s: float
    token: str | None = None

    @property
    def passed(self) -> bool:
        """Nothing was found, and the run proved what it set out to prove."""
        return not self.findings

    @property
    def inconclusive(self) -> bool:
        """Nothing wrong was found, but too little happened to prove anything."""
        return bool(self.findings) and all(f.code == INCONCLUSIVE for f in self.findings)

    @property
    def events(self) -> tuple[Event, ...]:
        """What the solution said, in order of time."""
        return self.history.events

    @cached_property
    def figures(self) -> Figures:
        """The figures of the whole run, counted from its history."""
        return count(self.history)

    @cached_property
    def notes(self) -> tuple[Finding, ...]:
        """What is worth saying but costs no points; a run with notes may have passed."""
        return notes(self.setting.scenario, self.setting.retry, self.history)

    def summary(self) -> dict[str, JSON]:
        """What `run --json` prints."""
        setting = self.setting
        figures = self.figures.to_json()
        finals = self.history.finals
        return {
            "scenario": setting.scenario,
            "on": setting.on,
            "store": setting.store,
            "synchronous": setting.synchronous,
            "seed": setting.seed,
            "passed": self.passed,
            "inconclusive": self.inconclusive,
            "template": setting.template,
            "solution": setting.solution,
            "retry": setting.retry,
            "work_ms": setting.work_ms,
            "cooldown_s": setting.cooldown_s,
            "users": setting.users,
            **figures,
            "lost_updates": sum(finding.code == "D1" for finding in self.findings),
            "stale_reads": sum(finding.code == "M1" for finding in self.findings),
            "final_version": finals[-1].version if finals else None,
            "duration_s": round(self.duration_s, 3),
            "token": self.token,
            "findings": [finding.to_json() for finding in self.findings],
            "notes": [note.to_json() for note in self.notes],
        }

    def as_frame(self) -> pandas.DataFrame:
        """A row per operation, in the order of their calls; needs the `viz` extra.

        Columns: operation, kind, user, template_id, at_s (since the first call), latency_ms, ended,
        attempts (that the store saw), delays_ms, version, error, finding (codes that name it).
        """
        try:
            import pandas
        except ImportError:
            raise MissingExtraError("viz", "Run.as_frame()") from None
        return pandas.DataFrame(list(self._rows()), columns=_COLUMNS)

    def _rows(self) -> Any:
        operations = self.history.operations
        start = min((o.called_at for o in operations), default=0.0)
        waits: dict[str | None, list[float]] = {}
        for attempt in self.history.attempts:
            waits.setdefault(attempt.operation, []).append(attempt.waited_s * 1000)
        for o in operations:
            found = sorted({f.code for f in self.findings if o.id in f.operations})
            yield {
                "operation": o.id,
                "kind": o.kind,
                "user": o.user,
                "template_id": o.template_id,
                "at_s": o.called_at - start,
                "latency_ms": None if o.latency_s is None else o.latency_s * 1000,
                "ended": o.ended,
                "attempts": len(waits.get(o.id, ())),
                "delays_ms": waits.get(o.id, [])[1:],
                "version": o.version,
                "error": None if o.failure is None else o.failure.name,
                "finding": ", ".join(found),
            }

    def to_json(self) -> dict[str, JSON]:
        """Everything, to be saved and read again: the keys of `summary`, and the history."""
        return {"format": FORMAT, **self.summary(), "history": self.history.to_json()}

    @classmethod
    def from_json(cls, record: Mapping[str, JSON]) -> Run:
        """The inverse of `to_json`; `UsageError` for what is no saved run of this version."""
        if not isinstance(record, Mapping) or record.get("format") != FORMAT:
            found = record.get("format") if isinstance(record, Mapping) else record
            raise UsageError("the saved run", found, f"JSON that says format {FORMAT!r}")
        try:
            return cls(
                Setting(**{f.name: record[f.name] for f in fields(Setting) if f.name in record}),
                History.from_json(record["history"]),
                tuple(Finding.from_json(finding) for finding in record["findings"]),
                record["duration_s"],
                record["token"],
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise UsageError(
                "the saved run", repr(error), "the JSON that `run --save` writes, complete"
            ) from None


_COLUMNS: Final = [
    *("operation", "kind", "user", "template_id", "at_s", "latency_ms"),
    *("ended", "attempts", "delays_ms", "version", "error", "finding"),
]
