"""All probes in one place: scenarios that ask one thing each, and the questions made of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from syncsim.lab.probe_scenarios_conflicts import CONFLICT_PROBES, CONFLICT_QUESTIONS
from syncsim.lab.probe_scenarios_errors import ERROR_PROBES, ERROR_QUESTIONS
from syncsim.lab.probe_scenarios_versions import VERSIONS_PROBES, VERSIONS_QUESTIONS
from syncsim.lab.question import Question
from syncsim.lab.scenarios import Usual

PROBES: Final[Mapping[str, Usual]] = {**CONFLICT_PROBES, **VERSIONS_PROBES, **ERROR_PROBES}
PROBE_QUESTIONS: Final[tuple[Question, ...]] = (
    *CONFLICT_QUESTIONS,
    *VERSIONS_QUESTIONS,
    *ERROR_QUESTIONS,
)
