"""What is asked of solutions beyond the listed scenarios: small probes, and their questions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from syncsim.lab.probe_scenarios_versions import VERSIONS_PROBES, VERSIONS_QUESTIONS
from syncsim.lab.question import Question
from syncsim.lab.scenarios import Usual

PROBES: Final[Mapping[str, Usual]] = {**VERSIONS_PROBES}

PROBE_QUESTIONS: Final[tuple[Question, ...]] = (*VERSIONS_QUESTIONS,)
