"""History as a panel: the versions, what differs between any two, roll back, the audit trail."""

from __future__ import annotations

import threading
from collections.abc import Callable
from html import escape
from typing import Any, Final

from syncsim.contract import JSON, Outcome
from syncsim.errors import MissingExtraError
from syncsim.events.live_log import clock_time
from syncsim.merging import diff
from syncsim.ui import panels
from syncsim.ui.drawing import counted, person
from syncsim.ui.room.run_view import RunView, Version
from syncsim.ui.room.versions.audit import audit_rows, kind_of
from syncsim.ui.room.versions.background_tasks import BackgroundTasks, failure
from syncsim.ui.room.versions.diff_view import diff_rows, diff_view, tally
from syncsim.ui.room.versions.exports import Exports
from syncsim.ui.room.versions.history_view import audit_table, templates, versions_of
from syncsim.ui.room.versions.look import STYLE, toned
from syncsim.ui.room.versions.resolutions import chosen, holdings
from syncsim.ui.room.versions.store_past import NO_STORE
from syncsim.ui.room.versions.tables import html_table
from syncsim.ui.room.versions.version_line import version_line
from syncsim.ui.room.versions.word_marks import visible

try:
    import ipywidgets  # type: ignore[import-untyped]
except ImportError:
    raise MissingExtraError("viz", "the history panel") from None

MOST_CHOICES: Final = 500

_WRAPPING: Final = {"flex_flow": "row wrap", "align_items": "center"}

RollBack = Callable[[str, str], Outcome]
"""Commits the content of (template, version) as a new version, as `StorePast.rollback` does."""


class HistoryPanel:
    """`widget` is the panel; `show` brings it up to date, from any thread.

    `buttons` by name: "Roll back...", "Confirm rollback", "Cancel", "Export CSV", "Export JSON".
    `rollback` None: rolling back is disabled, and `why_not` says why. `changed` is called after a
    rollback, so that its owner can read the store anew.
    """

    def __init__(
        self,
        rollback: RollBack | None = None,
        *,
        why_not: str = NO_STORE,
        changed: Callable[[], None] | None = None,
    ) -> None:
        self._rollback = rollback
        self._why_not = why_not
        self._changed = changed
        self._lock = threading.RLock()
        self._errands = BackgroundTasks(self._failed)
        self._record = RunView()
        self._selected: str | None = None
        self._asked: tuple[str, str] | None = None
        self._is_listing = False
        self._has_found = False
        self._make_widgets()
        self._draw()

    # -- as values ---------------------------------------------------------------------------------

    @property
    def html(self) -> str:
        """What the panel shows and says, in its order."""
        shown = (self._line, self._diff, self._message, self._audit)
        return "".join(str(part.value) for part in shown)

    def rows(self) -> list[dict[str, JSON]]:
        """The audit trail of the template that is shown, with all its columns."""
        return audit_rows(self._record, self.template.value or None)

    def diff_rows(self) -> list[dict[str, JSON]]:
        """What differs between the two chosen versions; see `diff_view.diff_rows`."""
        a, b = self._version(self.a.value), self._version(self.b.value)
        return [] if a is None or b is None else diff_rows(a.document, b.document)

    def export(self, form: str) -> str:
        """The audit trail as text, `CSV` or `JSON`."""
        return self.exports.text(form)

    def wait(self, timeout_s: float = 10.0) -> bool:
        """Block until the last click is carried out; False after `timeout_s`."""
        return self._errands.wait(timeout_s) and self.exports.wait(timeout_s)

    def allow(self, rollback: RollBack | None, *, why_not: str = NO_STORE) -> None:
        """Use another store from now on, or none: the run that is shown is another one."""
        with self._lock:
            self._rollback, self._why_not = rollback, why_not
            self._cancel()

    def show(self, record: RunView, selected: str | None = None) -> None:
        """Show this record; what is newly selected becomes the version compared with its parent.

        A comparison that was chosen by hand stays while its versions are there; one that showed the
        newest version goes on showing the newest.
        """
        with self._lock:
            is_new = holdings(record) != holdings(self._record)
            has_more = len(record.events) != len(self._record.events)
            self._record = record
            is_picked = bool(selected) and (selected != self._selected or not self._has_found)
            self._selected = selected or None
            if is_new:
                self._list()
            if is_picked:
                self._pick(record, selected)
            if is_new or is_picked:
                self._draw()
                if self._asked is not None:
                    self._ask()
            elif has_more:
                self._draw_audit()

    # -- drawing -----------------------------------------------------------------------------------

    def _make_widgets(self) -> None:
        def dropdown(name: str) -> Any:
            made = ipywidgets.Dropdown(
                options=(), description=name, layout={"width": "auto", "max_width": "100%"}
            )
            made.observe(self._chose, names="value")
            return made

        self.template, self.a, self.b = map(dropdown, ("Template", "From", "To"))
        self.target = dropdown("Back to")
        self.as_table = ipywidgets.Checkbox(
            description="as a table", indent=False, layout={"width": "auto"}
        )
        self.as_table.observe(self._chose, names="value")
        self.buttons: dict[str, Any] = {}
        clicks = {
            "Roll back...": self._ask,
            "Confirm rollback": self._confirmed,
            "Cancel": self._cancel,
        }
        for name, click in clicks.items():
            button = ipywidgets.Button(description=name, layout={"width": "auto"})
            button.on_click(lambda _, click=click: click())
            self.buttons[name] = button
        self.buttons["Confirm rollback"].button_style = "warning"
        self._line, self._diff, self._message, self._audit = (
            ipywidgets.HTML(layout={"width": "auto"}) for _ in range(4)
        )
        asking = list(self.buttons.values())
        self.exports = Exports("audit", self.rows)
        self.buttons |= self.exports.buttons
        self.widget = ipywidgets.VBox(
            [
                ipywidgets.HTML(STYLE + panels.STYLE),
                self.template,
                self._line,
                ipywidgets.Box([self.a, self.b, self.as_table], layout=_WRAPPING),
                self._diff,
                ipywidgets.Box([self.target, *asking], layout=_WRAPPING),
                self._message,
                ipywidgets.Box([*self.exports.widgets], layout=_WRAPPING),
                self._audit,
            ]
        )

    def _list(self) -> None:
        """Offer the templates and versions there are; the newest one stays the newest."""
        was = self.template.value
        names = templates(self._record)
        chosen_one = was if was in names else (names[-1] if names else None)
        self._quietly(self.template, [(visible(name), name) for name in names], chosen_one)
        versions = self._versions()
        offered = [(_called(one), one.version) for one in versions[::-1][:MOST_CHOICES]]
        tokens = [token for _, token in offered]
        followed = self.b.value is None or [t for _, t in self.b.options][:1] == [self.b.value]
        newest = tokens[0] if tokens else None
        b = newest if followed or self.b.value not in tokens else self.b.value
        parent = self._parent(b)
        a = parent if followed or self.a.value not in tokens else self.a.value
        kept = self.target.value if self.target.value in tokens else parent
        for dropdown, value in ((self.a, a), (self.b, b), (self.target, kept)):
            self._quietly(dropdown, offered, value if value in tokens else newest)

    def _pick(self, record: RunView, selected: str | None) -> None:
        found = chosen(record, selected)[-1:]
        self._has_found = bool(found)
        for one in found:
            version = one.version
            if version.template_id != self.template.value:
                self._quietly(self.template, self.template.options, version.template_id)
                self._list()
            tokens = [token for _, token in self.b.options]
            for dropdown, token in ((self.b, version.version), (self.a, version.parent)):
                if token in tokens:
                    self._quietly(dropdown, dropdown.options, token)

    def _quietly(self, dropdown: Any, options: Any, value: Any) -> None:
        self._is_listing = True
        try:
            if tuple(dropdown.options) != tuple(options):
                dropdown.options = options
            dropdown.value = value
        finally:
            self._is_listing = False

    def _draw(self) -> None:
        versions = self._versions()
        marked = [token for token in (self.a.value, self.b.value) if token]
        self._line.value = f'<div class="sync-past">{version_line(versions, marked)}</div>'
        a, b = self._version(self.a.value), self._version(self.b.value)
        if a is None or b is None:
            self._diff.value = ""
        elif self.as_table.value:
            told = html_table(self.diff_rows(), f"{a.version} → {b.version}", empty="No change")
            self._diff.value = f'<div class="sync-past">{told}</div>'
        else:
            self._diff.value = diff_view(a.document, b.document, _named(a), _named(b))
        self._draw_audit()
        self._draw_buttons()

    def _draw_audit(self) -> None:
        table = audit_table(self._record, self.template.value or None)
        self._audit.value = f'<div class="sync-past">{table}</div>'

    def _draw_ask(self) -> None:
        ask = self.buttons["Roll back..."]
        ask.disabled = self._rollback is None or len(self._versions()) < 2
        ask.tooltip = self._why_not if self._rollback is None else "Asks before anything is written"

    def _draw_buttons(self) -> None:
        self._draw_ask()
        for name in ("Confirm rollback", "Cancel"):
            self.buttons[name].layout.display = "none" if self._asked is None else ""
        if self._rollback is None:
            self._message.value = (
                f'<div class="sync-past">{toned("idle", "○", escape(self._why_not))}</div>'
            )

    def _versions(self) -> list[Version]:
        return versions_of(self._record, self.template.value or "")

    def _version(self, token: str | None) -> Version | None:
        return next((one for one in self._versions() if one.version == token), None)

    def _parent(self, token: str | None) -> str | None:
        one = self._version(token)
        return None if one is None else one.parent or one.version

    # -- clicks ------------------------------------------------------------------------------------

    def _chose(self, change: Any) -> None:
        if self._is_listing:
            return
        with self._lock:
            if change["owner"] is self.template:
                self.exports.forget()
                self._quietly(self.b, (), None)
                self._list()
            if change["owner"] in (self.template, self.target):
                self._cancel()
            self._draw()

    def _ask(self) -> None:
        """Say what a rollback will do, and wait for a second click."""
        with self._lock:
            target, versions = self._version(self.target.value), self._versions()
            if self._rollback is None or target is None:
                return
            self._asked = (target.template_id, target.version)
            self._message.value = (
                f'<div class="sync-past" role="alert">{_told(target, versions)}</div>'
            )
            self._draw_buttons()

    def _cancel(self) -> None:
        self._asked = None
        self._message.value = ""
        self._draw_buttons()

    def _confirmed(self) -> None:
        with self._lock:
            asked, self._asked = self._asked, None
            if asked is None or self._rollback is None:
                return
            roll_back = self._rollback
            self._message.value = '<div class="sync-past" role="status">Rolling back...</div>'
            self._draw_buttons()
            self.buttons["Roll back..."].disabled = True
        self._errands.run(lambda: self._carry_out(roll_back, *asked), self._changed)

    def _carry_out(self, roll_back: RollBack, template_id: str, version: str) -> None:
        try:
            outcome = roll_back(template_id, version)
            told = f"Version {outcome.version} has the content of {version}; nothing was deleted"
            if outcome.status == "unchanged":
                told = f"Nothing to do: version {outcome.version} has the content of {version}"
            elif outcome.merged:
                told += f"; {counted(len(outcome.merged), 'change')} made meanwhile stayed"
            done = toned("committed", "✓", escape(visible(told)))
            self._message.value = f'<div class="sync-past" role="status">{done}</div>'
        finally:
            with self._lock:
                self._draw_ask()

    def _failed(self, error: Exception) -> None:
        told = "Not rolled back", "Whether it was rolled back is not known"
        self._message.value = failure(*told, error)


def _told(target: Version, versions: list[Version]) -> str:
    """What confirming will do, as HTML."""
    head = versions[-1]
    between = len(versions) - 1 - versions.index(target)
    changes = diff(head.document, target.document)
    if not changes:
        return toned(
            "idle", "○", f"Version {escape(visible(head.version))} has this content already"
        )
    later = f"; the {counted(between, 'later version')} stay in the history" if between else ""
    will = (
        f"A new version with the content of {_named(target)} will be committed after "
        f"{_named(head)}. Nothing is deleted{later}."
    )
    return (
        f"<p>{toned('retry', '↶', 'Roll back?')} {escape(visible(will))}</p><p>{tally(changes)}</p>"
    )


def _named(one: Version) -> str:
    return f"{one.version} ({kind_of(one)} by {person(one.by)}, {clock_time(one.at)})"


def _called(one: Version) -> str:
    return visible(_named(one))
