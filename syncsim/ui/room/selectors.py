"""What is chosen beside the buttons: template, solution, policy, users, mode, seed, store."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import ipywidgets  # type: ignore[import-untyped]

from syncsim.errors import UsageError
from syncsim.lab.scenarios import DEFAULT_TEMPLATE
from syncsim.lab.solutions import broken
from syncsim.service.retry import POLICIES
from syncsim.template.samples import sample_names
from syncsim.ui.run_buttons import RunRequest

FILE: Final = "a file"
LIVE: Final = "live threads"
SIMULATION: Final = "simulation"
USUAL: Final = "as usual"
OWN: Final = "its own"
USERS: Final = (2, 50)

_QUEUES: Final = ("1", "2", "3", "never")


def broken_solutions() -> dict[str, str]:
    """The solutions of `lab.broken`, each with a mistake: its title to its path."""
    folder = Path(broken.__file__).parent
    return {
        f"{path.stem.replace('_', ' ')} (loses {_loses(path)})": str(path)
        for path in sorted(folder.glob("*.py"))
        if path.stem != "__init__"
    }


def _loses(path: Path) -> str:
    """The codes that a broken solution must lose, which its first line names."""
    told = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    return told.partition(":")[0]


class Selectors:
    """`by_name` has the selectors, `widget` shows them, `order` is what a click now asks for.

    `users` None is as many as the scenario usually has; `seed` holds for each click.
    """

    def __init__(
        self,
        *,
        template: str = DEFAULT_TEMPLATE,
        solution: str | None = None,
        retry: str | None = None,
        users: int | None = None,
        mode: str = LIVE,
        seed: int = 7,
        store: str = "",
    ) -> None:
        self._broken = broken_solutions()
        titles = {path: title for title, path in self._broken.items()}
        chosen = titles.get(solution or "", FILE) if solution else "reference"
        file = solution if solution is not None and chosen == FILE else ""
        policies = [
            (f"{name}, queue: {_when(queue)}", f"{name}/queue={queue}")
            for name in POLICIES
            for queue in _QUEUES
        ]
        self.by_name: dict[str, Any] = {
            "Template": _dropdown(sample_names(), template, "template"),
            "Solution": _dropdown(["reference", *self._broken, FILE], chosen, "solution"),
            "File": ipywidgets.Text(
                value=file, placeholder="FILE.py or FILE.py:NAME", disabled=chosen != FILE
            ),
            "Retry policy": _dropdown([(OWN, ""), *policies], retry or "", "retry"),
            "Users": _dropdown(
                [(USUAL, ""), *((str(n), n) for n in range(USERS[0], USERS[1] + 1))],
                "" if users is None else users,
                "users",
            ),
            "Mode": _dropdown([LIVE, SIMULATION], mode, "mode"),
            "Seed": ipywidgets.IntText(value=seed),
            "Store URL": ipywidgets.Text(
                value=store, placeholder="empty: a file of the run's own", continuous_update=True
            ),
        }
        for name, selector in self.by_name.items():
            selector.description = name
            selector.tooltip = _TOOLTIPS[name]
            selector.layout.width = "auto"
            selector.layout.margin = "1px 4px"
            selector.style.description_width = "auto"
        self.by_name["Solution"].observe(self._chose_solution, names="value")
        self.widget = ipywidgets.GridBox(
            list(self.by_name.values()),
            layout={
                "grid_template_columns": "repeat(auto-fill, minmax(250px, 1fr))",
                "width": "100%",
            },
        )

    @property
    def mode(self) -> str:
        """`LIVE` or `SIMULATION`."""
        return str(self.by_name["Mode"].value)

    def order(self, button: str) -> RunRequest:
        """What this button would play now; `UsageError` for a setting that says nothing."""
        store = self.by_name["Store URL"].value.strip()
        return RunRequest(
            button,
            template=self.by_name["Template"].value,
            seed=self.by_name["Seed"].value,
            solution=self._solution(),
            retry=self.by_name["Retry policy"].value or None,
            users=self.by_name["Users"].value or None,
            on="simulation" if self.mode == SIMULATION else "threads",
            store=store or None,
        )

    def _solution(self) -> str | None:
        chosen = self.by_name["Solution"].value
        if chosen != FILE:
            return self._broken.get(chosen)
        path = str(self.by_name["File"].value).strip()
        if not path:
            raise UsageError("File", path, "the path of a solution, FILE.py or FILE.py:NAME")
        return path

    def _chose_solution(self, change: Mapping[str, Any]) -> None:
        self.by_name["File"].disabled = change["new"] != FILE


def _dropdown(options: Any, value: Any, argument: str) -> Any:
    """A dropdown; `UsageError` for a value that is none of its options."""
    values = [option[1] if isinstance(option, tuple) else option for option in options]
    if value not in values:
        known = ", ".join(str(one) for one in values if one != "")
        raise UsageError(argument, value, f"one of {known}")
    return ipywidgets.Dropdown(options=list(options), value=value)


def _when(queue: str) -> str:
    return "never" if queue == "never" else f"from retry {queue}"


_TOOLTIPS: Final = {
    "Template": "Which template is edited",
    "Solution": "Which solution plays; the broken ones say what they must lose",
    "File": "The file of a solution of your own, if that is chosen",
    "Retry policy": "How long to wait before a retry, and from which on to queue",
    "Users": "How many users take part",
    "Mode": "Threads in real time, or one interleaving in virtual time that the seed decides",
    "Seed": "What users type, and in a simulation who goes when",
    "Store URL": "sqlite:///templates.db plays on a store of yours and leaves it there",
}
