"""Start JupyterLab on the control room: which folder, which page, which options.

Everything else is Jupyter's own, its token above all: who opens the page needs the address that
Jupyter prints. In a checkout the project is the root of the file browser; elsewhere the notebooks
that came with the package are copied to a folder of the user's.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Final

from syncsim.errors import MissingExtraError, UsageError

CONTROL_ROOM: Final = "notebooks/control_room.ipynb"
"""The notebook that is opened, from the root of the file browser; if it is not there, the tour."""

TOUR: Final = "notebooks/00_tour.ipynb"

_PACKAGE: Final = Path(__file__).parents[1]
_NO_NEWS: Final = {"@jupyterlab/apputils-extension:notification": {"fetchNews": "false"}}


def find_checkout() -> Path | None:
    """The project's folder if the package runs from a checkout of it, else None."""
    project = _PACKAGE.parent
    marks = (project / "pyproject.toml", project / TOUR)
    return project if all(mark.is_file() for mark in marks) else None


def first_notebook(root: Path) -> str:
    """The notebook to begin with, from `root`."""
    return CONTROL_ROOM if (root / CONTROL_ROOM).is_file() else TOUR


def copy_notebooks(folder: Path, shipped: Path = _PACKAGE / "_shipped") -> list[Path]:
    """Put the shipped notebooks below `folder`; those that are there are left as the user has them.

    Returns the copies made. Raises `UsageError` where the package came without notebooks.
    """
    if not (shipped / TOUR).is_file():
        raise UsageError("this installation", str(_PACKAGE), f"one with {TOUR}; install it again")
    copies = []
    for source in sorted((shipped / "notebooks").rglob("*")):
        target = folder / source.relative_to(shipped)
        if source.is_file() and not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            copies.append(Path(shutil.copyfile(source, target)))
    return copies


def arguments(root: Path, *, browser: bool, port: int | None, as_root: bool) -> list[str]:
    """The command line for JupyterLab; `/doc` is its view of one document, without side bars."""
    options = [
        f"--ServerApp.root_dir={root}",
        f"--LabApp.default_url=/doc/tree/{first_notebook(root)}",
        "--ServerApp.answer_yes=True",  # Ctrl-C ends it, without a question
    ]
    if port is not None:
        options += [f"--ServerApp.port={port}", "--ServerApp.port_retries=0"]
    if not browser:
        options.append("--no-browser")
    if as_root:
        options.append("--allow-root")
    return options


def check_port(port: int) -> None:
    """Raise `UsageError` if a process listens on this port of the loopback interface."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            free = f"a free port ({error.strerror}); without --port one is chosen"
            raise UsageError("--port", port, free) from None


def is_root() -> bool:
    """Whether this is the superuser, for whom Jupyter starts only if told to."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def launch(root: Path, *, browser: bool = True, port: int | None = None) -> None:
    """Run JupyterLab in this process until Ctrl-C; raises `MissingExtraError`, `UsageError`."""
    try:
        lab_app = import_module("jupyterlab.labapp").LabApp
    except ImportError:
        raise MissingExtraError("lab", "syncsim lab") from None
    if port is not None:
        check_port(port)
    with tempfile.TemporaryDirectory(prefix="syncsim-lab-") as settings:
        _override_settings(Path(settings))
        lab_app.launch_instance(argv=arguments(root, browser=browser, port=port, as_root=is_root()))


def _override_settings(folder: Path) -> None:
    """No pop-up that asks about news; the user's own settings still win over this default."""
    (folder / "labconfig").mkdir()
    overrides = folder / "labconfig" / "default_setting_overrides.json"
    overrides.write_text(json.dumps(_NO_NEWS), encoding="utf-8")
    paths = [str(folder), os.environ.get("JUPYTER_CONFIG_PATH", "")]
    os.environ["JUPYTER_CONFIG_PATH"] = os.pathsep.join(filter(None, paths))
