"""nothing: each commit appends an event, and readers fold the events they have not seen.

The event lies in the revision's detail, committed with it. What a reader's cache holds is the fold
up to some version; the events after that one lead to the head.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from syncsim.contract import ABSENT, JSON, Document, Revision, Row, Snapshot
from syncsim.errors import CacheError
from syncsim.lab.solutions.textbook import Textbook, shown
from syncsim.merging import same


class EventSourced(Textbook):
    """The documents in the store are a convenience for writers; reads are made of events."""

    def get_template(self, template_id: str, *, user: str) -> Snapshot:
        """The fold of all events."""
        entry = self.cached(template_id, user)
        if entry is not None:
            self.say("cache.hit", template_id, user, version=entry["version"])
            return shown(template_id, entry)
        self.say("cache.miss", template_id, user)
        entry = folded(self.known(template_id, user), self.env.store.history(template_id))
        with suppress(CacheError):
            self.env.cache(user).set(template_id, entry)
            self.say("cache.filled", template_id, user, version=entry["version"])
        return shown(template_id, entry)

    def known(self, template_id: str, user: str) -> dict[str, JSON] | None:
        """The user's fold of an earlier moment."""
        with suppress(CacheError):
            entry: dict[str, JSON] | None = self.env.cache(user).get(template_id)
            return entry
        return None

    def swap(
        self, head: Row, document: Document, user: str, update_id: str, detail: dict[str, JSON]
    ) -> Row:
        """Append the event of the change, and the document with it."""
        before = head.document
        event = {
            "set": {k: v for k, v in document.items() if not same(v, before.get(k, ABSENT))},
            "removed": [key for key in before if key not in document],
        }
        return super().swap(head, document, user, update_id, {**detail, "event": event})

    def committed(self, row: Row, user: str) -> None:
        """A fold of the past is a good beginning: nothing is thrown away."""


def folded(known: dict[str, JSON] | None, history: Sequence[Revision]) -> dict[str, JSON]:
    """The newest state: the known one, or that of the first version, and all events since."""
    oldest_first = list(reversed(history))
    versions = [revision.version for revision in oldest_first]
    start = versions.index(known["version"]) if known and known["version"] in versions else 0
    first = oldest_first[start]
    document = dict(known["document"]) if known and start else first.document
    for revision in oldest_first[start + 1 :]:
        event = (revision.detail or {}).get("event")
        if event is None:  # not one of ours, so it is a state and no change
            document = revision.document
            continue
        document = {**document, **event["set"]}
        for key in event["removed"]:
            del document[key]
    last = oldest_first[-1]
    return {"version": last.version, "document": document, "at": last.at, "by": last.by}


build = EventSourced
