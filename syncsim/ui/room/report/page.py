"""A run as one page to attach to an interview or a lesson: all that is known of it, in one file.

It needs nothing but itself: no address, light and dark, it prints, and it can be read without its
one script (`log`), which the page names by its digest, so that no other can run. Whatever
users, templates and solutions wrote is text.
"""

from __future__ import annotations

import base64
import hashlib
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from syncsim import __version__
from syncsim.contract import JSON
from syncsim.events.live_log import printable
from syncsim.lab.history.findings import TITLES
from syncsim.lab.results.run import Run
from syncsim.lab.scenarios import expectations
from syncsim.ui.drawing import counted
from syncsim.ui.panels import verdict_of
from syncsim.ui.room.html_table import html_table
from syncsim.ui.room.report.log import SCRIPT, log_section
from syncsim.ui.room.report.pictures import (
    MOST_ROWS,
    RETRY_LEGEND,
    Picture,
    job_picture,
    latency_picture,
    retry_picture,
)
from syncsim.ui.room.report.style import STYLE
from syncsim.ui.room.run_view import RunView
from syncsim.ui.room.versions.audit import audit_rows, count_of
from syncsim.ui.room.versions.conflict_view import conflict_view
from syncsim.ui.sequence import sequence
from syncsim.ui.sequence_html import diagram_figure, leaf_tables
from syncsim.ui.sequence_svg import WIDTH, escape

SECTIONS: Final[Mapping[str, str]] = {
    "figures": "Figures",
    "log": "Live log",
    "conflicts": "Conflicts",
    "history": "History and audit",
    "retries": "Retries",
    "latency": "Latency",
    "job": "Background job",
    "sequence": "Who did what, in order",
}
"""The sections below the verdict, by their anchors, in their order on the page."""


def report_page(run: Run) -> str:
    """The page as text. Long runs show the newest lines of the log and the first rows of tables."""
    record, told = RunView.of(run), run.summary()
    look, word = verdict_of(run)
    parts = {
        "figures": _table(("figure", "measured", "mark", "met"), figure_rows(told), "Figures"),
        "log": log_section(run.events),
        "conflicts": (conflict_view(record, level=3),),
        "history": _history(record),
        "retries": _picture(retry_picture(record), _RETRY_KEY),
        "latency": _picture(latency_picture(record)),
        "job": _picture(job_picture(record)),
        "sequence": _sequence(run),
    }
    title = f"{word} {look.sign} {told['scenario']}"
    return "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="viewport" content="width=device-width">',
            '<meta name="referrer" content="no-referrer">',
            f"<title>{_shown(title)} - syncsim</title><style>{STYLE}</style></head><body>",
            '<a class="skip" href="#main">To the run</a><header>',
            f'<h1><span class="t-{look.word}">{look.sign} {word}</span> '
            f"{_shown(told['scenario'])}</h1>",
            f'<p class="soft">{_shown(_setting(told))}</p>',
            '<nav aria-label="Sections"><ul>',
            *(f'<li><a href="#{name}">{heading}</a></li>' for name, heading in SECTIONS.items()),
            '</ul></nav></header><main id="main" tabindex="-1">',
            *_findings(run),
            *_again(run),
            *(
                part
                for name, heading in SECTIONS.items()
                for part in _section(name, heading, parts[name])
            ),
            f'</main><footer><p class="soft">Written by syncsim {_shown(str(__version__))}.</p>',
            f"</footer><script>{SCRIPT}</script></body></html>",
        ]
    )


_DIGEST: Final = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    f"form-action 'none'; script-src 'sha256-{_DIGEST}'"
)


# -- verdict and figures ---------------------------------------------------------------------------


def _setting(told: Mapping[str, JSON]) -> str:
    store = " ".join(filter(None, (told["store"], told["synchronous"])))
    where = f"on {told['on']}, store {store}, seed {told['seed']}"
    policy = f", retry policy {told['retry']}" if told["retry"] else ""
    users = counted(told["users"], "user")
    return (
        f"{users} {where}{policy}; template {told['template']}, solution {told['solution']}; "
        f"{told['duration_s']:.2f} s" + (" of virtual time" if told["on"] == "simulation" else "")
    )


def _findings(run: Run) -> Iterator[str]:
    if run.passed:
        yield '<p class="lead">The judges found nothing wrong in the recorded history.</p>'
    else:
        yield f"<h2>{'What is missing' if run.inconclusive else 'What was found'}</h2>"
        yield '<ul class="findings">'
        for one in run.findings:
            name = TITLES.get(one.code, "")
            name = f"{one.code} {name}" if name else ""
            kind = one.kind.replace("-", " ")
            yield f"<li><strong>{_shown(f'{name} ({kind})' if name else kind)}</strong>: "
            yield f"{_shown(one.message)}</li>"
        yield "</ul>"
    for note in run.notes:
        yield f'<p class="soft">Note, without points: {_shown(note.message)}</p>'


def _again(run: Run) -> Iterator[str]:
    """The command to replay a simulated run, if its solution can be named; else its token."""
    solution = run.setting.solution
    token = run.token or next((one.token for one in run.findings if one.token), None)
    if token is None:
        return
    command = ["syncsim", "replay", run.setting.scenario, token]
    if ".py" in solution:
        command += ["--solution", solution]
    if solution == "reference" or ".py" in solution:
        yield f"<p>The same run again:</p><pre>{escape(shlex.join(command))}</pre>"
    else:
        yield f"<p>Token of the run: <code>{escape(token)}</code></p>"


def figure_rows(told: Mapping[str, JSON]) -> list[tuple[JSON, ...]]:
    """What the mission measures: figure, measured, its mark, and whether it is met.

    `told` is what `Run.summary` gives. The last is "" where there is no mark, and says so where
    there was nothing to measure, or where the mark is for another scenario.
    """
    updates, retries, conflicts = told["updates"], told["retries"], told["conflicts"]
    cache, job, ms = told["cache"], told["background"], told["latency_ms"]
    delays = ["/".join(f"{ms:.0f}" for ms in waits) for waits in retries["delays_ms"][:6]]
    more = ", ..." if len(retries["delays_ms"]) > len(delays) else ""
    waited = f" after {', '.join(delays)}{more} ms" if delays else ""
    rate, hit_rate, lost = updates["success_rate"], cache["hit_rate"], told["lost_updates"]
    detected, merged = conflicts["detected"], conflicts["merged"]
    return [
        (
            "Success rate",
            f"{updates['succeeded']} of {updates['attempted']} updates ({_percent(rate)})",
            "> 95 %",
            _success(told["scenario"], rate),
        ),
        (
            "Retries",
            f"{retries['total']} in all, at most {retries['max']} an update{waited}",
            "at most 3 an update",
            _met(retries["max"] <= 3) if updates["attempted"] else "no updates",
        ),
        (
            "Cache hit rate",
            f"{cache['hits']} of {cache['reads']} reads ({_percent(hit_rate)})",
            "> 80 % in sustained use",
            _hits(told["scenario"], hit_rate),
        ),
        (
            "Conflicts",
            f"{detected} lost swaps, {merged} merged and committed, "
            f"{conflicts['overridden']} values overridden",
            "all detected and handled",
            _met(not lost) if detected else "none occurred",
        ),
        ("Data integrity", f"{counted(lost, 'lost update')}", "none lost", _met(not lost)),
        ("Stale reads", told["stale_reads"], "none", _met(not told["stale_reads"])),
        (
            "Latency",
            ", ".join(f"{name} {_ms(ms[name])}" for name in ("p50", "p95", "p99", "max")),
            "< 3 s",
            "no updates" if ms["max"] is None else _met(ms["max"] < 3000),
        ),
        ("Background job", f"{job['processed']} processed, {job['skipped']} skipped", "", ""),
        ("Final version", told["final_version"] or "none", "", ""),
    ]


def _success(scenario: JSON, rate: float | None) -> str:
    if any(part.success_over is None for part in expectations(str(scenario))):
        return "one is meant to fail"
    return "no updates" if rate is None else _met(rate > 0.95)


def _hits(scenario: JSON, rate: float | None) -> str:
    is_asked = any(part.hits_over is not None for part in expectations(str(scenario)))
    return _met((rate or 0) > 0.8) if is_asked else "another scenario"


def _met(is_met: bool) -> str:
    return "✓ yes" if is_met else "✗ no"


def _percent(rate: float | None) -> str:
    return "none" if rate is None else f"{100 * rate:.0f} %"


def _ms(value: float | None) -> str:
    return "none" if value is None else f"{value:.1f} ms"


# -- sections --------------------------------------------------------------------------------------


def _section(name: str, heading: str, parts: Iterable[str]) -> Iterator[str]:
    yield f'<section aria-labelledby="{name}"><h2 id="{name}">{heading}</h2>'
    yield from parts
    yield "</section>"


def _history(record: RunView) -> Iterator[str]:
    """The audit trail, newest first: every version, and every action that wrote none."""
    rows = audit_rows(record, most=MOST_ROWS)
    columns = ("when (UTC)", *_AUDIT)
    yield from _table(
        columns,
        [[_when(row["when"]), *(row[name] for name in _AUDIT)] for row in reversed(rows)],
        "Audit trail, the newest first",
    )
    left_out = count_of(record) - len(rows)
    if left_out:
        yield f'<p class="soft">{left_out:,} earlier rows are left out here.</p>'


_AUDIT: Final = ("who", "what", "why", "template", "version", "kind", "attempts")


def _when(iso: str) -> str:
    """`2026-11-25 18:50:42.339` of `2026-11-25T18:50:42.339+00:00`."""
    return iso.partition("+")[0].replace("T", " ")


def _picture(picture: Picture, key: str = "") -> Iterator[str]:
    yield f"<p>{_shown(picture.sentence)}</p>"
    if picture.svg:
        yield f'<figure><div class="wide" tabindex="0">{picture.svg}</div>{key}</figure>'
    if picture.rows:
        yield "<details><summary>The same as a table</summary>"
        yield from _table(picture.columns, picture.rows, picture.title)
        yield "</details>"


_RETRY_KEY: Final = (
    '<figcaption><ul class="key">'
    + "".join(
        '<li><svg width="22" height="12" aria-hidden="true">'
        + (
            '<path class="nominal" d="M1 9h18v-4"/>'
            if name == "nominal"
            else f'<rect class="{name}" x="1" y="1" width="18" height="10"/>'
        )
        + f"</svg> {meaning}</li>"
        for name, meaning in RETRY_LEGEND
    )
    + "</ul></figcaption>"
)


def _sequence(run: Run) -> Iterator[str]:
    diagram = sequence(run)
    yield f"<p>{escape(diagram.sentence)}</p>"
    yield '<div class="syncsim-seq">'
    yield from diagram_figure(diagram, WIDTH)
    yield from leaf_tables(diagram.leaves, "<h3>Before and after</h3>")
    yield "</div>"


def _table(columns: Sequence[str], rows: Sequence[Sequence[JSON]], caption: str) -> Iterator[str]:
    """The first rows as typed; the first column heads its row."""
    yield html_table(columns, rows[:MOST_ROWS], caption, box="wide", names_rows=True)
    if len(rows) > MOST_ROWS:
        yield f'<p class="soft">{len(rows) - MOST_ROWS:,} more rows are left out here.</p>'


def _shown(text: str) -> str:
    return escape(printable(text))
