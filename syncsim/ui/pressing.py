"""Buttons that only start work: they say "Running..." at once and come back when all is done."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final

from syncsim.errors import MissingExtraError

try:
    import ipywidgets  # type: ignore[import-untyped]
except ImportError:
    raise MissingExtraError("viz", "a panel of buttons") from None

RUNNING: Final = "Running..."


class Buttons:
    """A button per name; `pressed(name)` starts the work and returns.

    The code that has done the work calls `free`. `by_name` has the buttons, for a click from a
    cell: that takes the same way, also while the button waits.
    """

    def __init__(self, tooltips: Mapping[str, str], pressed: Callable[[str], object]) -> None:
        self.by_name: dict[str, Any] = {}
        self._pressed = pressed
        self._idle = threading.Condition()
        self._pending = 0
        for name, tooltip in tooltips.items():
            button = ipywidgets.Button(description=name, tooltip=tooltip, layout={"width": "auto"})
            button.on_click(partial(self._clicked, name))
            self.by_name[name] = button

    def expect(self) -> None:
        """Count one more piece of work under way, which no button shows."""
        with self._idle:
            self._pending += 1

    def free(self, done: int) -> None:
        """Count `done` pieces of work as done; after the last one the buttons work again."""
        with self._idle:
            self._pending -= done
            if not self._pending:
                for name, button in self.by_name.items():
                    button.description = name
                    button.disabled = False
                self._idle.notify_all()

    def wait(self, timeout_s: float) -> bool:
        """Block until everything clicked is done; False after `timeout_s` seconds."""
        with self._idle:
            return self._idle.wait_for(lambda: self._pending == 0, timeout_s)

    def give_up(self) -> None:
        """Drop the pending work, which will not be done any more, and release its waiters."""
        with self._idle:
            self._pending = 0
            self._idle.notify_all()

    def _clicked(self, name: str, _: object) -> None:
        with self._idle:
            self._pending += 1
            self.by_name[name].description = RUNNING
            for button in self.by_name.values():
                button.disabled = True
        try:
            self._pressed(name)
        except BaseException:
            self.free(1)
            raise


def below(widget: Any) -> Iterator[Any]:
    """All widgets inside this one, each after those inside it: the order to close them in."""
    for child in getattr(widget, "children", ()):
        yield from below(child)
        yield child
