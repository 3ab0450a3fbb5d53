"""Docstrings and comments are plain sentences: these words make a reader look for the actor."""

from __future__ import annotations

import ast
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

import syncsim

ROOT = Path(syncsim.__file__).parent
ZOO = ROOT / "lab" / "solutions"
"""A file of the zoo keeps its text, since a token names it."""

RIDDLES = re.compile(r"\b(whoever|of which|nobody|is told|are told|for ever)\b", re.IGNORECASE)

FILES = [
    path
    for path in sorted(ROOT.rglob("*.py"))
    if path.parent not in (ZOO / "broken", ZOO / "correct") and path != ZOO / "textbook.py"
]


def prose(path: Path) -> Iterator[str]:
    """The docstrings of a module, those below a name included, and each block of its comments."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        body = getattr(node, "body", ())  # of a lambda or a conditional expression no list
        for child in body if isinstance(body, list) else ():
            value = child.value if isinstance(child, ast.Expr) else None
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield " ".join(value.value.split())
    with path.open("rb") as file:
        tokens = [t for t in tokenize.tokenize(file.readline) if t.type == tokenize.COMMENT]
    yield " ".join(token.string.lstrip("# ") for token in tokens)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_sentence_names_its_actor(path: Path) -> None:
    found = [text for text in prose(path) if RIDDLES.search(text)]
    assert found == []


def test_the_words_are_found(tmp_path: Path) -> None:
    """In a docstring over two lines and in a comment, and not in a text of the program."""
    path = tmp_path / "module.py"
    path.write_text('"""A lock of\nwhich."""\nx = "nobody"  # for ever\n')
    assert [bool(RIDDLES.search(text)) for text in prose(path)] == [True, True]
