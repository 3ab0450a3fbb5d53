"""What a person reads in a terminal: reports, histories and differences as rich renderables.

Reports are rendered from the same JSON that `--json` prints, so the two cannot disagree; nothing is
decided here. Meaning is never in the colour alone: a sign and a word stand beside it. What users
wrote is never read as markup and cannot move the cursor.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Final

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from syncsim.cli.command_io import one_line
from syncsim.contract import JSON, Document
from syncsim.events import kinds
from syncsim.events.kinds import Event
from syncsim.events.live_log import clock_zone, detail, printable, render
from syncsim.merging.differences import Change
from syncsim.merging.display import change_rows

if TYPE_CHECKING:
    from syncsim.lab.simulation.explore import Exploration, FailingSchedule

LOG_LINES: Final = 12
"""How many lines of the live log a report shows, unless all are asked for."""

FINDINGS: Final = 20
"""How many findings of one kind a report states in words."""

_HEADLINES: Final = (
    *(kinds.UpdateStarted, kinds.JobStarted, kinds.Conflicted, kinds.Faulted),
    *(kinds.RetryScheduled, kinds.Committed, kinds.Unchanged, kinds.Failed, kinds.JobSkipped),
    kinds.RollbackCommitted,
)
"""The events of the short log; the others are looked up when something is wrong."""

_TONES: Final = {
    kinds.Conflicted: "red",
    kinds.Faulted: "red",
    kinds.Failed: "bold red",
    kinds.RetryScheduled: "yellow",
    kinds.Committed: "green",
    kinds.JobSkipped: "cyan",
}
_MARKS: Final = {
    "updates": "> 95 %",
    "retries": "≤ 3 each",
    "conflicts": "all handled",
    "integrity": "none",
    "cache": "> 80 % sustained",
    "latency": "< 3 s",
}
"""The mission's quantitative marks."""

_CHANGE_TONES: Final = {"added": "green", "removed": "red", "changed": "yellow", "moved": "cyan"}


# -- the terminal itself ---------------------------------------------------------------------------


def open_console(*, stderr: bool = False) -> Console:
    """A console that takes no text for markup; without colour for NO_COLOR, files and pipes."""
    return Console(stderr=stderr, markup=False, emoji=False, highlight=False)


@contextmanager
def progress_bar() -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error, if that is a terminal; call it with how many are done, of how many.

    It shows the time that has passed too, so that waiting does not look like hanging.
    """
    console = open_console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def verdict(passed: bool) -> Text:
    """`PASSED ✓` or `FAILED ✗`."""
    return Text("PASSED ✓", "bold green") if passed else Text("FAILED ✗", "bold red")


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=column == "version")
    return table


def templates_table(templates: Iterable[Mapping[str, JSON]]) -> Table:
    """A row per template, as `list --json` has them."""
    table = _table("template", "version", "when", "by")
    for one in templates:
        names = (printable(one[name]) for name in ("template_id", "version"))
        table.add_row(*names, _when(one["updated_at"]), printable(one["updated_by"]))
    return table


def _when(at: float) -> str:
    """`2026-12-01 14:34:56+01:00`: local time, with its zone."""
    return datetime.fromtimestamp(at).astimezone().isoformat(" ", "seconds")


# -- one template ----------------------------------------------------------------------------------


def history_table(versions: Iterable[Mapping[str, JSON]]) -> Table:
    """A row per version, as `history --json` has them."""
    table = _table("version", "when", "by", "what")
    for version in versions:
        at = _when(version["at"])
        table.add_row(version["version"], at, printable(version["by"]), _what(version))
    return table


def _what(version: Mapping[str, JSON]) -> Text:
    told = version["detail"] if isinstance(version["detail"], dict) else {}
    text = Text(printable(str(told.get("kind", "update" if version["parent"] else "created"))))
    if "restored" in told:
        text.append(printable(f" to {told['restored']}"))
    if told.get("conflicts"):
        text.append(f", {len(told['conflicts'])} overridden", "yellow")
    return text


def difference_table(changes: Sequence[Change], document: Document) -> Table:
    """A row per change: sign and word, the place by its labels in `document`, before and after."""
    table = _table("change", "where", "before", "after")
    for change, (sign, *cells) in zip(changes, change_rows(changes, document), strict=True):
        word = Text(f"{sign} {change.kind}", _CHANGE_TONES[change.kind])
        table.add_row(word, *map(printable, cells))
    return table


# -- a run -----------------------------------------------------------------------------------------


def run_title(report: Mapping[str, JSON]) -> Text:
    """`PASSED ✓  stress-test  (threads, sqlite FULL, seed 7, 0.21 s)`."""
    store = " ".join(filter(None, (report["store"], report["synchronous"])))
    where = f"({report['on']}, {store}, seed {report['seed']}, {report['duration_s']:.2f} s)"
    passed = Text("INCONCLUSIVE", "bold yellow") if report["inconclusive"] else None
    return Text.assemble(
        passed or verdict(report["passed"]),
        "  ",
        (report["scenario"], "bold"),
        "  ",
        (where, "dim"),
    )


def run_figures(report: Mapping[str, JSON]) -> Table:
    """The figures that the mission measures, each with its mark beside it."""
    updates, retries, conflicts = report["updates"], report["retries"], report["conflicts"]
    cache, job, ms = report["cache"], report["background"], report["latency_ms"]
    succeeded = f"{updates['succeeded']} of {updates['attempted']} succeeded"
    longest: Sequence[float] = max(retries["delays_ms"], key=len, default=())
    delays = f" ({', '.join(f'{delay:.0f}' for delay in longest)} ms)" if longest else ""
    rows = {
        "updates": f"{succeeded} ({_percent(updates['success_rate'])}), {report['users']} users",
        "retries": f"{retries['total']} in all, at most {retries['max']} an update{delays}",
        "conflicts": f"{conflicts['detected']} detected, {conflicts['merged']} merged, "
        f"{conflicts['overridden']} overridden, {conflicts['background']} of the job",
        "integrity": f"{report['lost_updates']} lost updates, {report['stale_reads']} stale reads",
        "cache": f"{cache['hits']} of {cache['reads']} reads hit ({_percent(cache['hit_rate'])})",
        "background": f"{job['processed']} processed, {job['skipped']} skipped",
        "latency": ", ".join(f"{name} {_ms(ms[name])}" for name in ("p50", "p95", "max")),
        "version": str(report["final_version"]),
    }
    table = _table("figure", "measured", "mark")
    for figure, measured in rows.items():
        table.add_row(figure, measured, Text(_MARKS.get(figure, ""), "dim"))
    return table


def _percent(rate: float | None) -> str:
    return "none" if rate is None else f"{100 * rate:.0f} %"


def _ms(value: float | None) -> str:
    return "none" if value is None else f"{value:.1f} ms"


def findings(report: Mapping[str, JSON]) -> Iterator[Text]:
    """The findings in words, of each kind the first `FINDINGS`, then how many more there are.

    The token that gives them again is the run's.
    """
    told: Counter[tuple[str, str]] = Counter()
    for finding in report["findings"]:
        told[finding["code"], finding["kind"]] += 1
        if told[finding["code"], finding["kind"]] > FINDINGS:
            continue
        text = Text(f"{finding['code']} {finding['kind']}: ", "red")
        yield text.append(one_line(finding["message"]), "default")
    if more := sum(max(0, count - FINDINGS) for count in told.values()):
        yield Text(f"... and {more} more findings; --json has every one", "dim")


def notes(report: Mapping[str, JSON]) -> Iterator[Text]:
    """Every note in words; none of them counts against the solution."""
    for note in report["notes"]:
        yield Text(f"note {note['kind']}: {one_line(note['message'])}", "dim")


def log_lines(events: Sequence[Event], *, verbose: bool = False) -> Iterator[Text]:
    """The live log: its last lines, or with `verbose` every event with all its facts.

    The zone of its times comes first.
    """
    if events and (zone := clock_zone(events[0].at)):
        yield Text(zone, "dim")
    if verbose:
        yield from (_log_line(event).append(f"  {detail(event)}", "dim") for event in events)
        return
    headlines = [event for event in events if isinstance(event, _HEADLINES)]
    if len(headlines) > LOG_LINES:
        yield Text(f"... {len(headlines) - LOG_LINES} lines before; --verbose shows all", "dim")
    yield from map(_log_line, headlines[-LOG_LINES:])


def _log_line(event: Event) -> Text:
    tone = next((tone for kind, tone in _TONES.items() if isinstance(event, kind)), "")
    return Text(render(event), tone)


# -- many runs -------------------------------------------------------------------------------------


def exploration(scenario: str, explored: Exploration) -> Iterator[Text]:
    """The verdict with the number of interleavings, then what else there is to know."""
    if explored.stuck and not explored.failures:
        word = Text("INCONCLUSIVE", "bold yellow")
    else:
        word = verdict(explored.passed)
    many = f"{explored.schedules} interleavings, {explored.distinct} of them different"
    if explored.exhausted:
        many = f"all {explored.schedules} interleavings that differ"
        if explored.interleavings is not None:
            many += f" ({explored.interleavings:,} counting those alike)"
    yield Text.assemble(word, "  ", (scenario, "bold"), f"  {many}")
    yield from remarks(explored.notes)


def failure(found: FailingSchedule) -> Iterator[Text]:
    """What was found, in which schedule, and what it was shrunk to."""
    yield from findings({"findings": [found.finding.to_json()]})
    yield Text(
        f"  first in schedule {found.schedule}; shrunk from {found.draws} draws that matter to "
        f"{found.shrunk_draws}, in {found.replays} replays"
    )
    if not found.repeats:
        yield Text(
            "  the same choices gave another history: the solution is not deterministic", "yellow"
        )


def remarks(said: Iterable[str]) -> Iterator[Text]:
    """A line for each note, which is worth knowing and costs nothing."""
    for note in said:
        yield Text(f"note: {one_line(note)}", "dim")


# -- the demo --------------------------------------------------------------------------------------


def demo_verdict(steps: Sequence[Mapping[str, JSON]]) -> Text:
    """`PASSED ✓  8 of 8 steps, 5 of 5 scenarios`."""
    passed = [step["passed"] for step in steps]
    runs = [step["run"]["passed"] for step in steps if step["run"] is not None]
    steps_and_runs = f"  {sum(passed)} of {len(passed)} steps, {sum(runs)} of {len(runs)} scenarios"
    return verdict(all(passed)).append(steps_and_runs, "default")


def demo_step(step: Mapping[str, JSON]) -> Iterator[Text]:
    """The verdict and what was done, then what was seen, a line each."""
    yield Text.assemble(
        verdict(step["passed"]),
        "  ",
        (f"{step['number']}  {step['title']}", "bold"),
        (f"  {step['done']}", "dim"),
    )
    for seen in step["evidence"]:
        mark = Text("   ✓ ", "green") if seen["ok"] else Text("   ✗ ", "red")
        yield mark.append(one_line(seen["text"]), "default")
    if step["run"] is not None:
        yield Text("   ").append_text(run_title(step["run"]))
        yield from (Text("     ").append_text(line) for line in findings(step["run"]))
