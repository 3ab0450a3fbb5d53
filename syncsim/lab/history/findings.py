"""What a judge may say: a finding, the code it costs, and which findings one defect silences.

Codes and points are those of the rubric (contract, section 5). Two more cost no points: `NOTE` for
a figure that misses its mark, `INCONCLUSIVE` for a run that proved nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from syncsim.contract import JSON

TITLES: Final[Mapping[str, str]] = {
    "D1": "Data loss",
    "D2": "Infinite loop",
    "D3": "Deadlock or crash",
    "M1": "Stale cache",
    "M2": "Memory leak",
    "M3": "No retry",
    "M4": "Poor errors",
    "M5": "Background job",
    "S1": "Slow",
    "S2": "Excessive retries",
    "S3": "UI freezing",
    "S4": "Incomplete logging",
}

NOTE: Final = "note"
INCONCLUSIVE: Final = "inconclusive"

_SILENCED_IN_OPERATION: Final = {"D2": ("S1", "S2", "M3"), "S2": ("S1",), "M3": ("S2",)}
"""Code to the codes it silences in the same operation; applied in this order."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that went wrong, with the operations that show it.

    `code` is a key of `TITLES`, `NOTE` or `INCONCLUSIVE`; `kind` names the check that spoke.
    `token` replays the run where the run can be replayed.
    """

    code: str
    kind: str
    message: str
    operations: tuple[str, ...] = ()
    token: str | None = None

    def to_json(self) -> dict[str, JSON]:
        """Plain JSON with the keys code, kind, message, operations, token."""
        return {
            "code": self.code,
            "kind": self.kind,
            "message": self.message,
            "operations": list(self.operations),
            "token": self.token,
        }

    @classmethod
    def from_json(cls, record: Mapping[str, JSON]) -> Finding:
        """The inverse of `to_json`."""
        return cls(**{**record, "operations": tuple(record["operations"])})


def apply_precedence(findings: Iterable[Finding]) -> list[Finding]:
    """One defect costs one code: without the findings that another one explains.

    D3 silences everything in its run; an endless operation is not also slow, a failure that was
    answered as success has no error to be poor, an update that was applied twice has no number of
    attempts to be understated, and a run in which something was found is not
    inconclusive. That a reused token silences M1 is seen to by the judge of reads, who leaves such
    a token alone.
    """
    found = list(findings)
    crashed = [finding for finding in found if finding.code == "D3"]
    if crashed:
        return crashed
    for code, others in _SILENCED_IN_OPERATION.items():
        found = _without(found, others, _operations(found, code))
    found = _without(found, ("M4",), _operations(found, "D1", "acknowledged-without-commit"))
    found = _without(found, ("S4",), _operations(found, "D1", "applied-twice"))
    return [finding for finding in found if finding.code != INCONCLUSIVE] or found


def _operations(found: list[Finding], code: str, kind: str | None = None) -> set[str]:
    return {
        operation
        for finding in found
        if finding.code == code and kind in (None, finding.kind)
        for operation in finding.operations
    }


def _without(found: list[Finding], codes: tuple[str, ...], operations: set[str]) -> list[Finding]:
    return [
        finding
        for finding in found
        if finding.code not in codes or not operations.intersection(finding.operations)
    ]
