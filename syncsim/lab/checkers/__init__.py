"""The judges: a history in, findings out. Pure, linear or n log n, and trusting nobody's word.

`writes` looks for lost data, `reads` for stale reads, `policy` at everything else. `errors` and
`logging_facts` judge what is said, where a scenario expects it; `linearizability` and `delays`
inform and accuse nobody. `entry` is what is said of a checker, `history_index` a history sorted for
them. The same judges serve threads, processes and simulation.
"""

from __future__ import annotations

from syncsim.lab.checkers.entry import Checker, Proof
from syncsim.lab.checkers.judging import CHECKERS, check, check_index, inform, proof_of

__all__ = ["CHECKERS", "Checker", "Proof", "check", "check_index", "inform", "proof_of"]
