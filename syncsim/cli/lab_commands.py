"""The laboratory: demo, run, explore, replay, and JupyterLab itself."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from syncsim.cli import command_io, named_store
from syncsim.cli.application import app
from syncsim.cli.command_io import FAILED
from syncsim.cli.options import (
    AsJson,
    Browser,
    Html,
    On,
    Port,
    Processes,
    Retry,
    RunStore,
    Save,
    Scenario,
    Schedules,
    Seed,
    SimulatedStore,
    Solution,
    Strategy,
    Token,
    Updates,
    Users,
    Verbose,
    WithFaults,
    WithJob,
    WorkMs,
)

if TYPE_CHECKING:
    from syncsim.lab.results.run import Run
    from syncsim.lab.simulation.simulated_run import SimulatedRun


@app.command(short_help="Play the demo script's eight steps.")
def demo(seed: Seed = 7, as_json: AsJson = False, verbose: Verbose = False) -> int:
    """Walk through the demo script's eight steps and the four scenarios, on real files and threads.

    Takes about ten seconds, six of them waiting for the background job's cooldown. Exit code 0 only
    if everything passes.
    """
    from tempfile import TemporaryDirectory

    from syncsim.cli import terminal
    from syncsim.lab.engines.demo import walk
    from syncsim.lab.engines.runner import run as run_scenario

    def play(name: str) -> Run:
        with terminal.progress_bar() as progress:
            return run_scenario(name, on="threads", seed=seed, progress=progress)

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
    from syncsim.lab.engines.runner import run as run_scenario

    if save is not None:
        _check_save(save, on, store)
    with terminal.progress_bar() as progress, command_io.standard_output_kept_apart():
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
    _report(played, as_json=as_json, verbose=verbose)
    if played.token is not None and not as_json:
        command_io.tell(f"again: {_replay_command(scenario, played.token, solution)}")
    return 0 if played.passed else FAILED


@app.command(short_help="Run many interleavings of a scenario, in virtual time.")
def explore(
    scenario: Scenario,
    solution: Solution = None,
    schedules: Schedules = 1000,
    seed: Seed = 0,
    strategy: Strategy = "portfolio",
    users: Users = None,
    updates: Updates = None,
    work_ms: WorkMs = None,
    retry: Retry = None,
    job: WithJob = True,
    faults: WithFaults = None,
    store: SimulatedStore = "memory",
    processes: Processes = 1,
    html: Html = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> int:
    """Run many interleavings of a scenario in virtual time and judge every one.

    The first failure of each kind is shrunk to the least eventful run that shows it, with the token
    that replays it. Exit code 0 if nothing was found, 1 otherwise.
    """
    from syncsim.cli import terminal
    from syncsim.lab.simulation.explore import explore as explore_scenario
    from syncsim.lab.simulation.faults import Faults

    if html is not None:
        command_io.check_target(html)
    with terminal.progress_bar() as progress, command_io.standard_output_kept_apart():
        explored = explore_scenario(
            scenario,
            solution=solution,
            schedules=schedules,
            seed=seed,
            strategy=strategy,
            users=users,
            updates=updates,
            work_ms=work_ms,
            retry=retry,
            with_job=job,
            faults=None if faults is None else Faults.parse(faults),
            store=store,
            processes=processes,
            progress=progress,
        )
    if as_json:
        command_io.print_json(explored.to_json())
    else:
        console = terminal.open_console()
        for line in terminal.exploration(scenario, explored):
            console.print(line, soft_wrap=True)
        for failure in explored.failures:
            for line in terminal.failure(failure):
                console.print(line, soft_wrap=True)
            command_io.tell(f"  {_replay_command(scenario, failure.shrunk, solution)}")
    if html is not None and explored.first is not None:
        first = explored.first
        _draw(html, first.run, scenario, first.shrunk, solution)
    elif html is not None:
        command_io.say(f"no schedule failed, so there is no diagram: {html} was not written")
    return 0 if explored.passed else FAILED


@app.command(short_help="Run one interleaving again.")
def replay(
    scenario: Scenario,
    token: Token,
    solution: Solution = None,
    store: SimulatedStore = "memory",
    html: Html = None,
    as_json: AsJson = False,
    verbose: Verbose = False,
) -> int:
    """Run the interleaving of a token again: the same history, to the last event.

    A token belongs to a scenario and to a solution as it was; another is refused. Exit code 0 if
    the run passed, 1 if it failed.
    """
    from syncsim.cli import terminal
    from syncsim.lab.simulation.explore import replay as replay_run

    if html is not None:
        command_io.check_target(html)
    with command_io.standard_output_kept_apart():
        played = replay_run(scenario, token, solution=solution, store=store)
    if html is not None:
        _draw(html, played, scenario, token, solution)
    if as_json:
        command_io.print_json({**played.run.summary(), "digest": played.digest})
        return 0 if played.run.passed else FAILED
    _report(played.run, as_json=False, verbose=verbose)
    console = terminal.open_console()
    for line in terminal.remarks(played.notes):
        console.print(line, soft_wrap=True)
    return 0 if played.run.passed else FAILED


@app.command()
def lab(browser: Browser = True, port: Port = None, verbose: Verbose = False) -> int:
    """Start JupyterLab on the control room; Ctrl-C ends it.

    In a checkout its notebooks are opened in place. Elsewhere they are copied to the folder
    syncsim-lab in the present one; notebooks that are there already are not touched.
    """
    from syncsim.cli import lab_launcher

    if port is not None:
        lab_launcher.check_port(port)
    root = lab_launcher.find_checkout()
    if root is None:
        root = Path.cwd() / "syncsim-lab"
        copies = lab_launcher.copy_notebooks(root)
        command_io.say(f"the notebooks are in {root} ({len(copies)} new)")
    if lab_launcher.is_root():
        command_io.say("you are root, so Jupyter is started with --allow-root")
    lab_launcher.launch(root, browser=browser, port=port)
    return 0


# -- what the commands share -----------------------------------------------------------------------


def _check_save(save: Path, on: str, store: str | None) -> None:
    """Raise `UsageError` for a file that cannot be written, or would be in the store's place."""
    from syncsim.store.engines import locate_by_name

    database = None if store is None or on == "simulation" else locate_by_name(store).path
    named_store.check_output(save, database)


def _report(played: Run, *, as_json: bool, verbose: bool) -> None:
    from syncsim.cli import terminal

    report = played.summary()
    if as_json:
        command_io.print_json(report)
        return
    console = terminal.open_console()
    for line in terminal.log_lines(played.events, verbose=verbose):
        console.print(line, soft_wrap=True)
    console.print()
    console.print(terminal.run_title(report))
    console.print(terminal.run_figures(report))
    for line in (*terminal.findings(report), *terminal.notes(report)):
        console.print(line, soft_wrap=True)


def _replay_command(scenario: str, token: str, solution: str | None) -> str:
    """The command to type to replay a run."""
    command = ["syncsim", "replay", scenario, token]
    return shlex.join(command if solution is None else [*command, "--solution", solution])


def _draw(html: Path, run: SimulatedRun, scenario: str, token: str, solution: str | None) -> None:
    """Write the diagram of a run as a page."""
    from syncsim.ui.sequence_html import write_page

    write_page(html, run, token=token, command=_replay_command(scenario, token, solution))
    command_io.say(f"the diagram is in {html}")
