"""The command line as a person and a script meet it: what is printed where, the exit code."""

from __future__ import annotations

import io
import json
import logging
import os
import resource
import socket
import subprocess
import sys
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from syncsim.cli import command_io, lab_launcher, main, terminal
from syncsim.errors import (
    InvalidTemplateError,
    MissingExtraError,
    StoreUnavailableError,
    UsageError,
    VersionConflictError,
)
from syncsim.events.kinds import Event
from syncsim.lab.scenarios import SCENARIOS
from syncsim.merging.differences import Change
from syncsim.service.retry import POLICIES
from syncsim.template.samples import sample

BLIND_WRITE = """
from syncsim.contract import Outcome
from syncsim.service.service import build as reference

class BlindWrite:
    def __init__(self, env):
        self._env = env
        self._rest = reference(env)
    def __getattr__(self, name):
        return getattr(self._rest, name)
    def update_template(self, template_id, changes, *, user, base=None):
        document = {**base.document, **changes}
        row = self._env.store.put(template_id, document, by=user)
        return Outcome("committed", row.version, 1)

def build(env):
    return BlindWrite(env)
"""


class Ended(NamedTuple):
    code: int
    out: str
    err: str


Call = Callable[..., Ended]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A home, a store and a working folder of the test's own; log levels as they were."""
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home" / "cache"))
    monkeypatch.setenv("SYNCSIM_STORE_URL", f"sqlite:///{tmp_path / 'templates.db'}")
    level = logging.getLogger("syncsim").level
    yield
    logging.getLogger("syncsim").setLevel(level)


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Call:
    def call_main(*arguments: str) -> Ended:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        code = ended.value.code
        assert isinstance(code, int)
        return Ended(code, *capsys.readouterr())

    return call_main


@pytest.fixture
def imported(call: Call, tmp_path: Path) -> str:
    """The version of template `form`, which was imported from `form.json`."""
    (tmp_path / "form.json").write_text(json.dumps(sample("contact_card")))
    answer = json.loads(call("import", "form.json", "--user", "ann", "--json").out)
    assert answer["template_id"] == "form"
    version: str = answer["version"]
    return version


def process(*arguments: str, **environment: str) -> subprocess.Popen[str]:
    """`python -m syncsim` as a shell would start it."""
    return subprocess.Popen(
        [sys.executable, "-m", "syncsim", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(terminal.__file__).parents[2]), **environment},
    )


# -- help and usage --------------------------------------------------------------------------------


def test_without_arguments_the_help_is_shown_and_counts_as_wrong_usage(call: Call) -> None:
    code, out, err = call()
    assert (code, out) == (2, "")
    for command in (
        "demo",
        "run",
        "report",
        "lab",
        "app",
        "history",
        "diff",
        "rollback",
        "import",
        "export",
    ):
        assert f"  {command} " in err


def test_help_names_every_scenario_and_every_retry_policy(call: Call) -> None:
    """The help is written by hand, so that it needs no store; this holds it to the registry."""
    told = " ".join(call("run", "--help").out.split())
    for name in (*SCENARIOS, *POLICIES):
        assert name in told


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_help_and_version_load_neither_store_nor_cache_nor_rich(flag: str) -> None:
    code = (
        "import sys, syncsim.cli\n"
        "try: syncsim.cli.main([sys.argv[1]])\n"
        "except SystemExit as ended: assert ended.code == 0\n"
        "print(sorted(sys.modules), file=sys.stderr)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, flag], capture_output=True, text=True, check=True
    )
    assert "syncsim" in ended.stdout
    for heavy in ("sqlalchemy", "sqlmodel", "diskcache", "rich.table", "syncsim.store"):
        assert f"'{heavy}'" not in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("nope", "No such command 'nope'"),
        ("run", "Missing argument 'SCENARIO'"),
        ("run nope", "perfect-storm"),
        ("run stress-test --on moon", "threads"),
        ("run stress-test --users many", "--users"),
        ("run stress-test --users 0", "at least 1"),
        ("run stress-test --retry sometimes", "third, fixed, full"),
        ("run stress-test --work-ms -1", "from 0 to 60000"),
        ("run stress-test --work-ms nan", "from 0 to 60000"),
        ("run stress-test --solution nofile.py", "nofile.py"),
        ("run stress-test --save .", "folder"),
        ("run stress-test --save no/such/folder.json", "folder that exists"),
        ("run stress-test --store postgresql://localhost/x", "sqlite:///"),
        ("history form --limit 0", "--limit"),
        ("history form --store postgresql+psycopg://localhost/x", "sqlite:///"),
        ("import form.json", "--user"),
        ("import - --user ann", "--id"),
        ("import nofile.json --user ann", "No such file"),
        ("import . --user ann", "Is a directory"),
        ("lab --port 0", "--port"),
    ],
)
def test_wrong_usage_is_one_line_that_says_what_is_allowed(
    call: Call, arguments: str, says: str
) -> None:
    code, out, err = call(*arguments.split())
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("error: ")
    assert says in err


@pytest.mark.parametrize(
    ("arguments", "kind", "facts"),
    [
        ("run nope", "UsageError", {"argument": "scenario", "value": "'nope'"}),
        ("run", "UsageError", {}),
        ("history nope", "TemplateNotFoundError", {"template_id": "nope"}),
    ],
)
def test_with_json_an_error_is_one_json_document_on_standard_output_too(
    call: Call, arguments: str, kind: str, facts: dict[str, str]
) -> None:
    code, out, err = call(*arguments.split(), "--json")
    error = json.loads(out)["error"]
    assert code in (1, 2)
    assert error["type"] == kind
    assert facts.items() <= error["facts"].items()
    assert err.startswith(f"error: {error['message']}")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (VersionConflictError("t", "1", "2"), 1),
        (InvalidTemplateError("t", "/name", 1, "text"), 1),
        (UsageError("on", "moon", "threads"), 2),
        (StoreUnavailableError(None, "locked"), 3),
        (MissingExtraError("lab", "syncsim lab"), 3),
        (OSError(28, "No space left on device"), 3),
        (KeyError("a fault of ours"), 3),
    ],
)
def test_the_exit_code_tells_a_failure_from_wrong_usage_and_from_the_environment(
    error: Exception, code: int
) -> None:
    assert command_io.exit_code(error) == code


def test_what_nobody_expected_is_one_line_and_a_traceback_only_in_the_log(
    call: Call, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise KeyError("oops")

    monkeypatch.setattr("syncsim.lab.engines.runner.run", fail)
    code, out, err = call("run", "stress-test", "--verbose")
    assert (code, out, err) == (
        3,
        "",
        "error: unexpected KeyError: 'oops'; --verbose shows where\n",
    )
    assert any(record.exc_info for record in caplog.records)


def test_ctrl_c_says_so_and_exits_with_130(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def press(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("syncsim.lab.engines.runner.run", press)
    assert call("run", "stress-test") == (130, "", "interrupted\n")


# -- the store by hand -----------------------------------------------------------------------------


def test_what_was_imported_is_exported_as_it_was(call: Call, imported: str, tmp_path: Path) -> None:
    assert json.loads(call("export", "form").out) == sample("contact_card")
    assert (
        call("export", "form", "copy.json").out == f"form at version {imported} is in copy.json\n"
    )
    assert json.loads((tmp_path / "copy.json").read_text()) == sample("contact_card")
    answer = json.loads(call("export", "form", "--json").out)
    assert (answer["version"], answer["document"]) == (imported, sample("contact_card"))


def test_export_writes_over_a_file_only_when_forced(
    call: Call, imported: str, tmp_path: Path
) -> None:
    target = tmp_path / "mine.json"
    target.write_text("mine")
    code, _, err = call("export", "form", "mine.json")
    assert (code, target.read_text()) == (2, "mine")
    assert "--force" in err
    assert call("export", "form", "mine.json", "--force").code == 0
    assert json.loads(target.read_text()) == sample("contact_card")


def test_an_id_that_is_taken_is_left_alone_unless_it_is_to_be_updated(
    call: Call, imported: str, tmp_path: Path
) -> None:
    renamed = {**sample("contact_card"), "name": "Renamed"}
    (tmp_path / "renamed.json").write_text(json.dumps(renamed))
    again = ("import", "renamed.json", "--id", "form", "--user", "ben")
    code, _, err = call(*again)
    assert code == 1
    assert imported in err
    assert "another id" in err
    updated = json.loads(call(*again, "--update", "--base", "head", "--json").out)
    assert (updated["status"], updated["version"][:2]) == ("committed", "2-")
    assert json.loads(call("export", "form").out)["name"] == "Renamed"


def test_standard_input_is_a_file_named_dash(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    body = io.BytesIO(json.dumps(sample("contact_card")).encode())
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(body))
    assert call("import", "-", "--id", "piped", "--user", "ann").code == 0
    assert json.loads(call("export", "piped").out) == sample("contact_card")


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "Expecting value, line 1"),
        (b"\x00\xff\xfe binary", "UTF-8"),
        (b'{"a": 1, "a": 2}', "at /a: [1, 2]"),
        (b'{"schema_version": NaN}', "a finite number"),
        (json.dumps({**sample("contact_card"), "schema_version": 2}).encode(), "/schema_version"),
        (b"[" * 100_000, "in each other"),
        (json.dumps({**sample("contact_card"), "colour": "red"}).encode(), "/colour"),
        (json.dumps({**sample("contact_card"), "name": ""}).encode(), "/name"),
        (b'"' + b"x" * 5_000_000 + b'"', "4194304 bytes"),
        (
            json.dumps(
                {**sample("contact_card"), "settings": {"x_notes": "x" * 2_000_000}}
            ).encode(),
            "1048576 bytes",
        ),
    ],
    ids=["empty", "binary", "twice", "nan", "newer", "deep", "key", "value", "huge", "large"],
)
def test_a_bad_file_is_one_sentence_and_nothing_is_written(
    call: Call, tmp_path: Path, body: bytes, says: str
) -> None:
    (tmp_path / "bad.json").write_bytes(body)
    code, out, err = call("import", "bad.json", "--user", "ann")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert says in err
    assert "'bad'" in err
    assert call("history", "bad").code == 1


@pytest.mark.parametrize("user", ["", "background", "x" * 201, "a\0b"])
def test_an_odd_user_is_refused(call: Call, imported: str, user: str) -> None:
    code, _, err = call("rollback", "form", imported, "--user", user)
    assert code == 2
    assert "user cannot be" in err


@pytest.mark.parametrize(
    "arguments",
    [
        "history nope",
        "export nope",
        "diff nope 1 2",
        "diff form 1 2",
        "rollback nope 1 --user ann",
        "rollback form 1 --user ann",
    ],
)
def test_what_is_not_there_is_said_in_one_line(call: Call, imported: str, arguments: str) -> None:
    code, out, err = call(*arguments.split())
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "does not exist" in err or "has no version" in err


def test_a_rollback_is_a_new_version_and_says_how_to_undo_it(
    call: Call, imported: str, tmp_path: Path
) -> None:
    renamed = {**sample("contact_card"), "name": "Renamed"}
    (tmp_path / "form.json").write_text(json.dumps(renamed))
    second = json.loads(
        call("import", "form.json", "--user", "ben", "--update", "--base", "head", "--json").out
    )
    told = call("rollback", "form", imported, "--user", "cem").out
    assert json.loads(call("export", "form").out) == sample("contact_card")
    undo = told.splitlines()[1].removeprefix("to undo: syncsim ").split()
    assert undo == ["rollback", "form", second["version"], "--user", "cem"]
    assert call(*undo).code == 0
    assert json.loads(call("export", "form").out) == renamed
    assert "nothing to do" in call(*undo).out


def test_history_lists_versions_newest_first_with_what_became_of_them(
    call: Call, imported: str
) -> None:
    call("import", "form.json", "--user", "ann", "--id", "other")
    renamed = json.dumps({**sample("contact_card"), "name": "Renamed"})
    Path("form.json").write_text(renamed)
    call("import", "form.json", "--user", "[red]ben", "--update", "--base", "head")
    call("rollback", "form", imported, "--user", "cem")
    versions = json.loads(call("history", "form", "--json").out)["versions"]
    assert [v["by"] for v in versions] == ["cem", "[red]ben", "ann"]
    assert [v["parent"] for v in versions] == [versions[1]["version"], imported, None]
    told = call("history", "form").out.splitlines()
    assert told[2].startswith(versions[0]["version"])
    assert f"rollback to {imported}" in told[2]
    assert "[red]ben" in told[3]
    assert len(json.loads(call("history", "form", "--limit", "1", "--json").out)["versions"]) == 1


def test_diff_says_what_changed_by_label_with_sign_and_word(call: Call, imported: str) -> None:
    changed = sample("contact_card")
    kept, dropped, *_ = changed["fields"]
    added = {"id": "fax", "section": kept["section"], "label": "Fax number", "type": "phone"}
    changed["fields"] = [f for f in changed["fields"] if f["id"] != dropped["id"]] + [added]
    changed["fields"][0] = {**kept, "label": "Whose card"}
    Path("form.json").write_text(json.dumps(changed))
    second = json.loads(
        call("import", "form.json", "--user", "ann", "--update", "--base", "head", "--json").out
    )
    told = call("diff", "form", imported, second["version"]).out
    for row in ("+ added", "Fax number", "- removed", "~ changed", "Whose card"):
        assert row in told
    answer = json.loads(call("diff", "form", imported, second["version"], "--json").out)
    kinds = {c["path"]: c["kind"] for c in answer["changes"]}
    assert kinds["/fields/fax"] == "added"
    assert kinds[f"/fields/{dropped['id']}"] == "removed"
    assert kinds[f"/fields/{kept['id']}/label"] == "changed"
    assert "before" not in next(c for c in answer["changes"] if c["kind"] == "added")
    same = call("diff", "form", imported, imported)
    assert same == (0, f"no difference between {imported} and {imported}\n", "")


def test_moved_fields_are_told_from_changed_ones(call: Call, imported: str) -> None:
    moved = sample("contact_card")
    moved["fields"] = moved["fields"][::-1]
    Path("form.json").write_text(json.dumps(moved))
    second = json.loads(
        call("import", "form.json", "--user", "ann", "--update", "--base", "head", "--json").out
    )
    assert "> moved" in call("diff", "form", imported, second["version"]).out


@pytest.mark.parametrize(
    "url", ["sqlite:///{0}/junk.db", "sqlite:///{0}", "sqlite:///{0}/no/such/folder/t.db"]
)
@pytest.mark.parametrize("command", ["history form", "run perfect-storm"])
def test_a_store_that_cannot_be_opened_is_a_matter_of_the_environment(
    call: Call, tmp_path: Path, command: str, url: str
) -> None:
    (tmp_path / "junk.db").write_text("this is no database, and long enough to be read as one")
    code, out, err = call(*command.split(), "--store", url.format(tmp_path))
    assert (code, out, err.count("\n")) == (3, "", 1)
    assert "the store cannot be used" in err


# -- files -----------------------------------------------------------------------------------------


def test_a_file_is_written_whole_or_stays_as_it_was(tmp_path: Path) -> None:
    """A file size limit stands for the full disk: both end a write in the middle."""
    target = tmp_path / "folder" / "run.json"
    target.parent.mkdir()
    target.write_text("old")
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, unlimited[1]))
    try:
        with pytest.raises(OSError, match=r"/run\.json'$"):
            command_io.write_file(target, b"x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    assert target.read_text() == "old"
    command_io.write_file(target, b"new")
    assert target.read_text() == "new"
    assert list(target.parent.iterdir()) == [target]


def test_a_link_and_a_pipe_stay_what_they_are(tmp_path: Path) -> None:
    """To put a file in the place of /dev/null would be the end of it."""
    target, link, pipe = tmp_path / "target", tmp_path / "link", tmp_path / "pipe"
    target.write_text("old")
    link.symlink_to(target)
    command_io.write_file(link, b"new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    command_io.write_file(pipe, b"through")
    assert os.read(reader, 100) == b"through"
    assert pipe.is_fifo()
    os.close(reader)


# -- runs ------------------------------------------------------------------------------------------


def test_a_run_is_summed_up_in_one_json_document(call: Call) -> None:
    code, out, err = call("run", "cache-consistency", "--json", "--seed", "11")
    report = json.loads(out)
    assert (code, err) == (0, "")
    assert (report["scenario"], report["seed"], report["passed"]) == ("cache-consistency", 11, True)
    assert (report["on"], report["store"], report["synchronous"]) == ("threads", "sqlite", "FULL")
    assert (report["lost_updates"], report["stale_reads"], report["findings"]) == (0, 0, [])


def test_a_run_is_shown_with_verdict_figures_and_log(call: Call) -> None:
    code, out, err = call("run", "perfect-storm")
    assert (code, err) == (0, "")
    assert "PASSED ✓  perfect-storm  (threads, sqlite FULL, seed 7" in out
    for shown in ("ann: Starting update...", "SUCCESS ✓", "0 lost updates", "2 of 2 succeeded"):
        assert shown in out


def test_options_of_a_run_reach_the_runner(call: Call, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'own.db'}?synchronous=NORMAL"
    options = ("--users", "4", "--updates", "6", "--work-ms", "3", "--retry", "full/queue=2")
    code, out, _ = call("run", "stress-test", "--store", url, *options, "--json")
    report = json.loads(out)
    assert (code, report["users"], report["updates"]["attempted"]) == (0, 4, 6)
    assert (report["work_ms"], report["retry"]) == (3.0, "full/queue=2")
    assert report["synchronous"] == "NORMAL"
    assert (tmp_path / "own.db").is_file()


def test_a_solution_that_loses_updates_fails_with_findings(call: Call, tmp_path: Path) -> None:
    (tmp_path / "blind.py").write_text(BLIND_WRITE)
    arguments = ("run", "stress-test", "--solution", "blind.py")
    code, out, _ = call(*arguments, "--json")
    assert code == 1
    assert "D1" in {finding["code"] for finding in json.loads(out)["findings"]}
    code, out, _ = call(*arguments)
    assert code == 1
    assert "FAILED ✗  stress-test" in out
    assert "\nD1 " in out


def test_a_saved_run_holds_its_whole_history(call: Call, tmp_path: Path) -> None:
    code, out, _ = call("run", "perfect-storm", "--save", "run.json", "--json")
    saved = json.loads((tmp_path / "run.json").read_text())
    assert code == 0
    assert saved["history"]["operations"]
    assert json.loads(out).items() <= saved.items()


@pytest.mark.real
def test_a_run_on_processes_passes_from_the_shell() -> None:
    running = process("run", "cache-consistency", "--on", "processes", "--json")
    out, err = running.communicate(timeout=60)
    assert (running.returncode, err) == (0, "")
    assert json.loads(out)["on"] == "processes"


# -- terminals -------------------------------------------------------------------------------------


def events(count: int) -> list[Event]:
    return [Event.of(n, "update.started", 0.0, "ann", "u", "t", {}) for n in range(count)]


def test_the_short_log_is_its_last_lines_and_the_long_one_every_event() -> None:
    hit = Event.of(99, "cache.hit", 0.0, "ann", "u", "t", {"version": "1-a"})
    log = [*events(20), hit]
    short = [str(line) for line in terminal.log_lines(log)]
    assert short[0].startswith("times in UTC")
    assert short[1] == "... 8 lines before; --verbose shows all"
    assert len(short) == 2 + terminal.LOG_LINES
    long = [str(line) for line in terminal.log_lines(log, verbose=True)]
    assert len(long) == 22
    assert long[-1].endswith("ann: Cache hit  version 1-a")


@pytest.mark.parametrize(("zone", "told"), [("UTC", "+00:00"), ("XXX-05:30", "+05:30")])
def test_times_of_versions_and_templates_carry_their_zone(
    zone: str, told: str, call: Call, imported: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("TZ", zone)
        time.tzset()
        rows = [call(*words).out.splitlines()[2] for words in (("history", "form"), ("list",))]
    time.tzset()
    assert all(f"{told} " in row for row in rows)


def test_what_users_wrote_cannot_move_the_cursor() -> None:
    at = {"version": "1-a", "parent": None, "at": 0.0, "detail": None}
    console = terminal.open_console()
    with console.capture() as captured:
        console.print(terminal.history_table([{**at, "by": "a\x1b[2Jb\nc"}]))
        console.print(terminal.difference_table([Change("/name", "changed", "\x1b[2J", 1)], {}))
    assert "a\\x1b[2Jb\\nc" in captured.get()
    assert "\x1b" not in captured.get()


def test_no_color_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("FORCE_COLOR", "1")
    console = terminal.open_console()
    with console.capture() as captured:
        console.print(terminal.verdict(False))
    assert "FAILED ✗" in captured.get()
    assert "\x1b[31m" not in captured.get()
    assert console.no_color


@pytest.mark.real
def test_a_terminal_that_knows_ascii_only_reads_words_for_signs() -> None:
    running = process("run", "cache-consistency", PYTHONIOENCODING="ascii")
    out, err = running.communicate(timeout=60)
    assert (running.returncode, err) == (0, "")
    assert "PASSED ok  cache-consistency" in out
    assert "SUCCESS ok" in out


@pytest.mark.real
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("command", ["run cache-consistency", "--version"])
def test_a_reader_who_has_gone_is_no_error_to_speak_of(command: str, unbuffered: str) -> None:
    running = process(*command.split(), PYTHONUNBUFFERED=unbuffered)
    assert running.stdout is not None
    assert running.stderr is not None
    running.stdout.close()
    assert running.stderr.read() == ""
    assert running.wait(timeout=60) == 1
    running.stderr.close()


@pytest.mark.real
def test_an_update_that_fails_is_said_once_and_in_full_only_with_verbose(tmp_path: Path) -> None:
    (tmp_path / "form.json").write_text(json.dumps(sample("contact_card")))
    failing = ("import", "form.json", "--user", "ann", "--update", "--base", "head")
    quiet, loud = process(*failing), process(*failing, "--verbose")
    said = quiet.communicate(timeout=60)[1]
    assert said.startswith("error: template 'form' does not exist")
    assert said.count("\n") == 1
    out, err = loud.communicate(timeout=60)
    assert (quiet.returncode, loud.returncode, out) == (1, 1, "")
    assert "WARNING syncsim: ann: FAILED" in err
    assert "Traceback" in err


# -- JupyterLab ------------------------------------------------------------------------------------


def jupyter(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Stand in for JupyterLab, which the tests do not need installed: note how it is started."""
    started: list[dict[str, Any]] = []

    def launch_instance(argv: list[str]) -> None:
        settings = Path(os.environ["JUPYTER_CONFIG_PATH"].split(os.pathsep)[0])
        overrides = settings / "labconfig" / "default_setting_overrides.json"
        started.append({"argv": argv, "overrides": json.loads(overrides.read_text())})

    module = types.ModuleType("jupyterlab.labapp")
    module.LabApp = types.SimpleNamespace(launch_instance=launch_instance)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "jupyterlab", types.ModuleType("jupyterlab"))
    monkeypatch.setitem(sys.modules, "jupyterlab.labapp", module)
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "/the/users/own")
    return started


def test_the_lab_opens_on_the_tour_with_its_token_and_without_news(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = jupyter(monkeypatch)
    lab_launcher.launch(tmp_path, browser=False)
    argv, overrides = started[0]["argv"], started[0]["overrides"]
    assert f"--ServerApp.root_dir={tmp_path}" in argv
    assert "--LabApp.default_url=/doc/tree/notebooks/00_tour.ipynb" in argv
    assert "--no-browser" in argv
    assert not any("token" in option or "password" in option for option in argv)
    assert overrides["@jupyterlab/apputils-extension:notification"]["fetchNews"] == "false"


def test_root_is_allowed_only_if_it_is_root(tmp_path: Path) -> None:
    as_user = lab_launcher.arguments(tmp_path, browser=True, port=None, as_root=False)
    as_root = lab_launcher.arguments(tmp_path, browser=True, port=None, as_root=True)
    assert set(as_root) - set(as_user) == {"--allow-root"}


def test_a_port_that_is_taken_is_said_before_jupyter_starts(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = jupyter(monkeypatch)
    monkeypatch.setattr(lab_launcher, "find_checkout", Path.cwd)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, _, err = call("lab", "--no-browser", "--port", port)
    assert (code, started) == (2, [])
    assert f"error: --port cannot be {port}: expected a free port" in err


def test_without_jupyterlab_the_lab_says_what_to_install(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jupyterlab", None)
    monkeypatch.setattr(lab_launcher, "find_checkout", Path.cwd)
    code, _, err = call("lab")
    assert code == 3
    assert "pip install 'syncsim[lab]'" in err


def test_away_from_a_checkout_notebooks_are_copied_and_never_written_over(tmp_path: Path) -> None:
    shipped = tmp_path / "shipped" / "notebooks"
    shipped.mkdir(parents=True)
    (shipped / "00_tour.ipynb").write_text("tour")
    (shipped / "01_lost.ipynb").write_text("lost")
    mine = tmp_path / "syncsim-lab"
    assert len(lab_launcher.copy_notebooks(mine, shipped.parent)) == 2
    (mine / lab_launcher.TOUR).write_text("my notes")
    (mine / "notebooks" / "01_lost.ipynb").unlink()
    copies = lab_launcher.copy_notebooks(mine, shipped.parent)
    assert [copy.name for copy in copies] == ["01_lost.ipynb"]
    assert (mine / lab_launcher.TOUR).read_text() == "my notes"


def test_a_package_without_notebooks_says_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="install it again"):
        lab_launcher.copy_notebooks(tmp_path, tmp_path / "nothing")


def test_what_a_solution_prints_does_not_mix_with_the_json(tmp_path: Path) -> None:
    """On threads the solution shares the process, and its print the standard output."""
    solution = tmp_path / "chatty.py"
    solution.write_text(
        "from syncsim.service.service import build as reference\n"
        "def build(env):\n    print('hello from build')\n    return reference(env)\n"
    )
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "syncsim",
            "run",
            "cache-consistency",
            "--json",
            "--solution",
            str(solution),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["passed"]
    assert "hello from build" in done.stderr
