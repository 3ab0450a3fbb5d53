"""The house stays the house: arrows in one direction, a light face, no name with two meanings."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import syncsim

ROOT = Path(syncsim.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))
HEAVY = {"sqlalchemy", "sqlmodel", "pydantic", "diskcache", "pandas", "plotly", "ipywidgets"}
HEAVY |= {"IPython", "jsonschema", "typer", "rich"}

# What each of these may import of ours; the rest of the core may import any of the core.
NARROW: dict[str, set[str]] = {
    "contract": set(),
    "errors": {"masking"},
    "masking": set(),
    "exact": {"errors"},
    "retry": {"errors", "exact"},
    "merging": {"contract", "errors", "template"},
    "template": {"contract", "errors", "exact"},
    "interrupts": set(),
    "forks": {"errors", "interrupts"},
    "events": {"contract", "errors", "forks", "interrupts"},
    "paths": {"errors"},
    "store": {
        *("contract", "errors", "template", "exact", "forks", "locks", "masking", "paths", "store"),
        *("interrupts", "whole_files"),
    },
    "cache": {"contract", "errors", "forks", "interrupts", "locks", "paths", "cache"},
    "commit_queue": {"contract", "errors", "interrupts"},
    "committing": {"commit_queue", "contract", "errors", "retry"},
    "background": {"contract"},
}
# The reference sees Protocols, never the real parts behind them.
NOT_FOR = {"service": {"store", "cache", "wiring", "environment", "locks"}}


def name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def ours(path: Path) -> set[str]:
    """The modules of the package that this one imports, at any depth of its code."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("syncsim"):
            module = (node.module or "").removeprefix("syncsim").lstrip(".")
            found |= {module} if module else {alias.name for alias in node.names}
        if isinstance(node, ast.Import):
            found |= {a.name[8:] for a in node.names if a.name.startswith("syncsim.")}
    return found


def room(module: str) -> str:
    return module.split(".")[0]


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_arrows_point_one_way(path: Path) -> None:
    """Faces know the lab, the lab knows the core, the core knows neither."""
    here = room(name(path))
    if here in ("", "__main__", "cli"):
        return
    forbidden = {"ui": {"cli"}, "lab": {"ui", "cli"}}.get(here, {"lab", "ui", "cli"})
    there = {room(module) for module in ours(path)}
    assert not there & forbidden
    assert not there & NOT_FOR.get(here, set())
    if here in NARROW:
        assert there <= NARROW[here] | {here}


def test_benchmarks_import_no_test() -> None:
    """Tests may measure with the means of the benchmarks, never the other way round."""
    importing = re.compile(r"^\s*(from|import) tests\b", re.MULTILINE)
    files = (ROOT.parent / "benchmarks").glob("*.py")
    assert [path.name for path in files if importing.search(path.read_text("utf-8"))] == []


def test_no_module_bears_a_name_that_the_face_exports() -> None:
    """`syncsim.merge` is a function for ever, whichever modules were imported before."""
    taken = {p.stem for p in ROOT.glob("*.py")} | {p.name for p in ROOT.iterdir() if p.is_dir()}
    assert not taken & set(syncsim.__all__)


def test_every_name_of_the_face_is_there() -> None:
    assert list(syncsim.__all__) == sorted(syncsim.__all__)
    for exported in syncsim.__all__:
        assert getattr(syncsim, exported) is not None
    assert set(syncsim.__all__) <= set(dir(syncsim))
    assert len(set(dir(syncsim))) == len(dir(syncsim))
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        _ = syncsim.nope


def test_importing_the_face_loads_nothing_heavy() -> None:
    code = "import syncsim, sys, json; print(json.dumps(sorted(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not HEAVY & set(json.loads(out.stdout))


def test_no_file_holds_more_than_one_idea() -> None:
    """A room of more than 450 lines is two rooms."""
    long = {name(p): n for p in MODULES if (n := len(p.read_text("utf-8").splitlines())) > 450}
    assert long == {}
