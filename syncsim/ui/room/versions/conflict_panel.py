"""The conflict view as a panel: choose an update, see it resolved, restore what was not kept."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from html import escape
from typing import Any, Final

from syncsim.contract import JSON, Outcome
from syncsim.errors import MissingExtraError
from syncsim.ui import panels
from syncsim.ui.drawing import person
from syncsim.ui.room.run_view import RunView, Version
from syncsim.ui.room.versions.background_tasks import BackgroundTasks, failure
from syncsim.ui.room.versions.conflict_view import MOST_CARDS, conflict_rows, conflict_view
from syncsim.ui.room.versions.exports import Exports
from syncsim.ui.room.versions.look import STYLE, toned
from syncsim.ui.room.versions.resolutions import Resolution, chosen, holdings, resolutions
from syncsim.ui.room.versions.restoring import Lost, is_restored, lost_values
from syncsim.ui.room.versions.store_past import NO_STORE
from syncsim.ui.room.versions.tables import MOST_ROWS, html_table
from syncsim.ui.room.versions.value_cells import value_cell
from syncsim.ui.room.versions.word_marks import visible

try:
    import ipywidgets  # type: ignore[import-untyped]
except ImportError:
    raise MissingExtraError("viz", "the conflict panel") from None

ALL: Final = ""
MOST_CHOICES: Final = 200
MOST_BUTTONS: Final = 20

Restore = Callable[[Lost], Outcome]
"""Commits a lost value again as a new version, as `StorePast.restore` does."""


class ConflictPanel:
    """`widget` is the panel; `show` brings it up to date, from any thread.

    `restore` commits a lost value as a new update, as `StorePast.restore` does; None where that
    cannot be: then the buttons are disabled and `why_not` says why. `changed` is called after a
    restore, so that its owner can read the store anew.
    """

    def __init__(
        self,
        restore: Restore | None = None,
        *,
        why_not: str = NO_STORE,
        changed: Callable[[], None] | None = None,
    ) -> None:
        self._restore = restore
        self._why_not = why_not
        self._changed = changed
        self._lock = threading.RLock()
        self._errands = BackgroundTasks(self._failed)
        self._record = RunView()
        self._selected: str | None = None
        self._is_listing = False
        self._has_found = False
        self._lost: tuple[Lost, ...] = ()
        self.buttons: tuple[Any, ...] = ()
        """The Restore buttons, in the order of `lost`."""
        self._choice = ipywidgets.Dropdown(
            options=[("All that met others", ALL)],
            description="Update",
            layout={"width": "auto", "max_width": "100%"},
        )
        self._as_table = ipywidgets.Checkbox(
            description="as a table", indent=False, layout={"width": "auto"}
        )
        self.exports = Exports("conflicts", self.rows)
        self._view, self._message = (ipywidgets.HTML(layout={"width": "auto"}) for _ in range(2))
        self._restores = ipywidgets.VBox()
        self.widget = ipywidgets.VBox(
            [
                ipywidgets.HTML(STYLE + panels.STYLE),
                ipywidgets.Box(
                    [
                        self._choice,
                        self._as_table,
                        *self.exports.widgets,
                    ],
                    layout={"flex_flow": "row wrap", "align_items": "center"},
                ),
                self._message,
                self._view,
                self._restores,
            ]
        )
        self._choice.observe(self._chose, names="value")
        self._as_table.observe(self._chose, names="value")
        self._draw()

    @property
    def lost(self) -> tuple[Lost, ...]:
        """The values that can be restored, of what is shown."""
        return self._lost

    @property
    def html(self) -> str:
        """What the panel shows, and what it says."""
        return str(self._message.value) + str(self._view.value)

    def allow(self, restore: Restore | None, *, why_not: str = NO_STORE) -> None:
        """Use another store from now on, or none: the run that is shown is another one."""
        with self._lock:
            self._restore, self._why_not = restore, why_not
            self._draw()

    def show(self, record: RunView, selected: str | None = None) -> None:
        """Show how the selected update was resolved; None or "" leaves the choice as it is."""
        with self._lock:
            is_new = holdings(record) != holdings(self._record)
            was = self._choice.value
            self._record = record
            self._is_listing = True
            try:
                if is_new:
                    self._list()
                if selected and (selected != self._selected or not self._has_found):
                    self._choose(chosen(record, selected))
            finally:
                self._is_listing = False
            self._selected = selected or None
            if is_new or was != self._choice.value:
                self._draw()

    def rows(self) -> list[dict[str, JSON]]:
        """What is shown as a table; see `conflict_rows`."""
        return conflict_rows(*self._shown)

    def export(self, form: str) -> str:
        """The table as text, `CSV` or `JSON`."""
        return self.exports.text(form)

    def wait(self, timeout_s: float = 10.0) -> bool:
        """Block until the last click is carried out; False after `timeout_s`."""
        return self._errands.wait(timeout_s) and self.exports.wait(timeout_s)

    # -- drawing -----------------------------------------------------------------------------------

    @property
    def _shown(self) -> tuple[RunView, str | None]:
        """What to show: all, or one version of one template, as templates may share a token."""
        if self._choice.value == ALL:
            return self._record, None
        template_id, version = self._choice.value
        of_it = [one for one in self._record.versions if one.template_id == template_id]
        return replace(self._record, versions=of_it), version

    def _choose(self, found: Sequence[Resolution]) -> None:
        """Choose what is selected elsewhere, even if it met no others and was not offered yet."""
        self._has_found = bool(found)
        if not found:
            self._choice.value = ALL
            return
        key = _key(found[-1].version)
        if key not in [offered for _, offered in self._choice.options]:
            self._choice.options = [*self._choice.options, (_called(found[-1]), key)]
        self._choice.value = key

    def _list(self) -> None:
        """Offer every version that met others, the newest first, and the one chosen."""
        was = self._choice.value
        found = resolutions(self._record)[::-1]
        offered = [one for one in found if one.has_met or _key(one.version) == was]
        options = [(_called(one), _key(one.version)) for one in offered[:MOST_CHOICES]]
        self._choice.options = [("All that met others", ALL), *options]
        self._choice.value = was if was in [key for _, key in self._choice.options] else ALL

    def _draw(self) -> None:
        with self._lock:
            if self._as_table.value:
                rows = conflict_rows(*self._shown, most=MOST_ROWS)
                caption = "Conflicts and merges" + (
                    ", the newest" if len(rows) == MOST_ROWS else ""
                )
                table = html_table(rows, caption, empty="Nobody has met anybody")
                self._view.value = f'<div class="sync-past">{table}</div>'
            else:
                self._view.value = conflict_view(*self._shown)
            self._offer()

    def _offer(self) -> None:
        """A button for each value that was not kept, of the updates that are shown in full."""
        of = chosen(*self._shown)
        found = [lost for one in of[::-1][:MOST_CARDS] for lost in lost_values(one)]
        self._lost = tuple(found[:MOST_BUTTONS])
        old, self.buttons = self._restores.children, tuple(map(self._button, self._lost))
        rows = [
            ipywidgets.Box(
                [button, ipywidgets.HTML(_lost_line(lost))],
                layout={"flex_flow": "row wrap", "align_items": "center"},
            )
            for button, lost in zip(self.buttons, self._lost, strict=True)
        ]
        why = self._why_not if self._restore is None else ""
        if rows and (len(found) > len(self._lost) or len(of) > MOST_CARDS):
            why += " To see more lost values, choose their update."
        if rows and why:
            rows.append(ipywidgets.HTML(f'<div class="sync-past">{escape(why)}</div>'))
        self._restores.children = tuple(rows)
        for widget in old:
            for child in (*getattr(widget, "children", ()), widget):
                child.close()

    def _button(self, lost: Lost) -> Any:
        head = _head(self._record.versions, lost.template_id)
        is_there = head is not None and is_restored(head.document, lost)
        button = ipywidgets.Button(
            description="Restored" if is_there else "Restore",
            disabled=is_there or self._restore is None,
            tooltip=self._why_not
            if self._restore is None
            else f"Commit this value of {lost.path} again, as a new version",
            layout={"width": "auto"},
        )
        button.on_click(lambda pressed: self._clicked(pressed, lost))
        return button

    # -- clicks ------------------------------------------------------------------------------------

    def _chose(self, _: object) -> None:
        if self._is_listing:
            return
        self.exports.forget()
        self._draw()

    def _clicked(self, button: Any, lost: Lost) -> None:
        restore = self._restore
        if restore is None:
            return
        button.disabled, button.description = True, "Restoring..."
        self._errands.run(lambda: self._carry_out(restore, button, lost), self._changed)

    def _carry_out(self, restore: Restore, button: Any, lost: Lost) -> None:
        button_text = "Restore"
        try:
            outcome = restore(lost)
            button_text = "Restored"
            did = "is back in" if outcome.status == "committed" else "was there already in"
            told = f"{lost.label} {did} version {outcome.version}"
            self._message.value = (
                f'<div class="sync-past" role="status">'
                f"{toned('committed', '✓', escape(visible(told)))}</div>"
            )
        finally:
            button.description, button.disabled = button_text, button_text == "Restored"

    def _failed(self, error: Exception) -> None:
        told = "The value was not restored", "Whether the value was restored is not known"
        self._message.value = failure(*told, error)


def _key(version: Version) -> tuple[str, str]:
    return version.template_id, version.version


def _called(one: Resolution) -> str:
    lost = len(one.conflicts)
    told = f"{lost} overridden" if lost else "merged" if one.has_met else "met nobody"
    return visible(f"{one.version.version} by {person(one.version.by)}: {told}")


def _lost_line(lost: Lost) -> str:
    by = f" of {escape(visible(person(lost.by)))}" if lost.by else ""
    name = escape(visible(lost.label))
    return f'<div class="sync-past">{name}: {value_cell(lost.value)}{by}</div>'


def _head(versions: Sequence[Version], template_id: str) -> Version | None:
    return next((one for one in reversed(versions) if one.template_id == template_id), None)
