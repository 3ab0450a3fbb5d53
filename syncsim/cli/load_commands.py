"""`syncsim herd`: what retry policies are worth to thousands of virtual users."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from syncsim.cli import command_io
from syncsim.cli.application import app
from syncsim.cli.command_io import FAILED
from syncsim.cli.options import AsJson, Seed, Verbose
from syncsim.errors import UsageError

Numbers = Annotated[
    str | None,
    typer.Option("--users", metavar="N,N,...", help="How many users. Default: 10 to 10,000."),
]
Minutes = Annotated[
    int,
    typer.Option("--minutes", metavar="M", min=1, help="Virtual minutes; an update a user each."),
]
AtOnce = Annotated[
    bool, typer.Option("--released", help="Everybody at one instant instead; up to 2,000 users.")
]
Policies = Annotated[
    str | None,
    typer.Option("--retry", metavar="P,P,...", help="Policies, as for run. Default: all."),
]
Chart = Annotated[
    Path | None, typer.Option("--html", metavar="FILE", help="Write the chart as a page.")
]


@app.command(short_help="See what retry policies are worth as users grow.")
def herd(
    users: Numbers = None,
    minutes: Minutes = 1,
    released: AtOnce = False,
    retry: Policies = None,
    seed: Seed = 7,
    html: Chart = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> int:
    """Put a herd of virtual users on one template, in virtual time, under one policy after another.

    Judged while it happens: success, attempts, latency, transactions a commit. Exit code 1 if the
    judges found something. 10,000 users for 60 minutes take some ten minutes.
    """
    from syncsim.cli import terminal
    from syncsim.lab.engines import load_test

    if html is not None:
        command_io.check_target(html)
    numbers = None if users is None else tuple(map(_number, users.split(",")))
    policies = None if retry is None else tuple(retry.split(","))
    with terminal.progress_bar() as bar:

        def progress(what: str, ended: int, total: int) -> None:
            bar(ended, total)

        if released:
            rows = load_test.released(
                numbers or load_test.RELEASED, policies or load_test.EVERY, progress, seed=seed
            )
        else:
            rows = load_test.herd(
                numbers or load_test.USERS,
                minutes,
                policies or load_test.SUSTAINED,
                progress,
                seed=seed,
            )
    if html is not None:
        from syncsim.ui.herd_chart import herd_chart

        page: str = herd_chart(rows).to_html(include_plotlyjs=True)
        command_io.write_file(html, page.encode())
        command_io.say(f"the chart is in {html}")
    if as_json:
        command_io.print_json({"rows": [row.to_json() for row in rows]})
    else:
        print(load_test.table(rows))
    return FAILED if any(row.findings for row in rows) else 0


def _number(text: str) -> int:
    if not text.strip().isdecimal():
        raise UsageError("--users", text, "whole numbers with commas between them, like 10,100")
    return int(text)
