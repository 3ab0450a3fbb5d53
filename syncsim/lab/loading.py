"""From what a caller names as a solution to its `build`: the reference, a function, a file."""

from __future__ import annotations

import importlib.util
import inspect
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, TypeAlias, cast

from syncsim.contract import TemplateSync
from syncsim.errors import UsageError
from syncsim.lab.culprit import line_of_error
from syncsim.lab.failures import described

Solution: TypeAlias = Callable[..., TemplateSync] | str | Path | None
"""A `build` function, a path `file.py` or `file.py:name`, or None for the reference."""

VERBS: Final = (
    "get_template",
    "update_template",
    "update_with_version",
    "run_background_job",
)


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


def checked(answer: object, name: str) -> TemplateSync:
    """What the `build` of this solution returned, if it has the four verbs; else `UsageError`."""
    missing = [verb for verb in VERBS if not _has(answer, verb)]
    if missing:
        what = "None" if answer is None else f"a {type(answer).__name__}"
        raise UsageError(
            "solution",
            name,
            f"an object with the four verbs; build(env) returned {what}, which lacks "
            + ", ".join(missing),
        )
    return cast(TemplateSync, answer)


def _has(answer: object, verb: str) -> bool:
    try:
        return callable(getattr(answer, verb, None))
    except Exception:
        return False


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
            f"a file that can be imported; it raised {described(error)} ({line_of_error(error)})",
        ) from error
    return module
