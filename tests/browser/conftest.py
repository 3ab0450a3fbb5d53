"""JupyterLab as `syncsim lab` starts it, and a real Chromium in front of it.

The package and its notebooks are copied first, because JupyterLab saves what it runs.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.request import Request as ToServer
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, Error, Page, Request, WebSocket, sync_playwright

PROJECT = Path(__file__).parents[2]
COPIED = ("syncsim", "notebooks", "data", "pyproject.toml")
START_S = 60
OF_JUPYTERLAB = re.compile(r"attachment:|ERR_UNKNOWN_URL_SCHEME")
"""What JupyterLab itself complains of: a picture attached to a cell is asked for under a scheme of
its own, a moment before it is shown."""

LEFT = "net::ERR_ABORTED"
"""What became of a request whose page was left."""

OF_ANYWIDGET = "[anywidget] Failed to initialize model."
"""What it says, two seconds later, of a widget that was closed while its module was being loaded:
the room of an earlier page, which Run All closes while the new page brings it back."""

TOLD = pytest.StashKey[list[str]]()
QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
    "--no-sandbox",
)


@pytest.fixture(scope="session")
def lab_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the JupyterLab of `lab` has its files: a test may put notebooks of its own there."""
    return tmp_path_factory.mktemp("lab")


@pytest.fixture(scope="session")
def lab(lab_folder: Path) -> Iterator[str]:
    """The address of a running `syncsim lab`, token included; ended by its own handle."""
    folder = lab_folder
    for name in COPIED:
        source = PROJECT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    home = folder / "home"
    home.mkdir()
    environment = {
        **os.environ,
        "HOME": str(home),
        "PYTHONPATH": str(folder),
        "JUPYTER_TOKEN": "for-the-test",
    }
    log = (folder / "lab.log").open("w")
    server = subprocess.Popen(
        [sys.executable, "-m", "syncsim", "lab", "--no-browser", "--port", str(port)],
        cwd=folder,
        env=environment,
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    try:
        address = f"http://127.0.0.1:{port}"
        _wait_for(address, server, folder / "lab.log")
        yield address
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        log.close()


def _wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    pause = threading.Event()
    for _ in range(START_S * 5):
        assert server.poll() is None, log.read_text()
        with suppress(OSError), urlopen(f"{address}/api", timeout=5):
            return
        pause.wait(0.2)
    pytest.fail(f"JupyterLab did not answer within {START_S} s:\n{log.read_text()}")


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The system's Chromium, without a window."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        pytest.fail("these tests need a chromium on PATH: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(QUIET))
        yield browser
        browser.close()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[TOLD] = []


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """What was measured, whether or not output is captured."""
    if lines := config.stash[TOLD]:
        terminalreporter.section("measured in the browser")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture
def tell(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], None]:
    """Put a line of figures at the end of what pytest prints, and into a file of the test."""

    def told(line: str) -> None:
        request.config.stash[TOLD].append(line)
        with (tmp_path / "measured.md").open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")

    return told


class Visit:
    """A page, with what it asked of other hosts and what it complained about.

    `wire_bytes` is what went over its websockets, both ways.
    """

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.foreign: list[str] = []
        self.complaints: list[str] = []
        self.wire_bytes = 0
        page.on("request", lambda request: self._note(request.url, address))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda said: said.type == "error" and self._complain(said.text))
        page.on("requestfailed", self._failed)
        page.on("response", lambda it: it.status >= 400 and self._complain(f"{it.status} {it.url}"))
        page.on("websocket", lambda socket: self._weigh(socket, address))

    def _failed(self, request: Request) -> None:
        if request.failure != LEFT:
            self._complain(f"failed: {request.url} ({request.failure})")

    def _complain(self, text: str) -> None:
        if not OF_JUPYTERLAB.search(text):
            self.complaints.append(text)

    def _weigh(self, socket: WebSocket, address: str) -> None:
        self._note(socket.url, address)

        def add(frame: str | bytes) -> None:
            self.wire_bytes += len(frame)

        socket.on("framereceived", add)
        socket.on("framesent", add)

    def _note(self, url: str, address: str) -> None:
        # JupyterLab asks for a picture attached to a cell under its own scheme, before it shows it.
        ours = (address, address.replace("http", "ws"), "data:", "blob:", "attachment:")
        if not url.startswith(ours):
            self.foreign.append(url)

    def open(self, address: str, notebook: str, view: str = "lab") -> None:
        """Show a notebook in JupyterLab and wait for its kernel; "doc" is one document alone."""
        self.page.goto(f"{address}/{view}/tree/notebooks/{notebook}?token=for-the-test&reset")
        self.page.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=60_000)
        self.page.get_by_text("| Idle").wait_for(timeout=60_000)

    def run_all(self) -> None:
        """Run > Run All Cells, as a person does it."""
        self.choose("Run", "Run All Cells")

    def choose(self, menu: str, item: str) -> None:
        """An item of the menu bar."""
        self.page.get_by_role("menuitem", name=menu, exact=True).click()
        self.page.get_by_role("menuitem", name=item, exact=True).click()

    def errors(self) -> list[str]:
        """What cells show as errors."""
        shown = self.page.locator(
            ".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.error'],"
            ".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.stderr']"
        )
        return shown.all_inner_texts()


@pytest.fixture
def visit(lab: str, chromium: Browser, tmp_path: Path) -> Iterator[Visit]:
    """A fresh page of 1280 x 800 and no kernel yet; its picture is kept in the test's folder."""
    page = chromium.new_page(viewport={"width": 1280, "height": 800})
    yield Visit(page, lab)
    with suppress(Error):
        page.screenshot(path=str(tmp_path / "last.png"))
    page.close()
    _end_kernels(lab)


def _end_kernels(lab: str) -> None:
    """A page that comes later would find the widgets of this one, and would bring them back."""
    token = {"Authorization": "token for-the-test"}
    with urlopen(ToServer(f"{lab}/api/sessions", headers=token), timeout=20) as said:
        sessions = json.load(said)
    for one in sessions:
        ended = ToServer(f"{lab}/api/sessions/{one['id']}", headers=token, method="DELETE")
        with urlopen(ended, timeout=20):
            pass
