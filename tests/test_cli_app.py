"""`syncsim app` as it starts Voila, and the notebook with which `lab` and `app` begin."""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import stat
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import tornado.web
from tornado.httpclient import AsyncHTTPClient
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from syncsim.cli import app_launcher, lab_launcher, main
from syncsim.errors import MissingExtraError, UsageError


class Voila:
    """Stands in for Voila, which the tests do not need installed: notes how it is started."""

    started: list[dict[str, Any]]

    @classmethod
    def launch_instance(cls, argv: list[str], config: Any) -> None:
        paths = os.environ["JUPYTER_PATH"].split(os.pathsep)
        cls.started.append({"argv": argv, "config": config, "paths": paths, "class": cls})


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    module = types.ModuleType("voila.app")
    module.Voila = Voila  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "voila", types.ModuleType("voila"))
    monkeypatch.setitem(sys.modules, "voila.app", module)
    monkeypatch.setenv("JUPYTER_PATH", "/the/users/own")
    monkeypatch.setattr(Voila, "started", [], raising=False)
    return Voila.started


# -- how it is started -----------------------------------------------------------------------------


def test_it_is_for_this_machine_with_a_token_and_our_template(
    tmp_path: Path, started: list[dict[str, Any]]
) -> None:
    app_launcher.launch(tmp_path / "room.ipynb", browser=False)
    argv = started[0]["argv"]
    assert argv[0] == str(tmp_path / "room.ipynb")
    assert "--Voila.ip=127.0.0.1" in argv
    assert "--Voila.auto_token=True" in argv
    assert "--VoilaConfiguration.template=syncsim" in argv
    assert "--VoilaConfiguration.allow_template_override=NO" in argv
    assert f"--MappingKernelManager.root_dir={Path.cwd()}" in argv
    assert "--no-browser" in argv
    assert not any(option.startswith("--Voila.port") for option in argv)
    assert started[0]["paths"][1:] == ["/the/users/own"]
    assert started[0]["config"].VoilaConfiguration.prelaunch_hook is app_launcher.admit
    assert started[0]["class"].launch_browser is app_launcher.open_with_token
    assert started[0]["class"].listen is app_launcher.listen_to_this_machine


def test_a_port_that_is_asked_for_is_taken_or_refused(
    tmp_path: Path, started: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit) as ended:
            main(("app", "--no-browser", "--port", str(port)))
        assert ended.value.code == 2
    assert started == []
    assert f"error: --port cannot be {port}: expected a free port" in capsys.readouterr().err
    app_launcher.launch(tmp_path, port=port)
    assert {f"--Voila.port={port}", "--Voila.port_retries=0"} <= set(started[0]["argv"])


def test_without_voila_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "voila", None)
    with pytest.raises(MissingExtraError, match=re.escape("pip install 'syncsim[lab]'")):
        app_launcher.launch(Path("room.ipynb"))


def test_the_template_asks_no_other_host_for_anything() -> None:
    folder = Path(app_launcher.__file__).with_name("jupyter") / "voila" / "templates" / "syncsim"
    assert json.loads((folder / "conf.json").read_text()) == {"base_template": "lab"}
    template = (folder / "index.html.j2").read_text()
    assert "super.super()" in template
    assert "http" not in template.replace("html_head_js", "")


# -- from where ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "localhost:8866", "LOCALHOST:80", "127.0.0.1", "127.0.0.1:8866"),
        *("127.8.8.8", "[::1]", "[::1]:8866"),
    ],
)
def test_a_host_of_this_machine_is_let_in(host: str) -> None:
    assert app_launcher.names_this_machine(host)


FOREIGN = [
    *("evil.example", "evil.example:8866", "127.0.0.1.evil.example", "localhost.evil.example"),
    *("0.0.0.0", "0.0.0.0:8866", "192.168.0.7:8866", "[::]", "[fe80::1]:80", "2130706433"),
    *("", " localhost", "localhost:x", "localhost:80:80", "localhost,evil.example", "[::1", "::1"),
    *("evil.example@localhost", "localhost/evil", "localhost\n"),
]


@pytest.mark.parametrize("host", FOREIGN)
def test_another_host_is_not(host: str) -> None:
    assert not app_launcher.names_this_machine(host)


def test_a_request_that_names_another_host_is_refused_whatever_it_asks_for() -> None:
    """A page whose name leads here (DNS rebinding) gets neither pages nor files nor kernels."""

    class Hello(tornado.web.RequestHandler):
        def get(self) -> None:
            self.write("hello")

    async def ask() -> dict[tuple[str, str], int]:
        application = tornado.web.Application()
        application.add_handlers(".*$", [("/", Hello), ("/api/kernels/.*", Hello)])
        app_launcher.refuse_foreign_hosts(application)
        with bind_sockets(0, "127.0.0.1")[0] as bound:
            port = bound.getsockname()[1]
            server = HTTPServer(application)
            server.add_sockets([bound])
            client = AsyncHTTPClient(force_instance=True)
            answers = {}
            for host in (f"localhost:{port}", f"127.0.0.1:{port}", "evil.example", "0.0.0.0"):
                for path in ("/", "/api/kernels/x", "/nowhere"):
                    answer = await client.fetch(
                        f"http://127.0.0.1:{port}{path}", headers={"Host": host}, raise_error=False
                    )
                    answers[host.partition(":")[0], path] = answer.code
            client.close()
            server.stop()
            await server.close_all_connections()
        return answers

    answers = asyncio.run(ask())
    for (host, path), code in answers.items():
        if host in ("localhost", "127.0.0.1"):
            assert code == (404 if path == "/nowhere" else 200)
        else:
            assert code == 403


# -- who comes in ----------------------------------------------------------------------------------


class Handler:
    def __init__(self, pages: int) -> None:
        self.kernel_manager = types.SimpleNamespace(list_kernel_ids=lambda: ["x"] * pages)
        self.cookies = 0

    @property
    def xsrf_token(self) -> bytes:
        self.cookies += 1
        return b"token"


def test_a_page_too_many_is_refused_before_its_process_begins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class HTTPError(Exception):
        def __init__(self, status: int, said: str, reason: str) -> None:
            super().__init__(status, reason)

    web = types.ModuleType("tornado.web")
    web.HTTPError = HTTPError  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "tornado.web", web)
    last = Handler(app_launcher.MOST_PAGES - 1)
    app_launcher.admit(last, None, "")
    assert last.cookies == 1
    with pytest.raises(HTTPError) as refused:
        app_launcher.admit(Handler(app_launcher.MOST_PAGES), None, "")
    assert refused.value.args[0] == 503
    assert "close one, then load this again" in refused.value.args[1]


def test_the_browser_is_opened_with_the_token_by_way_of_a_file_of_the_owner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(
        app_launcher.webbrowser, "open", lambda address, new: opened.append(address)
    )
    app = types.SimpleNamespace(
        connection_url="http://127.0.0.1:8866/",
        connection_dir=str(tmp_path),
        identity_provider=types.SimpleNamespace(token="a1b2"),
    )
    app_launcher.open_with_token(app)
    way = tmp_path / "open.html"
    assert opened == [way.as_uri()]
    assert "http://127.0.0.1:8866/?token=a1b2" in way.read_text()
    assert stat.S_IMODE(way.stat().st_mode) == 0o600


# -- which notebook --------------------------------------------------------------------------------


def test_the_control_room_comes_first_and_the_tour_where_there_is_none(tmp_path: Path) -> None:
    assert lab_launcher.first_notebook(tmp_path) == "notebooks/00_tour.ipynb"
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "control_room.ipynb").write_text("{}")
    assert lab_launcher.first_notebook(tmp_path) == "notebooks/control_room.ipynb"
    argv = lab_launcher.arguments(tmp_path, browser=True, port=None, as_root=False)
    assert "--LabApp.default_url=/doc/tree/notebooks/control_room.ipynb" in argv


def test_away_from_a_checkout_the_notebook_of_the_package_is_served(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app_launcher, "find_checkout", lambda: None)
    monkeypatch.setattr(app_launcher, "_PACKAGE", tmp_path)
    with pytest.raises(UsageError, match="00_tour"):
        app_launcher.find_page()
    shipped = tmp_path / "_shipped" / "notebooks"
    shipped.mkdir(parents=True)
    (shipped / "control_room.ipynb").write_text("{}")
    assert app_launcher.find_page() == shipped / "control_room.ipynb"


def test_in_a_checkout_its_own_notebook_is_served() -> None:
    checkout = lab_launcher.find_checkout()
    assert checkout is not None
    assert app_launcher.find_page() == checkout / lab_launcher.first_notebook(checkout)
