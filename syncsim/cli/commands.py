"""The command line: parse, call, print, exit code. Knows typer, as `cli_options` does and no other.

Commands import what they need when they run, so that `--help` and `--version` open no store. Each
returns its exit code; errors are turned into one line and a code in `main`, and nowhere else.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import typer

from syncsim.cli import command_io
from syncsim.cli.command_io import FAILED, INTERRUPTED, USAGE
from syncsim.cli.options import (
    AsJson,
    AsUpdate,
    Browser,
    Force,
    InFile,
    Limit,
    NewId,
    OldVersion,
    On,
    OutFile,
    Port,
    Retry,
    RunStore,
    Save,
    Scenario,
    Seed,
    Solution,
    StoreUrl,
    Template,
    Updates,
    User,
    Users,
    Verbose,
    Version,
    VersionA,
    VersionB,
    WorkMs,
)
from syncsim.contract import ABSENT, JSON, Outcome, Revision
from syncsim.errors import UsageError

if TYPE_CHECKING:
    from syncsim.connection import Connection

READER: Final = "syncsim"
"""Under whose name the command line itself reads."""

ParseError: Final[type[Exception]] = typer.BadParameter.__mro__[1]
"""What every complaint of the parser derives from; typer exports only this child of it."""

app = typer.Typer(
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


# -- the laboratory --------------------------------------------------------------------------------


@app.command(short_help="Play the demo script's eight steps.")
def demo(seed: Seed = 7, as_json: AsJson = False, verbose: Verbose = False) -> int:
    """Walk through the demo script's eight steps and the four scenarios, on real files and threads.

    Takes about ten seconds, six of them waiting for the background job's cooldown. Exit code 0 only
    if everything passes.
    """
    from tempfile import TemporaryDirectory

    from syncsim.cli import terminal
    from syncsim.lab.demo import walk
    from syncsim.lab.runner import Run
    from syncsim.lab.runner import run as run_scenario

    def play(name: str) -> Run:
        with terminal.progress_bar() as progress:
            return run_scenario(name, seed=seed, progress=progress)

    console = terminal.open_console()
    steps = []
    with TemporaryDirectory(prefix="syncsim-demo-") as folder:
        for step in walk(Path(folder), play):
            steps.append(step.to_json())
            if not as_json:
                for line in terminal.demo_step(steps[-1]):
                    console.print(line, soft_wrap=True)
    scenarios = {s["run"]["scenario"]: s["run"]["passed"] for s in steps if s["run"]}
    passed = all(step["passed"] for step in steps)
    if as_json:
        summary = {"passed": passed, "seed": seed, "scenarios": scenarios}
        command_io.print_json({**summary, "steps": steps})
    else:
        console.print(terminal.demo_verdict(steps))
    return 0 if passed else FAILED


@app.command(short_help="Run one scenario and judge it.")
def run(
    scenario: Scenario,
    on: On = "threads",
    store: RunStore = None,
    users: Users = None,
    updates: Updates = None,
    work_ms: WorkMs = None,
    seed: Seed = 7,
    retry: Retry = None,
    solution: Solution = None,
    save: Save = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> int:
    """Run one scenario and judge it from its recorded history and the store.

    Exit code 0 if it passed, 1 if it failed.
    """
    from syncsim.cli import terminal
    from syncsim.lab.runner import run as run_scenario

    if save is not None:
        command_io.check_target(save)
    # What a solution prints must not mix with the report, which may be one JSON document.
    with terminal.progress_bar() as progress, redirect_stdout(sys.stderr):
        played = run_scenario(
            scenario,
            solution=solution,
            on=on,
            seed=seed,
            users=users,
            updates=updates,
            work_ms=work_ms,
            retry=retry,
            store=store,
            progress=progress,
        )
    if save is not None:
        command_io.write_file(save, json.dumps(played.to_json()).encode())
    report = played.summary()
    if as_json:
        command_io.print_json(report)
        return 0 if played.passed else FAILED
    console = terminal.open_console()
    for line in terminal.log_lines(played.events, verbose=verbose):
        console.print(line, soft_wrap=True)
    console.print()
    console.print(terminal.run_title(report))
    console.print(terminal.run_figures(report))
    for line in (*terminal.findings(report), *terminal.notes(report)):
        console.print(line, soft_wrap=True)
    return 0 if played.passed else FAILED


@app.command()
def lab(browser: Browser = True, port: Port = None, verbose: Verbose = False) -> int:
    """Start JupyterLab on the tour; Ctrl-C ends it.

    In a checkout its notebooks are opened in place. Elsewhere they are copied to the folder
    syncsim-lab in the present one; notebooks that are there already are not touched.
    """
    from syncsim.cli import lab_launcher

    root = lab_launcher.find_checkout()
    if root is None:
        root = Path.cwd() / "syncsim-lab"
        copies = lab_launcher.copy_notebooks(root)
        command_io.say(f"the notebooks are in {root} ({len(copies)} new)")
    if lab_launcher.is_root():
        command_io.say("you are root, so Jupyter is started with --allow-root")
    lab_launcher.launch(root, browser=browser, port=port)
    return 0


# -- the store by hand -----------------------------------------------------------------------------


@app.command()
def history(
    template: Template,
    limit: Limit = None,
    store: StoreUrl = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> int:
    """List the versions of a template, newest first."""
    with _connect(store) as sync:
        versions = [_version(revision) for revision in sync.history(template, limit=limit)]
    if as_json:
        command_io.print_json({"template_id": template, "versions": versions})
    else:
        from syncsim.cli import terminal

        terminal.open_console().print(terminal.history_table(versions))
    return 0


@app.command(short_help="Show what differs between two versions.")
def diff(
    template: Template,
    a: VersionA,
    b: VersionB,
    store: StoreUrl = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> int:
    """Show what leads from version A of a template to version B, a row per change."""
    with _connect(store) as sync:
        changes = sync.diff(template, a, b)
        document = sync.get_template(template, user=READER).document
    if as_json:
        rows = [
            {"path": c.path, "kind": c.kind, "before": c.before, "after": c.after} for c in changes
        ]
        present = [{k: v for k, v in row.items() if v is not ABSENT} for row in rows]
        command_io.print_json({"template_id": template, "a": a, "b": b, "changes": present})
    elif not changes:
        command_io.tell(f"no difference between {a} and {b}")
    else:
        from syncsim.cli import terminal

        terminal.open_console().print(terminal.difference_table(changes, document))
    return 0


@app.command(short_help="Go back to an old version, as a new one.")
def rollback(
    template: Template,
    version: OldVersion,
    user: User,
    store: StoreUrl = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> int:
    """Write a new version with the content of an old one; history keeps all that was in between."""
    with _connect(store) as sync:
        before = sync.get_template(template, user=READER).version
        outcome = sync.rollback(template, version, user=user)
    if as_json:
        facts = {"template_id": template, "restored": version, "before": before}
        command_io.print_json({**facts, **_outcome(outcome)})
    elif outcome.status == "unchanged":
        command_io.tell(
            f"nothing to do: {template} is at {outcome.version}, which has that content"
        )
    else:
        undo = ["syncsim", "rollback", template, before, "--user", user]
        undo += [] if store is None else ["--store", store]
        command_io.tell(
            f"{template} is now at version {outcome.version}, with the content of {version}"
        )
        command_io.tell(f"to undo: {shlex.join(undo)}")
    return 0


@app.command("import", short_help="Put a JSON file into the store.")
def import_(
    file: InFile,
    user: User,
    template_id: NewId = None,
    update: AsUpdate = False,
    store: StoreUrl = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> int:
    """Check a JSON file and put it into the store as a new template.

    Nothing is written if anything in it breaks a rule. An id that is taken is an error unless
    --update is given; then what the file says is merged like any other update.
    """
    from syncsim.template import parse

    if template_id is None:
        if file == "-":
            raise UsageError("--id", None, "an id, since standard input has no name")
        template_id = Path(file).stem
    document = parse(command_io.read_file(file), template_id)
    with _connect(store) as sync:
        if update:
            outcome = sync.update_template(template_id, document, user=user)
        else:
            created = sync.create_template(template_id, document, user=user)
            outcome = Outcome("committed", created.version, attempts=1)
    if as_json:
        command_io.print_json({"template_id": template_id, **_outcome(outcome)})
    else:
        command_io.tell(f"{template_id} is at version {outcome.version} ({outcome.status})")
    return 0


@app.command(short_help="Write a template as JSON.")
def export(
    template: Template,
    file: OutFile = None,
    force: Force = False,
    store: StoreUrl = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> int:
    """Write a template as indented JSON, as import reads it."""
    import orjson

    if file is not None and file.exists() and not force:
        raise UsageError("FILE", str(file), "a file that does not exist yet, or --force")
    with _connect(store) as sync:
        snapshot = sync.get_template(template, user=READER)
    body = orjson.dumps(snapshot.document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    if file is not None:
        command_io.write_file(file, body)
    facts = {"template_id": template, "version": snapshot.version}
    if as_json:
        shown = {"document": snapshot.document} if file is None else {"file": str(file)}
        command_io.print_json({**facts, **shown})
    elif file is None:
        sys.stdout.buffer.write(body)  # JSON is UTF-8, whatever the terminal takes
    else:
        command_io.tell(f"{template} at version {snapshot.version} is in {file}")
    return 0


# -- what the commands share -----------------------------------------------------------------------


def _connect(store: str | None) -> Connection:
    from syncsim.wiring import connect

    return connect(store)


def _version(revision: Revision) -> dict[str, JSON]:
    names = ("version", "revision", "parent", "by", "at", "update_id", "detail")
    return {name: getattr(revision, name) for name in names}


def _outcome(outcome: Outcome) -> dict[str, JSON]:
    return {
        "status": outcome.status,
        "version": outcome.version,
        "attempts": outcome.attempts,
        "merged": list(outcome.merged),
        "conflicts": [conflict.to_json() for conflict in outcome.conflicts],
    }


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """The entry point: run one command line, by default that of the process, and exit."""
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    as_json = "--json" in arguments
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
        code = _explain_usage(error, as_json)
    except Exception as error:
        code = command_io.complain(error, as_json=as_json)
    if code == INTERRUPTED:
        command_io.say("interrupted")
    sys.exit(code)


def _explain_usage(error: Any, as_json: bool) -> int:
    message = " ".join(error.format_message().split())
    command = error.ctx.command_path if error.ctx is not None else "syncsim"
    command_io.say(f"error: {message} (see {command} --help)")
    if as_json:
        command_io.print_error("UsageError", message, {})
    return USAGE
