"""nothing: a cache in memory of the 4,096 entries used last, checked against the head."""

from __future__ import annotations

import threading
from collections import OrderedDict

import orjson

from syncsim.contract import JSON, Environment, Row
from syncsim.lab.solutions.textbook import Textbook, as_entry

ENTRIES = 4_096


class BoundedLru(Textbook):
    """Keeps bytes, so that nobody changes an entry by changing what they were given."""

    def __init__(self, env: Environment) -> None:
        super().__init__(env)
        self.lock = threading.Lock()
        self.entries: OrderedDict[tuple[str, str], bytes] = OrderedDict()

    def cached(self, template_id: str, user: str) -> dict[str, JSON] | None:
        """The user's entry if it is the head's."""
        version = self.env.store.head(template_id).version
        with self.lock:
            body = self.entries.get((user, template_id))
            if body is None:
                return None
            self.entries.move_to_end((user, template_id))
        entry: dict[str, JSON] = orjson.loads(body)
        return entry if entry["version"] == version else None

    def fill(self, row: Row, user: str) -> None:
        """Keep the row; forget the entry that nobody has used for longest."""
        with self.lock:
            self.entries[user, row.template_id] = orjson.dumps(as_entry(row))
            self.entries.move_to_end((user, row.template_id))
            if len(self.entries) > ENTRIES:
                self.entries.popitem(last=False)
        self.say("cache.filled", row.template_id, user, version=row.version)

    def committed(self, row: Row, user: str) -> None:
        """Drop the writer's entry; the others' are found out when read."""
        with self.lock:
            self.entries.pop((user, row.template_id), None)
        self.say("cache.invalidated", row.template_id, user, version=row.version)


build = BoundedLru
