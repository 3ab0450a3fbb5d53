"""M2: registers a listener at every read and never removes one."""

from __future__ import annotations

from collections.abc import Callable

from syncsim.contract import Environment, Row, Snapshot
from syncsim.lab.solutions.textbook import Textbook


class ListenerForEveryRead(Textbook):
    """Every reader wants to hear of the next commit; who has heard stays registered."""

    def __init__(self, env: Environment) -> None:
        super().__init__(env)
        self.listeners: list[Callable[[Row], object]] = []

    def get_template(self, template_id: str, *, user: str) -> Snapshot:
        """Read, and listen from now on."""

        def hear(row: Row) -> bool:
            return row.template_id == template_id and row.updated_by != user

        self.listeners.append(hear)
        return super().get_template(template_id, user=user)

    def committed(self, row: Row, user: str) -> None:
        """Tell everybody who ever read."""
        for hear in list(self.listeners):
            hear(row)
        super().committed(row, user)


build = ListenerForEveryRead
