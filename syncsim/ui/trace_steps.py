"""The rows of a watched simulation: every step of its trace, with calls and answers between them.

The row of a step that saw something says what it saw; that of a step without an answer yet (a lock
that another holds, a write that waits for the write lock) says that it began.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from syncsim.contract import JSON
from syncsim.lab.simulation.simulated_run import SimulatedRun
from syncsim.lab.simulation.step_results import StepResult
from syncsim.ui.diagram_steps import DiagramStep, Kind, Narrator, cut, lost, name, wait, written


def from_sights(run: SimulatedRun) -> list[DiagramStep]:
    """Every step of a watched run, in the order of its trace, with calls and answers between."""
    return list(_Telling(run).rows())


class _Telling:
    """Goes through a trace and what its steps saw."""

    def __init__(self, run: SimulatedRun) -> None:
        self._run = run
        self._narrator = Narrator(run.history)
        self._parents = {(c.template_id, c.version): c.parent for c in run.history.commits}
        self._versions = {c.version for c in run.history.commits}
        self._heads: dict[str, str | None] = {
            c.template_id: c.version for c in reversed(run.history.commits) if c.parent is None
        }
        self._under_way: dict[str, str] = {}
        self._read: dict[tuple[str | None, str], str | None] = {}
        self._holders: dict[str, str] = {}
        self._now = 0.0
        self._sights: dict[int, list[StepResult]] = defaultdict(list)
        self._sleeps: dict[int, StepResult] = {}
        for sight in run.sights:
            place = self._fell_asleep(sight) if sight.call == "sleep" else None
            if place is None:
                self._sights[sight.after].append(sight)
            else:
                self._sleeps[place] = sight

    def _fell_asleep(self, woken: StepResult) -> int | None:
        """The place in the trace where the sleep that is over now began."""
        trace = self._run.trace
        for place in range(woken.after - 1, -1, -1):
            if trace[place][:2] == (woken.actor, "sleep") and place not in self._sleeps:
                return place
        return None

    def rows(self) -> Iterator[DiagramStep]:
        """All rows of the diagram, in order."""
        for sight in self._sights[0]:
            yield from self._seen(sight, None)
        for place, (actor, call, touches) in enumerate(self._run.trace):
            sights = self._sights[place + 1]
            own = sights and (sights[0].actor, sights[0].call) == (actor, call)
            if not own:
                yield self._begun(place, actor, call, touches)
            for number, sight in enumerate(sights):
                yield from self._seen(sight, place if own and number == 0 else None)
        yield from self._ended()

    # -- steps without an answer, and the end ------------------------------------------------------

    def _begun(self, place: int, actor: str, call: str, touches: str | None) -> DiagramStep:
        """A step that has no answer yet: a sleep, a lock that is held, what was cut short."""
        operation = self._under_way.get(actor)
        if call == "sleep":
            return self._sleep(place, actor, operation)
        thing = cut(touches or "something shared", 60)
        holder = self._holders.get(touches or "")
        held = "" if holder in (None, actor) else f", held by {name(holder or '')}"
        kind: Kind = "blocked" if held or not call.startswith(("lock", "cache")) else "lock"
        verb = {"lock": "asks for", "cache.transact": "asks for the whole of"}
        text = f"{name(actor)} {verb.get(call, f'is about to do {call} on')} {thing}{held}"
        word = call.rpartition(".")[2]
        return DiagramStep(kind, self._now, actor, word, text, operation, place=place)

    def _sleep(self, place: int, actor: str, operation: str | None) -> DiagramStep:
        """A sleep; the trace does not say how long the simulation's own delays (latency) are."""
        woken = self._sleeps.get(place)
        if woken is None:
            text = f"{name(actor)} is held up for a while"
            return DiagramStep("wait", self._now, actor, "delay", text, operation, place=place)
        seconds = float(woken.facts["seconds"])
        self._now = max(self._now, woken.at_s - seconds)
        later = self._run.trace[place + 1 :]
        next_call = next((c for who, c, _ in later if who == actor and c != "sleep"), "")
        work_s = self._run.run.setting.work_ms / 1000
        why = "" if operation is not None else " between two calls"
        if operation and work_s and seconds == work_s and next_call.startswith("store."):
            why = ", at work on the change"
        return replace(wait(self._now, actor, seconds, operation, why), place=place)

    def _ended(self) -> Iterator[DiagramStep]:
        ending = self._run.ending
        waits = {wait.actor: wait for wait in ending.waits}
        for operation in self._narrator.unanswered():
            stuck = waits.get(operation.user)
            if stuck is None:
                why = f"{ending.message}" if operation.user in ending.actors else "its run ended"
                if ending.kind == "done":
                    why = "its client has died"
                text = f"{name(operation.user)} never gets an answer: {cut(why, 200)}"
            else:
                held = f", held by {name(stuck.held_by)}" if stuck.held_by else ""
                line = f" ({stuck.line})" if stuck.line else ""
                text = (
                    f"{name(operation.user)} waits for ever for {cut(stuck.waits_for, 60)}"
                    f"{held}{line}"
                )
            yield DiagramStep("blocked", self._now, operation.user, "no answer", text, operation.id)

    # -- sights ------------------------------------------------------------------------------------

    def _seen(self, sight: StepResult, place: int | None) -> Iterator[DiagramStep]:
        self._now = max(self._now, sight.at_s)
        actor, call, facts = sight.actor, sight.call, sight.facts
        if call == "call":
            self._under_way[actor] = sight.subject
            yield self._narrator.call(self._narrator.operations[sight.subject], sight.at_s)
        elif call == "answer":
            self._under_way.pop(actor, None)
            yield self._narrator.answer(self._narrator.operations[sight.subject], sight.at_s)
        elif call == "lock":
            self._holders[sight.subject] = actor
            text = f"{name(actor)} holds {cut(sight.subject, 60)}"
            yield self._row("lock", actor, "holds", text, place)
        elif call == "unlock":
            self._holders.pop(sight.subject, None)
        elif "error" in facts:
            text = f"{name(actor)}: {call} fails, {cut(str(facts['error']), 160)}"
            yield self._reach(sight, "failed", "fails", text, place)
        elif call.startswith("cache."):
            yield self._cache(sight, place)
        elif call == "store.update_many":
            for write in facts["writes"]:
                yield self._write(sight, write, place)
                place = None
        elif call in _WAYS:
            yield self._write(sight, facts, place)
        else:
            yield self._store_read(sight, place)

    def _store_read(self, sight: StepResult, place: int | None) -> DiagramStep:
        version = sight.facts.get("version")
        who = name(sight.actor)
        shown = cut(version or "nothing")
        text = {
            "store.read": f"{who} reads {shown} from the store",
            "store.head": f"{who} asks which version is the head: {shown}",
            "store.history": f"{who} reads the history, up to {shown}",
        }.get(sight.call, f"{who} asks the store: {sight.call}")
        if sight.call == "store.read":
            self._read[self._under_way.get(sight.actor), sight.subject] = version
        return self._reach(sight, "read", sight.call.removeprefix("store."), text, place, version)

    def _write(
        self, sight: StepResult, facts: Mapping[str, JSON], place: int | None
    ) -> DiagramStep:
        template_id, way = sight.subject, _WAYS[sight.call]
        operation = self._owner(sight, facts.get("update_id"))
        who = sight.actor if operation is None else self._narrator.operations[operation].user
        if "actual" in facts:
            text = lost(who, facts["expected"], facts["actual"])
            return self._reach(
                sight, "lost", "swap lost", text, place, who=who, operation=operation
            )
        version = facts["version"]
        if version == self._heads.get(template_id):
            text = f"{name(who)} writes nothing, the head stays {cut(version)}"
            return self._reach(sight, "idle", "no write", text, place, version, who, operation)
        self._heads[template_id] = version
        parent = self._parents.get((template_id, version))
        read = self._read.get((self._under_way.get(sight.actor), template_id))
        word, text = written(who, version, parent, way, read)
        return self._reach(sight, "won", word, text, place, version, who, operation)

    def _owner(self, sight: StepResult, update_id: str | None) -> str | None:
        """The operation of a write: by its id, as one may write for another; else the actor's."""
        if update_id is not None:
            drawn = self._run.history.operation_of(update_id)
            if drawn in self._narrator.operations:
                return drawn
        return self._under_way.get(sight.actor)

    def _cache(self, sight: StepResult, place: int | None) -> DiagramStep:
        call, held = sight.call.removeprefix("cache."), sight.facts["holds"]
        version = next((text for text in held or () if text in self._versions), None)
        who, cache = name(sight.actor), f"the cache of {name(sight.subject)}"
        if sight.subject == sight.actor:
            cache = "the cache"
        entry = cut(version or f"an entry ({cut(str(sight.facts['key']))})", 40)
        if call == "get":
            heads = [head for head in self._heads.values() if head]
            old = f", the head is {cut(heads[-1])}" if self._is_old(version, heads) else ""
            if held is None:
                return self._reach(sight, "miss", "miss", f"{who} finds nothing in {cache}", place)
            text = f"{who} finds {entry} in {cache}{old}"
            return self._reach(sight, "hit", "hit", text, place, version)
        if call in ("set", "add"):
            text = f"{who} puts {entry} into {cache}"
            if held is None:
                text = f"{who} leaves {cache} as it is, something lies there"
            return self._reach(sight, "fill", call, text, place, version)
        what = "everything" if call == "clear" else "the entry"
        return self._reach(sight, "drop", call, f"{who} removes {what} from {cache}", place)

    def _is_old(self, version: str | None, heads: list[str]) -> bool:
        return version is not None and len(heads) == 1 and version != heads[0]

    # -- rows --------------------------------------------------------------------------------------

    def _row(self, kind: Kind, who: str, word: str, text: str, place: int | None) -> DiagramStep:
        return DiagramStep(kind, self._now, who, word, text, self._under_way.get(who), place=place)

    def _reach(
        self,
        sight: StepResult,
        kind: Kind,
        word: str,
        text: str,
        place: int | None,
        version: str | None = None,
        who: str | None = None,
        operation: str | None = None,
    ) -> DiagramStep:
        is_cache = sight.call.startswith("cache.")
        return DiagramStep(
            kind,
            self._now,
            who or sight.actor,
            word,
            text,
            operation or self._under_way.get(sight.actor),
            "cache" if is_cache else "store",
            sight.subject if is_cache else "",
            version,
            place,
        )


_WAYS: Final[Mapping[str, str]] = {
    "store.put": "put",
    "store.compare_and_swap": "swap",
    "store.update_locked": "locked",
    "store.update_many": "batch",
    "store.create": "create",
}
