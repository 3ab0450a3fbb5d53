"""What the store's tests share: a document with counters, and the writers that run as processes."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from typing import Any

from syncsim.contract import Document, Row, Write
from syncsim.runtime.environment import SystemClock
from syncsim.store.sqlite import SQLiteStore
from syncsim.template.samples import sample

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


def count_up(store: SQLiteStore, counter: str = "n", update_id: str | None = None) -> Row:
    """Commit one more in a counter, under the lock."""
    return store.update_locked(
        ID, lambda row: counted(row.document, counter), by="ann", update_id=update_id
    )


def check_history(store: SQLiteStore) -> None:
    """Revisions without a gap, each on its parent, the newest the head; and a sound file."""
    history = store.history(ID)
    assert [r.revision for r in history] == list(range(len(history), 0, -1))
    assert [r.parent for r in history] == [r.version for r in history[1:]] + [None]
    assert store.head(ID).version == store.read(ID).version == history[0].version
    with sqlite3.connect(store._file.path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()


IN_A_CHILD = """
import os, resource, signal, sys, threading
from tests.store_parts import *
from syncsim.errors import StoreUnavailableError, SyncError
url = sys.argv[1]
"""


def in_a_child(url: str, code: str) -> str:
    """Run code in a fresh process and give back what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", IN_A_CHILD + code, url],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


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


def commit_and_tell(url: str, answers: Connection) -> None:
    """Commit until something is said, and tell each revision once it is acknowledged."""
    store = opened(url)
    while not answers.poll():
        answers.send(count_up(store, "told").revision)
    store.close()
    answers.send(None)


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
        # With patience: on a busy computer a turn may not come within the two seconds of default.
        store.update_locked(ID, once_more, by=name, update_id=update_id, timeout_s=60)
        os.write(told.fileno(), f"!{update_id}\n".encode())


def hold_write_lock(url: str, told: Connection) -> None:
    """Stay inside a write transaction until told to go on."""
    store = opened(url)

    def wait(row: Row) -> None:
        told.send("held")
        told.recv()

    store.update_locked(ID, wait, by="ann")
    store.close()
