"""A right solution on two pages, made to be read and to be broken: `broken/` overrides it.

It does what the reference does with the plainest means: every read is checked against the head,
every attempt merges at the head it has read and swaps, a loser waits and reads again. No queue, no
memory tier, no deadline. Each method is one decision, so that a mistake is one method.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, NoReturn

from syncsim.contract import (
    BACKGROUND,
    JSON,
    Document,
    Environment,
    Outcome,
    Row,
    Snapshot,
)
from syncsim.errors import (
    CacheError,
    RetriesExhaustedError,
    SyncError,
    VersionConflictError,
    VersionNotFoundError,
)
from syncsim.merging import Merge, merge, overlay, same
from syncsim.service.background import SKIPPED, derive
from syncsim.service.edits import check_changes
from syncsim.template import validate


class Textbook:
    """The four verbs, history and rollback on an `Environment`."""

    attempts = 4
    job_attempts = 9
    first_delay_s = 0.1
    cooldown_s = 5.0

    def __init__(self, env: Environment) -> None:
        self.env = env

    # -- reading -----------------------------------------------------------------------------------

    def get_template(self, template_id: str, *, user: str) -> Snapshot:
        """The head, out of the user's cache if what lies there is the head."""
        entry = self.cached(template_id, user)
        if entry is not None:
            self.say("cache.hit", template_id, user, version=entry["version"])
            return shown(template_id, entry)
        self.say("cache.miss", template_id, user)
        row = self.env.store.read(template_id)
        self.fill(row, user)
        return snapshot(row)

    def cached(self, template_id: str, user: str) -> dict[str, JSON] | None:
        """The user's entry if it may be served, else None."""
        try:
            entry: dict[str, JSON] | None = self.env.cache(user).get(template_id)
        except CacheError:
            return None
        if entry is None or entry["version"] != self.env.store.head(template_id).version:
            return None
        return entry

    def fill(self, row: Row, user: str) -> None:
        """Keep what was read from the store."""
        with suppress(CacheError):
            self.env.cache(user).set(row.template_id, as_entry(row))
            self.say("cache.filled", row.template_id, user, version=row.version)

    def committed(self, row: Row, user: str) -> None:
        """What a commit means for the caches. Every read is checked, so this is a courtesy."""
        with suppress(CacheError):
            self.env.cache(user).delete(row.template_id)
            self.say("cache.invalidated", row.template_id, user, version=row.version)

    def unchanged(self, head: Row, user: str) -> None:
        """What it means for the caches that this head was answered and nothing was written.

        Nothing, where every read is checked. Others learn here of a head whose writer has yet to
        tell them.
        """

    # -- writing -----------------------------------------------------------------------------------

    def update_template(
        self, template_id: str, changes: Document, *, user: str, base: Snapshot | None = None
    ) -> Outcome:
        """Merge the changes into the head; on a lost swap wait, read and merge again."""
        check_changes(template_id, changes)
        try:
            origin = self.origin(template_id, base)
        except SyncError as error:
            self.refuse(template_id, user, error)
        return self.write(template_id, origin, overlay(origin, changes), user, {"kind": "update"})

    def origin(self, template_id: str, base: Snapshot | None) -> Document:
        """The document the changes were made against: what the store holds under its version."""
        if base is None:
            return self.env.store.read(template_id).document
        for revision in self.env.store.history(template_id):
            if revision.version == base.version:
                return revision.document
        return base.document

    def write(
        self,
        template_id: str,
        origin: Document,
        wanted: Document,
        user: str,
        detail: dict[str, JSON],
    ) -> Outcome:
        """Attempt after attempt until the change from `origin` to `wanted` is in the head."""
        update_id = self.env.new_id()
        self.say("update.started", template_id, user, update_id=update_id)
        lost: SyncError | None = None
        waited_s = 0.0
        for attempt in range(1, self.attempts + 1):
            if attempt > 1:
                began_at = self.env.clock.now()
                self.wait(template_id, user, update_id, attempt - 1)
                waited_s += self.env.clock.now() - began_at
            try:
                validate(wanted, template_id)
                head = self.head(template_id)
                merged = self.merged(origin, head, wanted)
                if same(merged.document, head.document):
                    return self.found_done(head, merged, user, update_id, attempt, lost)
                kept = {**detail, "conflicts": [c.to_json() for c in merged.conflicts]}
                row = self.swap(head, merged.document, user, update_id, kept)
            except VersionConflictError as conflict:
                expected, actual = conflict.expected, conflict.actual
                lost = VersionConflictError(template_id, expected, actual, waited_s=waited_s)
                self.conflict(conflict, user, update_id, attempt)
                continue
            except SyncError as error:
                # Under the same update id an attempt whose answer was lost is answered, not redone.
                lost = error if lost is None or lost.definite else lost
                if error.retryable or not error.definite:
                    continue
                break
            self.committed(row, user)
            return self.done(template_id, row.version, merged, user, update_id, attempt)
        assert lost is not None
        return self.give_up(template_id, user, update_id, lost)

    def head(self, template_id: str) -> Row:
        """What an attempt merges with."""
        return self.env.store.read(template_id)

    def merged(self, origin: Document, head: Row, wanted: Document) -> Merge:
        """The change made to the head."""
        return merge(origin, head.document, wanted, earlier_by=head.updated_by)

    def swap(
        self, head: Row, document: Document, user: str, update_id: str, detail: dict[str, JSON]
    ) -> Row:
        """One write attempt."""
        return self.env.store.compare_and_swap(
            head.template_id, head.version, document, by=user, update_id=update_id, detail=detail
        )

    def found_done(
        self,
        head: Row,
        merged: Merge,
        user: str,
        update_id: str,
        attempt: int,
        lost: SyncError | None,
    ) -> Outcome:
        """The head holds the change: by chance, or by an attempt of ours whose answer was lost."""
        template_id = head.template_id
        if lost is not None and not lost.definite:
            for revision in self.env.store.history(template_id):
                if revision.update_id == update_id:
                    self.committed(head, user)
                    return self.done(
                        template_id, revision.version, merged, user, update_id, attempt - 1
                    )
        self.unchanged(head, user)
        self.say("update.unchanged", template_id, user, update_id=update_id)
        return Outcome("unchanged", head.version, attempt - 1, conflicts=merged.conflicts)

    def done(
        self,
        template_id: str,
        version: str,
        merged: Merge,
        user: str,
        update_id: str,
        attempts: int,
    ) -> Outcome:
        """Say that it is committed, and answer so."""
        self.say(
            "update.committed",
            template_id,
            user,
            update_id=update_id,
            version=version,
            attempts=attempts,
        )
        return Outcome("committed", version, attempts, conflicts=merged.conflicts)

    def conflict(
        self, conflict: VersionConflictError, user: str, update_id: str, attempt: int
    ) -> None:
        """Say that a swap was lost."""
        self.say(
            "update.conflict",
            conflict.template_id,
            user,
            update_id=update_id,
            expected=conflict.expected,
            actual=conflict.actual,
            attempt=attempt,
        )

    def wait(self, template_id: str, user: str, update_id: str, retry: int) -> None:
        """Sleep before a retry, counted from 1: 100, 200, 400 ms, a third less or more."""
        delay_s = self.delay_s(retry)
        self.say(
            "update.retry", template_id, user, update_id=update_id, attempt=retry, delay_s=delay_s
        )
        self.env.clock.sleep(delay_s)

    def delay_s(self, retry: int) -> float:
        """Seconds before a retry, counted from 1."""
        return self.first_delay_s * 2.0 ** (retry - 1) * self.env.random.uniform(2 / 3, 4 / 3)

    def give_up(self, template_id: str, user: str, update_id: str, lost: SyncError) -> Outcome:
        """Raise what says everything."""
        self.say("update.failed", template_id, user, update_id=update_id, error=type(lost).__name__)
        if isinstance(lost, VersionConflictError):
            waited_s = lost.facts.get("waited_s", 0.0)
            raise RetriesExhaustedError(
                template_id,
                self.attempts,
                waited_s,
                lost.expected,
                lost.actual,
                update_id=update_id,
            )
        raise lost

    def refuse(self, template_id: str, user: str, error: SyncError) -> NoReturn:
        """Tell of an update that failed before its first attempt, and raise."""
        update_id = self.env.new_id()
        self.say("update.started", template_id, user, update_id=update_id)
        self.say(
            "update.failed", template_id, user, update_id=update_id, error=type(error).__name__
        )
        raise error

    def update_with_version(
        self, template_id: str, changes: Document, version: str, *, user: str
    ) -> Outcome:
        """Commit if `version` is the head, else raise; no merge, no retry."""
        check_changes(template_id, changes)
        update_id = self.env.new_id()
        self.say("update.started", template_id, user, update_id=update_id)
        try:
            head = self.head(template_id)
            if head.version != version:
                raise VersionConflictError(template_id, version, head.version)
            wanted = overlay(head.document, changes)
            if same(wanted, head.document):
                return self.found_done(head, Merge(wanted, ()), user, update_id, 1, None)
            row = self.swap(head, wanted, user, update_id, {"kind": "update"})
        except SyncError as error:
            if isinstance(error, VersionConflictError):
                self.conflict(error, user, update_id, 1)
            self.say(
                "update.failed", template_id, user, update_id=update_id, error=type(error).__name__
            )
            raise
        self.committed(row, user)
        return self.done(template_id, row.version, Merge(wanted, ()), user, update_id, 1)

    # -- the job -----------------------------------------------------------------------------------

    def run_background_job(self, template_id: str) -> Outcome:
        """Derive and write, unless a user has just written; look again after every lost swap."""
        update_id = self.env.new_id()
        self.say("job.started", template_id, BACKGROUND, update_id=update_id)
        try:
            for attempt in range(1, self.job_attempts + 1):
                outcome = self.job_attempt(template_id, update_id, attempt)
                if outcome is not None:
                    return outcome
            raise RetriesExhaustedError(template_id, self.job_attempts, 0.0, None, None)
        except SyncError as error:
            name = type(error).__name__
            self.say("job.failed", template_id, BACKGROUND, update_id=update_id, error=name)
            raise

    def job_attempt(self, template_id: str, update_id: str, attempt: int) -> Outcome | None:
        """How the job ended on the head of now; None if that was no longer the head."""
        head = self.head(template_id)
        reason = self.too_soon(head)
        if reason is not None:
            self.say("job.skipped", template_id, BACKGROUND, update_id=update_id, reason=reason)
            return Outcome("skipped", head.version, attempt - 1, reason=reason)
        wanted = self.maintained(head.document)
        if same(wanted, head.document):
            self.unchanged(head, BACKGROUND)
            self.say("job.unchanged", template_id, BACKGROUND, update_id=update_id)
            return Outcome("unchanged", head.version, attempt - 1)
        try:
            row = self.swap(head, wanted, BACKGROUND, update_id, {"kind": "job"})
        except VersionConflictError as conflict:
            self.say(
                "job.conflict",
                template_id,
                BACKGROUND,
                update_id=update_id,
                expected=conflict.expected,
                actual=conflict.actual,
                attempt=attempt,
            )
            return None
        self.committed(row, BACKGROUND)
        self.say("job.committed", template_id, BACKGROUND, update_id=update_id, version=row.version)
        return Outcome("committed", row.version, attempt)

    def too_soon(self, head: Row) -> str | None:
        """Why the job must not write on this head; None if it may."""
        if head.user_updated_at is None:
            return None
        age_s = self.env.clock.now() - head.user_updated_at
        if age_s >= self.cooldown_s:
            return None
        who = "" if head.updated_by == BACKGROUND else f"{head.updated_by}, "
        return f"{SKIPPED} ({who}{age_s:.1f} s ago, cooldown {self.cooldown_s:.1f} s)"

    def maintained(self, document: Document) -> Document:
        """The document with its derived data renewed."""
        metadata = {**document.get("metadata", {}), "derived": derive(document)}
        return {**document, "metadata": metadata}

    # -- the past ----------------------------------------------------------------------------------

    def history(self, template_id: str) -> Any:
        """Every version, newest first."""
        return self.env.store.history(template_id)

    def rollback(self, template_id: str, version: str, *, user: str) -> Outcome:
        """A new version with the content of an old one; what others commit meanwhile is merged."""
        try:
            history = self.env.store.history(template_id)
            old = next((past for past in history if past.version == version), None)
            if old is None:
                raise VersionNotFoundError(template_id, version)
        except SyncError as error:
            self.refuse(template_id, user, error)
        detail = {"kind": "rollback", "restored": version}
        outcome = self.write(template_id, history[0].document, old.document, user, detail)
        if outcome.status == "committed":
            self.say(
                "rollback.committed", template_id, user, version=outcome.version, restored=version
            )
        return outcome

    def say(self, kind: str, template_id: str, user: str, **facts: JSON) -> None:
        """Tell the log."""
        self.env.events.emit(kind, template_id=template_id, user=user, **facts)


def snapshot(row: Row) -> Snapshot:
    """A row as a reader gets it."""
    return Snapshot(row.template_id, row.version, row.document, row.updated_at, row.updated_by)


def as_entry(row: Row) -> dict[str, JSON]:
    """A row as it lies in a cache."""
    return {
        "version": row.version,
        "document": row.document,
        "at": row.updated_at,
        "by": row.updated_by,
    }


def shown(template_id: str, entry: dict[str, JSON]) -> Snapshot:
    """A cache entry as a reader gets it."""
    return Snapshot(template_id, entry["version"], entry["document"], entry["at"], entry["by"])


def build(env: Environment) -> Textbook:
    """The textbook on an environment."""
    return Textbook(env)
