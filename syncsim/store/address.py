"""Where a SQLite store is: a URL or a path, read once and read strictly."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal
from urllib.parse import parse_qsl

from syncsim.errors import UsageError

Synchronous = Literal["FULL", "NORMAL"]

_URL: Final = (
    "sqlite:///relative.db, sqlite:////absolute/path.db, either with ?synchronous=NORMAL or "
    "?synchronous=FULL, or the path of a file"
)


@dataclass(frozen=True, slots=True)
class Address:
    """The database file, absolute, and how hard a commit is pressed to disk.

    FULL survives a power cut; NORMAL may lose the newest commits in one, and stays consistent. A
    killed process loses nothing under either.
    """

    path: Path
    synchronous: Synchronous = "FULL"


def parse_address(url_or_path: str | os.PathLike[str]) -> Address:
    """The address in a URL or path; `UsageError` for anything that would not be honoured."""
    text = os.fspath(url_or_path)
    if not isinstance(text, str) or not text or "\0" in text:
        raise UsageError("store URL", text, _URL)
    if isinstance(url_or_path, os.PathLike) or "://" not in text:
        if text == ":memory:" or text.startswith("file:"):
            raise _in_memory(text) if "memory" in text else UsageError("store URL", text, _URL)
        return Address(Path(text).absolute())
    scheme, rest = text.split("://", 1)
    if scheme.startswith("postgres"):
        raise UsageError(
            "store URL", text, f"{_URL}; PostgreSQL is not supported by this version yet"
        )
    location, _, query = rest.partition("?")
    if scheme == "sqlite" and location in ("", "/", "/:memory:"):
        raise _in_memory(text)
    if scheme != "sqlite" or not location.startswith("/"):
        raise UsageError("store URL", text, _URL)
    return Address(Path(location[1:]).absolute(), _synchronous(text, query))


def _synchronous(text: str, query: str) -> Synchronous:
    chosen: Synchronous = "FULL"
    for position, (key, value) in enumerate(parse_qsl(query, keep_blank_values=True)):
        if position > 0 or key != "synchronous":
            raise UsageError("store URL", text, _URL)
        match value.upper():
            case "FULL":
                chosen = "FULL"
            case "NORMAL":
                chosen = "NORMAL"
            case _:
                raise UsageError("store URL", text, _URL)
    return chosen


def _in_memory(text: str) -> UsageError:
    return UsageError(
        "store URL", text, "a file; memory:// is the store that ends with the process"
    )
