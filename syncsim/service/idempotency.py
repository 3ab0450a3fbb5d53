"""The answer to an update under a used id: how the first call ended, from its commit's record.

The record holds what cannot be worked out later: the intent, the conflicts, which attempt won. What
was merged follows from the documents of the base and of the commit's parent, both in the history.
"""

from __future__ import annotations

from syncsim.contract import JSON, Conflict, Outcome, Revision, Snapshot
from syncsim.errors import UpdateIdReusedError
from syncsim.merging import changed_paths
from syncsim.service.edits import FOREIGN_BASE, INTENT, HistoryReader, digest, stayed


def previous_outcome(
    found: Revision,
    template_id: str,
    intent: str | None,
    base: Snapshot | None,
    past: HistoryReader,
) -> Outcome:
    """The outcome of the update that committed `found`, for a call that repeats it.

    `intent` is the fingerprint of this call, None where the caller chose no id. Raises
    `UpdateIdReusedError` where the call wants something else: other changes, another version as
    base, or another document as the base of a version that the template never had.
    """
    detail: dict[str, JSON] = found.detail if isinstance(found.detail, dict) else {}
    if (
        found.template_id != template_id
        or detail.get(INTENT) != intent
        or not _same_base(detail.get(FOREIGN_BASE), base, template_id)
    ):
        raise UpdateIdReusedError(template_id, found.update_id or "", found.version)
    conflicts = tuple(map(Conflict.from_json, detail.get("conflicts", ())))
    return Outcome(
        "committed",
        found.version,
        detail.get("attempts", 1),
        _merged(found, detail.get("base"), base, past, conflicts),
        conflicts,
    )


def _same_base(recorded: str | None, base: Snapshot | None, template_id: str) -> bool:
    """Whether the base is the one the update was made against, where its version does not tell."""
    if recorded is None:
        return True
    return base is not None and digest(template_id, base.document) == recorded


def _merged(
    found: Revision,
    version: str | None,
    base: Snapshot | None,
    past: HistoryReader,
    conflicts: tuple[Conflict, ...],
) -> tuple[str, ...]:
    if version is None or found.parent is None or version == found.parent:
        return ()
    met = past.find(found.template_id, found.parent)
    stored = past.find(found.template_id, version)
    seen = stored if stored is not None else base
    if met is None or seen is None:
        return ()
    return stayed(changed_paths(seen.document, met.document), conflicts)
