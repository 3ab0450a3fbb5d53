"""M1: a late invalidation lowers the floor that an earlier one had left."""

from __future__ import annotations

from syncsim.lab.solutions.correct.set_if_newer import SetIfNewer


class LoweredFloor(SetIfNewer):
    """Set if newer, with a tombstone that is not monotone: the last one counts, not the highest."""

    def lift_floor(self, template_id: str, revision: int, reader: str) -> None:
        """Leave a tombstone of this revision, whatever lies there."""
        self.env.cache(reader).set(template_id, {"floor": revision})


build = LoweredFloor
