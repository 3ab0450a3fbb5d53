"""The scenarios as data: who does what in which order, and what must hold at the end.

`steps` are the words, `entry` is all that is said of one; `mission` has the scenarios that users
see, `probes_*` the small ones that an examination asks; `catalogue` finds one by its name. Nothing
runs here.
"""

from __future__ import annotations

from syncsim.lab.scenarios.catalogue import ENTRIES, expectations, scenario
from syncsim.lab.scenarios.mission import READS_PER_COMMIT, SCENARIOS, user_names
from syncsim.lab.scenarios.steps import (
    DEFAULT_TEMPLATE,
    UNKNOWN_TEMPLATE,
    Actor,
    Barrier,
    Expectations,
    InvalidCall,
    Job,
    Part,
    Read,
    Restart,
    Rival,
    Rollback,
    Scenario,
    Step,
    Update,
    UpdateWithVersion,
    Wait,
    parties,
)

__all__ = [
    "DEFAULT_TEMPLATE",
    "ENTRIES",
    "READS_PER_COMMIT",
    "SCENARIOS",
    "UNKNOWN_TEMPLATE",
    "Actor",
    "Barrier",
    "Expectations",
    "InvalidCall",
    "Job",
    "Part",
    "Read",
    "Restart",
    "Rival",
    "Rollback",
    "Scenario",
    "Step",
    "Update",
    "UpdateWithVersion",
    "Wait",
    "expectations",
    "parties",
    "scenario",
    "user_names",
]
