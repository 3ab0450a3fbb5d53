"""What users committed and what became of each run of the background job, judged as the judges do.

A commit of the job within the cooldown of the user commit before it, in the store's order, is a
violation. `job_axis` draws these, and so does the page that is saved.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from syncsim.contract import BACKGROUND
from syncsim.events import kinds
from syncsim.events.kinds import Event
from syncsim.lab.checkers.policy import COOLDOWN_S
from syncsim.ui.room.run_view import RunView, Version, number_of

What: TypeAlias = Literal[
    "created", "commit", "wrote", "violation", "skipped", "unchanged", "failed"
]
Span: TypeAlias = tuple[float, float]

_GRAIN_S: Final = 1e-6
"""An epoch in a float resolves 0.2 microseconds."""

_JOB_ENDS: Final[Mapping[type[Event], What]] = {
    kinds.JobSkipped: "skipped",
    kinds.JobUnchanged: "unchanged",
    kinds.JobFailed: "failed",
}


@dataclass(frozen=True, slots=True)
class TimelineMoment:
    """A commit, or the end of a run of the job; `at` is in seconds since the epoch.

    `since_user_s` is the time since the last user commit of that template, None before any.
    """

    at: float
    template_id: str
    who: str
    what: What
    version: str | None = None
    since_user_s: float | None = None
    text: str = ""
    update_id: str | None = None


def moments(record: RunView, cooldown_s: float = COOLDOWN_S) -> list[TimelineMoment]:
    """What users committed and what became of each run of the job, in order of time.

    Commits are those of the store, and those that only events tell of so far.
    """
    told: list[TimelineMoment] = []
    user_at: dict[str, float] = {}
    for one in commits(record):
        since_s = None
        if one.template_id in user_at:
            since_s = one.at - user_at[one.template_id]
        what: What = "commit"
        if one.what == "created":
            what = "created"
        elif one.who == BACKGROUND:
            is_early = since_s is not None and since_s < cooldown_s - _GRAIN_S
            what = "violation" if is_early else "wrote"
        if one.who != BACKGROUND:
            user_at[one.template_id] = one.at
        told.append(
            TimelineMoment(
                *(one.at, one.template_id, one.who, what, one.version, since_s),
                text=_judged(what, since_s, cooldown_s),
                update_id=one.update_id,
            )
        )
    told += _runs_without_commit(record, told)
    return sorted(told, key=lambda moment: moment.at)


def cooldowns(told: Iterable[TimelineMoment], cooldown_s: float = COOLDOWN_S) -> Iterator[Span]:
    """When the job must not write, as (begin, end) in seconds since the epoch; joined if they meet.

    `told` is in order of time.
    """
    begin = end = None
    for moment in told:
        if moment.what not in ("created", "commit") or moment.who == BACKGROUND:
            continue
        if begin is not None and end is not None and moment.at > end:
            yield begin, end
            begin = None
        begin = moment.at if begin is None else begin
        end = moment.at + cooldown_s
    if begin is not None and end is not None:
        yield begin, end


def commits(record: RunView) -> list[TimelineMoment]:
    """Each template's commits in the store's order, then commits that only events tell of."""
    found = [_of_version(version) for version in sorted(record.versions, key=_place)]
    known = {(one.template_id, one.version) for one in found}
    stored = {one.update_id for one in found if one.update_id is not None}
    for event in record.events:
        if not isinstance(event, kinds.Committed | kinds.TemplateCreated):
            continue
        template_id, version = event.template_id or "?", event.version
        if (template_id, version) in known or event.update_id in stored:
            continue
        if version is None and found:
            continue
        if getattr(event, "attempts", None) == 0:  # an earlier call had committed it
            continue
        who = event.user or "?"
        found.append(
            TimelineMoment(event.at, template_id, who, "commit", version, None, "", event.update_id)
        )
        known.add((template_id, version))
    return found


def _place(version: Version) -> tuple[str, int]:
    return version.template_id, number_of(version)


def _of_version(version: Version) -> TimelineMoment:
    return TimelineMoment(
        *(version.at, version.template_id, version.by),
        "created" if version.parent is None else "commit",
        version.version,
        update_id=version.update_id,
    )


def _judged(what: What, since_s: float | None, cooldown_s: float) -> str:
    if since_s is None or what in ("created", "commit"):
        return ""
    verdict = f"; the cooldown is {cooldown_s:.1f} s" if what == "violation" else ""
    return f"wrote {since_s:.3f} s after a user{verdict}"


def _runs_without_commit(
    record: RunView, commits: Sequence[TimelineMoment]
) -> list[TimelineMoment]:
    """Runs of the job that left nothing in the store, with the message of each."""
    users: dict[str, list[float]] = {}
    for one in sorted(commits, key=lambda moment: moment.at):
        if one.who != BACKGROUND:
            users.setdefault(one.template_id, []).append(one.at)
    told = []
    for event in record.events:
        what = _JOB_ENDS.get(type(event))
        if what is None:
            continue
        template_id = event.template_id or "?"
        times = users.get(template_id, [])
        earlier = bisect_right(times, event.at)
        text = ""
        if isinstance(event, kinds.JobSkipped):
            text = event.reason or "Skipped"
        elif isinstance(event, kinds.JobFailed):
            text = f"{event.error or 'failed'}: {event.message or 'no message'}"
        told.append(
            TimelineMoment(
                *(event.at, template_id, event.user or BACKGROUND, what, None),
                since_user_s=event.at - times[earlier - 1] if earlier else None,
                text=text,
                update_id=event.update_id,
            )
        )
    return told
