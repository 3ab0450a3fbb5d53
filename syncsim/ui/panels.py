"""The parts of a panel as HTML text: status, live log, verdict cards, what went wrong. Pure.

Whatever users, templates or solutions wrote is escaped here, so nobody else has to. Meaning is in a
sign and a word, colour repeats it; white cards with dark words can be read on a dark page too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from typing import Final

from syncsim.events import kinds
from syncsim.events.kinds import Event
from syncsim.events.live_log import clock_time, detail, printable, render
from syncsim.lab.result import Run
from syncsim.ui.drawing import INK, LOOKS, Look
from syncsim.ui.standing import Standing

STYLE: Final = f"""<style>
.syncsim {{ color: {INK}; background: #fff; border: 1px solid #ccc; border-radius: 4px;
  padding: 6px 10px; line-height: 1.4; font-size: 13px; box-sizing: border-box;
  overflow-wrap: anywhere; }}
.syncsim-facts {{ display: flex; flex-wrap: wrap; gap: 0 24px; }}
.syncsim-facts span {{ color: {LOOKS["idle"].ink}; }}
.syncsim-log {{ height: 240px; overflow: auto; display: flex; flex-direction: column-reverse;
  font-family: monospace; font-size: 12px; white-space: pre-wrap; }}
.syncsim-cards {{ display: flex; flex-wrap: wrap; gap: 8px; align-items: stretch; }}
.syncsim-cards .syncsim {{ flex: 1 1 250px; max-width: 360px; }}
.syncsim-cards .syncsim-facts {{ gap: 0 14px; }}
.syncsim-error {{ border: 2px solid {LOOKS["conflict"].fill}; }}
</style>"""

LOG_LINES: Final = 200
"""Lines that the log shows; its events are all kept elsewhere."""

_LOOK_OF_EVENT: Final[Mapping[type[Event], Look]] = {
    kinds.Conflicted: LOOKS["conflict"],
    kinds.Faulted: LOOKS["conflict"],
    kinds.Failed: LOOKS["conflict"],
    kinds.RetryScheduled: LOOKS["retry"],
    kinds.Committed: LOOKS["committed"],
    kinds.RollbackCommitted: LOOKS["committed"],
    kinds.JobSkipped: LOOKS["idle"],
    kinds.CacheInvalidated: LOOKS["stale"],
}

_LEFT_OUT: Final = (
    kinds.Attempted,
    kinds.RetryWaited,
    kinds.UpdateDequeued,
    kinds.CacheFilled,
    kinds.ReadSampled,
)
"""Events that the log leaves out: each says again what a line beside it has said."""


def status(standing: Standing, activity: str) -> str:
    """The current state as a polite live region; `activity` says what is being done, as typed."""
    facts = {**status_facts(standing), "Now": activity}
    return _card(_facts(facts), 'role="status" aria-label="Current state"')


def status_facts(standing: Standing) -> dict[str, str]:
    """The current state by name, each value in words and not escaped."""
    at = standing.updated_at
    last = "" if at is None else f"{clock_time(at)} by {standing.updated_by}"
    ended = standing.succeeded + standing.failed
    return {
        "Template version": standing.version or "none yet",
        "Last updated": last or "not yet",
        "Active updates": str(standing.active),
        "Conflicts resolved": str(standing.resolved),
        "Cache hit rate": _share(standing.hit_rate, standing.hits, "reads", standing.reads),
        "Success rate": _share(standing.success_rate, standing.succeeded, "updates", ended),
    }


def heading_line(text: str) -> str:
    """A line of the log that no event wrote: which scenario begins here."""
    return f"<b>{escape(printable(text))}</b>"


def is_left_out(event: Event) -> bool:
    """Whether the log has no line for it, because a line beside it says the same."""
    return isinstance(event, _LEFT_OUT)


def look_of(event: Event) -> Look | None:
    """What the event means, if one of the meanings that have a colour and a sign."""
    kind = type(event)
    try:
        return _look_of_class[kind]
    except KeyError:
        look = next((its for base, its in _LOOK_OF_EVENT.items() if issubclass(kind, base)), None)
        return _look_of_class.setdefault(kind, look)


_look_of_class: Final[dict[type[Event], Look | None]] = {}


def log_line(event: Event) -> str | None:
    """An event as a line of the log, its facts as a tooltip; None if the log leaves it out."""
    if is_left_out(event):
        return None
    look = look_of(event)
    color = INK if look is None else look.ink
    facts, line = escape(detail(event)), escape(render(event))
    return f'<span style="color:{color}" title="{facts}">{line}</span>'


def log(lines: Iterable[str]) -> str:
    """The live log: made of `log_line` and `heading_line`, oldest first, scrolled to its end."""
    return (
        '<div class="syncsim syncsim-log" role="log" aria-label="Live log" tabindex="0"><div>'
        + "\n".join(lines)
        + "</div></div>"
    )


def verdict(title: str, run: Run) -> str:
    """A card: whether the scenario held, the figures asked for, and the findings in words."""
    told = run.summary()
    updates, retries, conflicts = told["updates"], told["retries"], told["conflicts"]
    cache, job, slowest_ms = told["cache"], told["background"], told["latency_ms"]["max"]
    refused = [o.failure.name for o in run.history.operations if o.failure is not None]
    look, word = verdict_of(run)
    facts = {
        "Updates": f"{updates['succeeded']} of {updates['attempted']} succeeded",
        "Retries": str(retries["total"]) + _waits(retries["delays_ms"]),
        "Lost swaps": f"{conflicts['detected']}, {conflicts['merged']} of them merged"
        if conflicts["detected"]
        else "0",
        "Overridden": str(conflicts["overridden"]),
        "Lost updates": str(told["lost_updates"]),
        "Stale reads": str(told["stale_reads"]),
        "Reads": f"{cache['hits']} of {cache['reads']} from a cache",
        "Job": f"{job['processed']} processed, {job['skipped']} skipped",
        "Slowest": "no update" if slowest_ms is None else f"{slowest_ms:.0f} ms",
        "Version": str(told["final_version"]),
    }
    if refused:
        facts["Raised"] = ", ".join(refused)
    found = "".join(
        f"<li>{escape(printable(f'{one.code} {one.kind}: {one.message}'))}</li>"
        for one in run.findings
    )
    return _card(
        f'<b style="color:{look.ink}">{look.sign} {word}</b> <b>{escape(title)}</b> '
        f"({escape(told['scenario'])}, seed {told['seed']}, {told['duration_s']:.2f} s)"
        f"{_facts(facts)}" + (f"<ul>{found}</ul>" if found else "")
    )


def verdicts(cards: Iterable[str]) -> str:
    """Cards side by side."""
    return f'<div class="syncsim-cards">{"".join(cards)}</div>'


def alert(what: str, message: str, todo: str) -> str:
    """What happened, with its values, and what to do; announced at once by a screen reader."""
    return _card(
        f'<b style="color:{LOOKS["conflict"].ink}">{LOOKS["conflict"].sign} {escape(what)}</b>'
        f"<div>{escape(printable(message))}</div><div>{escape(todo)}</div>",
        'role="alert"',
        "syncsim syncsim-error",
    )


def refused(button: str, run: Run) -> str:
    """The alert about the last caller of a run that got an error; "" if none did."""
    failed = [one for one in run.history.operations if one.failure is not None]
    if not failed:
        return ""
    last = failed[-1]
    assert last.failure is not None
    todo = (
        "This scenario is about that: the caller was told, and nothing was written."
        if run.passed
        else "The verdict below says what is wrong with it."
    )
    return alert(f"{button}: {last.user} got {last.failure.name}", last.failure.message, todo)


def verdict_of(run: Run) -> tuple[Look, str]:
    """The look and the word of a verdict."""
    if run.passed:
        return LOOKS["committed"], "PASSED"
    return (LOOKS["idle"], "INCONCLUSIVE") if run.inconclusive else (LOOKS["conflict"], "FAILED")


def _card(inner: str, attributes: str = "", classes: str = "syncsim") -> str:
    return f'<div class="{classes}" {attributes}>{inner}</div>'


def _facts(facts: Mapping[str, str]) -> str:
    rows = (
        f"<div><span>{escape(name)}:</span> <b>{escape(printable(value))}</b></div>"
        for name, value in facts.items()
    )
    return f'<div class="syncsim-facts">{"".join(rows)}</div>'


def _share(rate: float | None, part: int, things: str, whole: int) -> str:
    return f"no {things} yet" if rate is None else f"{rate:.0%} ({part} of {whole} {things})"


def _waits(delays_ms: Iterable[Iterable[float]]) -> str:
    told = ", ".join(f"{ms:.0f}" for delays in delays_ms for ms in delays)
    return f" after {told} ms" if told else ""
