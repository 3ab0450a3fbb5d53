"""Compile a solution's file to one answer in every process, whatever its warning filters.

The compiler warns of what a later Python may refuse (`"\\d"` in plain quotes), and where warnings
are errors the file could not be imported at all. The filters belong to the whole process: they are
put aside for the milliseconds of compiling only, by one thread of ours at a time. What the file's
own code warns of when it runs is its own affair.
"""

from __future__ import annotations

import threading
import warnings
from importlib.machinery import SourceFileLoader
from types import CodeType
from typing import Any, Final

_compiling: Final = threading.Lock()


def compile_source(source: Any, path: str) -> CodeType:
    """The code of a file; raises `SyntaxError` and `ValueError` as `compile` does."""
    with _compiling, warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)
        warnings.simplefilter("ignore", DeprecationWarning)  # what it was before Python 3.12
        return compile(source, path, "exec", dont_inherit=True)


class SourceLoader(SourceFileLoader):
    """Imports a file as Python does, compiled by `compile_source`."""

    def source_to_code(  # type: ignore[override]  # typeshed has it static and not static
        self, data: Any, path: Any
    ) -> CodeType:
        """The code of a file."""
        return compile_source(data, path)
