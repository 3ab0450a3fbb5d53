"""Serve the control room to people who see no code: which page, to whom, for how long.

Voila does the serving. Ours are a template that asks no other host for anything (`jupyter/`), a
browser that is opened with the token, and limits: each open page is a Python process of its own,
which ends with the page.
"""

from __future__ import annotations

import os
import re
import webbrowser
from importlib import import_module
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

from syncsim.cli.lab_launcher import check_port, find_checkout, first_notebook
from syncsim.errors import MissingExtraError, UsageError

MOST_PAGES: Final = 12
"""Open pages, and so processes, at a time; the server answers 503 to one more and says why."""

IDLE_S: Final = 300
"""A process whose page went without a word (a crash, a cut cable) ends after so many seconds."""

_PACKAGE: Final = Path(__file__).parents[1]
_TEMPLATES: Final = Path(__file__).with_name("jupyter")


def find_page() -> Path:
    """The notebook that is served: that of the checkout, else the one that came with the package.

    No visitor can change it from the page. Raises `UsageError` where there is none.
    """
    root = find_checkout() or _PACKAGE / "_shipped"
    page = root / first_notebook(root)
    if not page.is_file():
        raise UsageError("this installation", str(_PACKAGE), f"one with {page.name}")
    return page


def arguments(page: Path, *, browser: bool, port: int | None) -> list[str]:
    """The command line for Voila: loopback only, with a token, our template and no other.

    Relative paths that a user types there begin in the present folder.
    """
    options = [
        str(page),
        "--Voila.ip=127.0.0.1",
        "--Voila.auto_token=True",
        "--VoilaConfiguration.template=syncsim",
        "--VoilaConfiguration.allow_template_override=NO",
        f"--MappingKernelManager.root_dir={Path.cwd()}",
        f"--MappingKernelManager.cull_idle_timeout={IDLE_S}",
        f"--MappingKernelManager.cull_interval={IDLE_S // 10}",
    ]
    if port is not None:
        options += [f"--Voila.port={port}", "--Voila.port_retries=0"]
    if not browser:
        options.append("--no-browser")
    return options


def launch(page: Path, *, browser: bool = True, port: int | None = None) -> None:
    """Run Voila in this process until Ctrl-C; raises `MissingExtraError`, `UsageError`."""
    try:
        voila = import_module("voila.app").Voila
        config = import_module("traitlets.config").Config()
    except ImportError:
        raise MissingExtraError("lab", "syncsim app") from None
    if port is not None:
        check_port(port)
    paths = [str(_TEMPLATES), os.environ.get("JUPYTER_PATH", "")]
    os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, paths))
    config.VoilaConfiguration.prelaunch_hook = admit
    ours = {"launch_browser": open_with_token, "listen": listen_to_this_machine}
    served: Any = type("ControlRoomApp", (voila,), ours)
    served.launch_instance(argv=arguments(page, browser=browser, port=port), config=config)


def listen_to_this_machine(app: Any) -> None:
    """Listen as Voila does, to requests that name this machine as their host.

    To listen on the loopback interface is not enough: a page on the web may have its own name lead
    there (DNS rebinding), and then the browser takes us for that page's server.
    """
    refuse_foreign_hosts(app.app)
    super(type(app), app).listen()


def refuse_foreign_hosts(application: Any) -> None:
    """Have a Tornado application answer 403 to every request whose host is another machine."""
    error_handler = import_module("tornado.web").ErrorHandler
    find_handler = application.find_handler

    def find(request: Any, **settings: Any) -> Any:
        if names_this_machine(request.host):
            return find_handler(request, **settings)
        return application.get_handler_delegate(request, error_handler, {"status_code": 403})

    application.find_handler = find


def names_this_machine(host: str) -> bool:
    """Whether a Host header is `localhost` or a loopback address, with or without a port."""
    found = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([^\[\]:]+))(?::\d+)?", host)
    if found is None:
        return False
    name = found[1] or found[2]
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name.lower() == "localhost"


def admit(handler: Any, notebook: Any, cwd: str) -> None:
    """Raise 503 instead of starting one more process than `MOST_PAGES`.

    Who comes in gets the cookie against forged requests, without which the server would not believe
    the page when it says that it closes.
    """
    if len(handler.kernel_manager.list_kernel_ids()) >= MOST_PAGES:
        http_error = import_module("tornado.web").HTTPError
        reason = f"as many pages as may be ({MOST_PAGES}) are open; close one, then load this again"
        raise http_error(503, reason, reason=reason)
    _ = handler.xsrf_token  # asking for it sets the cookie


def open_with_token(app: Any) -> None:
    """Open the page in a browser, by way of a file that only its owner can read.

    The token stands neither in a command line, which others could see, nor must it be typed.
    """
    address = f"{app.connection_url}?token={app.identity_provider.token}"
    way = Path(app.connection_dir) / "open.html"
    way.touch(mode=0o600)
    way.write_text(
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="refresh" content="0;url={address}"><title>syncsim</title></head>'
        f'<body><a href="{address}">To the control room</a></body></html>',
        "utf-8",
    )
    webbrowser.open(way.as_uri(), new=2)
