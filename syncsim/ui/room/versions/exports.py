"""The buttons that make a table into a file to take away; long ones are made behind the click."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from syncsim.errors import MissingExtraError
from syncsim.ui import panels
from syncsim.ui.room.versions.background_tasks import BackgroundTasks
from syncsim.ui.room.versions.tables import Rows, csv_text, download_link, json_text

try:
    import ipywidgets  # type: ignore[import-untyped]
except ImportError:
    raise MissingExtraError("viz", "the export buttons") from None

MAKING: Final = "Making the file..."


class Exports:
    """`buttons` by name, "Export CSV" and "Export JSON", and `link`, where the file appears.

    `rows` gives the table as it is when it is asked for; the file is called `name`.
    """

    def __init__(self, name: str, rows: Callable[[], Rows]) -> None:
        self._name = name
        self._rows = rows
        self._errands = BackgroundTasks(self._failed)
        self.link: Any = ipywidgets.HTML(layout={"width": "auto"})
        self.buttons: dict[str, Any] = {}
        for form in ("CSV", "JSON"):
            button = ipywidgets.Button(description=f"Export {form}", layout={"width": "auto"})
            button.on_click(partial(self._clicked, form))
            self.buttons[button.description] = button

    @property
    def widgets(self) -> list[Any]:
        """The buttons, and the link behind them."""
        return [*self.buttons.values(), self.link]

    def text(self, form: str) -> str:
        """The table as text, `CSV` or `JSON`."""
        return csv_text(self._rows()) if form == "CSV" else json_text(self._rows())

    def forget(self) -> None:
        """Take the link away: what it saves is not what is shown any more."""
        self.link.value = ""

    def wait(self, timeout_s: float) -> bool:
        """Block until the last file is made; False after `timeout_s` seconds."""
        return self._errands.wait(timeout_s)

    def _clicked(self, form: str, _: object) -> None:
        self.link.value = f'<span class="sync-past" role="status">{MAKING}</span>'
        self._errands.run(partial(self._make, form))

    def _make(self, form: str) -> None:
        link = download_link(f"{self._name}.{form.lower()}", self.text(form))
        self.link.value = f'<span class="sync-past">{link}</span>'

    def _failed(self, error: Exception) -> None:
        what = f"The file was not made: {type(error).__name__}"
        self.link.value = panels.alert(what, str(error), "Choose a single version, and try again.")
