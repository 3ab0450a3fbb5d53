"""All probes in one place: scenarios that ask one thing each, and the questions made of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from syncsim.lab.probe_scenarios_errors import ERROR_PROBES, ERROR_QUESTIONS
from syncsim.lab.question import Question
from syncsim.lab.scenarios import Usual

PROBES: Final[Mapping[str, Usual]] = {**ERROR_PROBES}
QUESTIONS: Final[tuple[Question, ...]] = (*ERROR_QUESTIONS,)
