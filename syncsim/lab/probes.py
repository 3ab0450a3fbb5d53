"""Scenarios that are no picture of use: each is made to show one mistake. By name, as the six."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from syncsim.lab.probe_scenarios_errors import ERROR_PROBES
from syncsim.lab.scenarios import Usual

PROBES: Final[Mapping[str, Usual]] = {**ERROR_PROBES}
