"""The application that all commands belong to, and what it answers without a command."""

from __future__ import annotations

import sys
from typing import Any, Final

import typer
from typer.core import TyperGroup

from syncsim.cli.command_io import USAGE
from syncsim.cli.options import Version

ORDER: Final = (
    *("demo", "run", "explore", "replay", "report", "herd", "lab", "app"),
    *("list", "history", "diff", "rollback", "import", "export"),
    *("backup", "restore", "verify-store"),
)
"""The commands as `--help` lists them: what a newcomer wants first, first."""


class InOrder(TyperGroup):
    """List the commands in a chosen order, not in the order of the imports of modules."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The names; whatever is not in `ORDER` comes last."""
        known = {name: place for place, name in enumerate(ORDER)}
        return sorted(super().list_commands(ctx), key=lambda name: known.get(name, len(known)))


app = typer.Typer(
    cls=InOrder,
    help="Keep shared JSON templates in sync under concurrent edits, and see why it works.",
    epilog="Exit codes: 0 all well, 1 failed, 2 wrong usage, 3 the environment (a store that "
    "cannot be opened, a missing library, a full disk). Errors are one line on standard error; "
    'with --json standard output then holds {"error": {"type", "message", "facts"}}.',
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def _syncsim(context: typer.Context, version: Version = False) -> int:
    if context.invoked_subcommand is None:
        print(context.get_help(), file=sys.stderr)
        return USAGE
    return 0
