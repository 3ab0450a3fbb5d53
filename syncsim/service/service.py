"""The reference solution: `build(env)` composes store, caches, merge, retries, queue and events.

It sees Protocols only. The same lines run under threads, processes and the deterministic scheduler,
because time, chance, store, caches and locks all come in with the environment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from syncsim.contract import (
    BACKGROUND,
    JSON,
    Document,
    Environment,
    Outcome,
    Revision,
    Row,
    Snapshot,
)
from syncsim.errors import (
    OutcomeUnknownError,
    StoreUnavailableError,
    SyncError,
    VersionConflictError,
    VersionNotFoundError,
)
from syncsim.service import interrupted
from syncsim.service.arguments import check_base, check_settings, check_version
from syncsim.service.background import ClockSkewGuard, MaintenanceRun
from syncsim.service.commit_loop import Committer
from syncsim.service.commit_queue import CommitQueue
from syncsim.service.edits import Edit, RollbackEdit, check_changes, fingerprint
from syncsim.service.history_reader import StoredHistory
from syncsim.service.idempotency import previous_outcome
from syncsim.service.reads import FreshReads
from syncsim.service.retry import RetryPolicy
from syncsim.system.forks import ProcessBound
from syncsim.template import check_template_id, check_update_id, check_user

COOLDOWN_S = 5.0
DEADLINE_S = 3.0
MOST_READERS = 4_096
"""How many names of users are known to be good at a time; to check one again costs little."""
SAMPLED_READS = 64
"""One read in so many is timed; timing each would cost as much as a hit."""


class SyncService(ProcessBound):
    """The four verbs, rollback, and what is pending; safe to call from any thread.

    `cooldown_s`: how long after a user's update the background job keeps away. `deadline_s`: after
    that long an update ends in an error instead of trying on.
    """

    def __init__(
        self,
        env: Environment,
        *,
        retry: RetryPolicy | None = None,
        cooldown_s: float = COOLDOWN_S,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        settings = check_settings(retry, cooldown_s, deadline_s)
        self._cooldown_s = settings["cooldown_s"]
        self._deadline_s = settings["deadline_s"]
        self._env = env
        self._store = env.store
        self._emit = env.events.emit
        self._now = env.clock.now
        self._sights = ClockSkewGuard(env.clock)
        self.reads = FreshReads(env.store, env.cache, env.clock, env.events)
        self._queue = CommitQueue(env, self.reads.note_head)
        self._past = StoredHistory(env.store, self._queue.written)
        self._committer = Committer(
            env, self.reads.row, self._queue, settings["retry"] or RetryPolicy(), self._deadline_s
        )
        self._readers: set[str] = set()
        self._reads = 0
        self._bind()

    # -- the four verbs ----------------------------------------------------------------------------

    def get_template(self, template_id: str, *, user: str, view: bool = False) -> Snapshot:
        """Read; never older than an update acknowledged before the call, never going backwards.

        The document is the caller's own copy; with `view=True` a shared, deeply read-only one,
        which is faster (its limit: `template.frozen`). Raises `TemplateNotFoundError`,
        `StoreUnavailableError`.
        """
        if type(user) is not str or user not in self._readers:
            user = check_user(user, reserved_ok=True)
            if len(self._readers) >= MOST_READERS:
                self._readers.clear()
            self._readers.add(user)
        if type(template_id) is not str:
            template_id = check_template_id(template_id)
        self._reads += 1
        if self._reads % SAMPLED_READS:
            return self.reads.read(template_id, user, view=view)
        began = self._now()
        snapshot = self.reads.read(template_id, user, view=view)
        self._emit(
            "read.sampled", template_id=template_id, user=user, latency_s=self._now() - began
        )
        return snapshot

    def update_template(
        self,
        template_id: str,
        changes: Document,
        *,
        user: str,
        base: Snapshot | None = None,
        update_id: str | None = None,
    ) -> Outcome:
        """Merge `changes`, made against `base`, into the head; ends committed or unchanged.

        `changes` maps top-level keys to whole new values; inside a key the intent is the difference
        from `base`. What others changed since stays; on the same leaf this call wins and the value
        it overrode is in `Outcome.conflicts`. Repeating a call under the same `update_id` cannot
        apply it twice.

        Raises `InvalidTemplateError`, `TemplateNotFoundError`, `UpdateIdReusedError`,
        `RetriesExhaustedError` and `StoreUnavailableError` (all: nothing was written), and
        `OutcomeUnknownError`.
        """
        template_id = check_template_id(template_id)
        user = check_user(user)
        changes = check_changes(template_id, changes)
        base = check_base(template_id, base)
        if update_id is not None:
            update_id = check_update_id(update_id)
        edit = Edit(template_id, changes, base, self._past)
        if base is not None:
            edit.base_body = self.reads.cached_body(template_id, user, base.version)
        chosen = update_id is not None
        if update_id is None:
            update_id = self._env.new_id()
        started = self._now()
        try:
            self._begin("update.started", template_id, user, update_id, base)
            if chosen:
                edit.fingerprint = fingerprint(template_id, changes, base)
                outcome = self._replayed(edit, update_id)
                if outcome is not None:
                    return self._ended(template_id, user, update_id, outcome, started)
            return self._commit(edit, user, update_id, started)
        except BaseException as error:
            self._failed("update", template_id, user, update_id, error, started)
            raise

    def update_with_version(
        self, template_id: str, changes: Document, version: str, *, user: str
    ) -> Outcome:
        """Commit only if `version` is still the head; never retry, never merge.

        Raises `VersionConflictError` (nothing was written) where somebody has committed since.
        """
        template_id = check_template_id(template_id)
        user = check_user(user)
        changes = check_changes(template_id, changes)
        version = check_version(version)
        update_id = self._env.new_id()
        started = self._now()
        try:
            self._begin("update.started", template_id, user, update_id, None)
            row = self._store.read(template_id)
            if row.version != version:
                raise VersionConflictError(template_id, version, row.version)
            write = Edit(template_id, changes, None, self._past)(row)
            if write is None:
                outcome = Outcome("unchanged", version)
                return self._ended(template_id, user, update_id, outcome, started)
            row = self._store.compare_and_swap(
                template_id,
                version,
                write.document,
                by=user,
                update_id=update_id,
                detail=write.detail,
                timeout_s=max(started + self._deadline_s - self._now(), 0.0),
            )
            self._spread(row, user, update_id)
            outcome = Outcome("committed", row.version, attempts=1)
            return self._ended(template_id, user, update_id, outcome, started)
        except BaseException as error:
            if isinstance(error, VersionConflictError):
                self._emit(
                    "update.conflict",
                    template_id=template_id,
                    user=user,
                    update_id=update_id,
                    expected=error.expected,
                    actual=error.actual,
                    attempt=1,
                )
            self._failed("update", template_id, user, update_id, error, started)
            raise

    def run_background_job(self, template_id: str) -> Outcome:
        """Write derived data, or answer `skipped` while the last user update is too recent.

        ``reason`` then reads ``Skipped - recent user update (ann, 1.2 s ago, cooldown 5.0 s)``.
        """
        template_id = check_template_id(template_id)
        run = MaintenanceRun(self._cooldown_s, self._now, self._sights)
        update_id = self._env.new_id()
        started = self._now()
        facts = {"template_id": template_id, "user": BACKGROUND, "update_id": update_id}
        try:
            self._begin("job.started", template_id, BACKGROUND, update_id, None)
            row, state = self._committer.commit(
                template_id, run, by=BACKGROUND, update_id=update_id, topic="job"
            )
            found = self._found_after_all(template_id, update_id) if state.unsure else None
            version = row.version
            if found is not None:
                # Committed by an attempt whose answer was lost, whatever the head allows by now.
                version, run.reason, run.written = found.version, None, True
            if run.reason is not None:
                self._emit("job.skipped", reason=run.reason, **facts)
                return Outcome("skipped", version, state.attempts, reason=run.reason)
            if run.written:
                self._spread(row, BACKGROUND, update_id)
            outcome = Outcome("committed" if run.written else "unchanged", version, state.attempts)
            self._emit(
                f"job.{outcome.status}",
                version=outcome.version,
                attempts=outcome.attempts,
                conflicts=state.conflicts,
                latency_s=self._now() - started,
                commit_s=state.commit_s,
                **facts,
            )
            return outcome
        except BaseException as error:
            self._failed("job", template_id, BACKGROUND, update_id, error, started)
            raise

    # -- more than four ----------------------------------------------------------------------------

    def rollback(self, template_id: str, version: str, *, user: str) -> Outcome:
        """A new version with the content of an old one; history keeps everything in between.

        What others commit while this call runs is merged, as for any update. Raises
        `VersionNotFoundError` where the template never had that version.
        """
        template_id = check_template_id(template_id)
        user = check_user(user)
        version = check_version(version)
        update_id = self._env.new_id()
        head = self._store.read(template_id)
        target = self._past.find(template_id, version)
        if target is None:
            raise VersionNotFoundError(template_id, version)
        seen = Snapshot(template_id, head.version, head.document, head.updated_at, head.updated_by)
        back = RollbackEdit(
            template_id, target.document, seen, self._past, "rollback", restored=version
        )
        started = self._now()
        try:
            self._begin("update.started", template_id, user, update_id, seen)
            outcome = self._commit(back, user, update_id, started)
        except BaseException as error:
            self._failed("update", template_id, user, update_id, error, started)
            raise
        if outcome.status == "committed":
            self._emit(
                "rollback.committed",
                template_id=template_id,
                user=user,
                update_id=update_id,
                version=outcome.version,
                restored=version,
            )
        return outcome

    def history(self, template_id: str, *, limit: int | None = None) -> Sequence[Revision]:
        """Every committed version, newest first."""
        return self._store.history(check_template_id(template_id), limit=limit)

    def pending(self, template_id: str) -> list[dict[str, JSON]]:
        """Updates of this process that have begun and not ended, those in the commit queue first.

        ``[{"update_id": "...", "user": "ann", "state": "queued", "position": 1, "age_s": 0.12,
        "attempts": 2}]``; `state` is queued, waiting (between two attempts) or writing.
        """
        template_id = check_template_id(template_id)
        now = self._now()
        place = {t.update_id: n for n, t in enumerate(self._queue.pending(template_id), 1)}
        rows = [
            {
                "update_id": a.update_id,
                "user": a.by,
                "state": "queued"
                if a.update_id in place
                else ("waiting" if a.waiting else "writing"),
                "position": place.get(a.update_id),
                "age_s": now - a.started_at,
                "attempts": a.attempts,
            }
            for a in self._committer.under_way(template_id)
        ]
        return sorted(rows, key=lambda row: row["position"] or len(place) + 1)

    # -- how an update ends ------------------------------------------------------------------------

    def _commit(self, edit: Edit, user: str, update_id: str, started: float) -> Outcome:
        template_id = edit.template_id
        try:
            row, state = self._committer.commit(template_id, edit, by=user, update_id=update_id)
        except OutcomeUnknownError:
            self.reads.drop(template_id, user)
            raise
        outcome = None
        if state.unsure or edit.fingerprint is not None:
            # An earlier attempt, or another call under this id, may be what was committed.
            try:
                outcome = self._replayed(edit, update_id)
            except StoreUnavailableError as error:
                if state.unsure or edit.written:
                    raise OutcomeUnknownError(template_id, update_id) from error
                raise
            if outcome is not None and state.unsure:
                outcome = replace(outcome, attempts=state.attempts)
        if outcome is None:
            outcome = Outcome(
                "committed" if edit.written else "unchanged",
                row.version,
                state.attempts,
                edit.merged,
                edit.conflicts,
            )
        if edit.written and row.version == outcome.version:
            self._spread(row, user, update_id)
        return self._ended(
            template_id,
            user,
            update_id,
            outcome,
            started,
            conflicts=state.conflicts,
            commit_s=state.commit_s,
        )

    def _replayed(self, edit: Edit, update_id: str) -> Outcome | None:
        """How an update of this id ended before, from its record; None if it never committed."""
        found = self._past.find_update(update_id)
        if found is None:
            return None
        return previous_outcome(found, edit.template_id, edit.fingerprint, edit.base, self._past)

    def _found_after_all(self, template_id: str, update_id: str) -> Revision | None:
        """The commit, if any, of an attempt whose answer was lost, or `OutcomeUnknownError`."""
        try:
            return self._past.find_update(update_id)
        except StoreUnavailableError as error:
            raise OutcomeUnknownError(template_id, update_id) from error

    # -- what is said about it ---------------------------------------------------------------------

    def _begin(
        self, kind: str, template_id: str, user: str, update_id: str, base: Snapshot | None
    ) -> None:
        self._emit(
            kind,
            template_id=template_id,
            user=user,
            update_id=update_id,
            base=None if base is None else base.version,
        )

    def _spread(self, row: Row, user: str, update_id: str) -> None:
        """After the acknowledgement by the store: every entry but the writer's own is now stale."""
        self.reads.after_commit(row, user)
        self._sights.committed(row)
        self._emit(
            "cache.invalidated",
            template_id=row.template_id,
            user=user,
            update_id=update_id,
            version=row.version,
        )

    def _ended(
        self,
        template_id: str,
        user: str,
        update_id: str,
        outcome: Outcome,
        started: float,
        **facts: JSON,
    ) -> Outcome:
        self._emit(
            f"update.{outcome.status}",
            template_id=template_id,
            user=user,
            update_id=update_id,
            version=outcome.version,
            attempts=outcome.attempts,
            merged=len(outcome.merged),
            overridden=len(outcome.conflicts),
            latency_s=self._now() - started,
            **facts,
        )
        return outcome

    def _failed(
        self,
        topic: str,
        template_id: str,
        user: str,
        update_id: str,
        error: BaseException,
        started: float,
    ) -> None:
        if not isinstance(error, SyncError):
            interrupted.tell(
                error,
                self._env.events,
                self._past,
                topic=topic,
                template_id=template_id,
                user=user,
                update_id=update_id,
                latency_s=self._now() - started,
            )
            return
        self._emit(
            f"{topic}.failed",
            template_id=template_id,
            user=user,
            update_id=update_id,
            error=type(error).__name__,
            message=str(error),
            latency_s=self._now() - started,
            **{k: v for k, v in error.facts.items() if k in ("attempts", "waited_s", "definite")},
        )


def build(env: Environment, **settings: Any) -> SyncService:
    """The reference solution on this environment; `settings` as for `SyncService`."""
    return SyncService(env, **settings)
