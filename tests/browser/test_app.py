"""`syncsim app` in a real browser: the control room without code, for this machine only."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from playwright.sync_api import Browser, Page, expect

from syncsim.cli.lab_launcher import TOUR, first_notebook
from tests.browser.conftest import COPIED, PROJECT

pytestmark = [pytest.mark.browser, pytest.mark.timeout(420)]

TOKEN = "for-the-test"
PATIENCE = 600
"""Fifths of a second until something that must happen counts as not happening."""


OF_VOILA = re.compile(
    r"(Unsatisfied|No satisfying) version \S+ (from \S+ )?of shared (singleton )?module @jupyter"
)
"""Voila is built with a JupyterLab older than that of the widgets, and the page says so."""


OF_STILL_FIGURES = "setData is not a function"
"""What Voila says of a figure that is no widget, as the tour has them, before it draws it."""


@dataclass
class Served:
    """A running `syncsim app`: its address, its process, what it has printed."""

    address: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def entry(self) -> str:
        return f"{self.address}/?token={TOKEN}"

    def kernel_answers(self, kernel: str) -> int:
        """The status with which the server speaks of a page's process."""
        try:
            with urlopen(f"{self.address}/api/kernels/{kernel}?token={TOKEN}", timeout=20) as said:
                return int(said.status)
        except HTTPError as error:
            return error.code


def serve(folder: Path, before: str = "") -> Iterator[Served]:
    """`syncsim app` of the package in `folder`, with a home of its own; ended by its own handle.

    `before`: code that is run first.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    home = folder / "home"
    home.mkdir()
    environment = {
        **os.environ,
        "HOME": str(home),
        "PYTHONPATH": str(folder),
        "JUPYTER_TOKEN": TOKEN,
    }
    log = folder / "app.log"
    command = ("app", "--no-browser", "--port", str(port))
    code = f"{before}\nfrom syncsim.cli import main\nmain({command})"
    with log.open("w") as written:
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=folder,
            env=environment,
            stdout=written,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_until(lambda: listens(port) or process.poll() is not None)
            assert process.poll() is None, log.read_text()
            yield Served(f"http://127.0.0.1:{port}", process, log)
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_until(holds: object) -> None:
    """Ask again and again whether something holds, for as long as anybody would."""
    assert callable(holds)
    pause = threading.Event()
    for _ in range(PATIENCE):
        if holds():
            return
        pause.wait(0.2)
    pytest.fail("it never came to that")


def listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
        return True
    return False


def copied(folder: Path) -> Path:
    for name in COPIED:
        source = PROJECT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    return folder


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    yield from serve(copied(tmp_path_factory.mktemp("app")))


@pytest.fixture
def page(chromium: Browser, tmp_path: Path) -> Iterator[Page]:
    page = chromium.new_page(viewport={"width": 1280, "height": 800})
    yield page
    if not page.is_closed():
        page.screenshot(path=str(tmp_path / "last.png"))
        page.close()


def kernel_of(page: Page) -> str:
    told = page.locator("#jupyter-config-data").text_content()
    assert told is not None
    return str(json.loads(told)["kernelId"])


def test_a_visitor_presses_a_button_and_reads_a_verdict_without_seeing_code(
    app: Served, page: Page
) -> None:
    """Nothing is asked of another host, no script fails, nothing is complained about."""
    foreign: list[str] = []
    complaints: list[str] = []
    warnings: list[str] = []

    def note(url: str) -> None:
        if not url.startswith((app.address, app.address.replace("http", "ws"), "data:", "blob:")):
            foreign.append(url)

    page.on("request", lambda request: note(request.url))
    page.on("websocket", lambda websocket: note(websocket.url))
    page.on("requestfailed", lambda request: complaints.append(f"failed: {request.url}"))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    told = {"error": complaints, "warning": warnings}
    page.on("console", lambda said: told.get(said.type, []).append(said.text))
    page.goto(app.entry, wait_until="commit")
    button = page.get_by_role("button", name="Trigger All", exact=True).first
    expect(button).to_be_visible(timeout=180_000)
    button.click()
    expect(page.get_by_text("PASSED").first).to_be_visible(timeout=60_000)
    assert page.locator(".jp-CodeCell .jp-InputArea, .cm-editor, .highlight").count() == 0
    shown = page.locator("body").inner_text()
    source = json.loads((app.log.parent / first_notebook(app.log.parent)).read_text())
    for cell in source["cells"]:
        if cell["cell_type"] == "code":
            assert "".join(cell["source"]).splitlines()[0] not in shown
    assert foreign == []
    is_tour = first_notebook(app.log.parent) == TOUR
    assert [said for said in complaints if not (is_tour and OF_STILL_FIGURES in said)] == []
    assert [said for said in warnings if not OF_VOILA.match(said)] == []


def test_the_process_of_a_page_ends_with_the_page(app: Served, page: Page) -> None:
    page.goto(app.entry, wait_until="commit")
    expect(page.get_by_role("button", name="Trigger All", exact=True).first).to_be_visible(
        timeout=180_000
    )
    kernel = kernel_of(page)
    assert app.kernel_answers(kernel) == 200
    page.goto("about:blank")
    wait_until(lambda: app.kernel_answers(kernel) == 404)


def test_whoever_lacks_the_token_gets_no_page_and_no_process(app: Served) -> None:
    port = int(app.address.rpartition(":")[2])
    for path, status in (("/", 302), ("/?token=wrong", 302), ("/api/kernels/x-x-x-x-x", 403)):
        asked = HTTPConnection("127.0.0.1", port, timeout=60)
        asked.request("GET", path)
        answer = asked.getresponse()
        assert answer.status == status
        if status == 302:
            assert (answer.getheader("Location") or "").startswith("/login")
        asked.close()


def test_the_log_in_and_the_errors_ask_no_other_host_for_anything(app: Served, page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(app.address)
    expect(page.get_by_label("Password or token")).to_be_visible()
    page.goto(f"{app.address}/nothing.here?token={TOKEN}")
    expect(page.get_by_text("403")).to_be_visible()
    assert [url for url in asked if not url.startswith((app.address, "data:"))] == []


def test_a_visitor_too_many_is_told_what_to_do(
    tmp_path_factory: pytest.TempPathFactory, page: Page
) -> None:
    own = serve(
        copied(tmp_path_factory.mktemp("full")),
        "import syncsim.cli.app_launcher as launcher\nlauncher.MOST_PAGES = 0",
    )
    app = next(own)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    answer = page.goto(app.entry)
    assert answer is not None
    assert answer.status == 503
    expect(page.get_by_role("alert")).to_contain_text("close one, then load this again")
    assert [url for url in asked if not url.startswith((app.address, "data:"))] == []
    own.close()  # type: ignore[attr-defined]


def test_it_listens_on_the_loopback_interface_only(app: Served) -> None:
    port = int(app.address.rpartition(":")[2])
    others = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), port)}
    for other in others - {"127.0.0.1", "::1"}:
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((str(other), port), timeout=20)


def test_an_interrupt_ends_it_and_all_its_processes(
    tmp_path_factory: pytest.TempPathFactory, page: Page
) -> None:
    own = serve(copied(tmp_path_factory.mktemp("ended")))
    app = next(own)
    page.goto(app.entry, wait_until="commit")
    expect(page.get_by_role("button", name="Trigger All", exact=True).first).to_be_visible(
        timeout=180_000
    )
    children = Path(f"/proc/{app.process.pid}/task/{app.process.pid}/children")
    processes = [int(pid) for pid in children.read_text().split()]
    assert processes
    app.process.send_signal(signal.SIGINT)
    assert app.process.wait(60) == 0, app.log.read_text()
    assert [pid for pid in processes if Path(f"/proc/{pid}").exists()] == []
    assert "Traceback" not in app.log.read_text()
    own.close()  # type: ignore[attr-defined]


def test_a_foreign_host_name_is_refused(app: Served) -> None:
    """Even with the token: a page that rebinds its name to this machine must get nothing."""
    here = app.address.removeprefix("http://")
    answers = {}
    for name in (here, "evil.example"):
        for path in ("/api/kernels/none", "/voila/static/none", "/nowhere"):
            connection = HTTPConnection(here, timeout=60)
            headers = {"Host": name, "Authorization": f"token {TOKEN}"}
            connection.request("GET", path, headers=headers)
            answers[name, path] = connection.getresponse().status
            connection.close()
    assert {code for (name, _), code in answers.items() if name != here} == {403}
    assert answers[here, "/nowhere"] != 403
