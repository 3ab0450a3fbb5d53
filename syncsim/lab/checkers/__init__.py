"""The checkers: a history in, findings out. Pure, linear or n log n; they take no claim on trust.

`writes` looks for lost data, `reads` for stale reads, `policy` at everything else. `errors` and
`logging_facts` judge what is said, where a scenario expects it; `linearizability` and `delays`
only inform. `entry` describes a checker, `history_index` is a history sorted for them. The same
checkers serve threads, processes and simulation.
"""

from __future__ import annotations

from syncsim.lab.checkers.entry import Checker, Proof
from syncsim.lab.checkers.judging import CHECKERS, check, check_index, inform, proof_of

__all__ = ["CHECKERS", "Checker", "Proof", "check", "check_index", "inform", "proof_of"]
