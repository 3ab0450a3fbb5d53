"""D2: two updates give way to each other for ever, as both wait equally long."""

from __future__ import annotations

from syncsim.contract import JSON, Document, Environment, Outcome
from syncsim.lab.solutions.textbook import Textbook


class AfterYou(Textbook):
    """Whoever sees that another one wants to write steps back, and so does the other one."""

    polite_s = 0.1

    def __init__(self, env: Environment) -> None:
        super().__init__(env)
        self.wanting: set[str] = set()

    def write(
        self,
        template_id: str,
        origin: Document,
        wanted: Document,
        user: str,
        detail: dict[str, JSON],
    ) -> Outcome:
        """Announce, look around, step back if somebody else has announced; else write."""
        while True:
            self.wanting.add(user)
            self.env.clock.sleep(self.polite_s)
            alone = self.wanting == {user}
            self.env.clock.sleep(self.polite_s)
            if alone:
                break
            self.wanting.discard(user)
            self.env.clock.sleep(self.polite_s)
        try:
            return super().write(template_id, origin, wanted, user, detail)
        finally:
            self.wanting.discard(user)


build = AfterYou
