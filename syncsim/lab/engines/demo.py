"""The demo script's eight steps, each done for real and answered with its evidence; no printing.

Real files in a folder, real threads, real time. Steps 3, 5, 6 and 7 play the four scenarios, judged
from the recorded history and the store; the others look at one template in a store of their own. A
step that fails says so and the next one runs: a demo that stops shows less than one that fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from syncsim.contract import JSON, Document
from syncsim.errors import SyncError
from syncsim.lab.engines.runner import Run, run
from syncsim.runtime.connection import Connection
from syncsim.runtime.wiring import connect
from syncsim.template.samples import sample

TEMPLATE: Final = "event_registration"


@dataclass(frozen=True, slots=True)
class Seen:
    """One thing looked at: the sentence that says what was seen, and whether it is as promised."""

    text: str
    ok: bool = True


@dataclass(frozen=True, slots=True)
class DemoStep:
    """One step of the script as it went: what was done, what was seen, the scenario it played."""

    number: int
    title: str
    done: str
    evidence: tuple[Seen, ...]
    run: Run | None = None

    @property
    def passed(self) -> bool:
        """Everything seen is as promised, and the scenario passed."""
        return all(seen.ok for seen in self.evidence) and (self.run is None or self.run.passed)

    def to_json(self) -> dict[str, JSON]:
        """Plain JSON; `run` is the scenario's own report, as `run --json` prints it."""
        return {
            "number": self.number,
            "title": self.title,
            "done": self.done,
            "passed": self.passed,
            "evidence": [{"text": seen.text, "ok": seen.ok} for seen in self.evidence],
            "run": None if self.run is None else self.run.summary(),
        }


@dataclass(frozen=True, slots=True)
class DemoStage:
    """What the steps play on: a store of their own in a folder, and how scenarios are run."""

    sync: Connection
    folder: Path
    play: Callable[[str], Run]


Perform: TypeAlias = Callable[[DemoStage], tuple[list[Seen], Run | None]]


def _on_threads(scenario: str) -> Run:
    return run(scenario, on="threads")


def walk(folder: Path, play: Callable[[str], Run] = _on_threads) -> Iterator[DemoStep]:
    """Play the steps in order, each when it is asked for; about ten seconds, six of them waiting.

    `folder` gets the store and the caches of the steps; `play` runs a scenario by its name.
    """
    with connect(f"sqlite:///{folder / 'templates.db'}", cache=folder / "caches") as sync:
        stage = DemoStage(sync, folder, play)
        for number, (title, done, perform) in enumerate(SCRIPT, 1):
            try:
                evidence, result = perform(stage)
            except SyncError as error:
                evidence, result = [Seen(f"{type(error).__name__}: {error}", ok=False)], None
            yield DemoStep(number, title, done, tuple(evidence), result)


# -- the steps -------------------------------------------------------------------------------------


def _start(stage: DemoStage) -> tuple[list[Seen], None]:
    made = stage.sync.create_template(TEMPLATE, sample(TEMPLATE), user="ann")
    file = stage.folder / "templates.db"
    fields, sections = len(made.document["fields"]), len(made.document["sections"])
    return [
        Seen(f"{file} is a SQLite file", file.is_file()),
        Seen(
            f"it holds {TEMPLATE} at {made.version}: {fields} fields in {sections} sections",
            list(stage.sync.list_templates()) == [TEMPLATE],
        ),
    ], None


def _normal_operation(stage: DemoStage) -> tuple[list[Seen], None]:
    sync = stage.sync
    base = sync.get_template(TEMPLATE, user="ann")
    outcome = sync.update_template(TEMPLATE, {"name": "Spring meeting"}, user="ann", base=base)
    now = sync.get_template(TEMPLATE, user="ann")
    others = {**now.document, "name": base.document["name"]} == base.document
    return [
        Seen(
            f"{outcome.status} at write attempt {outcome.attempts}: "
            f"version {base.version} became {outcome.version}",
            (outcome.status, outcome.attempts) == ("committed", 1),
        ),
        Seen(
            f"read back: the name is {now.document['name']!r}, all else as it was",
            now.document["name"] == "Spring meeting" and others,
        ),
    ], None


def _concurrency(stage: DemoStage) -> tuple[list[Seen], Run]:
    storm = stage.play("perfect-storm")
    return [*_updates(storm), *_conflicts(storm)], storm


def _conflict_resolution(stage: DemoStage) -> tuple[list[Seen], None]:
    sync = stage.sync
    base = sync.get_template(TEMPLATE, user="ann")
    anns = {"name": "Autumn meeting", "description": "Tell us who comes."}
    bens = {
        "name": "Winter meeting",
        "fields": _with_first(base.document, label="What is your name?"),
    }
    sync.update_template(TEMPLATE, anns, user="ann", base=base)
    outcome = sync.update_template(TEMPLATE, bens, user="ben", base=base)
    now = sync.get_template(TEMPLATE, user="ben").document
    told = {c.path: (c.earlier, c.earlier_by) for c in outcome.conflicts}
    return [
        Seen(f"before: name {base.document['name']!r}, first label {_label(base.document)!r}"),
        Seen(f"ann:    name {anns['name']!r}, description {anns['description']!r}"),
        Seen(f"ben:    name {bens['name']!r}, first label {_label(bens)!r}, on the same base"),
        Seen(
            f"result: name {now['name']!r}, first label {_label(now)!r}, "
            f"description {now['description']!r}",
            now == {**base.document, **anns, **bens},
        ),
        Seen(
            "what only one of them changed is kept; the name is that of the later writer, who is "
            + " and ".join(f"told of {was!r} by {by}" for was, by in told.values()),
            told == {"/name": (anns["name"], "ann")},
        ),
    ], None


def _cache(stage: DemoStage) -> tuple[list[Seen], Run]:
    sync = stage.sync
    sync.get_template(TEMPLATE, user="cem")
    outcome = sync.update_template(TEMPLATE, {"name": "Summer meeting"}, user="ann")
    states = sync.reads.states(TEMPLATE, ("ann", "cem", "eve"))
    reads = {user: sync.get_template(TEMPLATE, user=user) for user in ("ann", "cem", "eve")}
    consistency = stage.play("cache-consistency")
    return [
        Seen(
            "right after ann's update: " + ", ".join(f"{u} {states[u].state}" for u in reads),
            [states[u].state for u in reads] == ["Fresh", "Stale", "Empty"],
        ),
        Seen(
            f"all three read {reads['eve'].document['name']!r} at {outcome.version}",
            {r.version for r in reads.values()} == {outcome.version},
        ),
        _stale_reads(consistency),
    ], consistency


def _background_job(stage: DemoStage) -> tuple[list[Seen], Run]:
    polite = stage.play("background-job-respect")
    job = polite.summary()["background"]
    skips = [event.facts["reason"] for event in polite.events if event.kind == "job.skipped"]
    return [
        Seen(f"at once: {skips[0] if skips else 'not skipped'}", job["skipped"] == 1),
        Seen(f"6 s later: processed {job['processed']} time", job["processed"] == 1),
    ], polite


def _stress(stage: DemoStage) -> tuple[list[Seen], Run]:
    rapid = stage.play("stress-test")
    slowest_ms = max(rapid.figures.latencies_ms, default=0.0)
    slowest = Seen(f"the slowest update took {slowest_ms:.0f} ms", slowest_ms < 3000)
    return [*_updates(rapid), *_conflicts(rapid), slowest], rapid


def _errors(stage: DemoStage) -> tuple[list[Seen], Run]:
    sync = stage.sync
    base = sync.get_template(TEMPLATE, user="ann")
    sync.update_template(TEMPLATE, {"name": "Annual meeting"}, user="ben")
    before = len(sync.history(TEMPLATE))
    failures: Mapping[str, Callable[[], object]] = {
        "VersionConflictError": lambda: sync.update_with_version(
            TEMPLATE, {"name": "Too late"}, base.version, user="ann"
        ),
        "InvalidTemplateError": lambda: sync.update_template(
            TEMPLATE, {"fields": _with_first(base.document, type="colour")}, user="ann"
        ),
        "TemplateNotFoundError": lambda: sync.get_template("no_such_template", user="ann"),
        "UsageError": lambda: sync.update_template(TEMPLATE, {"name": "x"}, user="background"),
    }
    seen = [_refused(name, call) for name, call in failures.items()]
    after = len(sync.history(TEMPLATE))
    written = Seen(f"nothing was written: {after} versions, as before", after == before)
    ladder = stage.play("retry-ladder")
    return [*seen, written, *_given_up(ladder)], ladder


SCRIPT: Final[tuple[tuple[str, str, Perform], ...]] = (
    ("Start", "open a store in a temporary folder and create a template in it", _start),
    ("Normal operation", "ann renames the template", _normal_operation),
    ("Concurrency", "two users and the background job write at once", _concurrency),
    ("Conflict resolution", "ann and ben save changes of the same version", _conflict_resolution),
    ("Cache", "update, and read at once as three users", _cache),
    ("Background job", "run the job right after an update, and again 6 s later", _background_job),
    ("Stress", "three users send ten updates within a second", _stress),
    ("Errors", "four calls that must fail, and an update whom a rival always beats", _errors),
)
"""Title, what is done, and the function that does it, in the order of the script."""


# -- what was seen ---------------------------------------------------------------------------------


def _updates(played: Run) -> list[Seen]:
    report = played.summary()
    updates, lost = report["updates"], report["lost_updates"]
    return [
        Seen(
            f"{updates['succeeded']} of {updates['attempted']} updates succeeded",
            updates["failed"] == 0,
        ),
        Seen(f"{lost} lost, judged from the recorded history and the store", lost == 0),
    ]


def _conflicts(played: Run) -> list[Seen]:
    report = played.summary()
    conflicts, retries = report["conflicts"], report["retries"]
    delays = [f"{ms:.0f}" for update in retries["delays_ms"] for ms in update]
    return [
        Seen(
            f"{conflicts['detected']} lost swaps, {conflicts['merged']} of them merged by a retry "
            f"after {', '.join(delays)} ms",
            conflicts["detected"] > 0,
        )
    ]


def _stale_reads(played: Run) -> Seen:
    report = played.summary()
    stale = report["stale_reads"]
    return Seen(f"scenario: {report['cache']['reads']} reads, {stale} of them stale", stale == 0)


def _refused(name: str, call: Callable[[], object]) -> Seen:
    try:
        call()
    except SyncError as error:
        return Seen(f"{type(error).__name__}: {error}", type(error).__name__ == name)
    return Seen(f"expected {name}, and nothing failed", ok=False)


def _given_up(ladder: Run) -> list[Seen]:
    spent = [o.failure for o in ladder.history.operations if o.failure is not None]
    said = [f"{failure.name}: {failure.message}" for failure in spent]
    return [Seen(text, text.startswith("RetriesExhaustedError")) for text in said]


def _with_first(document: Document, **attributes: str) -> list[JSON]:
    first, *others = document["fields"]
    return [{**first, **attributes}, *others]


def _label(document: Mapping[str, JSON]) -> str:
    label: str = document["fields"][0]["label"]
    return label
