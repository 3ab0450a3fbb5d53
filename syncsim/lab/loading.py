"""From what a caller names as a solution to its `build`: the reference, a function, a file."""

from __future__ import annotations

import importlib.util
import inspect
import pickle
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeAlias

from syncsim.contract import TemplateSync
from syncsim.errors import UsageError
from syncsim.lab.culprit import line_of_error

Solution: TypeAlias = Callable[..., TemplateSync] | str | Path | None
"""A `build` function, a path `file.py` or `file.py:name`, or None for the reference."""


def name_of(solution: Solution) -> str:
    """How a report calls a solution."""
    if solution is None:
        return "reference"
    if callable(solution):
        return f"{solution.__module__}.{solution.__qualname__}"
    return str(solution)


def load(solution: Solution) -> Callable[..., TemplateSync]:
    """The `build` of a solution. A file is imported under a name of its own, once per process.

    `UsageError` for what names no solution, and for a file that cannot be imported.
    """
    if solution is None:
        from syncsim import service

        return service.build
    if callable(solution):
        return solution
    if not isinstance(solution, str | Path):
        raise UsageError("solution", solution, "a build function or a path FILE.py[:NAME]")
    text = str(solution)
    path, colon, name = text.rpartition(":")
    if not colon or not path.endswith(".py"):
        path, name = text, "build"
    module = _imported(Path(path), text)
    found = getattr(module, name, None)
    if not callable(found):
        raise UsageError("solution", text, f"a file that defines {name}(env)")
    build: Callable[..., TemplateSync] = found
    return build


def can_be_sent(solution: Solution) -> bool:
    """Whether another process can find it: a file, or a function of a module that has one."""
    if not callable(solution):
        return True
    try:
        pickle.dumps(solution)
    except Exception:
        return False
    module = sys.modules.get(getattr(solution, "__module__", ""))
    return getattr(module, "__file__", None) is not None


def takes_policy(build: Callable[..., TemplateSync]) -> bool:
    """Whether `build` accepts `retry=`, as the reference does."""
    try:
        parameters = inspect.signature(build).parameters.values()
    except (TypeError, ValueError):
        return False
    return any(p.name == "retry" or p.kind is p.VAR_KEYWORD for p in parameters)


def _imported(path: Path, text: str) -> Any:
    if not path.is_file():
        raise UsageError("solution", text, "an existing file FILE.py, or FILE.py:NAME")
    name = f"syncsim_solution_{sha256(str(path.resolve()).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UsageError("solution", text, "a Python file, FILE.py or FILE.py:NAME")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look the module up while it is imported
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, KeyboardInterrupt):
            raise
        raise UsageError(
            "solution",
            text,
            f"a file that can be imported; it raised {error!r} ({line_of_error(error)})",
        ) from error
    return module
