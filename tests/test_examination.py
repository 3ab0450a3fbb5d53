"""An examination asks everything, survives whatever it is given, and leaves nothing running."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from syncsim.contract import JSON, Document, Row
from syncsim.errors import UsageError
from syncsim.lab.grading import confirm_hang, suite
from syncsim.lab.grading.probes import QUESTIONS, Question
from syncsim.lab.grading.suite import ENDLESS_IN_ALL, MOST_ENDLESS, examine
from syncsim.lab.scenarios.catalogue import PROBES
from syncsim.lab.simulation.explore import replay
from syncsim.lab.simulation.simulated_run import Parameters
from syncsim.lab.solutions.textbook import Textbook, build

CALM = Question(Parameters("forced-conflicts-0"), share=0.0)


def candidate(folder: Path, body: str, name: str = "candidate") -> Path:
    """A file with a solution: the textbook, changed by `body`."""
    path = folder / f"{name}.py"
    path.write_text(
        "import copy, sys, threading\n"
        "from syncsim.lab.solutions.textbook import Textbook\n"
        "class Candidate(Textbook):\n"
        + "".join(f"    {line}\n" for line in body.strip("\n").splitlines())
        + "def build(env):\n    return Candidate(env)\n"
    )
    return path


def update(*lines: str) -> str:
    """`update_template` with this body."""
    head = "def update_template(self, template_id, changes, *, user, base=None):\n"
    return head + "".join(f"    {line}\n" for line in lines)


@pytest.fixture(autouse=True)
def nothing_left_running() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


class BlindPut(Textbook):
    """Writes without asking for the version."""

    def swap(
        self, head: Row, document: Document, user: str, update_id: str, detail: dict[str, JSON]
    ) -> Row:
        row: Row = self.env.store.put(head.template_id, document, by=user)
        return row


class TenAttempts(Textbook):
    """Tries ten times."""

    attempts = 10


# -- what it asks ----------------------------------------------------------------------------------


@pytest.mark.parametrize("solution", [None, build])
def test_what_is_right_loses_nothing(solution: type[Textbook] | None) -> None:
    found = examine(solution, schedules=20)
    assert (found.codes, found.failing, found.notes) == ((), {}, ())
    assert found.schedules >= len(QUESTIONS)


def test_every_probe_is_asked() -> None:
    assert PROBES.keys() <= {question.parameters.scenario for question in QUESTIONS}


def test_a_finding_has_a_token_that_shows_it_again() -> None:
    found = examine(BlindPut, schedules=20)
    assert found.codes == ("D1", "M5")  # the job writes blindly, too
    for finding in found.findings:
        assert finding.token is not None
        scenario = next(
            q.parameters.scenario for q in QUESTIONS if _is_of(finding.token, q.parameters.scenario)
        )
        run = replay(scenario, finding.token, solution=BlindPut)
        assert finding.kind in {fault.kind for fault in run.faults}


def _is_of(token: str, scenario: str) -> bool:
    try:
        replay(scenario, token, solution=BlindPut)
    except UsageError:
        return False
    return True


def test_one_seed_gives_one_examination() -> None:
    assert examine(TenAttempts, schedules=10, seed=3) == examine(TenAttempts, schedules=10, seed=3)


def test_an_examination_counts_the_schedules_that_show_a_code() -> None:
    found = examine(TenAttempts, schedules=10)
    assert found.failing == {"S2": 2}  # in both probes in which a rival spoils every attempt


# -- one defect costs one code ---------------------------------------------------------------------


def test_an_endless_retry_is_neither_excessive_nor_none(tmp_path: Path) -> None:
    """It wins where others commit often, after too many attempts: one loop, one code."""
    body = """
attempts = 10 ** 6
first = None
def delay_s(self, retry):
    return 0.1
def update_template(self, template_id, changes, *, user, base=None):
    operation = copy.copy(self)
    operation.first = self.head(template_id)
    return Textbook.update_template(operation, template_id, changes, user=user, base=base)
def head(self, template_id):
    head = super().head(template_id)
    return head if self.first is None or head.revision > self.first.revision + 40 else self.first
"""
    found = examine(candidate(tmp_path, body), schedules=1)
    assert found.codes == ("D2",)
    assert set(found.failing) == {"D2"}
    assert any(re.match("S2, seen in . runs, is put down to D2", note) for note in found.notes)


# -- enough is enough ------------------------------------------------------------------------------


def test_an_endless_loop_is_not_run_more_often_than_it_takes(tmp_path: Path) -> None:
    body = update("while True:", "    self.env.clock.sleep(1.0)")
    found = examine(candidate(tmp_path, body), schedules=1_000)
    assert found.codes == ("D2",)
    assert found.failing["D2"] <= ENDLESS_IN_ALL + MOST_ENDLESS + len(QUESTIONS)


# -- whatever it is given --------------------------------------------------------------------------


def test_what_cannot_be_loaded_or_built_is_a_usage_error(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("raise ValueError('at import')\n")
    with pytest.raises(UsageError, match="at import"):
        examine(bad)
    worse = tmp_path / "worse.py"
    worse.write_text("def build(env):\n    raise ValueError('at build')\n")
    with pytest.raises(UsageError, match="at build"):
        examine(worse)
    (tmp_path / "empty.py").write_text("")
    with pytest.raises(UsageError, match=r"defines build\(env\)"):
        examine(tmp_path / "empty.py")


def test_what_it_prints_is_kept_apart_and_noted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    body = update(
        "print('hello')",
        "sys.stdout.write('again')",
        "return Textbook.update_template(self, template_id, changes, user=user, base=base)",
    )
    found = examine(candidate(tmp_path, body), schedules=1)
    assert found.codes == ()
    assert any("writes to standard output" in note for note in found.notes)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("left", ["sys.exit(1)", "raise KeyboardInterrupt", "return None"])
def test_whatever_leaves_a_verb_but_an_outcome_is_a_crash(tmp_path: Path, left: str) -> None:
    found = examine(candidate(tmp_path, update(left)), schedules=1)
    assert found.codes == ("D3",)
    assert all("deadlock" not in finding.kind for finding in found.findings)


def test_a_thread_that_ticks_for_ever_is_noted_and_not_waited_for(tmp_path: Path) -> None:
    body = """
def __init__(self, env):
    super().__init__(env)
    threading.Thread(target=self.tick, name="ticker").start()
def tick(self):
    while True:
        self.env.clock.sleep(1.0)
"""
    found = examine(candidate(tmp_path, body), schedules=1)
    assert found.codes == ()
    assert any("ticker, a thread of the solution, never ends" in note for note in found.notes)


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Little is asked, and nobody is waited for long."""
    monkeypatch.setattr(suite, "QUESTIONS", (CALM, CALM))
    monkeypatch.setattr(suite, "PATIENCE_S", 0.3)
    monkeypatch.setattr(suite, "LITTLE_PATIENCE_S", 0.2)
    monkeypatch.setattr(confirm_hang, "REAL_PATIENCE_S", 1.0)


@pytest.mark.real
@pytest.mark.usefixtures("hurried")
def test_a_loop_without_a_step_is_endless_once_it_has_been_confirmed(tmp_path: Path) -> None:
    """In a process of its own, and with a bare `except` that swallows its end."""
    body = update("while True:", "    try: len(changes)", "    except: pass")
    found = examine(candidate(tmp_path, body))
    assert (found.codes, found.failing) == (("D2",), {"D2": 2})
    assert "update_template of ann computes without an end (candidate.py:" in (
        found.findings[0].message
    )


@pytest.mark.real
@pytest.mark.usefixtures("hurried")
def test_a_loop_in_a_function_that_cannot_be_sent_is_confirmed_here() -> None:
    class Spinning(Textbook):
        def head(self, template_id: str) -> None:
            while True:
                pass

    assert examine(lambda env: Spinning(env)).codes == ("D2",)


@pytest.mark.real
@pytest.mark.usefixtures("hurried")
def test_a_flag_that_a_real_thread_takes_down_proves_nothing_against_anybody(
    tmp_path: Path,
) -> None:
    """Nobody else runs in the simulation, so it cannot tell; on real threads it comes to an end."""
    body = """
def __init__(self, env):
    super().__init__(env)
    self.flags = []
    threading.Thread(target=self.clear, daemon=True).start()
def clear(self):
    while True:
        self.env.clock.sleep(0.01)
        self.flags.clear()
def head(self, template_id):
    self.flags.append(1)
    while self.flags:
        pass
    return super().head(template_id)
"""
    found = examine(candidate(tmp_path, body))
    assert (found.codes, found.failing) == ((), {})
    assert any("computes without a step" in note for note in found.notes)
