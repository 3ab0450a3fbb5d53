"""What the store's tests share: a document with counters, and the writers that run as processes."""

from __future__ import annotations

import os
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from typing import Any

from syncsim.contract import Document, Row, Write
from syncsim.environment import SystemClock
from syncsim.samples import sample
from syncsim.store.sqlite import SQLiteStore

ID = "card"


def processes() -> ForkServerContext:
    """Processes forked from a server that has imported this module and opened nothing: quick."""
    context = get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def document(name: str = "Contact card", **counts: int) -> Document:
    """A valid document; `counts` go to its metadata, where a number per writer is allowed."""
    card: dict[str, Any] = {**sample("contact_card"), "name": name}
    return {**card, "metadata": {**card["metadata"], **counts}}


def counted(document: Document, counter: str) -> Document:
    """The document with one more in a counter."""
    metadata = document["metadata"]
    return {**document, "metadata": {**metadata, counter: metadata.get(counter, 0) + 1}}


def count(document: Document, counter: str) -> int:
    """What a counter of the document says."""
    value: int = document["metadata"].get(counter, 0)
    return value


def opened(url: str) -> SQLiteStore:
    """A store on the wall clock."""
    return SQLiteStore(url, clock=SystemClock())


# -- targets of processes --------------------------------------------------------------------------


def commit_many(url: str, name: str, times: int, answers: Connection) -> None:
    """Count `times` up under the lock; answer with the errors met, as text."""
    store = opened(url)
    errors: list[str] = []
    for number in range(times):
        try:
            store.update_locked(
                ID, lambda row: counted(row.document, name), by=name, update_id=f"{name}-{number}"
            )
        except Exception as error:
            errors.append(repr(error))
    store.close()
    answers.send(errors)


def commit_and_tell(url: str, times: int, answers: Connection) -> None:
    """Commit `times`, and tell each revision once it is acknowledged; then say goodbye."""
    store = opened(url)
    for _ in range(times):
        row = store.update_locked(ID, lambda row: counted(row.document, "told"), by="ann")
        answers.send(row.revision)
    answers.send(None)
    store.close()


def commit_until_killed(url: str, name: str, unfinished: str | None, told: Connection) -> None:
    """Write without end: `?id` before each update, `!id` once it is acknowledged.

    Begins by repeating the update that its predecessor was killed in.
    """
    store = opened(url)
    number = 0

    def once_more(row: Row) -> Write:
        return Write(counted(row.document, "done"), {"kind": "update"})

    while True:
        update_id = unfinished or f"{name}-{number}"
        number, unfinished = number + 1, None
        os.write(told.fileno(), f"?{update_id}\n".encode())
        store.update_locked(ID, once_more, by=name, update_id=update_id)
        os.write(told.fileno(), f"!{update_id}\n".encode())


def hold_write_lock(url: str, told: Connection) -> None:
    """Stay inside a write transaction until told to go on."""
    store = opened(url)

    def wait(row: Row) -> None:
        told.send("held")
        told.recv()

    store.update_locked(ID, wait, by="ann")
    store.close()
