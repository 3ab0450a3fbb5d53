"""Find the `build` of the solution that a caller names: the reference, a function, a file."""

from __future__ import annotations

import ctypes
import importlib.util
import inspect
import pickle
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, TypeAlias, cast

from syncsim import exact
from syncsim.contract import TemplateSync
from syncsim.errors import UsageError, excerpt
from syncsim.lab.history.recorded_failure import described
from syncsim.lab.history.source_line import line_of_error, line_of_thread
from syncsim.lab.solutions.source_code import SourceLoader
from syncsim.system.paths import is_path

IMPORT_PATIENCE_S: Final = 10.0
"""Real seconds that the import of a solution may take."""

Solution: TypeAlias = Callable[..., TemplateSync] | str | Path | None
"""A `build` function, a path `file.py` or `file.py:name`, or None for the reference."""


def name_of(solution: Solution) -> str:
    """How a report calls a solution."""
    if solution is None:
        return "reference"
    if callable(solution):
        module, name = _own(solution, "__module__"), _own(solution, "__qualname__")
        return f"{module}.{name}" if module and name else excerpt(solution)
    return exact.path(solution) or excerpt(solution)


def place_of(solution: Solution) -> str:
    """What a solution is called in its module: `build` unless told otherwise."""
    if callable(solution):
        return _own(solution, "__qualname__") or "build"
    return "build" if solution is None else _split(exact.path(solution) or "")[1]


def _own(solution: object, attribute: str) -> str | None:
    """What a function says of itself; None for a callable that does not, or will not."""
    try:
        return exact.text(getattr(solution, attribute, None))
    except Exception:
        return None


def load(solution: Solution) -> Callable[..., TemplateSync]:
    """The `build` of a solution. A file is imported under a name of its own, once per process.

    `UsageError` for what names no solution, and for a file that cannot be imported.
    """
    if solution is None:
        from syncsim.service import service

        return service.build
    if callable(solution):
        return solution
    text = exact.path(solution)
    if text is None or not is_path(text):
        raise UsageError("solution", solution, "a build function or a path FILE.py[:NAME]")
    path, name = _split(text)
    module = _imported(Path(path), text)
    found = getattr(module, name, None)
    if not callable(found):
        raise UsageError("solution", text, f"a file that defines {name}(env)")
    build: Callable[..., TemplateSync] = found
    return build


def _split(text: str) -> tuple[str, str]:
    """Split `file.py:name` or `file.py` into the path and the name."""
    path, colon, name = text.rpartition(":")
    return (path, name) if colon and path.endswith(".py") else (text, "build")


def checked(answer: object, name: str, verbs: Sequence[str]) -> TemplateSync:
    """What the `build` of this solution returned, if it has these verbs; else `UsageError`.

    Only those that will be called are required: a user who learns about one verb writes one.
    """
    missing = [verb for verb in verbs if not _has(answer, verb)]
    if missing:
        what = "None" if answer is None else f"a {type(answer).__name__}"
        raise UsageError(
            "solution",
            name,
            f"an object with the verbs that are called; build(env) returned {what}, which lacks "
            + ", ".join(missing),
        )
    return cast(TemplateSync, answer)


def _has(answer: object, verb: str) -> bool:
    try:
        return callable(getattr(answer, verb, None))
    except Exception:
        return False


def can_be_sent(solution: Solution) -> bool:
    """Whether another process can find it: a file, or a function of a module that has a file."""
    if not callable(solution):
        return True
    try:
        pickle.dumps(solution)
    except Exception:
        return False
    module = sys.modules.get(_own(solution, "__module__") or "")
    return getattr(module, "__file__", None) is not None


def takes_policy(build: Callable[..., TemplateSync]) -> bool:
    """Whether `build` accepts `retry=`, as the reference does."""
    try:
        parameters = inspect.signature(build).parameters.values()
    except Exception:  # no signature, or a method of its own that fails
        return False
    return any(p.name == "retry" or p.kind is p.VAR_KEYWORD for p in parameters)


def _imported(path: Path, text: str) -> Any:
    if not path.is_file():
        raise UsageError("solution", text, "an existing file FILE.py, or FILE.py:NAME")
    name = f"syncsim_solution_{sha256(str(path.resolve()).encode()).hexdigest()[:12]}"
    loader = SourceLoader(name, str(path)) if path.suffix == ".py" else None
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    if spec is None or spec.loader is None:
        raise UsageError("solution", text, "a Python file, FILE.py or FILE.py:NAME")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look the module up while it is imported
    error = _failure_of(partial(spec.loader.exec_module, module))
    if error is None:
        return module
    del sys.modules[name]
    if isinstance(error, KeyboardInterrupt):
        raise error
    raise UsageError("solution", text, f"a file that can be imported; {_why(error)}") from error


class _StillImporting(BaseException):
    """Ends an import that does not end by itself; no `Exception`, so no handler swallows it."""


def _failure_of(importing: Callable[[], object]) -> BaseException | None:
    """What an import raises, None if nothing; it is given up after `IMPORT_PATIENCE_S`.

    The import has a thread of its own, because only another thread can make it give up.
    """
    raised: list[BaseException] = []

    def work() -> None:
        try:
            importing()
        except BaseException as error:
            raised.append(error)

    thread = threading.Thread(target=work, name="import", daemon=True)
    thread.start()
    thread.join(IMPORT_PATIENCE_S)
    if not thread.is_alive():
        return raised[0] if raised else None
    late = _StillImporting(line_of_thread(thread.ident))
    assert thread.ident is not None
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(thread.ident), ctypes.py_object(_StillImporting)
    )
    return late


def _why(error: BaseException) -> str:
    if isinstance(error, _StillImporting):
        where = error.args[0] or "a place unknown"
        return f"it was still at it after {IMPORT_PATIENCE_S:g} s, at {where}"
    if isinstance(error, SyntaxError) and error.filename is not None:
        return f"SyntaxError: {error.msg} ({Path(error.filename).name}:{error.lineno})"
    return f"it raised {described(error)} ({line_of_error(error)})"
