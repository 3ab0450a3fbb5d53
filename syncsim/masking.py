"""What may be shown of a URL: everything but passwords, whether it can be parsed or not.

A password is what stands between the first colon of the part before the last @ and that @, and the
value of every query parameter whose name sounds like a secret. SQLAlchemy's masking parses the URL
first, so it leaves a password alone that itself holds an @ or a /, and the query always.
"""

from __future__ import annotations

import re
from typing import Final

DATABASES: Final = r"(?:sqlite|postgres|mysql|mariadb|oracle|mssql|redis|valkey)\w*(?:\+\w+)?:"
"""How the URL of a known database begins, also where the slashes after it went wrong."""

_USER_INFO: Final = re.compile(r"\A(\W*(?:[A-Za-z][\w+.-]*:/+)?+[^:@/]*:).*@", re.DOTALL)
_SECRET: Final = re.compile(r"([?&;][^=&;]*(?:pass|pwd|secret|token|key)[^=&;]*=)[^&;]*", re.I)
_USER_INFO_WITHIN: Final = re.compile(
    rf"((?:\b[A-Za-z][\w+.-]{{0,30}}:/+|\b{DATABASES})[^:@/\s]*:).*@"
)
_WITHOUT_SCHEME: Final = re.compile(
    r"(?<![^\s'\"(=/])"  # a word of its own, or after a slash: the store's URL taken for a path
    r"(?!mailto:|\d+:|[^\s:@/]+\.\w+:\d+@|[^\s:@/]+\.\w+:\d+:\d+@|[^\s:@/]+\.py:)"
    r"([^\s:@/'\"()=,]{0,64}:)[^\s/'\"][^\s/]*@"
)
_AFTER_SLASHES: Final = re.compile(r"(?<![^\s'\"(=])(//[^\s:@/]{0,64}:)\S+@")
_URL_WITHIN: Final = re.compile(r"\b\w{1,30}:/[^\s'\"]+")


def masked(url: str) -> str:
    """A URL, or what was meant to be one, with `***` for what stands where passwords stand."""
    return _SECRET.sub(r"\1***", _USER_INFO.sub(r"\1***@", url, count=1))


def masked_within(text: str) -> str:
    """Other text with the URLs in it masked; after one with a password, up to the line's last @.

    ``user:password@host`` is one without its scheme, ``file.py:12@x`` and an address by itself are
    none.
    """
    if ":" not in text:
        return text
    text = _USER_INFO_WITHIN.sub(r"\1***@", text)
    if "@" in text:
        text = _AFTER_SLASHES.sub(r"\1***@", text)
        text = _WITHOUT_SCHEME.sub(r"\1***@", text)
    return _URL_WITHIN.sub(lambda url: _SECRET.sub(r"\1***", url[0]), text)
