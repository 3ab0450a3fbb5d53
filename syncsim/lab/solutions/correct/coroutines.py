"""nothing: written with coroutines, which a small loop inside each verb drives to their end."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from functools import partial
from typing import Any, TypeVar

from syncsim.contract import JSON, Document, Outcome, Row
from syncsim.errors import SyncError, VersionConflictError
from syncsim.lab.solutions.textbook import Textbook
from syncsim.merging import same

T = TypeVar("T")


class Effect:
    """Something to be done outside: awaiting it hands it to the loop and brings its answer back."""

    def __init__(self, call: Callable[..., Any], *args: Any) -> None:
        self.call = partial(call, *args)

    def __await__(self) -> Generator[Effect, Any, Any]:
        return (yield self)


def drive(coroutine: Coroutine[Effect, Any, T]) -> T:
    """The trampoline: carry out effect after effect, on this thread."""
    answer: Any = None
    error: SyncError | None = None
    while True:
        try:
            effect = coroutine.send(answer) if error is None else coroutine.throw(error)
        except StopIteration as end:
            value: T = end.value
            return value
        answer, error = None, None
        try:
            answer = effect.call()
        except SyncError as raised:
            error = raised


class Coroutines(Textbook):
    """The same decisions as the textbook's, with an await before each effect."""

    def write(
        self,
        template_id: str,
        origin: Document,
        wanted: Document,
        user: str,
        detail: dict[str, JSON],
    ) -> Outcome:
        """A verb is no coroutine, so here the loop begins."""
        return drive(self.write_async(template_id, origin, wanted, user, detail))

    async def write_async(
        self,
        template_id: str,
        origin: Document,
        wanted: Document,
        user: str,
        detail: dict[str, JSON],
    ) -> Outcome:
        """Attempt after attempt."""
        update_id = self.env.new_id()
        self.say("update.started", template_id, user, update_id=update_id)
        lost: SyncError | None = None
        for attempt in range(1, self.attempts + 1):
            if attempt > 1:
                await Effect(self.wait, template_id, user, update_id, attempt - 1)
            head: Row = await Effect(self.head, template_id)
            merged = self.merged(origin, head, wanted)
            if same(merged.document, head.document):
                self.say("update.unchanged", template_id, user, update_id=update_id)
                return Outcome("unchanged", head.version, attempt - 1, conflicts=merged.conflicts)
            document = merged.document
            try:
                row: Row = await Effect(self.swap, head, document, user, update_id, detail)
            except VersionConflictError as conflict:
                lost = conflict
                self.conflict(conflict, user, update_id, attempt)
                continue
            await Effect(self.committed, row, user)
            facts: dict[str, JSON] = {"version": row.version, "attempts": attempt}
            self.say("update.committed", template_id, user, update_id=update_id, **facts)
            return Outcome("committed", row.version, attempt, conflicts=merged.conflicts)
        assert lost is not None
        return self.give_up(template_id, user, update_id, lost)


build = Coroutines
