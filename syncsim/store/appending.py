"""Compare-and-swap as one INSERT, for a writer that has committed the expected version itself.

A revision lies at a place that follows from its template and its number, and a place holds one
revision: it is the primary key. What was the head once, as revision n, is the head for as long as
place n + 1 is free. So to put the next revision there *is* the compare-and-swap, and no transaction
need be opened to look at the head first. That revision n is still there is asked in the statement:
a backup may have been restored into the file.
"""

from __future__ import annotations

import sqlite3

from syncsim.store.records import CasRequest, CommitRow
from syncsim.store.sqlite_errors import MAY_HAVE_COMMITTED, code, is_busy
from syncsim.store.sqlite_file import SQLiteFile
from syncsim.store.statements import SWAP
from syncsim.store.write_transaction import took_effect


def append(file: SQLiteFile, swap: CasRequest, wait_s: float) -> CommitRow | None:
    """The commit of this swap, in the file; None where it takes a transaction.

    It does where this process does not know the expected version as a tip of its own, where others
    are writing, and where the statement fails: then it is made again and judged there, which its
    update id makes harmless. So it does where there is no update id.

    Raises `OutcomeUnknownError` where it failed in a way that lets a crash bring it to life.
    """
    lock = file.lock
    if swap.update_id is None or lock.is_taken or not lock.acquire(0.0):
        return None
    record = _appended(file, swap, wait_s)
    lock.release()  # after a fault or an interrupt the store heals it, and drops the writer
    return record


def _appended(file: SQLiteFile, swap: CasRequest, wait_s: float) -> CommitRow | None:
    try:
        writer = file.writer(wait_s)
    except sqlite3.Error:
        return None
    tip = writer.tips.get(swap.template_id)
    if tip is None or tip.version != swap.expected_version:
        return None
    record = swap.following(tip)
    file.check_usable()
    try:
        values = (*record, record.template_id, record.revision, record.parent)
        if writer.execute(SWAP, values).rowcount == 0:
            return None  # the update id was used before
        writer.tips[swap.template_id] = tip = record.tip
        file.committed(swap.template_id, tip)
    except sqlite3.IntegrityError:
        return None  # the place is taken, or its parent gone: somebody has written
    except (sqlite3.Error, UnicodeEncodeError, OverflowError) as error:
        if is_busy(error):
            return None
        file.drop_writer()  # it may have committed, and would not know its tip any more
        if not isinstance(error, sqlite3.Error) or not _may_have_committed(error):
            return None
        return record if took_effect(error, file, swap.template_id, [swap.update_id]) else None
    return record


def _may_have_committed(error: sqlite3.Error) -> bool:
    return code(error) & 0xFF in MAY_HAVE_COMMITTED
