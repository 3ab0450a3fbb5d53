"""The list of probes of an examination: scenario, size, number of interleavings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from syncsim.lab.scenarios.catalogue import ENTRIES, PROBES
from syncsim.lab.scenarios.entry import CatalogueEntry
from syncsim.lab.simulation.simulated_run import Parameters


@dataclass(frozen=True)
class Question:
    """A scenario in a size; `share` and `strategy` as in `scenarios.entry.Asked`."""

    parameters: Parameters
    share: float = 1.0
    strategy: str = "portfolio"


def questions_of(entries: Mapping[str, CatalogueEntry]) -> Iterator[Question]:
    """A question for each entry that says how it is asked."""
    for name, entry in entries.items():
        if (asked := entry.asked) is not None:
            size = Parameters(name, asked.users, asked.updates, asked.work_ms)
            yield Question(size, asked.share, asked.strategy)


QUESTIONS: Final = tuple(questions_of({**PROBES, **ENTRIES}))
"""Everything, the probes first: what they show needs few runs."""
