"""A run that is stopped ends soon, whatever it is at, and is not judged."""

from __future__ import annotations

import gc
import threading
import warnings
from pathlib import Path
from typing import Any

import pytest

from syncsim.errors import LockTimeoutError, UsageError
from syncsim.lab.acting.stopping import Stop, StoppableEnvironment, Stopped
from syncsim.lab.engines.runner import Run, run
from syncsim.lab.history.findings import INCONCLUSIVE
from syncsim.lab.solutions import broken
from syncsim.runtime.wiring import open_environment
from tests.room_parts import solution

BROKEN = Path(broken.__file__).parent
LONG = {"users": 4, "updates": 400}


def stopped_at(kind: str, scenario: str, **settings: Any) -> tuple[Run, Stop]:
    """The run, stopped by the first event of this kind."""
    stop = Stop()

    def heard(event: Any) -> None:
        if event.kind == kind:
            stop.set()

    return run(scenario, stop=stop, on_event=heard, **settings), stop


_left: set[threading.Thread] = set()


@pytest.fixture(autouse=True)
def _what_other_tests_left() -> None:
    """Threads that a test of hanging runs had to leave are not ours to end."""
    _left.clear()
    _left.update(threading.enumerate())


def threads_of(*names: str) -> list[threading.Thread]:
    """Threads of these names that this test has started."""
    return [t for t in threading.enumerate() if t.name in names and t not in _left]


def test_a_run_on_threads_is_cut_short_and_not_judged() -> None:
    """Six seconds of cooldown are slept by an actor, who is woken."""
    found, _ = stopped_at("job.skipped", "background-job-respect", on="threads")
    assert found.inconclusive
    assert "was stopped after" in found.findings[0].message
    assert [o.kind for o in found.history.operations if not o.at_rest].count("job") == 1
    assert threads_of("ann", "background") == []


def test_without_a_wish_a_stoppable_run_is_like_others() -> None:
    heard: list[Any] = []
    found = run("perfect-storm", on="threads", stop=Stop(), on_event=heard.append)
    assert found.findings == ()
    assert sorted(e.kind for e in heard) == sorted(e.kind for e in found.events)


@pytest.mark.parametrize("name", ["lock_order", "endless_retry", "waits_under_lock"])
def test_whoever_waits_for_a_lock_or_tries_for_ever_is_ended(name: str) -> None:
    found, _ = stopped_at(
        "update.started",
        "sustained",
        on="threads",
        solution=str(BROKEN / f"{name}.py"),
        **LONG,
    )
    assert [f.code for f in found.findings] == [INCONCLUSIVE]
    assert threads_of("ann", "ben", "cleo", "dan") == []


def test_a_loop_that_calls_nothing_is_interrupted(tmp_path: Path) -> None:
    body = "self.env.events.emit('looping')\nwhile True:\n    sum(range(9))"
    found, _ = stopped_at(
        "looping", "perfect-storm", on="threads", solution=solution(tmp_path, body)
    )
    assert [f.code for f in found.findings] == [INCONCLUSIVE]
    assert threads_of("ann", "ben") == []


def test_what_nothing_can_end_is_named(tmp_path: Path) -> None:
    """A wait in C for something that is not the run's."""
    body = (
        "import tests.test_stopping as held\n"
        "self.env.events.emit('waiting')\nheld.GATE.wait()\n"
        "return self.inner.update_template(template_id, changes, user=user, base=base)"
    )
    found, _ = stopped_at(
        "waiting", "perfect-storm", on="threads", solution=solution(tmp_path, body)
    )
    GATE.set()
    assert found.inconclusive
    assert "mine.py" in found.findings[-1].message
    assert "restart of the kernel" in found.findings[-1].message
    for thread in threads_of("ann", "ben"):
        thread.join(10)
    assert threads_of("ann", "ben") == []
    with warnings.catch_warnings():  # what the run left open to them is the collector's now
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


GATE = threading.Event()


def test_a_simulation_is_cut_short_and_has_no_token() -> None:
    stop = Stop()
    stop.set()
    found = run("stress-test", stop=stop)
    assert (found.inconclusive, found.token) == (True, None)
    assert {operation.ended for operation in found.history.operations} == {"open"}


def test_a_stopped_build_is_no_error_of_the_solution(tmp_path: Path) -> None:
    path = tmp_path / "slow.py"
    path.write_text("def build(env):\n    while True:\n        env.clock.now()\n")
    stop = Stop()
    stop.set()
    found = run("single-update", on="threads", solution=str(path), stop=stop)
    assert [f.kind for f in found.findings] == ["stopped"]


def test_every_call_of_a_stopped_environment_raises(tmp_path: Path) -> None:
    stop = Stop()
    env = open_environment("memory://", cache=tmp_path)
    guarded = StoppableEnvironment(env, stop)
    cache, store, clock = guarded.cache("ann"), guarded.store, guarded.clock
    cache.set("a", 1)
    assert cache.get("a") == 1
    assert store.templates() == []
    assert clock.now() > 0
    stop.set()
    for call in (
        lambda: cache.get("a"),
        lambda: store.read("x"),
        lambda: store.compare_and_swap("x", "1", {}, by="ann"),
        clock.now,
        lambda: clock.sleep(60),
        lambda: guarded.lock("x").__enter__(),
    ):
        with pytest.raises(Stopped):
            call()
    env.close()


def test_a_lock_that_does_not_come_in_time_is_still_a_timeout(tmp_path: Path) -> None:
    env = open_environment("memory://", cache=tmp_path)
    guarded = StoppableEnvironment(env, Stop())
    raised: list[BaseException] = []

    def other() -> None:
        try:
            with guarded.lock("x", timeout_s=0.01):
                pass
        except LockTimeoutError as error:
            raised.append(error)

    with guarded.lock("x"), guarded.lock("x"):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert len(raised) == 1
    env.close()


def test_processes_are_neither_heard_nor_stopped() -> None:
    with pytest.raises(UsageError, match="threads or simulation"):
        run("perfect-storm", on="processes", stop=Stop())
