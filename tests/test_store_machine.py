"""Both stores against a model too simple to be wrong: lists and dicts, calls in any order."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from syncsim.contract import BACKGROUND, Document, QueuedWrite, Row, Write
from syncsim.errors import (
    InvalidTemplateError,
    TemplateExistsError,
    TemplateNotFoundError,
    VersionConflictError,
)
from syncsim.store.memory import MemoryStore
from syncsim.store.sqlite import SQLiteStore
from syncsim.template import content_hash, encode, version_token
from tests.parts import ManualClock
from tests.store_parts import document

TEMPLATES = st.sampled_from(["a", "b"])
USERS = st.sampled_from(["ann", "ben", BACKGROUND])
NAMES = st.sampled_from(["One", "Two", "Three"])
UPDATE_IDS = st.sampled_from([None, "u1", "u2", "u3", "u4"])
DETAILS = st.sampled_from([None, {"kind": "update"}, {"kind": "merge", "conflicts": []}, [1, "x"]])
ACTIONS = st.sampled_from(["write", "plain", "nothing", "raise", "invalid"])


@dataclass(frozen=True)
class Commit:
    """A commit as the model keeps it."""

    version: str
    parent: str | None
    by: str
    at: float
    user_updated_at: float | None
    update_id: str | None
    detail: Any
    document: Document


class Refused(Exception):
    """What a change raises that does not want to."""


class StoreMachine(RuleBasedStateMachine):
    """The rules are the calls of a store; after each, everything that can be read is compared."""

    where: str

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.folder = tempfile.mkdtemp()
        self.commits: dict[str, list[Commit]] = {}
        self.store: MemoryStore | SQLiteStore

    @initialize()
    def open(self) -> None:
        if self.where == "memory":
            self.store = MemoryStore(clock=self.clock)
        else:
            url = f"sqlite:///{self.folder}/store.db?synchronous=NORMAL"
            self.store = SQLiteStore(url, clock=self.clock)

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.folder)

    # -- the model ---------------------------------------------------------------------------------

    def used(self, update_id: str | None) -> Commit | None:
        every = [commit for commits in self.commits.values() for commit in commits]
        return next((c for c in every if update_id and c.update_id == update_id), None)

    def commit(
        self, template_id: str, by: str, update_id: str | None, detail: Any, new: Document
    ) -> Commit:
        history = self.commits.setdefault(template_id, [])
        last = history[-1] if history else None
        now = self.clock.now()
        by_user = None if last is None else last.user_updated_at
        commit = Commit(
            version_token(len(history) + 1, content_hash(encode(new))),
            last.version if last else None,
            by,
            max(now, last.at) if last else now,
            by_user if by == BACKGROUND else now,
            update_id,
            detail,
            new,
        )
        history.append(commit)
        return commit

    def same(self, row: Row, commit: Commit) -> None:
        assert (row.version, row.updated_by) == (commit.version, commit.by)
        assert (row.updated_at, row.user_updated_at) == (commit.at, commit.user_updated_at)
        assert row.document == commit.document

    def change(self, action: str, name: str, detail: Any, seen: list[Row]) -> Any:
        def make(row: Row) -> Document | Write | None:
            seen.append(row)
            match action:
                case "nothing":
                    return None
                case "raise":
                    raise Refused
                case "invalid":
                    return {**row.document, "name": ""}
                case "plain":
                    return {**row.document, "name": name}
                case _:
                    return Write({**row.document, "name": name}, detail)

        return make

    def expected(
        self, template_id: str, action: str, name: str, by: str, update_id: str | None, detail: Any
    ) -> Commit | type[Exception]:
        """What a locked write of this kind must come to; commits it to the model."""
        done = self.used(update_id)
        if done is not None:
            return done
        last = self.commits[template_id][-1]
        match action:
            case "nothing":
                return last
            case "raise":
                return Refused
            case "invalid":
                return InvalidTemplateError
            case "plain":
                detail = None
        return self.commit(template_id, by, update_id, detail, {**last.document, "name": name})

    # -- the calls ---------------------------------------------------------------------------------

    @rule(seconds=st.sampled_from([0.5, 7.0, -3.0, -3600.0]))
    def time_passes(self, seconds: float) -> None:
        self.clock.time += seconds

    @rule(template_id=TEMPLATES, name=NAMES, by=USERS)
    def create(self, template_id: str, name: str, by: str) -> None:
        if template_id in self.commits:
            with pytest.raises(TemplateExistsError) as failure:
                self.store.create(template_id, document(name), by=by)
            assert failure.value.version == self.commits[template_id][-1].version
        else:
            row = self.store.create(template_id, document(name), by=by)
            self.same(row, self.commit(template_id, by, None, {"kind": "create"}, document(name)))

    @rule(template_id=TEMPLATES, name=NAMES, by=USERS)
    def put(self, template_id: str, name: str, by: str) -> None:
        if template_id not in self.commits:
            with pytest.raises(TemplateNotFoundError):
                self.store.put(template_id, document(name), by=by)
        else:
            row = self.store.put(template_id, document(name), by=by)
            self.same(row, self.commit(template_id, by, None, {"kind": "put"}, document(name)))

    @rule(
        template_id=TEMPLATES,
        back=st.integers(0, 2),
        name=NAMES,
        by=USERS,
        update_id=UPDATE_IDS,
        detail=DETAILS,
    )
    def swap(
        self, template_id: str, back: int, name: str, by: str, update_id: str | None, detail: Any
    ) -> None:
        """Against the head, or against a version that is `back` commits old."""
        history = self.commits.get(template_id, [])
        expected = history[max(len(history) - 1 - back, 0)].version if history else "1-00000000"

        def swap() -> Row:
            return self.store.compare_and_swap(
                template_id, expected, document(name), by=by, update_id=update_id, detail=detail
            )

        done = self.used(update_id)
        if done is not None:
            self.same(swap(), done)
        elif not history:
            with pytest.raises(TemplateNotFoundError):
                swap()
        elif expected != history[-1].version:
            with pytest.raises(VersionConflictError) as failure:
                swap()
            assert failure.value.actual == history[-1].version
        else:
            row = swap()
            self.same(row, self.commit(template_id, by, update_id, detail, document(name)))

    @rule(
        template_id=TEMPLATES,
        action=ACTIONS,
        name=NAMES,
        by=USERS,
        update_id=UPDATE_IDS,
        detail=DETAILS,
    )
    def update_locked(
        self, template_id: str, action: str, name: str, by: str, update_id: str | None, detail: Any
    ) -> None:
        seen: list[Row] = []
        change = self.change(action, name, detail, seen)

        def update() -> Row:
            return self.store.update_locked(template_id, change, by=by, update_id=update_id)

        if template_id not in self.commits and self.used(update_id) is None:
            with pytest.raises(TemplateNotFoundError):
                update()
            return
        head = self.commits[template_id][-1] if template_id in self.commits else None
        used = self.used(update_id)
        outcome = self.expected(template_id, action, name, by, update_id, detail)
        if isinstance(outcome, Commit):
            self.same(update(), outcome)
        else:
            with pytest.raises(outcome):
                update()
        assert [row.version for row in seen] == ([] if used or head is None else [head.version])

    @rule(
        template_id=TEMPLATES,
        writes=st.lists(st.tuples(ACTIONS, NAMES, USERS, UPDATE_IDS, DETAILS), max_size=4),
    )
    def update_many(self, template_id: str, writes: list[tuple[Any, ...]]) -> None:
        queued = [
            QueuedWrite(self.change(action, name, detail, []), by, update_id)
            for action, name, by, update_id, detail in writes
        ]
        if template_id not in self.commits:
            if writes:
                with pytest.raises(TemplateNotFoundError):
                    self.store.update_many(template_id, queued)
            return
        answers = self.store.update_many(template_id, queued)
        assert len(answers) == len(writes)
        for answer, (action, name, by, update_id, detail) in zip(answers, writes, strict=True):
            outcome = self.expected(template_id, action, name, by, update_id, detail)
            if isinstance(outcome, Commit):
                assert isinstance(answer, Row)
                self.same(answer, outcome)
            else:
                assert isinstance(answer, outcome)

    @rule()
    def reopen(self) -> None:
        """Nothing but memory is lost by closing; the store in memory is left open."""
        if self.where != "memory":
            self.store.close()
            self.open()

    # -- the comparison ----------------------------------------------------------------------------

    @invariant()
    def everything_reads_as_in_the_model(self) -> None:
        store = self.store
        assert store.templates() == sorted(self.commits)
        for template_id, commits in self.commits.items():
            last = commits[-1]
            head = store.head(template_id)
            assert (head.version, head.revision) == (last.version, len(commits))
            assert head.user_updated_at == last.user_updated_at
            self.same(store.read(template_id), last)
            history = store.history(template_id)
            assert [r.revision for r in history] == list(range(len(commits), 0, -1))
            found = [
                (r.version, r.parent, r.by, r.at, r.update_id, r.detail, r.document)
                for r in history
            ]
            assert found == [
                (c.version, c.parent, c.by, c.at, c.update_id, c.detail, c.document)
                for c in reversed(commits)
            ]
            assert [entry.version for entry in store.audit(template_id)] == [f[0] for f in found]
            first = store.revision(template_id, commits[0].version)
            assert first is not None
            assert first.document == commits[0].document
        for update_id in ("u1", "u2", "u3", "u4"):
            commit, revision = self.used(update_id), store.find_update(update_id)
            assert (commit and commit.version) == (revision and revision.version)


@pytest.mark.parametrize("where", ["memory", "sqlite"])
def test_a_store_behaves_like_its_model(where: str) -> None:
    machine = type("Machine", (StoreMachine,), {"where": where})
    budget = settings(max_examples=100 if where == "memory" else 25, stateful_step_count=30)
    run_state_machine_as_test(machine, settings=budget)
