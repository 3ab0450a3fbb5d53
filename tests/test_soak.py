"""The soak: a leak of any kind is found, and what only warms up or has an end is not accused."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import pytest

from syncsim.lab.grading.leak_test import FIRST_LOOK, SECOND_LOOK, measure, soak
from syncsim.lab.grading.reachable_size import reachable_bytes

OPEN = Path("/proc/self/fd")
LIGHT = """
import os
import threading
from collections import deque
from functools import lru_cache

{top}

class Light:
    kept = {{}}

    def __init__(self, env):
        self.env, self.count = env, 0
        self.mine = {mine}

    def get_template(self, template_id, *, user):
        self.count += 1
        self.keep(self.count)

    def update_template(self, template_id, changes, *, user, base=None):
        self.get_template(template_id, user=user)

    def update_with_version(self, template_id, changes, version, *, user):
        self.get_template(template_id, user=user)

    def run_background_job(self, template_id):
        self.get_template(template_id, user="background")

    def keep(self, number):
        {keep}

{build}
"""
"""A solution that does nothing but keep: the store costs no time, and the sizes are its own."""

FUNCTION = "def build(env): return Light(env)"
CLASS = "build = Light"


@pytest.fixture
def light(tmp_path: Path) -> type[Light]:
    Light.folder = tmp_path
    return Light


class Light:
    folder: Path

    @classmethod
    def file(cls, keep: str, *, mine: str = "[]", top: str = "", build: str = FUNCTION) -> Path:
        path = cls.folder / "light.py"
        path.write_text(LIGHT.format(keep=keep, mine=mine, top=top, build=build))
        return path


@pytest.mark.parametrize("build", [FUNCTION, CLASS])
@pytest.mark.parametrize(
    ("keep", "how"),
    [
        ("self.mine.append(str(number) * 9)", {}),
        ("self.mine[number] = (number, number + 1)", {"mine": "{}"}),
        ("self.kept[number] = object()", {}),
        ("SEEN.add(f'seen {number}')", {"top": "SEEN = set()"}),
        ("remembered(str(number))", {"top": "remembered = lru_cache(None)(lambda text: text * 2)"}),
        ("self.mine.append(lambda: number)", {}),
        ("self.mine = {'before': self.mine}", {}),
    ],
    ids=["list", "dict", "of the class", "of the module", "lru_cache", "closures", "chain"],
)
def test_a_leak_is_found_wherever_it_is_kept(
    light: type[Light], keep: str, how: dict[str, str], build: str
) -> None:
    (finding,) = soak(light.file(keep, build=build, **how))
    assert (finding.code, finding.kind) == ("M2", "leak")
    assert "bytes an operation" in finding.message


@pytest.mark.parametrize(
    ("keep", "how"),
    [
        ("pass", {}),
        ("self.mine.append(str(number) * 9)", {"mine": "deque(maxlen=1_000)"}),
        ("self.mine.append(number); del self.mine[:-50]", {}),
        ("remembered(str(number))", {"top": "remembered = lru_cache(4096)(lambda text: text * 2)"}),
        (
            "number % 2 and remembered(str(number))",
            {"top": "remembered = lru_cache(4096)(lambda text: text * 2)"},
        ),
        ("self.mine[number % 9] = str(number)", {"mine": "{}"}),
        ("self.env.cache('ann').set(str(number), 'entry')", {}),
        ("threading.Thread(target=len, args=('',)).start()", {}),
    ],
    ids=[
        "nothing",
        "deque",
        "cut",
        "lru_cache of 4,096",
        "one that warms slowly",
        "keyed",
        "in the environment",
        "threads that end",
    ],
)
def test_what_has_an_end_is_not_accused(light: type[Light], keep: str, how: dict[str, str]) -> None:
    assert list(soak(light.file(keep, **how))) == []


@pytest.mark.skipif(not OPEN.is_dir(), reason="the system does not list open files")
@pytest.mark.parametrize("every", [1, 80])
def test_files_that_stay_open_are_found(light: type[Light], every: int) -> None:
    before = set(os.listdir(OPEN))
    try:
        (finding,) = soak(light.file(f"number % {every} or os.open(__file__, os.O_RDONLY)"))
        assert finding.message.endswith("more files stayed open")
    finally:
        for opened in set(os.listdir(OPEN)) - before:
            with suppress(OSError):
                os.close(int(opened))


def test_threads_that_stay_are_found(light: type[Light]) -> None:
    keep = "number % 60 or threading.Thread(target=WAIT.wait, daemon=True).start()"
    (finding,) = soak(light.file(keep, top="WAIT = threading.Event()"))
    assert finding.message.endswith("more threads stayed open")


def test_a_second_look_is_taken_only_where_the_first_saw_growth(light: type[Light]) -> None:
    calm, trouble = measure(light.file("pass"))
    assert ([one.operations for one in calm], trouble) == ([0, *FIRST_LOOK], None)
    leaky, _ = measure(light.file("self.mine.append(str(number))"))
    assert [one.operations for one in leaky] == [0, *FIRST_LOOK, *SECOND_LOOK]


def test_a_solution_that_does_not_come_through_is_not_judged(light: type[Light]) -> None:
    keep = "LOCK.acquire(); self.mine.append(str(number) * 99)"
    (finding,) = soak(light.file(keep, top="LOCK = threading.Lock()"))
    assert (finding.code, finding.kind) == ("note", "not-soaked")


def test_the_same_solution_is_measured_the_same(light: type[Light]) -> None:
    sizes = [[one.size_bytes for one in measure(light.file("pass"))[0]] for _ in range(2)]
    assert sizes[0] == sizes[1]


def test_shared_things_count_once_and_stops_not_at_all() -> None:
    big = "x" * 100_000
    own: dict[str, object] = {"__name__": "own"}
    once = reachable_bytes([[big]], own, ())
    assert reachable_bytes([[big, big]], own, ()) < once + 100
    assert reachable_bytes([[big]], own, (big,)) < 1_000


def test_the_reference_keeps_nothing_of_an_operation() -> None:
    assert list(soak(None)) == []
