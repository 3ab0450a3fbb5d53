"""Paths as callers type them, settled when they are given: absolute, with `~` expanded.

A path that is looked up at its first use instead means another file as soon as the program changes
its folder.
"""

from __future__ import annotations

import os
from pathlib import Path

from syncsim.errors import UsageError


def is_path(text: object) -> bool:
    """Whether an operating system could take it for a path: text it can spell, without NUL."""
    try:
        return isinstance(text, str) and b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


def settled_path(text: str, argument: str) -> Path:
    """The absolute path, links left as they are; `~` and `~name` as a shell reads them.

    A name that only looks so, `~x.db` where there is no user `x.db`, stays a name; `./~` is one
    always. Raises `UsageError`, which names the argument, for a home folder that is not known and
    for a relative path where the present folder is gone.
    """
    expanded = os.path.expanduser(text)  # of a Path, "./~" could not be told from "~"
    if expanded == text and text.partition("/")[0] == "~":
        raise UsageError(argument, text, "a path without ~, as no home folder is known (HOME)")
    try:
        return Path(expanded).absolute()
    except FileNotFoundError:
        expected = "an absolute path, as the present folder is gone"
        raise UsageError(argument, text, expected) from None
