"""One actor performs its steps; the caller owns time, threads and barriers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import orjson

from syncsim.contract import Clock, Document, Snapshot, TemplateSync
from syncsim.lab.history.recorded_failure import OnRecord, is_from_outside
from syncsim.lab.scenarios import (
    UNKNOWN_TEMPLATE,
    Actor,
    Barrier,
    InvalidCall,
    Job,
    Read,
    Restart,
    Rollback,
    Update,
    UpdateWithVersion,
    Wait,
)


def play(
    actor: Actor,
    sync: TemplateSync,
    template_id: str,
    *,
    clock: Clock,
    meet: Callable[[str], object],
    called: Callable[[], object],
    restart: Callable[[], object],
) -> None:
    """Perform every step in order. `meet` waits at a barrier; `called` runs after each verb.

    `restart` puts a solution built anew behind `sync`.

    A verb that raises has been recorded by `sync`; the actor goes on with the next step, as a user
    would. What else is raised ends the play.
    """
    user = _User(sync, template_id, actor.user)
    for step in actor.steps:
        match step:
            case Wait(seconds):
                clock.sleep(seconds)
                continue
            case Barrier(name):
                meet(name)
                continue
            case Restart():
                restart()
                continue
            case Read(scribble):
                user.read(scribble=scribble)
            case Rollback(read):
                user.roll_back(read)
            case InvalidCall(what):
                user.misuse(what)
            case Job():
                with OnRecord():
                    sync.run_background_job(template_id)
            case Update(edit, based=False):
                with suppress(Exception):
                    sync.update_template(template_id, edit.changes({}), user=actor.user)
            case Update(edit):
                base = user.latest or user.read()
                if base is not None:
                    changes = edit.changes(base.document)
                    with OnRecord():
                        sync.update_template(template_id, changes, user=actor.user, base=base)
            case UpdateWithVersion(edit):
                base = user.latest or user.read()
                if base is not None:
                    changes, version = edit.changes(base.document), base.version
                    with OnRecord():
                        sync.update_with_version(template_id, changes, version, user=actor.user)
        called()


class _User:
    """A user who keeps a copy of what they read last."""

    def __init__(self, sync: TemplateSync, template_id: str, name: str) -> None:
        self._sync = sync
        self._template_id = template_id
        self._name = name
        self.latest: Snapshot | None = None
        self._versions: list[str] = []

    def read(self, *, scribble: bool = False) -> Snapshot | None:
        """Read the template; None where that fails, which is on record."""
        try:
            read = self._sync.get_template(self._template_id, user=self._name)
        except BaseException as error:
            if is_from_outside(error):
                raise
            return None
        kept: Document = orjson.loads(orjson.dumps(read.document))
        self.latest = Snapshot(
            self._template_id, read.version, kept, read.updated_at, read.updated_by
        )
        self._versions.append(read.version)
        if scribble:
            with suppress(TypeError, LookupError):  # a read-only document cannot be changed
                read.document["name"] = "scribbled over"
                read.document["fields"][0]["label"] = "scribbled over"
        return self.latest

    def roll_back(self, read: int) -> None:
        """Roll back to the version of an earlier read, if the solution can."""
        rollback = getattr(self._sync, "rollback", None)
        if rollback is not None and read < len(self._versions):
            with suppress(Exception):
                rollback(self._template_id, self._versions[read], user=self._name)

    def misuse(self, what: str) -> None:
        """Make a call that cannot succeed."""
        sync, name = self._sync, self._name
        with suppress(Exception):
            if what == "read-unknown":
                sync.get_template(UNKNOWN_TEMPLATE, user=name)
            elif what == "update-unknown":
                sync.update_template(UNKNOWN_TEMPLATE, {"name": f"By {name}"}, user=name)
            else:
                sync.update_template(self._template_id, {"name": 7}, user=name, base=self.latest)
