"""What is shown to people who see no code: a saved run as a page, the control room as an app."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from syncsim.cli import command_io
from syncsim.cli.application import app
from syncsim.cli.options import Browser, Port, Verbose
from syncsim.errors import UsageError

RunFile = Annotated[
    str,
    typer.Argument(metavar="RUN.json", help="As run --save writes it; - reads standard input."),
]
Page = Annotated[Path, typer.Option("--html", metavar="FILE", help="Where to write the page.")]


@app.command(short_help="Write a saved run as a page of its own.")
def report(run_file: RunFile, html: Page, verbose: Verbose = False) -> int:
    """Write everything about a saved run as one page, to attach to an interview or a lesson.

    The page needs no network and no other file; a file that is there is written over. Exit code 0
    if it was written, whatever the verdict on the run is.
    """
    from syncsim.lab.results.saved_run import MAX_BYTES, read_run

    command_io.check_target(html)
    body = command_io.read_file(run_file, MAX_BYTES)
    if run_file != "-" and html.exists() and html.samefile(run_file):
        raise UsageError("--html", str(html), "a file other than that of the run")
    run = read_run(body, f"the saved run {command_io.one_line(run_file)}")

    from syncsim.ui.room.report.page import report_page

    command_io.write_file(html, report_page(run).encode())
    command_io.say(f"the page is in {html}")
    return 0


@app.command("app", short_help="Serve the control room without its code.")
def serve(browser: Browser = True, port: Port = None, verbose: Verbose = False) -> int:
    """Serve the control room as a page without code, to this machine only; Ctrl-C ends it.

    Each open page is a process of its own that ends with the page. The address that is printed
    holds the token that others need.
    """
    from syncsim.cli import app_launcher

    app_launcher.launch(app_launcher.find_page(), browser=browser, port=port)
    return 0
