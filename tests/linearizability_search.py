"""The oracle beside the sweep: a search for an order, and random small histories to try both on.

The search is that of J. M. Wing and C. Gong (Testing and verifying concurrent objects, 1993) with
the memory of G. Lowe (Testing for linearizability, 2017), for one compare-and-swap register whose
versions are the numbers 1, 2, ... It looks at calls and answers alone, knows nothing of the store's
books and takes exponential time at worst.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import Literal

from syncsim.lab.history.records import Commit, Failure, History, Operation

Kind = Literal["read", "swap", "refused"]


@dataclass(frozen=True)
class Step:
    """One call on the register; `returned` None = never answered, and so perhaps never done.

    A read saw `version`; a swap made `version` of the one before it; a refused swap expected
    another version than `version`, which it found.
    """

    kind: Kind
    called: int
    returned: int | None
    version: int

    def after(self, state: int) -> int | None:
        """The register's version after this step, None where it cannot be done now."""
        if self.kind == "swap":
            return self.version if state == self.version - 1 else None
        return state if state == self.version else None


def is_linearizable(steps: list[Step]) -> bool:
    """Whether single moments can be found for all steps, within their calls, that explain them."""
    answered = sum(1 << i for i, step in enumerate(steps) if step.returned is not None)
    seen: set[tuple[int, int]] = set()
    stack = [(0, 1)]
    while stack:
        done, state = stack.pop()
        if done & answered == answered:
            return True
        if (done, state) in seen:
            continue
        seen.add((done, state))
        left = [(i, step) for i, step in enumerate(steps) if not done >> i & 1]
        # Nothing may be done before what was answered before it was called.
        first_answer = min(step.returned for _, step in left if step.returned is not None)
        for i, step in left:
            if step.called <= first_answer:
                after = step.after(state)
                if after is not None:
                    stack.append((done | 1 << i, after))
    return False


# -- random histories ------------------------------------------------------------------------------


def random_steps(random: Random) -> list[Step]:
    """A few clients at a register that works, and in most cases one lie about it."""
    clients = [[3] * random.randint(1, 3) for _ in range(random.randint(2, 4))]
    begun: dict[int, tuple[Kind, int]] = {}
    point: dict[int, int] = {}
    steps: list[Step] = []
    head, clock = 1, 0
    while any(clients):
        client = random.choice([i for i, left in enumerate(clients) if left])
        clock += 1
        moments = clients[client]
        moments[0] -= 1
        if moments[0] == 2:
            begun[client] = random.choice(("read", "swap", "swap", "refused")), clock
        elif moments[0] == 1:
            head += begun[client][0] == "swap"
            point[client] = head
        else:
            kind, called = begun[client]
            steps.append(Step(kind, called, clock, point[client]))
            moments.pop(0)
            if not moments and random.random() < 0.15:
                steps[-1] = replace(steps[-1], returned=None)
    for _ in range(random.choice((0, 1, 1, 2))):
        _lie(steps, head, random)
    return [step for step in steps if step.returned is not None or step.kind == "swap"]


def _lie(steps: list[Step], head: int, random: Random) -> None:
    """Another version seen, or two commits in the other order."""
    i, j = random.randrange(len(steps)), random.randrange(len(steps))
    if steps[i].kind != "swap":
        steps[i] = replace(steps[i], version=random.randint(1, head))
    elif steps[j].kind == "swap":
        a, b = steps[i].version, steps[j].version
        steps[i], steps[j] = replace(steps[i], version=b), replace(steps[j], version=a)


def as_history(steps: list[Step]) -> History:
    """The same as the laboratory records it: with the store's commits in their order."""
    operations, commits = [], [Commit(1, "t", "v1", None, None, "background", 0.0, {"n": 1})]
    for i, step in enumerate(sorted(steps, key=lambda step: step.called)):
        name, version = f"o{i}", f"v{step.version}"
        operation = Operation(name, "get", name, "t", step.called, step.returned)
        if step.kind == "read":
            operation = replace(operation, ended="read", version=version)
        elif step.kind == "swap":
            n = step.version
            operation = replace(
                operation,
                kind="update_with_version",
                changes={"n": n},
                base_version=f"v{n - 1}",
                ended="open" if step.returned is None else "committed",
                version=None if step.returned is None else version,
            )
            commits.append(Commit(n, "t", version, f"v{n - 1}", name, name, 0.0, {"n": n}))
        else:
            facts = {"expected": "v0", "actual": version}
            failure = Failure("VersionConflictError", "", True, True, facts)
            operation = replace(
                operation, kind="update_with_version", ended="failed", failure=failure
            )
        operations.append(operation)
    commits.sort(key=lambda commit: commit.number)
    return History(tuple(operations), (), tuple(commits))
