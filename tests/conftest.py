"""What every test has: Hypothesis without chance or deadlines, and a store in a file to try."""

from __future__ import annotations

import logging
import os
import signal
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from shutil import which

import pytest
from hypothesis import settings

from syncsim.store.sqlite import SQLiteStore
from tests.parts import at_the_end
from tests.store_parts import ID, document, opened

settings.register_profile("ci", derandomize=True, deadline=None, print_blob=True)
settings.load_profile("ci")

# The default run deselects the browser tests; where their tool is missing, it need not import them.
collect_ignore = [] if find_spec("playwright") else ["browser"]


# A shell ignores Ctrl-C on behalf of what it runs in the background, and with it this run's tests
# that press it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Some hundred processes are started here; let the first compile the package for all of them.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_configure(config: pytest.Config) -> None:
    if config.option.markexpr == "browser" and collect_ignore:
        raise pytest.UsageError("-m browser needs the browser extra: pip install -e '.[browser]'")


def pytest_report_header(config: pytest.Config) -> str | None:
    """One line about the tests in a browser, where they are not what was asked for."""
    if "browser" in config.option.markexpr.replace("not browser", ""):
        return None
    found = which("chromium") or which("chromium-browser")
    missing = [] if found else ["apt-get install chromium"]
    missing += ["pip install -e '.[browser]'"] if collect_ignore else []
    first = f"here is no browser to test in; first {' and '.join(missing)}, " if missing else ""
    return f"tests/browser is not run: {first}pytest -m browser tests/browser"


@pytest.fixture(autouse=True)
def log_level() -> Iterator[None]:
    """The command line sets one; a test leaves it as it was."""
    logger = logging.getLogger("syncsim")
    level = logger.level
    yield
    logger.setLevel(level)


@pytest.fixture(autouse=True)
def closed_at_the_end() -> Iterator[None]:
    """From Python 3.13 on a connection that nobody closes is a warning, which fails a test."""
    yield
    at_the_end.close()


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Where `store` is."""
    return f"sqlite:///{tmp_path}/store.db?synchronous=NORMAL"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The database file of `store`."""
    return tmp_path / "store.db"


@pytest.fixture
def store(url: str) -> Iterator[SQLiteStore]:
    """A store in a file, with one template."""
    store = opened(url)
    store.create(ID, document(), by="ann")
    yield store
    store.close()


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that everybody may enter, unlike `tmp_path`, and only its owner may write to."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)
