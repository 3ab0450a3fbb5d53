"""What is worth saying of a run but costs no points: a run with notes has still passed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

from syncsim.lab.checkers import inform
from syncsim.lab.history.findings import NOTE, Finding
from syncsim.lab.history.records import History
from syncsim.lab.scenarios import expectations


def notes(scenario: str, retry: str | None, history: History) -> tuple[Finding, ...]:
    """One note of each kind, with the number of others like it.

    `retry`: the policy that the solution was given, None for one that takes none.
    """
    found: dict[str, list[Finding]] = defaultdict(list)
    for note in (*_unjudged(scenario, retry), *inform(history)):
        found[note.kind].append(note)
    return tuple(_folded(alike) for alike in found.values())


def _unjudged(scenario: str, retry: str | None) -> Iterator[Finding]:
    if retry is None and any(part.ladder for part in expectations(scenario)):
        yield Finding(
            NOTE,
            "ladder-not-judged",
            "the delays of the ladder and the number of retries were not judged, as build(env) "
            "takes no retry=; judged was that every update ends, in a commit or a SyncError, after "
            "a fair number of attempts",
        )


def _folded(alike: list[Finding]) -> Finding:
    first, more = alike[0], len(alike) - 1
    return replace(first, message=f"{first.message} (and {more} more)") if more else first
