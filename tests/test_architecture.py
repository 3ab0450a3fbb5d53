"""The house stays the house: arrows in one direction, a light face, no name with two meanings."""

from __future__ import annotations

import ast
import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import syncsim

ROOT = Path(syncsim.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))
HEAVY = {"sqlalchemy", "sqlmodel", "pydantic", "diskcache", "pandas", "plotly", "ipywidgets"}
HEAVY |= {"IPython", "jsonschema", "typer", "rich"}

GROUND = {"contract", "errors", "exact", "masking"}
CORE: dict[str, set[str]] = {
    "contract": set(),
    "masking": set(),
    "errors": {"masking"},
    "exact": {"errors"},
    "system": {"errors"},
    "template": {"contract", "errors", "exact"},
    "merging": {"contract", "errors", "template"},
    "events": {"contract", "errors", "system"},
    "cache": {"contract", "errors", "system"},
    "store": {*GROUND, "system", "template"},
    "service": {*GROUND, "merging", "system", "template"},
    "runtime": {*GROUND, *("cache", "events", "merging", "service", "store", "system", "template")},
}
"""What each room of the core may import. `service` sees Protocols, never a store or a cache."""

WINGS = (
    *("history", "scenarios", "solutions", "recording", "checkers"),
    *("results", "acting", "simulation", "engines", "grading"),
)
"""The wings of the laboratory from the lowest to the highest; each imports lower ones only."""

FACES = ("ui", "cli")
"""The same for the faces; below them lies the laboratory, and below that the core."""


def name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def ours(path: Path, types: bool = True) -> set[str]:
    """The modules of the package that this one imports, at any depth of its code.

    Without `types`, not those that it imports under `if TYPE_CHECKING` alone.
    """
    found = set()
    for node in walk(ast.parse(path.read_text("utf-8")), types):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("syncsim"):
            module = (node.module or "").removeprefix("syncsim").lstrip(".")
            for alias in node.names:
                inner = f"{module}.{alias.name}".lstrip(".")
                found.add(inner if inner in NAMES else module)
        if isinstance(node, ast.Import):
            found |= {a.name[8:] for a in node.names if a.name.startswith("syncsim.")}
    return found - {""}


def walk(node: ast.AST, types: bool) -> Iterator[ast.AST]:
    yield node
    for child in ast.iter_child_nodes(node):
        if types or not (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)):
            yield from walk(child, types)


NAMES = {name(path) for path in MODULES}


def room(module: str) -> str:
    """The room a module lies in; `lab.history` for what lies in that wing of the laboratory."""
    first, _, rest = module.partition(".")
    wing = rest.partition(".")[0]
    return f"lab.{wing}" if first == "lab" and wing in WINGS else first


def allowed(here: str) -> set[str]:
    """What a room may import beside itself."""
    if here in CORE:
        return CORE[here]
    wings = [f"lab.{wing}" for wing in WINGS]
    if here in wings:
        return {*CORE, *wings[: wings.index(here)]}
    return {*CORE, *wings, "lab", *FACES[: FACES.index(here)]}


FORMER = {"lab.examination", "lab.textbook"}
"""Names that a module had before, kept for one release."""


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_arrows_point_one_way(path: Path) -> None:
    """Faces know the laboratory, the laboratory knows the core, the core knows neither."""
    here = room(name(path))
    if here in ("", "__main__") or name(path) in FORMER:
        return
    there = {room(module) for module in ours(path)} - {here, "syncsim", ""}
    if here == "lab":
        assert name(path) == "lab", "a module of the laboratory lies in one of its wings"
    else:
        assert there <= allowed(here)


def test_every_wing_is_there() -> None:
    assert {path.name for path in (ROOT / "lab").iterdir() if path.is_dir()} - {
        "__pycache__"
    } == set(WINGS)


def test_no_module_imports_itself_by_way_of_others() -> None:
    """Not even inside a room; what is imported for its types only does not count."""
    arrows = {name(path): ours(path, types=False) for path in MODULES}
    while True:
        ends = {module for module, there in arrows.items() if not there & arrows.keys()}
        if not ends:
            break
        arrows = {module: there for module, there in arrows.items() if module not in ends}
    assert sorted(arrows) == []


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


def test_no_two_classes_of_a_module_have_one_name() -> None:
    """Solutions of the zoo are programs of their own."""
    places: dict[str, list[str]] = {}
    for path in MODULES:
        if not name(path).startswith(("lab.solutions.broken.", "lab.solutions.correct.")):
            for node in ast.parse(path.read_text("utf-8")).body:
                if isinstance(node, ast.ClassDef):
                    places.setdefault(node.name, []).append(name(path))
    assert {one: where for one, where in places.items() if len(where) > 1} == {}


def test_the_glossary_has_at_most_forty_terms() -> None:
    page = (ROOT.parent / "docs" / "architecture.md").read_text("utf-8")
    rows = re.findall(r"^\| ([^|]+?) \|", page.partition("## Glossary")[2], re.MULTILINE)
    assert rows[0] == "term"
    assert len(rows) - 1 <= 40


def test_every_room_stands_in_the_picture_of_the_house() -> None:
    page = (ROOT.parent / "docs" / "architecture.md").read_text("utf-8")
    picture = page.partition("```text")[2].partition("```")[0]
    rooms = {*CORE, *WINGS, *FACES} - {"masking", "exact"}
    assert {one for one in rooms if not re.search(rf"\b{one}\b", picture)} == set()


@pytest.mark.parametrize("former", sorted(FORMER))
def test_a_former_name_warns_and_is_the_new_one(former: str) -> None:
    sys.modules.pop(f"syncsim.{former}", None)
    with pytest.warns(DeprecationWarning, match=r"is now syncsim\.lab\."):
        old = importlib.import_module(f"syncsim.{former}")
    for exported in old.__all__:
        assert getattr(old, exported).__module__ != old.__name__
