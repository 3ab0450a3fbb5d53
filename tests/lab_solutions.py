"""Small solutions for tests of the laboratory: one that is right, and one per mistake."""

from __future__ import annotations

import os
import threading
from typing import Any

from syncsim.background import derive
from syncsim.contract import BACKGROUND, Document, Outcome, Row, Snapshot
from syncsim.errors import RetriesExhaustedError, VersionConflictError
from syncsim.merging import merge, overlay, same


class Careful:
    """No cache; reads, merges and swaps, at most four times, with growing delays."""

    attempts = 4

    def __init__(self, env: Any) -> None:
        self.env = env

    def get_template(self, template_id: str, *, user: str) -> Snapshot:
        return snapshot(self.env.store.read(template_id))

    def update_template(
        self, template_id: str, changes: Document, *, user: str, base: Snapshot | None = None
    ) -> Outcome:
        origin = base.document if base is not None else self.env.store.read(template_id).document
        conflict: VersionConflictError | None = None
        for attempt in range(1, self.attempts + 1):
            head = self.env.store.read(template_id)
            wanted = self.wanted(origin, head.document, changes)
            if same(wanted, head.document):
                return Outcome("unchanged", head.version, attempts=attempt - 1)
            try:
                row = self.write(template_id, head, wanted, user)
                return Outcome("committed", row.version, attempts=attempt)
            except VersionConflictError as error:
                conflict = error
            if attempt < self.attempts:
                self.env.clock.sleep(0.02 * attempt * self.env.random.uniform(0.7, 1.3))
        assert conflict is not None
        return self.give_up(template_id, conflict)

    def update_with_version(
        self, template_id: str, changes: Document, version: str, *, user: str
    ) -> Outcome:
        wanted = overlay(self.env.store.read(template_id).document, changes)
        row = self.env.store.compare_and_swap(template_id, version, wanted, by=user)
        return Outcome("committed", row.version, attempts=1)

    def run_background_job(self, template_id: str) -> Outcome:
        while True:
            head = self.env.store.read(template_id)
            since = head.user_updated_at
            if since is not None and self.env.clock.now() - since < self.cooldown_s():
                return Outcome("skipped", head.version, reason="Skipped - recent user update")
            derived = {**head.document.get("metadata", {}), "derived": derive(head.document)}
            wanted = {**head.document, "metadata": derived}
            try:
                row = self.env.store.compare_and_swap(
                    template_id, head.version, wanted, by=BACKGROUND
                )
                return Outcome("committed", row.version, attempts=1)
            except VersionConflictError:
                continue

    # what the mistakes below get wrong

    def wanted(self, base: Document, head: Document, changes: Document) -> Document:
        merged: Document = merge(base, head, overlay(base, changes)).document
        return merged

    def write(self, template_id: str, head: Row, wanted: Document, user: str) -> Row:
        row: Row = self.env.store.compare_and_swap(template_id, head.version, wanted, by=user)
        return row

    def give_up(self, template_id: str, conflict: VersionConflictError) -> Outcome:
        expected, actual = conflict.expected, conflict.actual
        raise RetriesExhaustedError(template_id, self.attempts, 0.1, expected, actual)

    def cooldown_s(self) -> float:
        return 5.0


def snapshot(row: Row) -> Snapshot:
    return Snapshot(row.template_id, row.version, row.document, row.updated_at, row.updated_by)


class BlindPut(Careful):
    """Writes without asking for the version."""

    def write(self, template_id: str, head: Row, wanted: Document, user: str) -> Row:
        row: Row = self.env.store.put(template_id, wanted, by=user)
        return row


class LastWriteWins(Careful):
    """Lays the changes over the document it once read, not over the head."""

    def wanted(self, base: Document, head: Document, changes: Document) -> Document:
        return overlay(base, changes)


class Swallowing(Careful):
    """Answers success when it has given up."""

    def give_up(self, template_id: str, conflict: VersionConflictError) -> Outcome:
        return Outcome("committed", conflict.actual, attempts=self.attempts)


class NoRetry(Careful):
    """Gives up at the first conflict."""

    attempts = 1


class TenAttempts(Careful):
    """Tries ten times."""

    attempts = 10


class RudeJob(Careful):
    """The job knows no cooldown."""

    def cooldown_s(self) -> float:
        return 0.0


class LazyJob(Careful):
    """The job always finds a reason to skip."""

    def run_background_job(self, template_id: str) -> Outcome:
        version = self.env.store.head(template_id).version
        return Outcome("skipped", version, reason="Skipped - recent user update")


class NeverInvalidating(Careful):
    """Reads from the user's cache for ever."""

    def get_template(self, template_id: str, *, user: str) -> Snapshot:
        cache = self.env.cache(user)
        kept = cache.get(template_id)
        if kept is None:
            row = self.env.store.read(template_id)
            kept = [row.version, row.document, row.updated_at, row.updated_by]
            cache.set(template_id, kept)
        return Snapshot(template_id, *kept)


class JobUnseen(NeverInvalidating):
    """Every update empties the caches of all users; the job does not."""

    def write(self, template_id: str, head: Row, wanted: Document, user: str) -> Row:
        row = super().write(template_id, head, wanted, user)
        for name in self.env.users:
            self.env.cache(name).delete(template_id)
        return row


class OneWriter(Careful):
    """Right in another way: one daemon thread does every update, one after another."""

    def __init__(self, env: Any) -> None:
        super().__init__(env)
        self.asked: list[tuple[tuple[Any, ...], dict[str, Any], list[Any]]] = []
        self.changed = threading.Condition()
        self.thread: threading.Thread | None = None

    def update_template(self, *args: Any, **kwargs: Any) -> Outcome:
        answer: list[Any] = []
        with self.changed:
            if self.thread is None:
                self.thread = threading.Thread(target=self.serve, daemon=True)
                self.thread.start()
            self.asked.append((args, kwargs, answer))
            self.changed.notify_all()
            self.changed.wait_for(lambda: answer)
        if isinstance(answer[0], Exception):
            raise answer[0]
        outcome: Outcome = answer[0]
        return outcome

    def serve(self) -> None:
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.asked)
                args, kwargs, answer = self.asked.pop(0)
            try:
                done: Any = Careful.update_template(self, *args, **kwargs)
            except Exception as error:
                done = error
            with self.changed:
                answer.append(done)
                self.changed.notify_all()


class SharedDocument(Careful):
    """Hands the same document to everybody, who may scribble on it."""

    def __init__(self, env: Any) -> None:
        super().__init__(env)
        self.rows: dict[str, Row] = {}

    def get_template(self, template_id: str, *, user: str) -> Snapshot:
        version = self.env.store.head(template_id).version
        if version not in self.rows:
            self.rows[version] = self.env.store.read(template_id)
        return snapshot(self.rows[version])


class Crashing(Careful):
    """Lets a KeyError out."""

    def update_template(
        self, template_id: str, changes: Document, *, user: str, base: Snapshot | None = None
    ) -> Outcome:
        answers: dict[str, Outcome] = {}
        return answers[user]


class Leaving(Careful):
    """Means to end the program, inside a verb."""

    def update_template(
        self, template_id: str, changes: Document, *, user: str, base: Snapshot | None = None
    ) -> Outcome:
        raise SystemExit(3)


class Unspeakable(Exception):
    """Cannot be shown."""

    def __str__(self) -> str:
        raise RuntimeError("no words")

    __repr__ = __str__


class Wordless(Careful):
    """Lets an exception out that raises when it is looked at."""

    def update_template(
        self, template_id: str, changes: Document, *, user: str, base: Snapshot | None = None
    ) -> Outcome:
        raise Unspeakable


def built_to_nothing(env: Any) -> None:
    """Forgets to return what it made."""
    Careful(env)


def built_by_leaving(env: Any) -> Careful:
    """Means to end the program while it is built."""
    raise SystemExit(3)


class ReadOnly:
    """Has one verb of four."""

    def __init__(self, env: Any) -> None: ...

    def get_template(self, template_id: str, *, user: str) -> Snapshot:
        raise NotImplementedError


class Halving(Careful):
    """Shows documents without their fields, on which no user can go on."""

    def get_template(self, template_id: str, *, user: str) -> Snapshot:
        read = super().get_template(template_id, user=user)
        del read.document["fields"]
        return read


def never_built(env: Any) -> Careful:
    """Does not come back from build."""
    threading.Event().wait()
    raise AssertionError


class Hanging(Careful):
    """Waits for what never comes."""

    def write(self, template_id: str, head: Row, wanted: Document, user: str) -> Row:
        threading.Event().wait()
        raise AssertionError


class Dying(Careful):
    """Takes its process down."""

    def write(self, template_id: str, head: Row, wanted: Document, user: str) -> Row:
        os._exit(9)


class PessimisticLock(Careful):
    """Right in another way: merges under the write lock, so it never loses a swap."""

    def update_template(
        self, template_id: str, changes: Document, *, user: str, base: Snapshot | None = None
    ) -> Outcome:
        wrote = []

        def change(head: Row) -> Document | None:
            origin = base.document if base is not None else head.document
            wanted = self.wanted(origin, head.document, changes)
            wrote.append(not same(wanted, head.document))
            return wanted if wrote[-1] else None

        row = self.env.store.update_locked(template_id, change, by=user)
        return Outcome("committed" if wrote[-1] else "unchanged", row.version, attempts=1)
