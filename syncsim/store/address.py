"""Where a SQLite store is: a URL or a path, read once and read strictly."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal
from urllib.parse import parse_qsl

from syncsim import exact
from syncsim.errors import UsageError
from syncsim.masking import DATABASES, masked
from syncsim.system.paths import is_path, settled_path

Synchronous = Literal["FULL", "NORMAL"]

ARGUMENT: Final = "store URL"
_URL: Final = (
    "sqlite:///relative.db, sqlite:////absolute/path.db, either with ?synchronous=NORMAL or "
    "?synchronous=FULL, or the path of a file"
)


_SCHEME: Final = re.compile(rf"[^/]*://|{DATABASES}")
"""How a URL begins; that of a known database also where the slashes after it went wrong, so that it
is not taken for the name of a file, password and all."""


@dataclass(frozen=True, slots=True)
class Address:
    """The database file, absolute, and how hard a commit is pressed to disk.

    FULL survives a power cut; NORMAL may lose the newest commits in one, and stays consistent. A
    killed process loses nothing under either.
    """

    path: Path
    synchronous: Synchronous = "FULL"

    @property
    def url(self) -> str:
        """The URL of this address, from any folder; the path where a URL cannot spell it."""
        path = str(self.path)
        return path if "?" in path else f"sqlite:///{path}?synchronous={self.synchronous}"


def parse_address(url_or_path: str | os.PathLike[str]) -> Address:
    """The address in a URL or path; `UsageError` for anything that would not be honoured."""
    text = exact.path(url_or_path)
    if not text or not is_path(text):
        raise _refused(url_or_path if text is None else text)
    if exact.is_a_path(url_or_path) or not is_url(text):
        if text == ":memory:" or text.startswith("file:"):
            raise _in_memory(text) if "memory" in text else _refused(text)
        return Address(settled_path(text, ARGUMENT))
    scheme, slashes, rest = text.partition("://")
    if scheme.startswith("postgres"):
        raise _refused(text, f"{_URL}; PostgreSQL is not supported by this version yet")
    location, _, query = rest.partition("?")
    if scheme == "sqlite" and slashes and location in ("", "/", "/:memory:"):
        raise _in_memory(text)
    if scheme != "sqlite" or not location.startswith("/"):
        raise _refused(text)
    return Address(settled_path(location[1:], ARGUMENT), _synchronous(text, query))


def is_url(text: str) -> bool:
    """Whether this is the URL of something, or was meant to be, rather than a path."""
    return _SCHEME.match(text) is not None


def _synchronous(text: str, query: str) -> Synchronous:
    chosen: Synchronous = "FULL"
    for position, (key, value) in enumerate(parse_qsl(query, keep_blank_values=True)):
        if position > 0 or key != "synchronous":
            raise _refused(text)
        match value.upper():
            case "FULL":
                chosen = "FULL"
            case "NORMAL":
                chosen = "NORMAL"
            case _:
                raise _refused(text)
    return chosen


def _in_memory(text: str) -> UsageError:
    return _refused(text, "a file; memory:// is the store that ends with the process")


def _refused(url: object, expected: str = _URL) -> UsageError:
    return UsageError(ARGUMENT, masked(url) if type(url) is str else url, expected)
