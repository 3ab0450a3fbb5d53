"""nothing: one thread makes all writes, in the order in which they come out of a queue."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from syncsim.contract import JSON, Document, Environment, Row
from syncsim.lab.solutions.textbook import Textbook


class Order:
    """A write that somebody waits for."""

    def __init__(self, write: Callable[[], Row]) -> None:
        self.write = write
        self.done = threading.Event()
        self.row: Row | None = None
        self.error: Exception | None = None

    def carry_out(self) -> None:
        """Write, and keep what came of it for the one who waits."""
        try:
            self.row = self.write()
        except Exception as error:
            self.error = error
        self.done.set()

    def result(self) -> Row:
        """What came of it, once it has been carried out."""
        self.done.wait()
        if self.error is not None:
            raise self.error
        assert self.row is not None
        return self.row


class SingleWriter(Textbook):
    """Merging is left to the users' own threads; only the swaps queue up."""

    def __init__(self, env: Environment) -> None:
        super().__init__(env)
        self.orders: deque[Order] = deque()
        self.arrived = threading.Condition()
        self.writer: threading.Thread | None = None

    def swap(
        self, head: Row, document: Document, user: str, update_id: str, detail: dict[str, JSON]
    ) -> Row:
        """Order the write attempt and wait for it."""
        attempt = super().swap
        order = Order(lambda: attempt(head, document, user, update_id, detail))
        with self.arrived:
            if self.writer is None:
                self.writer = threading.Thread(target=self.work, name="writer", daemon=True)
                self.writer.start()
            self.orders.append(order)
            self.arrived.notify()
        return order.result()

    def work(self) -> None:
        """Carry out order after order."""
        while True:
            with self.arrived:
                while not self.orders:
                    self.arrived.wait()
                order = self.orders.popleft()
            order.carry_out()


build = SingleWriter
