"""The control room as tests see it: opened, pressed, read, and closed again."""

from __future__ import annotations

import html
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from syncsim.ui.room.control_room import ControlRoom
from syncsim.ui.room.opening import control_room

BUILD = "from syncsim.service.service import build as reference\n\n\n"


@pytest.fixture
def room() -> Iterator[ControlRoom]:
    opened = control_room(mode="simulation")
    yield opened
    opened.close()


def press(room: ControlRoom, *names: str) -> None:
    for name in names:
        room.buttons[name].click()
    assert room.wait()


def choose(room: ControlRoom, **values: Any) -> None:
    """Set selectors: `Retry_policy` for "Retry policy"."""
    for name, value in values.items():
        room.selectors[name.replace("_", " ")].value = value


def words(markup: str) -> str:
    """HTML as a person reads it."""
    text = re.sub(r"<style>.*?</style>", "", markup, flags=re.DOTALL)
    return html.unescape(re.sub(r"<[^>]*>", " ", text))


def verdicts(room: ControlRoom) -> str:
    return words(room.panels["Verdicts"].widget.value)


def our_threads() -> list[str]:
    return sorted(t.name for t in threading.enumerate() if t.name.startswith("syncsim-room"))


def solution(folder: Path, body: str) -> str:
    """A file with the reference, whose updates do `body` instead."""
    path = folder / "mine.py"
    path.write_text(
        f"{BUILD}class Mine:\n"
        "    def __init__(self, inner, env):\n"
        "        self.inner, self.env = inner, env\n\n"
        "    def __getattr__(self, name):\n"
        "        return getattr(self.inner, name)\n\n"
        "    def update_template(self, template_id, changes, *, user, base=None):\n"
        + "".join(f"        {line}\n" for line in body.splitlines())
        + "\n\ndef build(env):\n    return Mine(reference(env), env)\n",
        "utf-8",
    )
    return str(path)
