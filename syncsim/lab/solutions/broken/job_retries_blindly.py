"""M5: the job looks at the cooldown once, and not again after a user has committed in between."""

from __future__ import annotations

from syncsim.contract import BACKGROUND, Outcome, Row
from syncsim.errors import VersionConflictError
from syncsim.lab.solutions.textbook import Textbook


class JobRetriesBlindly(Textbook):
    """The decision and the write are two, and a user fits in between."""

    def run_background_job(self, template_id: str) -> Outcome:
        """Decide, then write until it works."""
        reason = self.too_soon(self.head(template_id))
        if reason is None:
            return self.write_derived(template_id)
        self.say("job.skipped", template_id, BACKGROUND, reason=reason)
        return Outcome("skipped", None, reason=reason)

    def write_derived(self, template_id: str) -> Outcome:
        """Read and swap again, as often as it takes."""
        while True:
            head = self.head(template_id)
            try:
                row = self.swap_derived(head)
            except VersionConflictError:
                self.env.clock.sleep(0.1)
                continue
            self.say("job.committed", template_id, BACKGROUND, version=row.version)
            return Outcome("committed", row.version, 1)

    def swap_derived(self, head: Row) -> Row:
        """One write attempt."""
        wanted = self.maintained(head.document)
        return self.swap(head, wanted, BACKGROUND, self.env.new_id(), {"kind": "job"})


build = JobRetriesBlindly
