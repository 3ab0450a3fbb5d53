"""Show one history to every checker and collect the findings, one code per defect.

`CHECKERS` accuse; `linearizability` and `delays` only inform. The same checkers serve threads,
processes and simulation.
"""

from __future__ import annotations

from typing import Final

from syncsim.lab.checkers import policy, reads, writes
from syncsim.lab.checkers.delays import judge_delays
from syncsim.lab.checkers.entry import Checker, Proof
from syncsim.lab.checkers.history_index import HistoryIndex
from syncsim.lab.checkers.linearizability import judge_order
from syncsim.lab.checkers.policy import COOLDOWN_S
from syncsim.lab.history.findings import Finding, apply_precedence
from syncsim.lab.history.records import History

CHECKERS: Final[tuple[Checker, ...]] = (writes.CHECKER, reads.CHECKER, policy.CHECKER)
"""Every history is shown to each of these."""

_PROOFS: Final = {kind: proof for one in CHECKERS for kind, proof in one.proofs.items()}


def check(history: History, *, cooldown_s: float = COOLDOWN_S) -> list[Finding]:
    """Everything that is wrong with a history, one code per defect; empty = nothing found.

    An operation that never returned may have committed or not and is judged for neither.
    """
    return check_index(HistoryIndex(history), cooldown_s)


def check_index(index: HistoryIndex, cooldown_s: float = COOLDOWN_S) -> list[Finding]:
    """The same for a history that has been joined up already."""
    return apply_precedence(
        finding for checker in CHECKERS for finding in checker.judge(index, cooldown_s)
    )


def inform(history: History) -> list[Finding]:
    """Notes that say nothing against a solution: what is not linearizable, how retries waited."""
    index = HistoryIndex(history)
    return [*judge_order(index), *judge_delays(index)]


def proof_of(kind: str) -> Proof:
    """What proves a finding of this kind in a diagram."""
    return _PROOFS.get(kind, Proof.ANSWER)
