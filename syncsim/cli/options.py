"""The words of the command line: every option and argument once, with what `--help` says of it.

Names, metavars and help; what they do is in `cli`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from syncsim.cli import command_io


def _show_version(wanted: bool) -> None:
    if wanted:
        import syncsim

        print(f"syncsim {syncsim.__version__}")
        raise typer.Exit


def _option(flag: str, metavar: str, help: str, **limits: Any) -> Any:
    return typer.Option(flag, metavar=metavar, help=help, **limits)


def _argument(metavar: str, help: str) -> Any:
    return typer.Argument(metavar=metavar, help=help)


# -- of every command ------------------------------------------------------------------------------

Version = Annotated[
    bool,
    typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose",
        "-v",
        callback=command_io.configure_logging,
        help="Say more: every line of the live log, debug messages on standard error.",
    ),
]

# -- of the laboratory -----------------------------------------------------------------------------

_STORE = "sqlite:///FILE, with ?synchronous=NORMAL for faster and less durable commits. Default: "
Seed = Annotated[int, _option("--seed", "S", "What every chance is drawn from.")]

Scenario = Annotated[
    str,
    _argument(
        "SCENARIO",
        "perfect-storm, cache-consistency, background-job-respect, stress-test, "
        "retry-ladder or sustained.",
    ),
]
On = Annotated[str, _option("--on", "WHERE", "simulation, threads or processes.")]
RunStore = Annotated[
    str | None,
    _option(
        "--store",
        "URL",
        _STORE + "a SQLite file in a temporary folder. In simulation: memory, the default, or "
        "sqlite.",
    ),
]
SimulatedStore = Annotated[
    str, _option("--store", "STORE", "memory, or sqlite: a file in a temporary folder.")
]
Schedules = Annotated[
    int, _option("--schedules", "N", "How many interleavings to run at most.", min=1)
]
Strategy = Annotated[
    str,
    _option(
        "--strategy",
        "NAME",
        "portfolio, random, priorities, few-preemptions, or exhaustive: all there are, up to the "
        "order of steps that commute.",
    ),
]
WithFaults = Annotated[
    str | None,
    _option(
        "--faults",
        "LIST",
        "What goes wrong by draw, as busy=8,lost_answer=5: one in so many steps. Names: busy, "
        "outage, lost_answer, crash, cache; latency (without a number) makes every step take time; "
        "at_most limits them per run (3).",
    ),
]
WithJob = Annotated[
    bool, typer.Option("--job/--no-job", help="With the background job, where there is one.")
]
Processes = Annotated[int, _option("--processes", "N", "How many processes share the work.", min=1)]
Token = Annotated[str, _argument("TOKEN", "As explore, and run in simulation, print it.")]
Html = Annotated[
    Path | None,
    _option("--html", "FILE", "Write the run's sequence diagram as a page of its own."),
]
Users = Annotated[int | None, _option("--users", "N", "How many users there are; at most 2,000.")]
Updates = Annotated[int | None, _option("--updates", "N", "How many updates in all.")]
WorkMs = Annotated[
    float | None, _option("--work-ms", "MS", "Time between an attempt's read and its write.")
]
Retry = Annotated[
    str | None,
    _option(
        "--retry",
        "POLICY",
        "NAME[/queue=1|2|3|never]; NAME is third (the default), fixed, full, equal, decorrelated "
        "or none. A bare name other than third never queues.",
    ),
]
Solution = Annotated[
    str | None,
    _option("--solution", "FILE.py", "A file with a function build(env), or FILE.py:NAME."),
]
Save = Annotated[
    Path | None, _option("--save", "FILE", "Write the whole run, its history included, as JSON.")
]
Browser = Annotated[
    bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")
]
Port = Annotated[int | None, _option("--port", "P", "Port to serve on.", min=1, max=65535)]

# -- of the store by hand --------------------------------------------------------------------------

StoreUrl = Annotated[
    str | None,
    _option("--store", "URL", _STORE + "SYNCSIM_STORE_URL, else a file in your data folder."),
]
Template = Annotated[str, _argument("TEMPLATE", "Id of the template.")]
User = Annotated[str, _option("--user", "U", "Who is writing.")]
VersionA = Annotated[str, _argument("A", "Version to compare.")]
VersionB = Annotated[str, _argument("B", "Version to compare it with.")]
OldVersion = Annotated[str, _argument("VERSION", "Version to go back to.")]
Limit = Annotated[int | None, _option("--limit", "N", "Only the newest N versions.", min=1)]
InFile = Annotated[str, _argument("FILE.json", "JSON file; - reads standard input.")]
NewId = Annotated[
    str | None, _option("--id", "ID", "Id of the template. Default: the name of the file.")
]
AsUpdate = Annotated[
    bool, typer.Option("--update", help="Save it as an update of the template of this id.")
]
BackupFile = Annotated[Path, _argument("PATH", "The file of the backup.")]
Base = Annotated[
    str | None,
    _option(
        "--base",
        "VERSION",
        "With --update: the version that the file was exported at; head is the newest one.",
    ),
]
WithVersion = Annotated[
    bool,
    typer.Option("--with-version", help="Write id and version too, so that import knows the base."),
]
OutFile = Annotated[Path | None, _argument("FILE", "Default: standard output.")]
Force = Annotated[bool, typer.Option("--force", help="Write over FILE if it exists.")]
