"""The verdict on a run as a card: pass or fail, the mission's metrics, what was found, in words.

Pure. A metric that misses its goal is marked, but the verdict is that of the judges: a scenario
about a refusal is meant to have a failure in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from typing import Final

from syncsim.events.live_log import printable
from syncsim.lab.history.findings import INCONCLUSIVE, NOTE, TITLES, Finding
from syncsim.lab.results.run import Run
from syncsim.ui.drawing import counted
from syncsim.ui.panels import verdict_of
from syncsim.ui.room.versions.look import STYLE as LOOK_STYLE
from syncsim.ui.room.versions.look import toned

STYLE: Final = f"""{LOOK_STYLE}<style>
.sync-verdicts {{ display: flex; flex-wrap: wrap; gap: 8px; align-items: flex-start; }}
.sync-verdicts > article.sync-past {{ flex: 1 1 300px; max-width: 560px; margin: 0; }}
.sync-verdicts > div.sync-past {{ flex: 1; margin: 0; }}
.sync-verdicts dl {{ display: grid; grid-template-columns: auto 1fr; gap: 0 10px; margin: 2px 0; }}
.sync-verdicts dt {{ color: var(--sync-idle); font-weight: normal; padding: 0;
  float: none; width: auto; }}
.sync-verdicts dd {{ margin: 0; }}
.sync-verdicts ul {{ margin: 2px 0; padding-left: 18px; }}
</style>"""

SHOWN: Final = 8
"""Findings that a card shows; of more it says how many there are."""


def verdict_word(run: Run) -> tuple[str, str, str]:
    """The tone, sign and word of a verdict."""
    look, word = verdict_of(run)
    return look.word, look.sign, word


def verdict_card(title: str, run: Run) -> str:
    """One run under the name of its button; all text is escaped."""
    told = run.summary()
    setting = run.setting
    facts = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(printable(value))}</dd>"
        for name, value in _metrics(run)
    )
    where = "simulated" if setting.on == "simulation" else f"on {setting.on}"
    about = (
        f"{setting.scenario} on {setting.template}, {setting.solution}, "
        f"{counted(setting.users, 'user')}, seed {setting.seed}, {where}, "
        f"{told['duration_s']:.2f} s"
    )
    label = escape(f"Verdict of {title}", quote=True)
    return (
        f'<article class="sync-past" aria-label="{label}">'
        f"<h4>{toned(*verdict_word(run))} {escape(printable(title))}</h4>"
        f"<small>{escape(printable(about))}</small><dl>{facts}</dl>"
        f"{_findings(run.findings, 'Found')}{_findings(run.notes, 'Worth knowing')}"
        f"{_token(run)}</article>"
    )


def verdict_cards(cards: Iterable[str]) -> str:
    """Cards side by side; a sentence without any."""
    inner = "".join(cards)
    empty = '<div class="sync-past">Nothing has been played. Press a button above.</div>'
    return f'<div class="sync-verdicts">{inner or empty}</div>'


def _metrics(run: Run) -> Iterator[tuple[str, str]]:
    told = run.summary()
    updates, conflicts, retries = told["updates"], told["conflicts"], told["retries"]
    cache, job, slowest_ms = told["cache"], told["background"], told["latency_ms"]["max"]
    part = f"{updates['succeeded']} of {updates['attempted']} updates"
    yield "Success rate", _rate(updates["success_rate"], part, "no update", "> 95 %")
    yield "Most retries", f"{retries['max']} (goal: at most 3)"
    part = f"{cache['hits']} of {cache['reads']} reads"
    yield "Cache hit rate", _rate(cache["hit_rate"], part, "no read", "> 80 % in sustained use")
    detected, merged = conflicts["detected"], conflicts["merged"]
    yield "Conflicts", f"{detected} detected, {_handled(run, detected, merged)}"
    yield "Overridden values", str(conflicts["overridden"])
    yield "Lost updates", str(told["lost_updates"])
    yield "Stale reads", str(told["stale_reads"])
    yield "Slowest update", "none" if slowest_ms is None else f"{slowest_ms:.0f} ms (goal: < 3 s)"
    if job["processed"] or job["skipped"]:
        yield "Background job", f"{job['processed']} processed, {job['skipped']} skipped"
    refused = dict.fromkeys(o.failure.name for o in run.history.operations if o.failure is not None)
    if refused:
        yield "Told to callers", ", ".join(refused)
    yield "Final version", str(told["final_version"])


def _handled(run: Run, detected: int, merged: int) -> str:
    """A lost swap is handled if its update then committed, or if its caller was told."""
    if detected == merged:
        return "all handled"
    raised = {o.id for o in run.history.operations if o.failure is not None}
    lost = [a for a in run.history.attempts if a.fate == "lost"]
    told = sum(attempt.operation in raised for attempt in lost)
    words = f"{merged} merged, {told} told to the caller"
    unhandled = detected - merged - told
    return f"{words}, {unhandled} not handled" if unhandled > 0 else words


def _rate(rate: float | None, part: str, none: str, goal: str) -> str:
    return none if rate is None else f"{rate:.0%} ({part}; goal: {goal})"


def _findings(findings: Iterable[Finding], word: str) -> str:
    told = [escape(printable(_in_words(one))) for one in findings]
    if not told:
        return ""
    more = [f"and {len(told) - SHOWN} more"] if len(told) > SHOWN else []
    items = "".join(f"<li>{one}</li>" for one in told[:SHOWN] + more)
    return f"<div>{word}:</div><ul>{items}</ul>"


def _in_words(one: Finding) -> str:
    if one.code in (NOTE, INCONCLUSIVE):
        return one.message
    return f"{one.code} {TITLES.get(one.code, one.kind)}: {one.message}"


def _token(run: Run) -> str:
    """How to replay a simulated run: the command, and its token."""
    if run.token is None:
        return ""
    file = "" if run.setting.solution == "reference" else f" --solution {run.setting.solution}"
    command = f"syncsim replay {run.setting.scenario} TOKEN{file}"
    return (
        "<details><summary>Token: play exactly this again</summary>"
        f"<code>{escape(printable(command))}</code><br>"
        f"<code>{escape(printable(run.token))}</code></details>"
    )
