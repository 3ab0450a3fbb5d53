"""A solution on record: every call of a verb becomes an operation of the history.

The solution cannot tell, and nothing it says of itself is needed: whose write it was is known from
the operation in whose context it was made, or from an id that the operation drew.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from itertools import count
from typing import Any, Protocol, TypeVar

from syncsim.contract import (
    BACKGROUND,
    JSON,
    Conflict,
    Document,
    Environment,
    Outcome,
    Snapshot,
    TemplateSync,
)
from syncsim.errors import StoreUnavailableError
from syncsim.events.kinds import Event
from syncsim.lab.history.recorded_failure import failure, storable
from syncsim.lab.history.records import Ended, Kind, Operation, digest
from syncsim.lab.recording.call_log import Call, CallLog, Records
from syncsim.lab.recording.log_records import LogRecords
from syncsim.lab.recording.recorded_environment import RecordedEnvironment
from syncsim.lab.scenarios import Rival

T = TypeVar("T")


class ObservedLog(Protocol):
    """What the recorder needs of an event log besides `emit`."""

    def operation(self, user: str | None, update_id: str | None) -> AbstractContextManager[None]:
        """A block whose events carry this user and id."""

    def subscribe(self, see: Callable[[Event], object]) -> Callable[[], None]:
        """Call `see` with every new event; returns the function that ends this."""


class Recorder:
    """Records what a solution does on `env`, in this process.

    `name` goes before the ids of operations, where several recordings are joined. `order` gives
    growing numbers and `elapsed_s` seconds, both comparable with those of the other recorders of a
    run. `work_s`, `rival` and `outage`: see `scenarios.Part`. `heard` gets each event as it comes.
    """

    def __init__(
        self,
        env: Environment,
        log: ObservedLog,
        *,
        order: Callable[[], int],
        elapsed_s: Callable[[], float],
        name: str = "",
        work_s: float = 0.0,
        rival: Rival | None = None,
        outage: bool = False,
        heard: Callable[[Event], object] | None = None,
    ) -> None:
        self._env = env
        self._log = log
        self._prefix = f"{name}/" if name else ""
        self._rival = rival
        self._outage = outage
        self._call_log = CallLog(order, elapsed_s, heard)
        self._numbers = count(1)
        self.environment = RecordedEnvironment(
            env, self._call_log, work_s=work_s, before_write=self._interfere
        )
        self._unsubscribe = log.subscribe(self._call_log.hear)
        self._log_records = LogRecords(self._call_log, env.clock.now)

    def sync(self, solution: TemplateSync, actor: str, *, at_rest: bool = False) -> RecordedSync:
        """The solution's verbs as this actor calls them; `actor` is unique in the run.

        `at_rest`: when all is over, for the laboratory to look once more.
        """
        name = f"{self._prefix}{actor}{'-at-rest' if at_rest else ''}"
        return RecordedSync(solution, self._env, self._log, self._call_log, name, at_rest)

    def records(self) -> Records:
        """Everything so far, to be pickled or assembled."""
        return self._call_log.records()

    def close(self) -> None:
        """Stop listening to events."""
        self._unsubscribe()
        self._log_records.close()

    def _interfere(self, call: Call, template_id: str) -> None:
        """Do what the scenario wants before a write attempt: an outage, or a rival's commit."""
        if self._outage and call.operation.kind == "update":
            raise StoreUnavailableError(template_id, "it is out of reach (induced outage)")
        self._strike(call, template_id)

    def _strike(self, call: Call, template_id: str) -> None:
        """Let the rival commit before this write attempt, if the scenario has one for it."""
        rival, operation = self._rival, call.operation
        if rival is None or operation.kind != rival.strikes:
            return
        if rival.first is not None and call.writes > rival.first:
            return
        number = next(self._numbers)
        changes = {"description": f"{rival.user} {number}, before {operation.id}"}
        since_s = self._call_log.elapsed_s()
        probe = Operation(
            f"{self._prefix}{rival.user}-{number}",
            "probe",
            rival.user,
            template_id,
            called=self._call_log.order(),
            called_at=self._env.clock.now(),
            changes=changes,
        )
        self._call_log.perform(
            probe,
            lambda: self._env.store.update_locked(
                template_id,
                lambda head: {**head.document, **changes},
                by=rival.user,
                update_id=probe.id,
            ),
            lambda row: {"ended": "committed", "version": row.version},
            lambda error: {"ended": "failed", "failure": failure(error)},
            since_s=since_s,
        )


class RecordedSync:
    """The verbs, each call on record; answers and exceptions pass through as they are."""

    def __init__(
        self,
        solution: TemplateSync,
        env: Environment,
        log: ObservedLog,
        call_log: CallLog,
        actor: str,
        at_rest: bool = False,
    ) -> None:
        self._solution = solution
        self._env = env
        self._log = log
        self._call_log = call_log
        self._actor = actor
        self._at_rest = at_rest
        self._numbers = count(1)

    def restarted(self, solution: TemplateSync) -> None:
        """Ask this solution from the next call on."""
        self._solution = solution

    def get_template(self, template_id: str, *, user: str) -> Snapshot:
        """Read, on record."""
        return self._record(
            "get",
            user,
            template_id,
            lambda: self._solution.get_template(template_id, user=user),
            _read,
        )

    def update_template(
        self, template_id: str, changes: Document, *, user: str, base: Snapshot | None = None
    ) -> Outcome:
        """Update, on record."""
        return self._record(
            "update",
            user,
            template_id,
            lambda: self._solution.update_template(template_id, changes, user=user, base=base),
            _outcome,
            changes=changes,
            base_version=None if base is None else _token(base.version),
        )

    def update_with_version(
        self, template_id: str, changes: Document, version: str, *, user: str
    ) -> Outcome:
        """Update strictly, on record."""
        return self._record(
            "update_with_version",
            user,
            template_id,
            lambda: self._solution.update_with_version(template_id, changes, version, user=user),
            _outcome,
            changes=changes,
            base_version=_token(version),
        )

    def run_background_job(self, template_id: str) -> Outcome:
        """Run the job, on record."""
        return self._record(
            "job",
            BACKGROUND,
            template_id,
            lambda: self._solution.run_background_job(template_id),
            _outcome,
        )

    @property
    def rollback(self) -> Callable[..., Outcome]:
        """Roll back, on record; an `AttributeError` where the solution has no such verb."""
        verb: Callable[..., Outcome] = self._solution.rollback  # type: ignore[attr-defined]

        def recorded(template_id: str, version: str, *, user: str) -> Outcome:
            return self._record(
                "rollback",
                user,
                template_id,
                lambda: verb(template_id, version, user=user),
                _outcome,
                base_version=version,
            )

        return recorded

    def _record(
        self,
        kind: Kind,
        user: str,
        template_id: str,
        verb: Callable[[], T],
        told: Callable[[T], dict[str, Any]],
        **asked: Any,
    ) -> T:
        operation_id = f"{self._actor}-{next(self._numbers)}"
        since_s = self._call_log.elapsed_s()
        at = self._env.clock.now()
        called = self._call_log.order()
        asked["at_rest"] = self._at_rest
        call = Operation(operation_id, kind, user, template_id, called, called_at=at, **asked)
        with self._log.operation(user, operation_id):
            return self._call_log.perform(call, verb, told, self._raised, since_s=since_s)

    def _raised(self, error: BaseException) -> dict[str, Any]:
        return {"ended": "failed", "failure": failure(error)}


def _read(snapshot: Snapshot) -> dict[str, JSON]:
    return {
        "ended": "read",
        "version": _token(snapshot.version),
        "digest": digest(snapshot.document),
    }


def _outcome(outcome: Outcome) -> dict[str, JSON]:
    ended: Ended = outcome.status
    if ended not in ("committed", "unchanged", "skipped"):
        raise ValueError(f"an outcome cannot be {ended!r}")
    return {
        "ended": ended,
        "version": _token(outcome.version),
        "attempts": outcome.attempts if type(outcome.attempts) is int else None,
        "conflicts": tuple(
            conflict.to_json() for conflict in outcome.conflicts if isinstance(conflict, Conflict)
        ),
        "reason": outcome.reason if outcome.reason is None else storable(str(outcome.reason)),
    }


def _token(version: object) -> str | None:
    """A version as text, whatever a solution makes its versions of; equal ones stay equal."""
    if version is None:
        return None
    return storable(version if isinstance(version, str) else repr(version))
