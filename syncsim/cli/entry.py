"""Run a command line; the one place where an error becomes a line and an exit code.

The commands know typer through `application`, their words through `options`; each imports what it
needs when it runs, so that `--help` and `--version` open no store, and returns its exit code.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Final, NoReturn

import typer

from syncsim.cli import (
    backup_commands,
    command_io,
    lab_commands,
    load_commands,
    report_commands,
    template_commands,
)
from syncsim.cli.application import app
from syncsim.cli.command_io import FAILED, INTERRUPTED, USAGE
from syncsim.masking import masked

__all__ = [
    "backup_commands",
    "lab_commands",
    "load_commands",
    "main",
    "report_commands",
    "template_commands",
]

ParseError: Final[type[Exception]] = typer.BadParameter.__mro__[1]
"""What every complaint of the parser derives from; typer exports only this child of it."""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The entry point: run one command line, by default that of the process, and exit."""
    is_ours = arguments is None
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    as_json = "--json" in arguments
    command_io.stand_in_for_closed_streams()
    command_io.spell_out_what_cannot_be_shown()
    try:
        code = app(arguments, prog_name="syncsim", standalone_mode=False) or 0
        sys.stdout.flush()
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:
        command_io.close_broken_pipe()
        code = FAILED
    except ParseError as error:
        code = _explain_usage(error, arguments, as_json)
    except Exception as error:
        code = command_io.complain(error, as_json=as_json)
    if code == INTERRUPTED:
        command_io.say("interrupted")
    if is_ours:
        command_io.end_process(code)
    sys.exit(code)


def _explain_usage(error: Any, arguments: Sequence[str], as_json: bool) -> int:
    """Print what the parser complains of; it quotes what was typed, with each password masked."""
    message = error.format_message()
    for word in arguments:
        for typed in (word, word.partition("=")[2]):
            if (shown := masked(typed)) != typed:
                message = message.replace(typed, shown).replace(repr(typed), repr(shown))
    message = " ".join(message.split())
    command = error.ctx.command_path if error.ctx is not None else "syncsim"
    command_io.say(f"error: {message} (see {command} --help)")
    if as_json:
        command_io.print_error("UsageError", message, {})
    return USAGE
