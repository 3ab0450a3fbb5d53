"""A password in a URL is shown nowhere: not by the command line, not in errors, not in logs."""

from __future__ import annotations

import logging
import pickle
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from syncsim import connect, run
from syncsim.cli import main
from syncsim.errors import SyncError, TemplateNotFoundError, UsageError, VersionConflictError
from syncsim.masking import masked_within

SECRET = "s3cr3t"
URLS = [
    "postgresql://ann:s3cr3t@db.example/x",
    "postgresql+psycopg://ann:s3cr3t@db.example:5432/x?sslmode=require",
    "postgresql:/ann:s3cr3t@db.example/x",
    "postgresql:ann:s3cr3t@db.example/x",
    "valkey://:s3cr3t@db.example",
    "postgresql://ann:it's s3cr3t@db.example/x",
    "postgresql://ann:p@s3cr3t@db.example/x",
    "postgresql://db.example/x?user=ann&password=s3cr3t&sslmode=off",
    "postgresql://db.example/x?password=one&sslpassword=s3cr3t",
    f"postgresql://ann:{'p' * 100}s3cr3t@db.example/x",
]
PLACES = [
    ["{}"],
    ["list", "{}"],
    ["list", "--store", "{}"],
    ["list", "--verbose", "--store", "{}"],
    ["list", "--store={}", "--json"],
    ["list", "--stor={}"],
    ["list", "--json={}"],
    ["history", "t", "{}"],
    ["history", "{}", "--store", "sqlite:///t.db"],
    ["history", "{}", "--json"],
    ["diff", "t", "a", "{}"],
    ["diff", "t", "a", "b", "{}", "--json"],
    ["rollback", "t", "{}", "--user", "u"],
    ["import", "{}", "--user", "ann"],
    ["import", "-", "--id", "{}", "--user", "ann"],
    ["export", "t", "out.json", "{}"],
    ["export", "t", "{}"],
    ["run", "{}"],
    ["run", "stress-test", "--users={}"],
    ["run", "stress-test", "--retry", "{}"],
    ["run", "stress-test", "--on", "{}", "--json"],
    ["run", "stress-test", "--solution", "{}"],
    ["run", "stress-test", "--save", "{}/x"],
    ["explore", "stress-test", "--faults", "{}"],
    ["replay", "stress-test", "{}"],
    ["herd", "--users", "{}"],
    ["herd", "--store", "{}"],
    ["report", "{}", "--html", "x.html"],
    ["lab", "--port", "{}"],
]


@pytest.fixture(autouse=True)
def _place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("SYNCSIM_STORE_URL", f"sqlite:///{tmp_path}/t.db")
    level = logging.getLogger("syncsim").level
    yield
    logging.getLogger("syncsim").setLevel(level)


@pytest.mark.parametrize("place", PLACES, ids=" ".join)
def test_wherever_a_url_is_typed_its_password_is_not_repeated(
    place: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for url in URLS if "--id" not in place else URLS[:1]:
        with pytest.raises(SystemExit) as ended:
            main([word.replace("{}", url) for word in place])
        shown = "".join(capsys.readouterr())
        assert ended.value.code in (1, 2, 3)
        assert SECRET not in shown, (url, shown)
        assert shown.startswith(("error: ", "{"))


def test_one_without_a_scheme_is_masked_where_the_parser_repeats_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for arguments in (["{}"], ["list", "{}"], ["export", "t", "x", "{}"]):
        with pytest.raises(SystemExit):
            main([word.format("ann:s3cr3t@db.example") for word in arguments])
        shown = "".join(capsys.readouterr())
        assert "ann:***@db.example" in shown
        assert SECRET not in shown


def test_the_log_of_a_process_shows_no_password(tmp_path: Path) -> None:
    """A fresh process, as pytest replaces the handlers of this one."""
    code = (
        "import logging\n"
        "from syncsim.cli.command_io import configure_logging\n"
        "configure_logging(True)\n"
        f"try: raise ValueError({URLS[0]!r})\n"
        f"except ValueError: logging.getLogger('syncsim.x').exception('at %s', {URLS[1]!r})\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stderr
    assert "Traceback" in said
    assert "ann:***@db.example" in said
    assert SECRET not in said


@pytest.mark.parametrize("url", URLS)
def test_no_error_shows_a_password(url: str, tmp_path: Path) -> None:
    errors: list[SyncError] = [
        UsageError("scenario", url, "the name of one"),
        UsageError("scenario", [url], f"not {url}"),
        TemplateNotFoundError(url),
        VersionConflictError(url, url, "1-x"),
        SyncError(f"at {url} it failed"),
    ]
    for call in (lambda: run(url), lambda: connect(url), lambda: connect("memory://", cache=url)):
        with pytest.raises(SyncError) as caught:
            call()
        errors.append(caught.value)
    for error in errors:
        shown = "".join(traceback.format_exception(error)[-1:]) + repr(error)
        assert SECRET not in shown
        assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_what_is_no_secret_stays_as_it_is() -> None:
    for text in (
        "user 'ann@example.org' is unknown: ask ben@example.org",
        "sqlite:////tmp/a:b/t.db?synchronous=NORMAL is not there",
        "https://example.org/a?b=c#d and 12:30 @ noon",
        '{"email": "ann@example.org"}',
    ):
        assert masked_within(text) == text


def test_a_long_text_takes_no_long_time() -> None:
    for piece in ("x", "a://", "a://b:", "postgres", "x:/?token=", "=a:", "/a:", "//a:", "@'a:"):
        began = time.process_time()
        masked_within(piece * 2_000)
        assert time.process_time() - began < 5


WITHOUT_SCHEME = [
    "//ann:s3cr3t@host/x.db",
    "ann:s3cr3t@host/x.db",
    "ann:p@s3cr3t@host",
    "//:s3cr3t@nowhere/no/x.db",
]


@pytest.mark.parametrize("url", WITHOUT_SCHEME)
@pytest.mark.parametrize(
    "place",
    [
        "list --store {}",
        "list --store {} --json",
        "verify-store --verbose --store {}",
        "history t --store={}",
        "backup x.db --store {}",
        "run stress-test --store {}",
        "run stress-test --store {} --save {}",
        "import {} --user ann",
        "history {}",
        "restore {}",
    ],
)
def test_a_url_without_a_scheme_shows_no_password_either(
    url: str, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is taken for the name of a file, which is in the error in more than one spelling."""
    with pytest.raises(SystemExit) as ended:
        main([word.replace("{}", url) for word in place.split()])
    shown = "".join(capsys.readouterr())
    assert ended.value.code in (0, 1, 2, 3)
    assert SECRET not in shown


def test_text_that_only_looks_like_a_url_without_a_scheme_stays() -> None:
    for text in (
        "candidate.py:41@3 and dir/candidate.py:41:7@3 and candidate.py:build@3",
        "mailto:ann@example.org",
        "from 12:30@noon",
        '{"email":"ann@example.org"} or {"a": 1,"email":"ann@example.org"}',
        "error: ann@example.org: ben@example.org",
        "git@example.org:ann/x.git",
        "sqlite:////tmp/a:b/t@x.db",
    ):
        assert masked_within(text) == text
    assert masked_within("at /w/ann:pw@h/db, ann:pw@h") == "at /w/ann:***@h/db, ann:***@h"
