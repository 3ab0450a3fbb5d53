"""A solution's file is loaded or refused alike, whatever the warning filters of the process."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest

from syncsim.lab.simulation.isolated_solution import IsolatedSolution
from syncsim.lab.solutions.loading import load

WARNED_OF = {
    "escape": 'PATH = "\\d"',
    "identity": "IS_ONE = len('x') is 1",
    "literal": "N = [0x1for x in (1,)]",
}


@pytest.mark.parametrize("line", WARNED_OF.values(), ids=WARNED_OF)
@pytest.mark.parametrize("action", ["error", "always"])
def test_what_the_compiler_warns_of_is_loaded_without_a_word(
    line: str, action: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "candidate.py"
    file.write_text(
        f"from syncsim import build as reference\n{line}\ndef build(env):\n    return 1"
    )
    with warnings.catch_warnings():
        warnings.simplefilter(action)  # type: ignore[arg-type]
        assert load(str(file)).__name__ == "build"
        assert IsolatedSolution(str(file)).fingerprint
    assert capfd.readouterr().err == ""


def test_what_does_not_compile_is_refused_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "candidate.py"
    file.write_text("x = (\n")
    with pytest.raises(Exception, match=r"SyntaxError: .*candidate\.py:1"):
        load(str(file))
